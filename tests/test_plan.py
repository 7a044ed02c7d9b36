"""The plan command: crystals and seeds for a change, from assumed or pilot variation, through a real process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_kit import entropies, from_entropy, write_run

from crysmm_attn_plugin.stats import crystals_needed, paired_power
from crysmm_attn_plugin.stats.contrast import Contrast
from crysmm_attn_plugin.stats.planning import (
    Variation,
    crystals_for,
    detectable,
    detectable_at_any_n,
    planned_power,
    variation,
)

ROOT = Path(__file__).resolve().parent.parent


def _plan(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", "plan", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def _crystals(output: str) -> dict[int, int | None]:
    """Seeds per arm -> crystals needed, from the printed table."""
    table = output.split("seeds per arm", 1)[1].split("\n\n", 1)[0]
    found = {}
    for k, needed in re.findall(r"^\s+(\d+)\s+([\d,]+|no number)\s", table, re.MULTILINE):
        found[int(k)] = None if needed == "no number" else int(needed.replace(",", ""))
    return found


def _pilot(out: Path, *, seeds: int = 1, n: int = 60, noise: float = 0.05, runs: float = 0.05) -> None:
    rng = np.random.default_rng(1)
    base = entropies(n)
    change = -0.3 + 0.1 * rng.standard_normal(n)
    for seed in range(seeds):
        for arm, values in (("full", base + change), ("no_middle", base)):
            seen = values + runs * rng.standard_normal() + noise * rng.standard_normal(n)
            write_run(out, arm, from_entropy(seen), seed=seed)


# -- the command -------------------------------------------------------------------------------------------


def test_a_standardised_change_needs_the_textbook_number_of_crystals() -> None:
    for dz, crystals in ((0.2, 199), (0.5, 34)):
        done = _plan("--dz", dz, "--max-seeds", "1")
        assert done.returncode == 0, done.stderr
        assert _crystals(done.stdout) == {1: crystals}


def test_without_a_pilot_the_assumed_variation_is_named_as_assumed() -> None:
    done = _plan("--max-seeds", "5")
    assert done.returncode == 0, done.stderr
    assert "assumed" in done.stdout
    assert "change of 20 % in entropy" in done.stdout
    needed = _crystals(done.stdout)
    assert set(needed) == {1, 2, 3, 4, 5}
    assert needed[1] == crystals_for(20, Variation(10, 15, 10), 1)
    assert needed[5] == crystals_for(20, Variation(10, 15, 10), 5)
    for claim in ("these two checkpoints", "estimates", "a verdict"):
        assert claim in done.stdout


def test_a_plan_of_runs_that_vary_and_crystals_that_do_not_ends() -> None:
    """More crystals change nothing then: the search for their number has to notice."""
    for more in ((), ("--sd-runs", "0.01")):
        found = _plan("--sd-crystals", "0", "--sd-noise", "0", *more)
        assert found.returncode == 0, found.stderr


def test_given_variation_is_used_and_a_smaller_change_needs_more() -> None:
    flags = ("--sd-crystals", "10", "--sd-noise", "5", "--sd-runs", "0.5", "--max-seeds", "4")
    large, small = _plan(*flags, "--percent", "4"), _plan(*flags, "--percent", "2")
    assert "from --sd-crystals, --sd-noise, --sd-runs" in large.stdout
    needed, more = _crystals(large.stdout), _crystals(small.stdout)
    assert sum(n is not None for n in needed.values()) >= 3
    for k, crystals in needed.items():  # with two runs no number of crystals is enough
        assert more[k] is None or (crystals is not None and more[k] > crystals)


def test_a_pilot_gives_its_own_variation_and_what_it_could_have_detected(tmp_path: Path) -> None:
    _pilot(tmp_path, seeds=4)
    done = _plan(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "full against no_middle: 60 crystals, 4 seeds against 4 seeds; claim: a verdict" in done.stdout
    assert "of the pilot" in done.stdout
    assert (
        len(re.findall(r"^  (entropy|max_weight|effective_tokens_hill|gini) ", done.stdout, re.MULTILINE))
        == 4
    )
    observed = re.search(r"^  entropy\s+([-+\d.]+) %\s+([\d.]+) %", done.stdout, re.MULTILINE)
    assert observed is not None
    assert float(observed[1]) == pytest.approx(-12, abs=3)
    # 0.05 nats between runs and 0.1 between crystals, of a mean of 2.5
    parts = [float(x) for x in re.findall(r"SD ([\d.]+)", done.stdout)]
    assert parts == pytest.approx([4.0, 2.0, 2.0], abs=1.2)


def test_what_was_detectable_is_what_the_library_says(tmp_path: Path) -> None:
    _pilot(tmp_path, seeds=2)
    done = _plan(tmp_path, "--metric", "gini", "--power", "0.9", "--max-seeds", "1")
    from crysmm_attn_plugin.stats.compare import build_panel
    from crysmm_attn_plugin.stats.panel import Cell
    from crysmm_attn_plugin.store.reader import find_runs

    runs = find_runs(tmp_path)
    panel = build_panel({arm: [r for r in runs if r.arm == arm] for arm in ("full", "no_middle")})
    a, b = (panel.values[arm, Cell("gini")] for arm in ("full", "no_middle"))
    expected = 100 * detectable(variation(a, b), 60, (2, 2), power=0.9) / b.mean()
    printed = re.search(r"^  gini\s+[-+\d.]+ %\s+([\d.]+) %", done.stdout, re.MULTILINE)
    assert printed is not None
    assert float(printed[1]) == pytest.approx(expected, rel=0.01)


def test_a_pilot_of_single_runs_says_that_variation_between_runs_is_unknown(tmp_path: Path) -> None:
    _pilot(tmp_path)
    done = _plan(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "claim: these two checkpoints" in done.stdout
    assert "run means SD unknown" in done.stdout
    assert set(_crystals(done.stdout)) == {1}
    told = _plan(tmp_path, "--sd-runs", "1", "--max-seeds", "3")
    assert set(_crystals(told.stdout)) == {1, 2, 3}
    assert "of the pilot, with --sd-runs" in told.stdout


def test_more_than_two_arms_need_a_choice(tmp_path: Path) -> None:
    _pilot(tmp_path)
    write_run(tmp_path, "no_text", from_entropy(entropies(60, 5)))
    done = _plan(tmp_path)
    assert done.returncode == 2
    assert "--arm" in done.stderr
    assert _plan(tmp_path, "--arm", "no_text").returncode == 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--metric", "sharpness"), "entropy"),
        (("--percent", "0"), "--percent"),
        (("--percent", "nan"), "--percent"),
        (("--percent", "5", "--dz", "0.2"), "--dz"),
        (("--power", "1"), "--power"),
        (("--power", "0.04"), "--power"),
        (("--alpha", "0"), "--alpha"),
        (("--max-seeds", "0"), "--max-seeds"),
        (("--sd-runs", "-1"), "--sd-runs"),
        (("--sd-crystals", "0", "--sd-noise", "0", "--sd-runs", "0"), "nothing varies"),
        (("nowhere",), "does not exist"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence_and_exit_2(flags: tuple[str, ...], words: str) -> None:
    done = _plan(*flags)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_one_arm_or_too_few_crystals_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "one", "full", from_entropy(entropies(20)))
    done = _plan(tmp_path / "one")
    assert done.returncode == 2
    assert "two arms" in done.stderr.replace("\n", " ")
    for arm in ("full", "no_middle"):
        write_run(tmp_path / "few", arm, from_entropy(entropies(9)))
    done = _plan(tmp_path / "few")
    assert done.returncode == 2
    assert "share 9 crystals" in done.stderr


# -- the arithmetic behind it ------------------------------------------------------------------------------


def test_one_seed_is_the_paired_t_test() -> None:
    found = Variation(3.0, 0.0, None)
    for dz in (0.2, 0.4):
        assert planned_power(dz * 3, found, 80, (1, 1)) == pytest.approx(paired_power(dz, 80))
        assert crystals_for(dz * 3, found, 1) == crystals_needed(dz)


def test_many_seeds_without_run_variation_are_the_paired_t_test_too() -> None:
    found = Variation(1.0, 0.0, 0.0)
    for k in (2, 5):
        assert planned_power(0.3, found, 90, (k, k)) == pytest.approx(paired_power(0.3, 90), abs=0.005)


@pytest.mark.parametrize(
    ("n", "k_a", "k_b", "found", "difference"),
    [
        (50, 2, 2, Variation(0.5, 0.3, 0.2), 0.8),
        (50, 4, 4, Variation(0.5, 0.3, 0.2), 0.4),
        (200, 3, 5, Variation(0.5, 0.5, 0.05), 0.15),
        (40, 6, 6, Variation(0.5, 0.5, 0.0), 0.3),
        (100, 1, 4, Variation(0.5, 0.2, 0.1), 0.4),
    ],
)
def test_planned_power_is_what_simulated_studies_reach(
    n: int, k_a: int, k_b: int, found: Variation, difference: float
) -> None:
    rng = np.random.default_rng([n, k_a, k_b])
    hits, studies = 0, 1500
    assert found.runs is not None
    for _ in range(studies):
        change = difference + found.crystals * rng.standard_normal(n)
        a, b = (
            found.noise * rng.standard_normal((k, n)) + found.runs * rng.standard_normal((k, 1))
            for k in (k_a, k_b)
        )
        a = a + change
        found_here = Contrast(a, b).spread()
        even = replace(found_here, skewness=0.0)
        low, high = even.interval(0.05)
        hits += low > 0 or high < 0
    # four standard errors of the simulation
    planned = planned_power(difference, found, n, (k_a, k_b))
    assert hits / studies == pytest.approx(planned, abs=4 * np.sqrt(0.25 / studies))


def test_the_parts_of_the_variation_come_back_from_simulated_pilots() -> None:
    rng = np.random.default_rng(8)
    true = Variation(0.5, 0.3, 0.2)
    squares = []
    for _ in range(200):
        shared = 0.5 * rng.standard_normal((1, 80))
        a = shared + 0.3 * rng.standard_normal((3, 80)) + 0.2 * rng.standard_normal((3, 1))
        b = 0.3 * rng.standard_normal((5, 80)) + 0.2 * rng.standard_normal((5, 1))
        found = variation(a, b)
        squares.append([found.crystals**2, found.noise**2, (found.runs or 0) ** 2])
    assert np.sqrt(np.mean(squares, axis=0)) == pytest.approx(
        [true.crystals, true.noise, true.runs], rel=0.05
    )


def test_more_crystals_and_larger_changes_have_more_power_and_detectable_is_its_inverse() -> None:
    found = Variation(1.0, 0.5, 0.1)
    powers = [planned_power(d, found, 100, (4, 4)) for d in np.linspace(0, 1, 9)]
    assert powers == sorted(powers)
    assert (
        0.005 < powers[0] <= 0.055
    )  # the interval keeps the level where run variances are unknown, so it is below it
    smallest = detectable(found, 100, (4, 4))
    assert planned_power(smallest, found, 100, (4, 4)) == pytest.approx(0.8, abs=1e-4)
    needed = crystals_for(0.35, found, 5)
    assert needed is not None
    assert planned_power(0.35, found, needed, (5, 5)) >= 0.8 > planned_power(0.35, found, needed - 1, (5, 5))


def test_training_runs_set_a_floor_that_crystals_cannot_lower() -> None:
    found = Variation(1.0, 0.5, 0.5)
    floor = detectable_at_any_n(found, 4)
    assert crystals_for(0.9 * floor, found, 4) is None
    assert crystals_for(1.2 * floor, found, 4) is not None
    assert detectable(found, 10**6, (4, 4)) == pytest.approx(floor, rel=0.01)


def test_several_seeds_cannot_be_planned_without_the_variation_between_runs() -> None:
    with pytest.raises(ValueError, match="training runs"):
        planned_power(1.0, Variation(1.0, 0.0, None), 50, (2, 2))

"""What is declared before looking: its file, its time, and what a report may say of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from store_kit import entropies, from_entropy, write_run

from crysmm_attn_plugin.cli import main
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports.page.verdict import verdict_view
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.prose.headline import headline
from crysmm_attn_plugin.reports.prose.summary import reporting_summary
from crysmm_attn_plugin.stats.compare import compare
from crysmm_attn_plugin.stats.results import ComparisonResult
from crysmm_attn_plugin.store.declaration import FILE_NAME, now, read_declaration, seconds
from crysmm_attn_plugin.store.reader import Run

N = 30


def declare(folder: Path, *flags: str, hypothesis: str = "middle fusion concentrates attention") -> int:
    return main(["declare", str(folder), "--hypothesis", hypothesis, *flags])


def captured(folder: Path, runs: int = 1, **options: object) -> dict[str, list[Run]]:
    rng = np.random.default_rng(3)
    e = entropies(N)
    return {
        arm: [
            write_run(folder, arm, from_entropy(e + shift + 0.02 * rng.standard_normal(N)), seed=s, **options)  # type: ignore[arg-type]
            for s in range(runs)
        ]
        for arm, shift in (("full", -0.6), ("no_middle", 0.0))
    }


def reported(arms: dict[str, list[Run]], **options: object) -> ComparisonResult:
    return compare(arms, baseline="no_middle", n_resamples=199, **options)[0]  # type: ignore[arg-type]


def test_a_declaration_before_the_first_run_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = seconds(now())
    assert declare(tmp_path, "--smallest-effect", "entropy=10", "--seeds", "0") == 0
    assert "declared on" in capsys.readouterr().out
    result = reported(captured(tmp_path))
    found = result.declaration
    assert found is not None
    assert found.before_first_capture
    assert found.changed == ()
    assert found.hypothesis == "middle fusion concentrates attention"
    assert found.directions == {"entropy": -1, "max_weight": 1, "effective_tokens_hill": -1, "gini": 1}
    assert before <= seconds(found.date) <= seconds(now())
    assert (
        result.pairs[0].metric("entropy").sesoi_percent,
        result.pairs[0].metric("gini").sesoi_percent,
    ) == (10, 5)
    assert {m.sesoi_source for m in result.pairs[0].primary()} == {"declared"}
    assert result.changed_defaults == {}
    again = ComparisonResult.from_dict(json.loads(json.dumps(result.to_dict())))
    assert again.declaration == found


def test_nothing_declared_is_nothing_said(tmp_path: Path) -> None:
    result = reported(captured(tmp_path))
    assert result.declaration is None
    assert {m.sesoi_source for m in result.pairs[0].primary()} == {"default"}


def test_runs_from_before_the_declaration_are_not_declared_beforehand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = captured(tmp_path)
    assert declare(tmp_path) == 0
    assert "2 runs already" in capsys.readouterr().err
    found = reported(arms).declaration
    assert found is not None
    assert not found.before_first_capture
    # nor is a run that came later, when the folder had been looked into before
    later = captured(tmp_path / "more")
    mixed = {"full": arms["full"], "no_middle": later["no_middle"]}
    assert not reported(mixed).declaration.before_first_capture  # type: ignore[union-attr]


def test_a_declaration_with_another_date_or_content_is_not_taken_for_the_one_that_runs_carry(
    tmp_path: Path,
) -> None:
    declare(tmp_path)
    arms = captured(tmp_path)
    path = tmp_path / FILE_NAME
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "smallest_effects": {"entropy": 1.0}}))
    found = reported(arms).declaration
    assert found is not None
    assert (found.before_first_capture, "digest" in found.changed) == (False, True)
    # with a digest that fits, the runs still carry the first one
    forged, _ = read_declaration(path)
    path.write_text(json.dumps({**values, "smallest_effects": {"entropy": 1.0}, "digest": forged.digest}))
    found = reported(arms).declaration
    assert found is not None
    assert not found.before_first_capture


def test_a_file_laid_beside_runs_afterwards_declares_nothing_beforehand(tmp_path: Path) -> None:
    arms = captured(tmp_path / "study")
    declare(tmp_path / "elsewhere")
    text = (tmp_path / "elsewhere" / FILE_NAME).read_text()
    (tmp_path / "study" / FILE_NAME).write_text(text.replace(now()[:4], "2001"))
    found = reported(arms).declaration
    assert found is not None
    assert not found.before_first_capture


def test_what_is_done_otherwise_than_declared_is_listed(tmp_path: Path) -> None:
    declare(tmp_path, "--seeds", "0,1", "--smallest-effect", "gini=8")
    result = reported(captured(tmp_path), sesoi_percent={"gini": 2.0}, alpha=0.1)
    found = result.declaration
    assert found is not None
    changed = " | ".join(found.changed)
    for words in (
        "smallest effect of gini: 2 % (declared 8 %)",
        "alpha: 0.1",
        "seeds of full: 0 (declared 0, 1)",
    ):
        assert words in changed
    assert result.pairs[0].metric("gini").sesoi_source == "changed"
    assert result.changed_defaults == {"alpha": "0.1", "smallest effect of gini": "2 %"}


def test_declared_directions_and_primary_metrics_carry_the_verdict(tmp_path: Path) -> None:
    declare(
        tmp_path, "--primary", "entropy,gini", "--direction", "entropy=higher", "--direction", "gini=lower"
    )
    result = reported(captured(tmp_path, runs=4))
    pair = result.pairs[0]
    assert [m.metric for m in pair.primary()] == ["entropy", "gini"]
    assert pair.verdict == "contradicted"
    assert pair.metric("max_weight").family == "exploratory"
    assert pair.scenario is None
    # what was predicted is what was declared: less concentrated attention, which the arm does not show
    for lang, way in (("en", ("attention entropy", "higher")), ("zh", ("熵", "更高"))):
        said = everything(result, lang)
        assert "concentrated on" not in said
        assert "less concentrated" not in said
        assert "更分散" not in said
        methods = paragraphs.render(result, lang=lang).methods  # type: ignore[arg-type]
        sentence = next(
            s for s in re.split(r"(?<=[.。]) ?", methods) if "expected directions" in s or "预期的方向" in s
        )
        assert all(w in sentence for w in way), sentence
        assert "Gini" in sentence or "基尼" in sentence
        assert "weight" not in sentence
        assert "权重" not in sentence
    swapped = reported(arms_swapped(tmp_path / "swapped"))
    assert swapped.pairs[0].verdict == "supported"
    assert "as predicted" in everything(swapped, "en")
    assert "符合预期方向" in everything(swapped, "zh")


def arms_swapped(folder: Path) -> dict[str, list[Run]]:
    """The declared directions are those that the arm shows: attention spreads."""
    declare(folder, "--primary", "entropy,gini", "--direction", "entropy=higher", "--direction", "gini=lower")
    rng, e = np.random.default_rng(4), entropies(N)
    return {
        arm: [
            write_run(folder, arm, from_entropy(e + shift + 0.02 * rng.standard_normal(N)), seed=s)
            for s in range(4)
        ]
        for arm, shift in (("full", 0.5), ("no_middle", 0.0))
    }


def everything(result: ComparisonResult, lang: str) -> str:
    """Every sentence that a report writes about the first pair."""
    prose = paragraphs.render(result, lang=lang)  # type: ignore[arg-type]
    pair = result.pairs[0]
    return " ".join(
        [*(t for _, t in prose.items()), headline(result, pair, lang), reporting_summary(result, lang),  # type: ignore[arg-type]
         verdict_view(result, pair).sentence[lang]]
    )  # fmt: skip


@pytest.mark.parametrize("how", ["late", "edited", "forged", "laid beside"])
def test_what_was_not_declared_beforehand_is_never_called_declared(how: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    flags = ("--smallest-effect", "entropy=2", "--direction", "entropy=higher", "--seeds", "7")
    if how == "late":
        arms = captured(tmp_path)
        declare(tmp_path, *flags)
    elif how == "laid beside":
        arms = captured(tmp_path)
        declare(tmp_path / "elsewhere", *flags)
        path.write_text((tmp_path / "elsewhere" / FILE_NAME).read_text())
    else:
        declare(tmp_path, *flags)
        arms = captured(tmp_path)
        values = {**json.loads(path.read_text()), "smallest_effects": {"entropy": 1.0}}
        path.write_text(json.dumps(values))
        if how == "forged":
            values["digest"] = read_declaration(path)[0].digest
            path.write_text(json.dumps(values))
    result = reported(arms, alpha=0.1)
    assert result.declaration is not None
    assert not result.declaration.before_first_capture
    entropy = result.pairs[0].metric("entropy")
    assert entropy.sesoi_source == "changed"
    assert result.changed_defaults["direction of entropy"] == "higher"
    assert "smallest effect of entropy" in result.changed_defaults
    english, chinese = everything(result, "en"), everything(result, "zh")
    assert not re.search(r"(?<!not )\bdeclared\b", english)
    assert "声明" not in chinese.replace("未经事先声明", "").replace("未声明", "")
    assert ("changed by hand" if how == "edited" else "written down on") in english
    assert not any("declared" in c for c in result.declaration.changed)


def test_declared_pairs_of_seeds_are_matched_by_the_hosts_seed(tmp_path: Path) -> None:
    """Runs of one seed share most of what a training adds: unpaired it hides the change, paired it does not."""
    declare(tmp_path, "--paired-seeds")
    rng, e = np.random.default_rng(0), entropies(N)
    shared = 0.3 * rng.standard_normal(4)
    arms = {
        arm: [
            write_run(
                tmp_path, arm, from_entropy(e + shift + shared[s] + 0.01 * rng.standard_normal()), seed=s
            )
            for s in order
        ]
        for arm, shift, order in (("full", -0.15, (0, 1, 2, 3)), ("no_middle", 0.0, (2, 0, 3, 1)))
    }
    pair = reported(arms).pairs[0]
    assert pair.paired_seeds
    assert pair.metric("entropy").paired.p_value < 0.01
    assert pair.metric("entropy").seed_p_smallest == 2 / 2**4
    (tmp_path / FILE_NAME).unlink()
    assert reported(arms).pairs[0].metric("entropy").paired.p_value > 0.1


def test_a_second_declaration_and_a_date_of_ones_own_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert declare(tmp_path) == 0
    first = (tmp_path / FILE_NAME).read_text()
    assert declare(tmp_path, hypothesis="another") == 2
    assert "stands" in capsys.readouterr().err
    assert (tmp_path / FILE_NAME).read_text() == first
    with pytest.raises(SystemExit) as stopped:
        declare(tmp_path / "b", "--date", "2020-01-01")
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--direction", "entropy=down"), "--direction entropy=down"),
        (("--direction", "sharpness=lower"), "entropy"),
        (("--smallest-effect", "gini=nan"), "above 0"),
        (("--smallest-effect", "gini=-1"), "above 0"),
        (("--primary", "entropy,nothing"), "--primary"),
        (("--primary", "between_atom_tv"), "--direction"),
        (("--seeds", "1,1"), "--seeds"),
        (("--seeds", "1,x"), "--seeds"),
    ],
)
def test_what_cannot_be_declared_is_one_sentence(
    flags: tuple[str, str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert declare(tmp_path, *flags) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / FILE_NAME).exists()


def test_a_broken_declaration_stops_the_report_in_one_sentence(tmp_path: Path) -> None:
    arms = captured(tmp_path)
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(UsageError, match="not a declaration"):
        reported(arms)


def test_declaring_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from crysmm_attn_plugin.cli import main; "
        f"main(['declare', {str(tmp_path)!r}, '--hypothesis', 'h']); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

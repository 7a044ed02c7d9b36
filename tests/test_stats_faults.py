"""Statements that were once wrong, each held by a simulation or a published number that would show it again."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from store_kit import entropies, from_entropy, write_run

from benchmarks.calibration.design import Design, studies
from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats import compare_paired, tost
from crysmm_attn_plugin.stats.compare import compare
from crysmm_attn_plugin.stats.contrast import Contrast, resample
from crysmm_attn_plugin.stats.coupling import couple
from crysmm_attn_plugin.stats.effects import hodges_lehmann, walsh_cut
from crysmm_attn_plugin.stats.metric_results import beyond_smallest
from crysmm_attn_plugin.stats.planning import Variation, crystals_for, detectable, planned_power, variation
from crysmm_attn_plugin.stats.runs import collapsed, run_permutation
from crysmm_attn_plugin.stats.splines import curve, jumps


def spreads(design: Design, replicates: int, seed: int = 0) -> list:
    a, b = studies(design, replicates, np.random.default_rng(seed))
    contrasts = [Contrast(x, y, paired_seeds=design.shared > 0) for x, y in zip(a, b)]
    resample(contrasts, n_resamples=199, seed=seed)
    return [c.spread() for c in contrasts]


def share(hits: list[bool]) -> float:
    return float(np.mean(hits))


def slack(replicates: int, rate: float = 0.055) -> float:
    """Three standard errors of simulation."""
    return 3 * math.sqrt(rate * (1 - rate) / replicates)


# -- runs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "run_sd"),
    [((2, 2), (0.8, 0.2)), ((3, 3), (0.8, 0.2)), ((4, 4), (0.8, 0.2)), ((2, 5), (0.8, 0.2)), ((2, 10), (1.0, 0.2)),
     ((10, 2), (0.2, 1.0)), ((2, 3), (0.5, 0.0))],
)  # fmt: skip
def test_unequal_runs_with_unequal_variances_keep_the_level(
    runs: tuple[int, int], run_sd: tuple[float, float]
) -> None:
    """A pooled t rejects in .07 to .13 of such studies."""
    found = spreads(Design(50, runs, run_sd), 1200)
    rate = share([s.p_value() < 0.05 for s in found[:300]] + [not (lambda e: e[0] <= 0 <= e[1])(s.interval(0.05)) for s in found[300:]])  # fmt: skip
    assert rate <= 0.055 + slack(1200)


def test_a_single_run_borrows_nothing_and_speaks_of_checkpoints_alone() -> None:
    """One run against four of the same architecture: with the four's variance borrowed .46 of such studies rejected."""
    rng = np.random.default_rng(5)
    crystals = 3 + 0.3 * rng.standard_normal(60)
    four = crystals + 0.3 * rng.standard_normal((4, 1)) + 0.05 * rng.standard_normal((4, 60))
    one = crystals + 0.8 + 0.05 * rng.standard_normal((1, 60))
    found = compare_paired(one, four)
    assert (found.claim, found.n_seeds_a, found.n_seeds_b) == ("checkpoints", 1, 4)
    # the runs' scatter is in no number: more of it changes nothing
    louder = four + np.array([[3.0], [-3.0], [1.0], [-1.0]])
    again = compare_paired(one, louder)
    for name in ("p_value", "ci_low", "ci_high", "g_z"):
        assert getattr(again, name) == pytest.approx(getattr(found, name), abs=1e-9)
    assert math.isnan(found.seed_p)
    assert "one_run" in {w.code for w in found.warnings}


def test_paired_seeds_have_the_power_that_unpaired_ones_lack() -> None:
    design = Design(50, (4, 4), (0.05, 0.05), noise=0.1, shared=0.8)
    a, b = studies(design, 200, np.random.default_rng(3))
    paired = [Contrast(x + 0.4, y, paired_seeds=True).spread().p_value() < 0.05 for x, y in zip(a, b)]
    alone = [Contrast(x + 0.4, y).spread().p_value() < 0.05 for x, y in zip(a, b)]
    assert share(paired) > 0.8
    assert share(alone) < 0.2


def test_effect_sizes_of_several_runs_hold_the_runs() -> None:
    """Two runs an arm that scatter widely: nothing may look large or sure beside a p of .4."""
    rng = np.random.default_rng(0)
    crystals = 3 + 0.3 * rng.standard_normal(60)
    a = crystals + np.array([[0.9], [-0.1]]) + 0.02 * rng.standard_normal((2, 60))
    b = crystals + np.array([[0.3], [-0.4]]) + 0.02 * rng.standard_normal((2, 60))
    found = compare_paired(a, b)
    assert found.p_value > 0.3
    over_crystals = compare_paired(a.mean(0), b.mean(0))
    assert over_crystals.g_z > 5
    assert abs(found.g_z) < 0.6
    assert abs(found.rank_biserial) < 0.8
    assert math.isnan(found.p_wilcoxon)
    assert math.isnan(found.p_t)
    assert found.hl_ci_low < 0 < found.hl_ci_high


@pytest.mark.parametrize(("k", "smallest"), [(2, 1 / 3), (3, 0.1), (4, 2 / 70), (5, 2 / 252)])
def test_the_permutation_of_runs_says_how_small_its_p_can_be(k: int, smallest: float) -> None:
    apart = run_permutation(np.arange(k) + 100.0, np.arange(k) * 1.0)
    assert apart == (pytest.approx(smallest), pytest.approx(smallest))
    assert run_permutation(np.arange(k) * 1.0, np.arange(k) * 1.0)[0] == 1
    found = compare_paired(np.ones((k, 20)) * np.arange(k)[:, None] + 50, np.ones((k, 20)))
    assert found.seed_p_smallest == pytest.approx(smallest)


def test_the_permutation_of_runs_is_studentised_where_arms_of_unequal_size_scatter_unequally() -> None:
    """Four runs that scatter five times as far as the other arm's eight: the plain difference rejects in .24 of studies."""
    rng = np.random.default_rng(1)
    found = [
        run_permutation(rng.standard_normal(4), 0.2 * rng.standard_normal(8))[0] < 0.05 for _ in range(400)
    ]
    assert share(found) <= 0.115 + slack(400, 0.115)
    alike = [run_permutation(rng.standard_normal(4), rng.standard_normal(8))[0] < 0.05 for _ in range(400)]
    assert share(alike) <= 0.05 + slack(400, 0.05)


def test_two_runs_that_collapsed_do_not_hide_each_other() -> None:
    assert collapsed(np.array([2.0, 2.02, 1.98, 2.01, 1.99, 2.03, 0.1, 0.15])) == [6, 7]
    assert collapsed(np.array([0.1, 2.0, 2.02, 1.98, 0.12, 2.01, 2.03])) == [0, 4]


def test_a_run_that_collapsed_is_seen_and_an_ordinary_scatter_is_not() -> None:
    assert collapsed(np.array([2.0, 2.02, 1.98, 2.01, 0.1])) == [4]
    assert collapsed(np.array([2.0, 2.02, 1.98])) == []
    rng = np.random.default_rng(0)
    assert share([bool(collapsed(rng.standard_normal(6))) for _ in range(2000)]) < 0.01


def test_a_collapsed_run_takes_the_verdict_away(tmp_path) -> None:
    rng, e = np.random.default_rng(0), entropies(40)
    arms = {
        arm: [
            write_run(
                tmp_path, arm,
                from_entropy(e + shift + 0.01 * rng.standard_normal() + (2.0 if (arm, s) == ("full", 4) else 0.0)), seed=s,
            )
            for s in range(5)
        ]
        for arm, shift in (("full", -0.6), ("no_middle", 0.0))
    }  # fmt: skip
    pair = compare(arms, baseline="no_middle", n_resamples=199)[0].pairs[0]
    assert (pair.claim, pair.verdict, pair.collapsed_runs) == ("estimates", "estimates_only", ("run-4",))
    assert "collapsed_runs" in pair.claim_reasons
    assert "collapsed_runs" in {w.code for w in pair.warnings}


def test_one_checkpoint_in_both_arms_compares_nothing(tmp_path) -> None:
    e = entropies(30)
    first = write_run(tmp_path / "a", "full", from_entropy(e))
    second = write_run(tmp_path / "b", "full", from_entropy(e))
    pair = compare({"one": [first], "two": [second]}, baseline="two", n_resamples=199)[0].pairs[0]
    assert (pair.claim, pair.verdict, pair.metrics) == ("none", "not_tested", ())
    assert "same_weights" in pair.claim_reasons


def test_a_guessed_baseline_carries_no_verdict(tmp_path) -> None:
    rng, e = np.random.default_rng(0), entropies(30)
    arms = {
        arm: [
            write_run(tmp_path, arm, from_entropy(e + s + 0.01 * rng.standard_normal()), seed=i)
            for i in range(4)
        ]
        for arm, s in (("one", -0.6), ("two", 0.0))
    }
    result, _ = compare(arms, baseline="two", n_resamples=199, baseline_known=False, posterior=True)
    assert (result.pairs[0].verdict, result.baseline_known) == ("estimates_only", False)
    assert "arms_not_named" in result.pairs[0].claim_reasons
    known = compare(arms, baseline="two", n_resamples=199, posterior=True)[0].pairs[0]
    assert known.verdict == "supported"
    for m in known.primary():
        chances = m.posterior
        assert chances is not None
        assert chances.below + chances.within + chances.above == pytest.approx(1, abs=1e-6)
        assert (chances.below > 0.95) == (m.expected_sign < 0)


# -- skewed changes, equivalence, smallest effects, percent ---------------------------------------------------


def test_skewed_changes_of_equal_arms_are_rarely_called_different_or_equivalent() -> None:
    """Sign flips alone reject in .15 of such studies at 20 crystals, t-based equivalence errs in .18."""
    found = spreads(Design(20, shape="lognormal", noise=0.0), 1500)
    apart = share([s.interval(0.05)[0] > 0 or s.interval(0.05)[1] < 0 for s in found])
    assert apart <= 0.07 + slack(1500, 0.07)
    assert max(
        share([s.p_below(0.0) < 0.05 for s in found]), share([s.p_above(0.0) < 0.05 for s in found])
    ) <= (0.075 + slack(1500, 0.075))


def test_equivalence_of_crystals_that_answer_together_is_that_of_their_compositions() -> None:
    """The true difference lies at the bound; with compositions ignored .15 or more of such studies are called equivalent."""
    design = Design(150, cluster=5, icc=0.5)
    a, b = studies(design, 500, np.random.default_rng(6))
    labels, bound = np.arange(150) // 5, 0.3
    together, ignored = [], []
    for x, y in zip(a + bound, b):
        together.append(tost(x, y, -bound, bound, clusters=labels, n_resamples=199) < 0.05)
        ignored.append(tost(x, y, -bound, bound, n_resamples=199) < 0.05)
    assert share(together) <= 0.06 + slack(500, 0.06)
    assert share(ignored) > 0.1


def test_where_test_and_interval_part_it_is_said_and_nothing_is_decided(tmp_path) -> None:
    """Most crystals fall a little, two rise by far: the flips are sure, the interval is not."""
    rng, n = np.random.default_rng(0), 60
    e = entropies(n)
    change = -0.35 + 0.05 * rng.standard_normal(n)
    change[:3] = (4.5, 5.0, 2.5)
    run = write_run(tmp_path, "full", from_entropy(e + change))
    base = write_run(tmp_path, "no_middle", from_entropy(e))
    pair = compare({"full": [run], "no_middle": [base]}, baseline="no_middle", n_resamples=999)[0].pairs[0]
    for m in pair.metrics:
        apart = m.paired.ci_low > 0 or m.paired.ci_high < 0
        expected = "p_only" if m.paired.p_value < 0.05 and not apart else "interval_only" if apart and m.paired.p_value >= 0.05 else ""  # fmt: skip
        assert m.disagreement == expected
        assert not (m.disagreement and m.outcome == "differs")
    trimmed = pair.metric("entropy").trimmed
    assert trimmed is not None
    assert trimmed.ci_high < 0 < pair.metric("entropy").paired.ci_high


def test_a_true_change_of_four_fifths_of_the_smallest_effect_rarely_passes_for_larger() -> None:
    """Judged by the estimate it passes in a third of studies."""
    a, b = studies(Design(60), 600, np.random.default_rng(1))
    smallest = 0.2
    passed, by_estimate = [], []
    for x, y in zip(a + 0.8 * smallest, b):
        low, high = Contrast(x, y).spread().interval(0.05)
        passed.append(low >= smallest or high <= -smallest)
        by_estimate.append(abs(float((x - y).mean())) >= smallest)
    assert share(passed) <= 0.025 + slack(600, 0.025)
    assert share(by_estimate) > 0.25


def test_one_of_four_changes_just_at_the_smallest_effect_rarely_passes_it() -> None:
    """Four metrics that move together, each as large as its smallest effect: one by one they pass in 7 % of studies."""
    design, smallest, joint, single = Design(60, noise=0.0), 0.2, [], []
    rng = np.random.default_rng(3)
    shared, base = studies(design, 500, rng)
    for x, y in zip(shared, base):
        own = 0.25 * rng.standard_normal((4, 60))
        spreads = [Contrast(x + smallest + o, y).spread() for o in own]
        joint.append(any(beyond_smallest(spreads, [smallest] * 4, 0.05)))
        single.append(any(s.p_above(smallest) < 0.025 for s in spreads))
    assert share(joint) <= 0.05 + slack(500, 0.05)
    assert share(single) >= share(joint)


@pytest.mark.parametrize(
    ("n", "shape", "least"), [(10, "normal", 0.94), (20, "normal", 0.94), (20, "lognormal", 0.91)]
)
def test_percent_intervals_hold_the_true_percent(n: int, shape: str, least: float) -> None:
    a, b = studies(Design(n, shape=shape, noise=0.1), 300, np.random.default_rng(n))
    inside = []
    for x, y in zip(a + 0.8, b):
        found = compare_paired(x, y, n_resamples=299)
        inside.append(found.percent_ci_low <= 20 <= found.percent_ci_high)
    assert share(inside) >= least - slack(300, 0.06)


def test_no_percent_of_a_baseline_that_may_be_zero() -> None:
    rng = np.random.default_rng(0)
    b = 0.02 + rng.standard_normal(40)
    found = compare_paired(b + 0.5 + 0.01 * rng.standard_normal(40), b)
    assert found.percent_undefined == "baseline_interval_reaches_zero"
    assert math.isnan(found.percent_change)
    assert math.isnan(found.percent_ci_high)
    assert compare_paired(b - b.mean(), np.zeros(40)).percent_undefined == "baseline_is_zero"
    assert compare_paired(b + 10.5, b + 10).percent_undefined == ""


# -- coupling, specifications --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize("bend", ["quadratic", "hinge", "exponential", "step", "late step"])
def test_a_curved_effect_of_text_length_is_not_taken_for_co_variation(n: int, bend: str) -> None:
    rng, hits, replicates = np.random.default_rng([n, len(bend)]), [], 120 if n < 100 else 50
    for _ in range(replicates):
        length = np.round(np.exp(rng.normal(4.5, 0.5, n))).clip(10)
        z = (np.log(length) - 4.5) / 0.5
        curved = {
            "quadratic": z**2,
            "hinge": np.maximum(z, 0),
            "exponential": np.exp(z),
            "step": 1.5 * (z > 0.3),
            "late step": 3.0 * (z > 1.5),
        }[bend]
        base = 2.5 + 0.3 * rng.standard_normal((1, n))
        values = base - 0.3 + 0.2 * curved + 0.15 * rng.standard_normal((1, n))
        error_base = 0.3 + 0.1 * rng.random((1, n))
        error = error_base + 0.1 * curved + 0.08 * rng.standard_normal((1, n))
        crystals = pd.DataFrame({"n_tokens": length, "n_atoms": rng.integers(2, 30, n)})
        found = couple(
            "entropy", values, base, np.abs(error), error_base, crystals, n_resamples=99, seed=0, alpha=0.05
        )
        assert found is not None
        hits.append(found.co_varied)
    assert share(hits) <= 0.06 + slack(replicates, 0.06)


def test_jumps_are_found_where_they_are_and_leave_no_crystal_to_itself() -> None:
    rng, n = np.random.default_rng(0), 300
    x = rng.standard_normal(n)
    two = 1.0 * (x > 0.3) + 1.0 * (x > 1.0)
    found = jumps(x, (two + 0.2 * rng.standard_normal(n))[:, None], curve(x))
    edges = sorted(float(x[c == 1].max()) for c in found.T)
    assert any(abs(e - 0.3) < 0.1 for e in edges)
    assert any(abs(e - 1.0) < 0.1 for e in edges)
    # every crystal apart: whatever is cut, no gap between cuts is smaller than the fewest
    spikes = np.zeros(n)
    spikes[rng.integers(0, n, 12)] = 50.0
    columns = jumps(x, np.column_stack([spikes, np.roll(spikes, 1)]), curve(x))
    sizes = np.diff(np.sort(np.concatenate([[0], columns.sum(0), [n]])))
    assert sizes.min() >= 3
    assert jumps(np.ones(n), spikes[:, None], np.empty((n, 0))).shape == (n, 0)
    plain = np.mean([jumps(x, rng.standard_normal((n, 1)), curve(x)).shape[1] for _ in range(60)])
    assert plain < 0.5


def test_measurement_error_bounds_the_coefficient_of_several_runs() -> None:
    rng, n = np.random.default_rng(0), 200
    true = rng.standard_normal(n)
    a = 2 + 0.3 * true + 0.3 * rng.standard_normal((3, n))
    b = 2 + 0.3 * rng.standard_normal(n) + 0.3 * rng.standard_normal((3, n))
    error_b = 1 + 0.1 * rng.standard_normal(n) + 0.05 * rng.standard_normal((3, n))
    error_a = 1 + 0.2 * true + 0.05 * rng.standard_normal((3, n))
    crystals = pd.DataFrame({"n_tokens": rng.integers(20, 90, n), "n_atoms": rng.integers(2, 30, n)})
    found = couple("entropy", a, b, error_a, error_b, crystals, n_resamples=199, seed=0, alpha=0.05)
    assert found is not None
    assert found.adjusted_for == ("error_baseline", "metric_baseline", "ln_tokens", "ln_atoms")
    assert found.co_varied
    assert found.attenuation_low <= found.coefficient <= found.attenuation_high
    assert found.attenuation_high > 1.1 * found.coefficient


def test_the_specification_curve_has_one_joint_test_and_counts_both_directions(tmp_path) -> None:
    rng, e = np.random.default_rng(2), entropies(40)

    def pair(shift: float, runs: int):
        arms = {
            arm: [
                write_run(
                    tmp_path / f"{shift}-{runs}", arm, from_entropy(e + s + 0.02 * rng.standard_normal() + 0.3 * rng.standard_normal(40)),
                    seed=i,
                )
                for i in range(runs)
            ]
            for arm, s in (("full", shift), ("no_middle", 0.0))
        }  # fmt: skip
        return compare(arms, baseline="no_middle", n_resamples=499)[0].pairs[0]

    strong = pair(-0.6, 1)
    test = strong.specification_test
    assert test.same_sign + test.opposite_sign == test.n == len(strong.specifications)
    assert (test.opposite_sign, test.unit) == (0, "crystals")
    assert test.p_value == test.smallest_p
    assert test.median_percent > 0
    null = pair(0.0, 1).specification_test
    assert null.same_sign > 0
    assert null.opposite_sign > 0
    assert null.p_value > 0.05
    runs = pair(-0.6, 3).specification_test
    assert (runs.unit, runs.n_permutations, runs.smallest_p) == ("runs", 20, pytest.approx(0.1))
    assert runs.p_value == pytest.approx(0.1)


# -- published numbers, plans, refusals -----------------------------------------------------------------------


def test_the_hodges_lehmann_interval_takes_the_exact_order_statistic() -> None:
    """Against the signed-rank distribution counted out; the normal approximation is one off at 12, 16, 17, 21, 22."""
    for n in (6, 9, 12, 14):
        sums = np.array(
            [sum(r for r, s in zip(range(1, n + 1), signs) if s) for signs in product((0, 1), repeat=n)]
        )
        q = next(q for q in range(n * n) if (sums <= q).mean() >= 0.025)
        assert walsh_cut(n, 0.05) == max(q - 1, 0), n
    # R: qsignrank(0.025, n) = 14, 30, 35, 59, 66
    assert [walsh_cut(n, 0.05) + 1 for n in (12, 16, 17, 21, 22)] == [14, 30, 35, 59, 66]


def test_hollander_and_wolfes_nine_patients() -> None:
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    found = compare_paired(before, after)
    assert found.rank_biserial == pytest.approx(0.7778, abs=5e-5)
    assert found.hodges_lehmann == pytest.approx(0.46, abs=1e-9)
    assert found.p_wilcoxon == pytest.approx(0.03906, abs=5e-6)
    assert (found.hl_ci_low, found.hl_ci_high) == (pytest.approx(0.010), pytest.approx(0.786))
    assert found.claim == "none"
    assert "no_inference" in {w.code for w in found.warnings}


def test_hodges_lehmann_of_many_crystals_is_that_of_the_formed_averages() -> None:
    from crysmm_attn_plugin.stats import effects

    d = 0.01 + 0.4 * np.random.default_rng(0).standard_t(5, 1400)
    formed = hodges_lehmann(d)
    limit, effects.WALSH_UP_TO = effects.WALSH_UP_TO, 100
    try:
        searched = hodges_lehmann(d)
    finally:
        effects.WALSH_UP_TO = limit
    assert searched == pytest.approx(formed, abs=1e-8)


def test_plans_from_small_pilots_reach_the_power_they_promise() -> None:
    """Averaged over pilots of 2 + 2 runs; taken at face value such pilots promise .80 and reach .50 to .59."""
    rng, reached = np.random.default_rng(0), []
    true = {"crystals": 0.5, "noise": 0.3, "runs": 0.1}
    truth = Variation(**true)
    for _ in range(60):
        change = true["crystals"] * rng.standard_normal(60)
        a, b = (
            true["noise"] * rng.standard_normal((2, 60)) + true["runs"] * rng.standard_normal((2, 1))
            for _ in range(2)
        )
        found = variation(a + change, b)
        promised = detectable(found, 200, (6, 6))
        reached.append(planned_power(promised, truth, 200, (6, 6)))
    assert np.mean(reached) >= 0.78


def test_a_plan_without_any_variation_ends() -> None:
    nothing = Variation(0.0, 0.0, 10.0)
    assert detectable(nothing, 50, (1, 1)) == 0
    assert crystals_for(1.0, nothing, 1) == 10
    assert crystals_for(1.0, nothing, 2) is None


@pytest.mark.parametrize(
    "options",
    [{"n_resamples": 0}, {"n_resamples": 10**9}, {"n_resamples": math.nan}, {"n_resamples": 1.5}, {"seed": -1},
     {"seed": math.inf}, {"alpha": math.nan}, {"alpha": 0}, {"confidence": 1.0}, {"confidence": "95"}, {"seed": "0"}],
)  # fmt: skip
def test_options_that_cannot_be_used_are_one_sentence(options: dict) -> None:
    x = np.arange(20.0)
    with pytest.raises(StatisticsError) as refused:
        compare_paired(x, x[::-1], **options)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


def test_values_that_are_no_numbers_are_one_sentence() -> None:
    for bad in (["a"] * 20, [[1.0, 2.0], [3.0]], None, np.zeros((2, 3, 4))):
        with pytest.raises(StatisticsError):
            compare_paired(bad, np.arange(20.0))


def test_ends_of_one_level_need_no_sorted_draws() -> None:
    draw = np.random.default_rng(5)
    a, b = draw.lognormal(size=(2, 1, 40))
    contrast = Contrast(a, b)
    resample([contrast], n_resamples=999, seed=1)
    for alpha in (0.05, 0.1, 0.002):
        for r in (0.7, 1.0):
            whole, part = contrast.spread(r), contrast.spread(r, alpha=alpha)
            assert part.interval(alpha) == whole.interval(alpha)

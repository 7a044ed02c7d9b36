"""What must hold whatever the numbers: signs, orders, equalities, bounds and nestings of the statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats import (
    benjamini_hochberg,
    compare_paired,
    holm,
    max_t_step_down,
    sign_flip,
    spearman_with_interval,
    tost,
)
from crysmm_attn_plugin.stats.contrast import Contrast, resample
from crysmm_attn_plugin.stats.effects import hodges_lehmann, rank_biserial
from crysmm_attn_plugin.stats.performance import compare_errors
from crysmm_attn_plugin.stats.results import PairedResult
from crysmm_attn_plugin.stats.verdict import verdict

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
more = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Fields of a - b that change sign with the arms; the rest keep or exchange.
SIGNED = (
    "mean_difference", "g_z", "d_av", "rank_biserial", "hodges_lehmann", "median_difference", "t_statistic",
)  # fmt: skip
KEPT = (
    "n",
    "p_value",
    "df",
    "p_t",
    "w_statistic",
    "p_wilcoxon",
    "sd_difference",
    "claim",
    "test",
    "interval",
)


def numbers(low: float = 0.5, high: float = 4.0) -> st.SearchStrategy[float]:
    """Values like those of metrics, on a grid that single precision holds (ties included)."""
    return st.integers(0, 256).map(lambda i: low + (high - low) * i / 256)


def two_arms(
    min_n: int = 10, max_n: int = 40, max_k: int = 1
) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Two (k, N) arrays over the same crystals, k of each its own."""
    return st.tuples(st.integers(min_n, max_n), st.integers(1, max_k), st.integers(1, max_k)).flatmap(
        lambda s: st.tuples(
            arrays(float, (s[1], s[0]), elements=numbers()), arrays(float, (s[2], s[0]), elements=numbers())
        )
    )


def compare(a: np.ndarray, b: np.ndarray, **options: object) -> PairedResult:
    return compare_paired(a, b, n_resamples=400, **options)  # type: ignore[arg-type]


def same(x: float, y: float, *, tolerance: float = 1e-9) -> bool:
    return (math.isnan(x) and math.isnan(y)) or math.isclose(x, y, rel_tol=tolerance, abs_tol=tolerance)


# -- arms ----------------------------------------------------------------------------------------------------


@few
@given(two_arms(max_k=3))
def test_swapping_the_arms_flips_every_sign_and_nothing_else(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    there, back = compare(a, b), compare(b, a)
    for name in SIGNED:
        assert same(getattr(there, name), -getattr(back, name)), name
    for name in KEPT:
        first, second = getattr(there, name), getattr(back, name)
        assert first == second if isinstance(first, (str, int)) else same(first, second), name
    assert same(there.ci_low, -back.ci_high)
    assert same(there.ci_high, -back.ci_low)
    assert same(there.hl_ci_low, -back.hl_ci_high)
    assert same(there.hl_ci_high, -back.hl_ci_low)
    assert same(there.prob_superiority, 1 - back.prob_superiority)
    assert (there.mean_a, there.sd_a) == (back.mean_b, back.sd_b)
    assert (there.n_seeds_a, there.n_seeds_b) == (back.n_seeds_b, back.n_seeds_a)


@few
@given(two_arms(max_k=3), st.randoms(use_true_random=False))
def test_permuting_seeds_changes_nothing(pair: tuple[np.ndarray, np.ndarray], random: object) -> None:
    a, b = pair
    order_a, order_b = list(range(len(a))), list(range(len(b)))
    random.shuffle(order_a)  # type: ignore[attr-defined]
    random.shuffle(order_b)  # type: ignore[attr-defined]
    first, second = compare(a, b), compare(a[order_a], b[order_b])
    for name in (*SIGNED, "p_value", "df", "ci_low", "ci_high", "percent_change", "percent_ci_low"):
        assert same(getattr(first, name), getattr(second, name), tolerance=1e-7), name


@few
@given(two_arms(max_n=20, max_k=3), st.randoms(use_true_random=False))
def test_permuting_crystals_changes_nothing_that_is_not_sampled(
    pair: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    """Up to 20 crystals the test is exact; bootstrap ends move by resampling error only."""
    a, b = pair
    order = list(range(a.shape[1]))
    random.shuffle(order)  # type: ignore[attr-defined]
    first, second = compare(a, b), compare(a[:, order], b[:, order])
    for name in (
        *SIGNED,
        "p_value",
        "df",
        "p_wilcoxon",
        "prob_superiority",
        "hl_ci_low",
        "hl_ci_high",
    ):
        if name == "p_value" and min(len(a), len(b)) > 1:
            continue  # of several runs it is the interval's own, whose crystals are resampled
        assert same(getattr(first, name), getattr(second, name), tolerance=1e-7), name


@few
@given(two_arms(max_k=2), st.sampled_from([0.125, 2.0, 64.0]))
def test_units_do_not_matter(pair: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    a, b = pair
    first, second = compare(a, b), compare(a * factor, b * factor)
    for name in ("mean_difference", "ci_low", "ci_high", "hodges_lehmann", "sd_difference", "mean_a"):
        assert same(getattr(first, name) * factor, getattr(second, name)), name
    for name in (
        "p_value",
        "g_z",
        "d_av",
        "rank_biserial",
        "percent_change",
        "percent_ci_low",
        "percent_ci_high",
        "df",
    ):
        assert same(getattr(first, name), getattr(second, name)), name


@few
@given(arrays(float, st.integers(10, 40), elements=numbers()))
def test_an_arm_against_itself_shows_nothing(a: np.ndarray) -> None:
    found = compare(a, a)
    assert found.p_value == 1
    assert found.p_t == 1
    assert found.p_wilcoxon == 1
    assert (found.mean_difference, found.ci_low, found.ci_high) == (0, 0, 0)
    assert (found.g_z, found.d_av, found.rank_biserial, found.percent_change) == (0, 0, 0, 0)
    assert found.prob_superiority == 0.5
    assert tost(a, a, -0.1, 0.1) == 0
    assert (max_t_step_down(np.zeros((len(a), 3))) == 1).all()


@few
@given(arrays(float, st.integers(10, 30), elements=numbers()), st.sampled_from([0.1, -0.7, 1.3]))
def test_one_number_added_everywhere_has_no_variation_and_no_effect_size(b: np.ndarray, shift: float) -> None:
    """b + 0.1 - b varies in its last bits; that must not be taken for the variation between crystals."""
    found = compare(b + shift, b)
    assert found.sd_difference == 0
    assert math.isnan(found.g_z)
    assert found.interval == "none (no variation)"
    assert (found.ci_low, found.ci_high) == (found.mean_difference, found.mean_difference)
    assert found.mean_difference == pytest.approx(shift)
    assert found.rank_biserial == np.sign(shift)


@more
@given(two_arms(max_k=3))
def test_intervals_contain_their_estimates_and_probabilities_are_probabilities(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    found = compare(*pair)
    assert found.ci_low <= found.mean_difference <= found.ci_high
    assert found.hl_ci_low <= found.hodges_lehmann <= found.hl_ci_high
    assert found.percent_undefined or (
        found.percent_ci_low - 1e-6 <= found.percent_change <= found.percent_ci_high + 1e-6
    )
    for p in (found.p_value, found.p_t, found.p_wilcoxon, found.prob_superiority):
        assert math.isnan(p) or 0 <= p <= 1
    assert -1 <= found.rank_biserial <= 1
    assert found.df > 0


@few
@given(two_arms(max_k=3))
def test_more_confidence_is_a_wider_interval(pair: tuple[np.ndarray, np.ndarray]) -> None:
    narrow, wide = compare(*pair, confidence=0.9), compare(*pair, confidence=0.99)
    assert wide.ci_low <= narrow.ci_low
    assert wide.ci_high >= narrow.ci_high
    assert wide.hl_ci_low <= narrow.hl_ci_low


@few
@given(two_arms())
def test_the_interval_of_one_run_each_is_never_narrower_than_students(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    from scipy import stats

    a, b = pair
    d = a[0] - b[0]
    assume(np.ptp(d) > 0)
    found = compare(a, b)
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / math.sqrt(len(d))
    assert found.ci_low <= d.mean() - half + 1e-9
    assert found.ci_high >= d.mean() + half - 1e-9


# -- sign flips and families ---------------------------------------------------------------------------------


@few
@given(arrays(float, st.integers(1, 10), elements=st.integers(-9, 9).map(float)))
def test_exact_sign_flips_are_a_full_enumeration(d: np.ndarray) -> None:
    import itertools

    sums = [sum(s * x for s, x in zip(signs, d)) for signs in itertools.product((-1, 1), repeat=len(d))]
    observed = d.sum()
    assert sign_flip(d) == np.mean([abs(s) >= abs(observed) for s in sums])
    assert sign_flip(d, alternative="greater") == np.mean([s >= observed for s in sums])
    assert sign_flip(d, alternative="less") == np.mean([s <= observed for s in sums])


@few
@given(st.integers(1, 60), st.integers(1, 7), st.integers(0, 9))
def test_blocks_change_no_p(n: int, chunk: int, seed: int) -> None:
    d = np.random.default_rng(seed).standard_normal((n, 3))
    assert sign_flip(d[:, 0], n_resamples=64, seed=seed, chunk=chunk) == sign_flip(
        d[:, 0], n_resamples=64, seed=seed
    )
    assert (
        max_t_step_down(d, n_resamples=64, seed=seed, chunk=chunk)
        == max_t_step_down(d, n_resamples=64, seed=seed)
    ).all()


@pytest.mark.parametrize("n", [21, 64, 65, 300])
@pytest.mark.parametrize("m", [1, 3, 40])
def test_sums_under_sampled_flips_are_those_of_the_bits(n: int, m: int) -> None:
    """By table (few columns) and by matrix product (many), against signs formed one by one."""
    from crysmm_attn_plugin.stats.signflip import flipped_sums

    d = np.random.default_rng(n).standard_normal((n, m))
    found = np.concatenate(list(flipped_sums(d, n_resamples=50, seed=7, chunk=17)))
    words = np.random.default_rng(7).integers(0, 2**64 - 1, (50, -(-n // 64)), dtype=np.uint64, endpoint=True)
    signs = 1.0 - 2 * np.unpackbits(words.view(np.uint8), axis=1, count=n)
    assert found.shape == (50, m)
    np.testing.assert_allclose(found, signs @ d, atol=1e-10)


def test_spearman_beyond_the_resampled_sizes_continues_what_permutations_say() -> None:
    from crysmm_attn_plugin.stats.bootstrap import BOOTSTRAP_UP_TO

    rng = np.random.default_rng(0)
    n = BOOTSTRAP_UP_TO + 1
    x = rng.standard_normal(n)
    y = 0.04 * x + rng.standard_normal(n)
    rho, low, high, p = spearman_with_interval(x, y)
    short = spearman_with_interval(x[:-1], y[:-1], n_resamples=4000)
    assert (low, high) == (pytest.approx(short[1], abs=0.006), pytest.approx(short[2], abs=0.006))
    assert p == pytest.approx(short[3], abs=0.02)
    assert low < rho < high


@few
@given(arrays(float, st.tuples(st.integers(10, 40), st.integers(1, 5)), elements=numbers(-2, 2)))
def test_max_t_is_at_least_the_raw_p_at_most_one_and_ordered_like_the_statistics(d: np.ndarray) -> None:
    adjusted = max_t_step_down(d, n_resamples=300, seed=1)
    raw = np.array([sign_flip(column, n_resamples=300, seed=1) for column in d.T])
    assert (adjusted >= raw - 1e-12).all()
    assert (adjusted <= 1).all()
    lengths = np.sqrt((d**2).sum(0))
    t = np.where(lengths > 0, np.abs(d.sum(0)) / np.where(lengths > 0, lengths, 1), -1)
    order = np.argsort(-t, kind="stable")
    assert (np.diff(adjusted[order]) >= -1e-12).all()


@few
@given(arrays(float, st.tuples(st.integers(10, 16), st.integers(2, 4)), elements=numbers(-2, 2)))
def test_max_t_is_the_step_down_of_a_full_enumeration(d: np.ndarray) -> None:
    """Written out: for the m-th largest statistic, the share of flips whose maximum over it and the smaller reaches it."""
    import itertools

    lengths = np.sqrt((d**2).sum(0))
    assume((lengths > 0).all())
    signs = np.array(list(itertools.product((-1, 1), repeat=len(d))))
    flipped = np.abs(signs @ d) / lengths
    observed = np.abs(d.sum(0)) / lengths
    order = np.argsort(-observed, kind="stable")
    expected, last = np.empty(d.shape[1]), 0.0
    for rank, m in enumerate(order):
        last = max(last, float((flipped[:, order[rank:]].max(1) >= observed[m] - 1e-9).mean()))
        expected[m] = last
    assert max_t_step_down(d) == pytest.approx(expected)


@few
@given(arrays(float, st.integers(10, 40), elements=numbers(-2, 2)), st.integers(2, 4))
def test_max_t_of_copies_of_one_metric_costs_nothing(d: np.ndarray, copies: int) -> None:
    adjusted = max_t_step_down(np.column_stack([d] * copies), n_resamples=300, seed=2)
    assert adjusted == pytest.approx(sign_flip(d, n_resamples=300, seed=2))


@few
@given(arrays(float, st.integers(10, 40), elements=numbers(-2, 2)))
def test_signs_of_single_metrics_do_not_matter_to_max_t(d: np.ndarray) -> None:
    both = np.column_stack([d, np.roll(d, 1)])
    assert max_t_step_down(both, n_resamples=200) == pytest.approx(
        max_t_step_down(both * [1, -1], n_resamples=200)
    )


p_values = st.lists(st.integers(0, 1000).map(lambda i: i / 1000), min_size=1, max_size=12)


@more
@given(p_values)
def test_holm_and_benjamini_hochberg_keep_the_order_and_only_raise(p: list[float]) -> None:
    raw = np.array(p)
    order = np.argsort(raw, kind="stable")
    for adjusted in (holm(p), benjamini_hochberg(p)):
        assert (np.diff(adjusted[order]) >= -1e-12).all()
        assert (adjusted >= raw - 1e-12).all()
        assert (adjusted <= 1).all()
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
    assert (holm(p) <= np.minimum(raw * len(p), 1) + 1e-12).all()


@more
@given(p_values, st.randoms(use_true_random=False))
def test_corrections_do_not_depend_on_the_order_of_the_tests(p: list[float], random: object) -> None:
    order = list(range(len(p)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for correct in (holm, benjamini_hochberg):
        assert correct(np.array(p)[order]) == pytest.approx(correct(p)[order])


@pytest.mark.parametrize("seed", range(5))
def test_corrections_are_those_of_statsmodels(seed: int) -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.round(np.random.default_rng(seed).uniform(size=12) ** 3, 3)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


# -- intervals, equivalence, seeds ---------------------------------------------------------------------------


@few
@given(two_arms(max_k=3), st.integers(-3, 3))
def test_the_interval_moves_with_the_values(pair: tuple[np.ndarray, np.ndarray], shift: int) -> None:
    a, b = pair
    first, second = compare(a, b), compare(a + shift, b)
    for name in ("ci_low", "ci_high", "hl_ci_low", "prediction_low"):
        assert same(getattr(first, name) + shift, getattr(second, name), tolerance=1e-5), name


@few
@given(arrays(float, st.integers(10, 40), elements=numbers(1, 4)), st.sampled_from([1.0, 1.25, 0.5]))
def test_the_ratio_of_an_arm_to_a_multiple_of_itself_is_that_multiple(a: np.ndarray, factor: float) -> None:
    found = compare(factor * a, a)
    if not found.percent_undefined:
        assert found.percent_change == pytest.approx(100 * (factor - 1))
        assert (found.percent_ci_low, found.percent_ci_high) == (
            pytest.approx(100 * (factor - 1), abs=1e-3), pytest.approx(100 * (factor - 1), abs=1e-3),
        )  # fmt: skip


@more
@given(two_arms(max_k=3))
def test_p_interval_percent_and_equivalence_cannot_contradict_each_other(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    found = compare(*pair)
    apart = found.ci_low > 0 or found.ci_high < 0
    if min(map(len, pair)) > 1:
        assert (found.p_value < 0.05) == apart
        assert math.isnan(found.p_t)
        assert math.isnan(found.p_wilcoxon)
    if not found.percent_undefined:
        assert (found.percent_ci_low > 0) == (found.ci_low > 0)
        assert (found.percent_ci_high < 0) == (found.ci_high < 0)
    else:
        assert math.isnan(found.percent_change)
        assert math.isnan(found.percent_ci_low)


@more
@given(arrays(float, st.integers(2, 40), elements=numbers(-2, 2)))
def test_hodges_lehmann_is_the_median_of_walsh_averages_inside_the_data(d: np.ndarray) -> None:
    estimate, low, high = hodges_lehmann(d)
    i, j = np.triu_indices(len(d))
    assert estimate == pytest.approx(np.median((d[i] + d[j]) / 2))
    assert d.min() <= low <= estimate <= high <= d.max()


@few
@given(st.integers(0, 50))
def test_hodges_lehmann_by_bisection_is_that_of_the_sorted_averages(seed: int) -> None:
    from crysmm_attn_plugin.stats import effects

    d = np.round(np.random.default_rng(seed).standard_normal(60) * 8) / 8
    formed = hodges_lehmann(d)
    limit = effects.WALSH_UP_TO
    effects.WALSH_UP_TO = 10
    try:
        bisected = hodges_lehmann(d)
    finally:
        effects.WALSH_UP_TO = limit
    assert bisected == pytest.approx(formed, abs=1e-9)


@few
@given(two_arms(max_k=3), st.floats(0.05, 2))
def test_equivalence_needs_an_interval_inside_the_bounds(
    pair: tuple[np.ndarray, np.ndarray], bound: float
) -> None:
    """Two one-sided tests at .05 and the 90 % interval of the same engine say the same."""
    a, b = pair
    assume(min(len(a), len(b)) > 1 or a.shape[1] >= 20)  # below, one run has Schuirmann's own t
    contrast = Contrast(a, b)
    resample([contrast], n_resamples=400, seed=0)
    low, high = contrast.spread().interval(0.10)
    p = tost(a, b, -bound, bound, n_resamples=400)
    assume(min(abs(low + bound), abs(high - bound)) > 1e-9)
    assert (p < 0.05) == (-bound < low and high < bound)
    assert tost(b, a, -bound, bound, n_resamples=400) == pytest.approx(p, abs=1e-6)
    assert tost(a, b, -2 * bound, 2 * bound, n_resamples=400) <= p + 1e-9


@more
@given(two_arms(max_k=4))
def test_the_interval_is_the_formula_written_out(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """h^2 = max[R + max(C - E, 0) t^2, C t^2], without resampling and skewness."""
    from scipy import stats as scipy_stats

    from crysmm_attn_plugin.stats.engine import Spread

    a, b = pair
    assume(min(len(a), len(b)) > 1)
    n = a.shape[1]
    found = Contrast(a, b).spread()
    t2 = scipy_stats.t.ppf(0.975, n - 1) ** 2
    c = np.var(a.mean(0) - b.mean(0), ddof=1) / n
    runs = overlap = 0.0
    for arm in (a, b):
        k = len(arm)
        residuals = [
            (arm[i, j] - arm[i].mean() - arm[:, j].mean() + arm.mean()) ** 2
            for i in range(k)
            for j in range(n)
        ]
        runs += scipy_stats.t.ppf(0.975, k - 1) ** 2 * np.var([row.mean() for row in arm], ddof=1) / k
        overlap += sum(residuals) / ((k - 1) * (n - 1)) / (n * k)
    even = Spread(found.estimate, found.crystals, found.units, 0.0, found.runs, found.overlap)
    expected = max(runs + max(c - overlap, 0) * t2, c * t2)
    assert even.half(0.05, 1) ** 2 == pytest.approx(expected, rel=1e-9, abs=1e-20)
    assert even.half(0.05, -1) == even.half(0.05, 1)


@few
@given(two_arms(max_k=4))
def test_a_single_run_borrows_nothing(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair[0][:1], pair[1]
    found = Contrast(a, b).spread()
    assert (found.runs, found.overlap) == ((), 0.0)
    assert found.crystals == pytest.approx(np.var(a.mean(0) - b.mean(0), ddof=1) / a.shape[1], abs=1e-15)


@few
@given(two_arms(min_n=10, max_n=30))
def test_crystals_each_their_own_cluster_are_the_plain_test(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    plain, grouped = compare(a, b), compare(a, b, clusters=np.arange(a.shape[1]))
    for name in ("p_value", "ci_low", "ci_high", "df", "percent_ci_low"):
        assert same(getattr(plain, name), getattr(grouped, name)), name


@few
@given(two_arms(min_n=10, max_n=15))
def test_doubling_every_crystal_is_undone_by_clusters(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """A data set pasted twice halves the naive variance; crystals clustered with their copies keep it."""
    a, b = (x[0] for x in pair)
    once = compare(a, b)
    twice = compare(np.tile(a, 2), np.tile(b, 2), clusters=np.tile(np.arange(len(a)), 2))
    assert twice.p_value == pytest.approx(once.p_value)
    assert twice.df == once.df


# -- association, performance, verdict -----------------------------------------------------------------------


@few
@given(arrays(float, st.tuples(st.just(2), st.integers(20, 40)), elements=numbers(-2, 2)))
def test_spearman_is_scipys_symmetric_and_blind_to_monotone_changes(xy: np.ndarray) -> None:
    from scipy import stats

    x, y = xy
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    rho, low, high, p = spearman_with_interval(x, y, n_resamples=200)
    assert rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert -1 - 1e-9 <= low <= high <= 1 + 1e-9
    assert 0 < p <= 1
    assert spearman_with_interval(np.exp(x), y**3, n_resamples=200)[0] == pytest.approx(rho)
    assert spearman_with_interval(x, -y, n_resamples=200)[0] == pytest.approx(-rho)


@few
@given(two_arms(min_n=12, max_k=3), st.integers(0, 5))
def test_errors_swap_with_the_arms_and_know_their_denominators(
    pair: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    a, b = pair
    targets = np.random.default_rng(seed).uniform(0.5, 4, a.shape[1])
    there = compare_errors(a, b, targets, n_resamples=200, seed=0, alpha=0.05)
    back = compare_errors(b, a, targets, n_resamples=200, seed=0, alpha=0.05)
    assert there.mae_arm == back.mae_baseline
    assert there.difference == pytest.approx(-back.difference)
    assert {there.axis, back.axis} in ({"better", "worse"}, {"indistinguishable"})
    assert there.relative_gain == pytest.approx(-back.relative_gain_other_denominator)
    assert there.relative_gain == pytest.approx(100 * (1 - there.mae_arm / there.mae_baseline))
    better = there.p_value < 0.05 and there.difference < 0 and not there.disagreement
    assert (there.axis == "better") == better


outcomes = st.lists(
    st.sampled_from(["supports", "opposes", "negligible", "inconclusive"]), min_size=1, max_size=6
)


@more
@given(outcomes)
def test_the_verdict_is_the_stated_rule_and_turns_around_with_the_arms(words: list[str]) -> None:
    found = verdict(words, "verdict")  # type: ignore[arg-type]
    supports, opposes = words.count("supports"), words.count("opposes")
    expected = (
        "conflicting" if supports and opposes
        else "supported" if supports == len(words)
        else "partial" if supports
        else "contradicted" if opposes == len(words)
        else "partly_contradicted" if opposes
        else "negligible" if words.count("negligible") == len(words)
        else "inconclusive"
    )  # fmt: skip
    assert found == expected
    turned = verdict([{"supports": "opposes", "opposes": "supports"}.get(w, w) for w in words], "verdict")  # type: ignore[misc]
    pairs = {"supported": "contradicted", "partial": "partly_contradicted"}
    pairs |= {v: k for k, v in pairs.items()}
    if found in pairs:
        assert turned == pairs[found]
    if found in ("conflicting", "negligible", "inconclusive"):
        assert turned == found


# -- refusals ------------------------------------------------------------------------------------------------


def test_fewer_than_ten_crystals_have_numbers_but_no_claim_and_fewer_than_fifty_a_warning() -> None:
    rng = np.random.default_rng(0)
    for n in (2, 3, 9):
        found = compare(rng.standard_normal(n), rng.standard_normal(n))
        assert found.claim == "none"
        assert found.ci_low <= found.mean_difference <= found.ci_high
        assert "no_inference" in {w.code for w in found.warnings}
    with pytest.raises(StatisticsError, match="1 crystal"):
        compare(rng.standard_normal(1), rng.standard_normal(1))
    assert [w.detail["n"] for w in compare(rng.standard_normal(49), rng.standard_normal(49)).warnings] == [49]
    assert compare(rng.standard_normal(50), rng.standard_normal(50)).warnings == ()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused_and_counted(bad: float) -> None:
    a = np.arange(20.0)
    a[3] = bad
    with pytest.raises(StatisticsError, match="1 values that are not finite"):
        compare(a, np.arange(20.0))
    with pytest.raises(StatisticsError, match="1 of 20 differences"):
        sign_flip(a)
    with pytest.raises(StatisticsError, match="1 not finite"):
        max_t_step_down(a[:, None])


def test_arms_over_different_crystals_are_refused() -> None:
    with pytest.raises(StatisticsError, match="12 and 11 crystals"):
        compare(np.arange(12.0), np.arange(11.0))
    with pytest.raises(StatisticsError, match="paired seeds"):
        compare(np.zeros((2, 12)), np.zeros((3, 12)), paired_seeds=True)
    with pytest.raises(StatisticsError, match="low < high"):
        tost(np.arange(12.0), np.arange(12.0), 1, -1)
    with pytest.raises(StatisticsError, match="clusters are too few"):
        compare(np.arange(12.0), np.zeros(12), clusters=np.arange(12) % 3)


def test_claims_follow_the_arm_with_fewer_seeds() -> None:
    rng = np.random.default_rng(0)
    for k_a, k_b, claim in ((1, 1, "checkpoints"), (1, 6, "checkpoints"), (2, 5, "estimates"), (3, 3, "estimates"),
                            (4, 7, "verdict")):  # fmt: skip
        found = compare(rng.standard_normal((k_a, 30)), rng.standard_normal((k_b, 30)))
        assert (found.claim, found.n_seeds_a, found.n_seeds_b) == (claim, k_a, k_b)


def test_rank_biserial_ignores_zeros_and_reaches_its_ends() -> None:
    assert rank_biserial(np.array([0.0, 1, 2, 0])) == 1
    assert rank_biserial(np.array([-1.0, -2, 0])) == -1
    assert rank_biserial(np.zeros(4)) == 0


def test_results_are_the_same_at_every_call_and_change_with_the_seed_only_by_resampling() -> None:
    rng = np.random.default_rng(5)
    a, b = 3 + rng.standard_normal((2, 60))
    assert compare_paired(a, b) == compare_paired(a, b)
    other = compare_paired(a, b, seed=1)
    assert other.p_value == pytest.approx(compare_paired(a, b).p_value, abs=0.02)
    assert other.g_z == compare_paired(a, b).g_z

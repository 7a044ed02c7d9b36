"""Published numbers come out: Darwin's maize, R's sleep data, Hill numbers, Benjamini and Hochberg's example."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from crysmm_attn_plugin.metrics import attention_metrics
from crysmm_attn_plugin.stats import (
    benjamini_hochberg,
    compare_paired,
    crystals_needed,
    detectable_dz,
    holm,
    max_t_step_down,
    sign_flip,
    tost,
)
from crysmm_attn_plugin.stats.association import robust_regression
from crysmm_attn_plugin.stats.effects import hedges_correction, hodges_lehmann
from crysmm_attn_plugin.stats.performance import break_even_seed_sd, compare_errors

#: Darwin (1876), height differences of crossed and self-fertilised maize; Fisher (1935), section 21.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)
#: R's ``sleep`` (Student 1908), extra hours of sleep under two drugs.
DRUG_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
DRUG_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
#: Benjamini and Hochberg (1995), section 3.2.
P_15 = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
        0.7590, 1.0000]  # fmt: skip


def test_maize_one_and_two_sided_sign_flips_are_fishers() -> None:
    assert MAIZE.sum() == 314
    assert sign_flip(MAIZE, alternative="greater") == 863 / 32768
    assert sign_flip(MAIZE) == pytest.approx(0.0526733, abs=5e-8)
    assert sign_flip(MAIZE) == 2 * 863 / 32768
    assert sign_flip(-MAIZE, alternative="less") == 863 / 32768


def test_maize_through_the_paired_comparison() -> None:
    found = compare_paired(MAIZE + 100, np.full(15, 100.0))
    assert found.n == 15
    assert found.mean_difference == pytest.approx(314 / 15)
    assert found.p_value == pytest.approx(0.0526733, abs=5e-8)
    assert found.test == "exact sign-flip"
    assert found.w_statistic == 24
    assert found.p_wilcoxon == pytest.approx(0.0412598, abs=5e-8)
    assert found.rank_biserial == pytest.approx((96 - 24) / 120)
    assert found.t_statistic == pytest.approx(2.148, abs=5e-4)
    assert found.p_t == pytest.approx(0.0497, abs=5e-5)
    assert found.median_difference == 24
    assert found.prob_superiority == pytest.approx(13 / 15)
    assert found.percent_change == pytest.approx(314 / 15)


def test_maize_sampled_flips_approach_the_exact_p() -> None:
    again = np.concatenate(
        [MAIZE, np.zeros(10)]
    )  # zeros change no sum but take the test beyond 20 differences
    assert sign_flip(again, n_resamples=40_000, seed=3) == pytest.approx(0.0526733, abs=0.004)


def test_sleep_through_the_paired_comparison() -> None:
    found = compare_paired(DRUG_1, DRUG_2)
    assert found.t_statistic == pytest.approx(-4.0621, abs=5e-5)
    assert found.p_t == pytest.approx(0.002833, abs=5e-7)
    assert found.df == 9
    assert found.mean_difference == pytest.approx(-1.58)
    assert found.mean_difference / found.sd_difference == pytest.approx(-1.28456, abs=5e-6)
    assert found.d_av == pytest.approx(-0.83218, abs=5e-6)
    assert found.g_z == pytest.approx(-1.17392, abs=5e-6)
    assert found.p_value == pytest.approx(0.00390625, abs=1e-12)
    assert (found.mean_a, found.mean_b) == (pytest.approx(0.75), pytest.approx(2.33))
    assert found.claim == "checkpoints"
    # the reported interval is bootstrap-t and never narrower than Student's, whose published ends are these
    half = scipy_stats.t.ppf(0.975, 9) * found.sd_difference / math.sqrt(10)
    assert (-1.58 - half, -1.58 + half) == (
        pytest.approx(-2.45989, abs=5e-6),
        pytest.approx(-0.70011, abs=5e-6),
    )
    assert found.ci_low <= -2.45989 + 5e-6
    assert found.ci_high >= -0.70011 - 5e-6


def test_sleep_interval_of_two_identical_seeds_on_each_side_is_students() -> None:
    """Two equal runs vary neither between runs nor in residuals: what is left is s_D^2/N with N - 1 degrees."""
    from crysmm_attn_plugin.stats.contrast import Contrast
    from crysmm_attn_plugin.stats.engine import Spread

    a, b = np.stack([DRUG_1, DRUG_1]), np.stack([DRUG_2, DRUG_2])
    found = Contrast(a, b).spread()
    assert found.df == pytest.approx(9)
    even = Spread(found.estimate, found.crystals, found.units, 0.0, found.runs, found.overlap)
    assert even.interval(0.05) == (pytest.approx(-2.45989, abs=5e-6), pytest.approx(-0.70011, abs=5e-6))


def test_sleep_equivalence() -> None:
    assert tost(DRUG_1, DRUG_2, -0.5, 0.5) == pytest.approx(0.98924, abs=5e-6)
    assert tost(DRUG_1, DRUG_2, -3, 3) == pytest.approx(0.0026556, abs=5e-8)


def test_sleep_agrees_with_statsmodels_and_scipy() -> None:
    from statsmodels.stats.weightstats import ttost_paired

    for bound in (0.5, 1.0, 2.0, 3.0):
        assert tost(DRUG_1, DRUG_2, -bound, bound) == pytest.approx(
            ttost_paired(DRUG_1, DRUG_2, -bound, bound)[0]
        )
    found = compare_paired(DRUG_1, DRUG_2)
    assert found.p_t == pytest.approx(scipy_stats.ttest_rel(DRUG_1, DRUG_2).pvalue)
    moved = scipy_stats.wilcoxon(DRUG_1, DRUG_2)
    assert (found.w_statistic, found.p_wilcoxon) == (moved.statistic, pytest.approx(moved.pvalue))


@given(
    st.lists(st.integers(-4, 4), min_size=5, max_size=8).filter(
        lambda d: len(set(map(abs, d))) < len(d) and any(d)
    )
)
@example([1] * 8)
@example([0, 0, 0, 0, 3])
@settings(max_examples=12, deadline=None)
def test_signed_ranks_with_ties_are_scipys_permutation_test(d: list[int]) -> None:
    found = compare_paired(np.array(d, float), np.zeros(len(d)), n_resamples=99)
    theirs = scipy_stats.wilcoxon(d)
    assert found.w_statistic == theirs.statistic
    assert found.p_wilcoxon == pytest.approx(theirs.pvalue, abs=1e-12)


def test_sign_flip_is_scipys_permutation_test() -> None:
    theirs = scipy_stats.permutation_test(
        (MAIZE,),
        np.sum,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
        vectorized=False,
    )
    assert sign_flip(MAIZE) == pytest.approx(theirs.pvalue)


def test_signed_rank_interval_is_that_of_r() -> None:
    """R's ``wilcox.test(..., conf.int = TRUE)`` takes Walsh averages 26 and 95 of 120: 25 is the critical value of T."""
    walsh = np.sort([(MAIZE[i] + MAIZE[j]) / 2 for i in range(15) for j in range(i, 15)])
    estimate, low, high = hodges_lehmann(MAIZE)
    assert len(walsh) == 120
    assert estimate == (walsh[59] + walsh[60]) / 2
    assert (low, high) == (walsh[25], walsh[94])


def test_hill_numbers_and_gini_of_a_half_and_two_quarters() -> None:
    w = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64).reshape(1, 1, 1, 3)
    found = {name: float(x) for name, x in attention_metrics(w).items()}
    assert found["entropy"] == pytest.approx(1.0397208, abs=5e-8)
    assert found["effective_tokens_hill"] == pytest.approx(2.828427, abs=5e-7)
    assert found["effective_tokens_hill2"] == pytest.approx(2.666667, abs=5e-7)
    assert found["gini"] == pytest.approx(0.25)
    assert found["gini"] * 2 / 3 == pytest.approx(1 / 6)
    assert found["max_weight"] == 0.5
    assert found["effective_tokens_01"] == 3


def test_gini_without_the_correction_is_the_original_scripts() -> None:
    from crysmm_attn_plugin.metrics.legacy import legacy_rows

    assert legacy_rows(np.array([[0.5, 0.25, 0.25]]))["gini"][0] == pytest.approx(1 / 6, abs=1e-7)


def test_benjamini_and_hochbergs_15_p_values() -> None:
    p = np.array(P_15)
    assert int((p * 15 <= 0.05).sum()) == 3
    assert int((holm(P_15) <= 0.05).sum()) == 3
    assert int((benjamini_hochberg(P_15) <= 0.05).sum()) == 4


def test_holm_and_max_t_of_one_metric_are_the_p_itself() -> None:
    assert holm([0.03])[0] == 0.03
    assert max_t_step_down(MAIZE[:, None])[0] == sign_flip(MAIZE)


def test_crystals_for_80_percent_power_are_the_tables() -> None:
    assert [crystals_needed(d) for d in (0.1, 0.2, 0.3, 0.5)] == [787, 199, 90, 34]
    for n in (34, 90, 199):
        assert crystals_needed(detectable_dz(n) * (1 + 1e-9)) == n


def test_hedges_correction_against_its_gamma_form() -> None:
    for v in (9, 14, 49):
        gamma = math.gamma(v / 2) / (math.sqrt(v / 2) * math.gamma((v - 1) / 2))
        assert hedges_correction(v) == pytest.approx(gamma)


def test_the_guides_error_gain_names_both_denominators() -> None:
    """MAE 0.255 against 0.274: 6.9 % of the baseline's, 7.5 % of the arm's own; break-even seed SD 2.7 %."""
    targets = np.zeros(100)
    sign = np.where(np.arange(100) % 2, 1, -1)
    found = compare_errors(
        (0.255 * sign)[None], (0.274 * sign)[None], targets, n_resamples=99, seed=0, alpha=0.05
    )
    assert (found.mae_arm, found.mae_baseline) == (pytest.approx(0.255), pytest.approx(0.274))
    assert found.relative_gain == pytest.approx(6.93, abs=0.005)
    assert found.relative_gain_other_denominator == pytest.approx(7.45, abs=0.005)
    assert found.break_even_percent == pytest.approx(2.7, abs=0.05)
    assert found.break_even_seed_sd == pytest.approx(break_even_seed_sd(0.019))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["plain", "few", "scales", "twice", "lever"])
def test_robust_regression_is_that_of_statsmodels(kind: str, seed: int) -> None:
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(seed)
    n, k = (9, 5) if kind == "few" else (60, 4)
    design = rng.standard_normal((n, k))
    if kind == "scales":
        design *= 10.0 ** np.arange(-4, 4, 2)
    if kind == "twice":
        design[:, 3] = 2 * design[:, 1]
    if kind == "lever":
        design[0] = 40.0
    y = design @ rng.standard_normal(k) + rng.standard_normal(n) * (1 + np.abs(design[:, 0]))
    names = [f"x{i}" for i in range(k)]
    ours = robust_regression(y, design, names, alpha=0.1)
    theirs = OLS(y, np.column_stack([np.ones(n), design])).fit(cov_type="HC3", use_t=True)
    for i, name in enumerate(["intercept", *names]):
        found = ours.coefficients[name]
        wanted = (theirs.params[i], theirs.bse[i], theirs.pvalues[i], *theirs.conf_int(0.1)[i])
        got = (found.estimate, found.se, found.p_value, found.ci_low, found.ci_high)
        np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-12)
    assert ours.r_squared == pytest.approx(theirs.rsquared, abs=1e-12)
    assert ours.n == n

"""Several data sets pooled: published numbers, orders, refusals, and how often the interval holds the truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_results import synthetic_result

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.stats import pool, pool_results

#: Thirteen trials of the BCG vaccine: log risk ratios and their variances (Colditz et al. 1994).
BCG = np.array([-.8893, -1.5854, -1.3481, -1.4416, -.2175, -.7861, -1.6209, .0120, -.4694, -1.3713, -.3394, .4459, -.0173])  # fmt: skip
BCG_VARIANCE = np.array([.3256, .1946, .4154, .0200, .0512, .0069, .2230, .0040, .0564, .0730, .0124, .5325, .0714])  # fmt: skip


def test_the_vaccine_trials_have_the_published_heterogeneity_and_mean() -> None:
    found = pool(BCG, np.sqrt(BCG_VARIANCE))
    assert found.q == pytest.approx(152.23, abs=1)  # the variances are rounded
    assert found.tau**2 == pytest.approx(0.318, abs=0.004)
    assert found.estimate == pytest.approx(-0.715, abs=0.004)
    assert (found.ci_low, found.ci_high) == (pytest.approx(-1.11, abs=0.015), pytest.approx(-0.32, abs=0.015))
    assert found.p_heterogeneity < 1e-10
    assert found.prediction_low < found.ci_low < found.ci_high < found.prediction_high


def test_statsmodels_finds_the_same_mean_where_it_uses_the_same_variance() -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    theirs = combine_effects(BCG, BCG_VARIANCE, method_re="pm", use_t=True)
    mine = pool(BCG, np.sqrt(BCG_VARIANCE))
    assert mine.tau**2 == pytest.approx(theirs.tau2, rel=1e-4)
    assert mine.estimate == pytest.approx(theirs.mean_effect_re, rel=1e-6)
    half = (mine.ci_high - mine.ci_low) / 2
    assert half == pytest.approx(
        theirs.sd_eff_w_re_hksj * 2.178812829667229 if theirs.scale_hksj_re >= 1 else half, rel=1e-3
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 10)), min_size=2, max_size=8), st.floats(-20, 20)
)
def test_the_mean_lies_among_the_data_sets_and_moves_with_them(
    sets: list[tuple[float, float]], shift: float
) -> None:
    y, s = np.array(sets).T
    found, moved = pool(y, s), pool(y + shift, s)
    assert y.min() - 1e-9 <= found.estimate <= y.max() + 1e-9
    assert moved.estimate == pytest.approx(found.estimate + shift, abs=1e-6)
    assert (moved.ci_high - moved.ci_low) == pytest.approx(found.ci_high - found.ci_low, rel=1e-5)
    assert sum(r.weight for r in found.rows) == pytest.approx(1)
    assert 0 <= found.i_squared < 1
    assert (found.prediction_low is None) == (len(y) < 3)
    assert (found.p_value < 0.05) == (found.ci_low > 0 or found.ci_high < 0)
    order = np.argsort(s)
    assert pool(y[order], s[order]).estimate == pytest.approx(found.estimate, abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(k: int, tau: float) -> None:
    rng = np.random.default_rng([k, int(tau)])
    errors = rng.uniform(0.3, 1.5, (1500, k))
    y = tau * rng.standard_normal((1500, k)) + errors * rng.standard_normal((1500, k))
    found = [pool(a, b) for a, b in zip(y, errors)]
    covered = np.mean([f.ci_low <= 0 <= f.ci_high for f in found])
    assert covered >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 1500)
    if k > 2:
        new = tau * rng.standard_normal(1500)
        inside = np.mean([f.prediction_low <= x <= f.prediction_high for f, x in zip(found, new)])
        assert inside >= 0.95 - 5 * math.sqrt(0.05 * 0.95 / 1500)


def test_results_of_several_properties_are_pooled_metric_by_metric() -> None:
    one = synthetic_result("supported", "better", seeds=5)
    two = replace(
        synthetic_result("supported", "worse", seeds=5, percents={"entropy": -10.0}),
        property="formation_energy",
    )
    three = replace(synthetic_result("negligible", "better", seeds=5), property="bulk_modulus")
    found = pool_results([one, two, three])
    assert [f.what for f in found] == [*PRIMARY, "error"]
    assert {f.k for f in found} == {3}
    entropy = found[0]
    assert [r.label for r in entropy.rows] == ["mbj_bandgap", "formation_energy", "bulk_modulus"]
    assert [r.estimate for r in entropy.rows] == pytest.approx(
        [r.pairs[0].metric("entropy").paired.percent_change for r in (one, two, three)]
    )
    assert entropy.tau > 0
    assert entropy.ci_low < entropy.estimate < entropy.ci_high


def test_what_cannot_be_pooled_is_refused_in_a_sentence() -> None:
    for y, s in (
        ([1.0], [1.0]),
        ([1.0, 2.0], [1.0]),
        ([1.0, math.nan], [1.0, 1.0]),
        ([1.0, 2.0], [1.0, 0.0]),
    ):
        with pytest.raises(StatisticsError):
            pool(y, s)
    with pytest.raises(StatisticsError, match="labels"):
        pool([1.0, 2.0], [1.0, 1.0], labels=["a"])
    with pytest.raises(StatisticsError, match="two data sets"):
        pool_results([synthetic_result("supported", "better", seeds=5)])
    with pytest.raises(StatisticsError, match="pairs of arms"):
        pool_results([synthetic_result("supported", "better", seeds=5)] * 2, arm="other")

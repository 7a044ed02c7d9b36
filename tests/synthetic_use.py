"""What interventions found, made up: internally consistent summaries for any word and number of runs."""

from __future__ import annotations

import math
from functools import lru_cache

from scipy import stats

from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.result_parts import Claim, PairedResult
from crysmm_attn_plugin.stats.use_results import ArmUse, Contrast, Effect, Faithfulness, Use
from crysmm_attn_plugin.stats.verdict import claim_of

SPREAD = 1.31
#: word -> mean shift where the 4 most attended words are hidden, where 4 random ones are, and with even attention
SHIFTS = {
    "used": (0.1473, 0.0217, 0.1682),
    "unclear": (0.0361, 0.0254, 0.0448),
    "not_used": (0.0031, 0.0024, 0.0037),
}


def paired(a: float, b: float, se: float, n: int, runs: int, claim: Claim) -> PairedResult:
    """A comparison of two means with the interval and p of one standard error."""
    df = float(n - 1) if runs == 1 else 3.4 * (runs - 1) + 0.6
    half = float(stats.t.ppf(0.975, df)) * se
    sd = se * math.sqrt(n)
    return PairedResult(
        n=n, mean_difference=a - b, ci_low=a - b - half, ci_high=a - b + half,
        p_value=max(float(2 * stats.t.sf(abs(a - b) / se, df)), 1 / 2001), g_z=(a - b) / sd, d_av=(a - b) / sd,
        rank_biserial=0.0, hodges_lehmann=a - b, prob_superiority=0.5, df=df, claim=claim, mean_a=a, mean_b=b, sd_a=sd,
        sd_b=sd, sd_difference=sd, median_difference=a - b, hl_ci_low=a - b - half, hl_ci_high=a - b + half,
        percent_change=math.nan, percent_ci_low=math.nan, percent_ci_high=math.nan, t_statistic=math.nan, p_t=math.nan,
        w_statistic=math.nan, p_wilcoxon=math.nan, n_seeds_a=runs, n_seeds_b=runs, confidence=0.95, n_resamples=2000,
        seed=20260115, test="sign-flip" if runs == 1 else "two-way t (crystals x seeds)",
        interval="bootstrap-t" if runs == 1 else "two-way t", percent_undefined="baseline_interval_reaches_zero",
    )  # fmt: skip


@lru_cache(maxsize=64)
def arm_use(arm: str, runs: int, n: int, word: Use) -> ArmUse:
    """An arm's interventions with one word; too few crystals leave it unclear."""
    claim: Claim = "none" if n < SMALLEST_N else claim_of(runs)
    word = "unclear" if claim == "none" else word
    most, random, even = SHIFTS[word]
    se = 0.31 * (most - random) if word != "used" else 0.09 * (most - random)
    main = paired(most, random, se, n, runs, claim)
    error = paired(0.31 * most, 0.31 * random, 1.2 * se, n, runs, claim)
    own = paired(0.27 * most, 0.27 * random, 0.4 * se, n, runs, claim)
    effects = tuple(
        Effect(name, size, measure, "", -1, -1, n, value, value - 2.1 * se, value + 2.1 * se)
        for measure, factor in (("shift", 1.0), ("error_change", 0.31))
        for name, size, value in (
            ("knock_out_most", 4, factor * most), ("knock_out_random", 4, factor * random), ("uniform", 0, factor * even),
        )
    )  # fmt: skip
    heads = tuple(
        Effect(
            "head",
            0,
            "shift",
            "fine_grained_attention",
            -1,
            h,
            n,
            most / (h + 2),
            most / (h + 3),
            most / (h + 1),
        )
        for h in range(2)
    )
    contrasts = (
        Contrast("most_attended", "knock_out_most", "knock_out_random", "shift", 4, main),
        Contrast("most_attended", "knock_out_most", "knock_out_random", "error_change", 4, error),
        Contrast("own_element", "own_element", "own_element_random", "shift", 0, own),
    )
    return ArmUse(
        arm, runs, claim, "atom_to_text", Faithfulness(effects, heads, contrasts, n, SPREAD, word, 4)
    )


def pair_use(n: int, runs: int, claim: Claim) -> PairedResult:
    """The shift beyond random words, arm - baseline."""
    return paired(0.0713, 0.1256, 0.0137, n, runs, claim)

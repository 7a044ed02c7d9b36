"""From per-metric outcomes to one verdict, and the guide's three scenarios."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crysmm_attn_plugin.stats.results import MetricResult, Outcome, PerformanceAxis, Verdict

#: The guide calls changes up to this size small (its second scenario), in percent.
SMALL_CHANGE_PERCENT = 15.0


def outcome(
    *,
    estimate: float,
    expected_sign: int,
    p_adjusted: float | None,
    sesoi: float | None,
    equivalent: bool,
    alpha: float,
) -> Outcome:
    """What one metric says about the prediction.

    Args:
        estimate: Mean difference, treatment minus baseline.
        expected_sign: Sign the hypothesis predicts; 0 when it predicts none.
        p_adjusted: Family-adjusted two-sided p, None when not tested.
        sesoi: Smallest effect of interest, same unit as ``estimate``, positive; None when not declared.
        equivalent: True when two one-sided tests put the difference within the smallest effect.
        alpha: Significance level.

    Returns:
        ``supports`` or ``opposes`` when significant and beyond the smallest effect; ``negligible`` when
        equivalent; else ``inconclusive``.
    """
    if p_adjusted is None or math.isnan(p_adjusted):
        return "not_tested"
    beyond = sesoi is None or abs(estimate) >= sesoi
    if p_adjusted < alpha and beyond and expected_sign and estimate:
        return "supports" if (estimate > 0) == (expected_sign > 0) else "opposes"
    return "negligible" if equivalent else "inconclusive"


def verdict(outcomes: Sequence[Outcome]) -> Verdict:
    """One word for the primary family (STATISTICS.md, "Verdict per comparison")."""
    known = [o for o in outcomes if o != "not_tested"]
    if not known:
        return "not_tested"
    supports, opposes = known.count("supports"), known.count("opposes")
    if supports and opposes:
        return "conflicting"
    if supports == len(outcomes):
        return "supported"
    if supports:
        return "partial"
    if opposes:
        return "contradicted"
    return "negligible" if known.count("negligible") == len(outcomes) else "inconclusive"


def scenario(primary: Sequence[MetricResult], word: Verdict, axis: PerformanceAxis) -> int | None:
    """The guide's scenario: 1 supported, 2 small changes with better error, 3 opposite with better error."""
    changes = [abs(m.paired.percent_change) for m in primary if not math.isnan(m.paired.percent_change)]
    small = bool(changes) and max(changes) <= SMALL_CHANGE_PERCENT
    if word in ("supported", "partial") and axis == "better" and small:
        return 2
    if word == "supported":
        return 1
    if word == "partial" and axis == "better":
        return 2
    if word == "contradicted" and axis == "better":
        return 3
    return None

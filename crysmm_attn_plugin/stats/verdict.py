"""The claim ladder: what the number of training runs lets one metric, and all of them together, say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.stats.results import Claim, MetricResult, Outcome, PerformanceAxis, Verdict

#: The guide calls changes up to this size small (its second scenario), in percent.
SMALL_CHANGE_PERCENT = 15.0
#: Runs in the arm with fewer from which on estimates, then a verdict, may be claimed.
ESTIMATE_RUNS = 2
VERDICT_RUNS = 4
#: How many runs an arm to recommend.
RECOMMENDED_RUNS = (6, 8)
#: Words that speak of the hypothesis: none of them without the claim ``verdict``.
HYPOTHESIS_WORDS: frozenset[Verdict] = frozenset(
    ("supported", "partial", "contradicted", "partly_contradicted", "conflicting", "negligible")
)


def claim_of(runs: int) -> Claim:
    """What a sentence may claim with this many runs in the arm that has fewer.

    The same architecture trained twice differs in its attention far more than crystals scatter: two single runs would be
    called "supported" or "contradicted" in most cases. Two or three runs measure that scatter too poorly for a word.
    """
    if runs < ESTIMATE_RUNS:
        return "checkpoints"
    return "estimates" if runs < VERDICT_RUNS else "verdict"


def outcome(
    *,
    estimate: float,
    expected_sign: int,
    established: bool,
    beyond: bool,
    equivalent: bool,
    claim: Claim,
) -> Outcome:
    """What one metric says.

    Args:
        estimate: Mean difference, treatment minus baseline.
        expected_sign: Sign the hypothesis predicts; 0 when it predicts none.
        established: Family-adjusted p below the level and an interval without 0.
        beyond: The interval's nearer end passes the smallest effect of interest.
        equivalent: Two one-sided tests put the difference within the smallest effect.
        claim: What the runs allow.
    """
    if claim == "none":
        return "not_tested"
    if claim == "estimates":
        return "estimate"
    if established and beyond and claim == "checkpoints":
        return "differs"
    if established and beyond and expected_sign and estimate:
        return "supports" if (estimate > 0) == (expected_sign > 0) else "opposes"
    return "negligible" if equivalent else "inconclusive"


def verdict(outcomes: Sequence[Outcome], claim: Claim) -> Verdict:
    """One word for the primary family.

    The rule is symmetric: all one way is ``supported`` or ``contradicted``, some one way and none the other ``partial`` or
    ``partly_contradicted``, some each way ``conflicting``. Swapping the arms exchanges the words of each pair.
    """
    known = [o for o in outcomes if o != "not_tested"]
    if not known or claim == "none":
        return "not_tested"
    if claim == "estimates":
        return "estimates_only"
    if claim == "checkpoints":
        if "differs" in known:
            return "checkpoints_differ"
        return "checkpoints_alike" if known.count("negligible") == len(outcomes) else "inconclusive"
    supports, opposes = known.count("supports"), known.count("opposes")
    if supports and opposes:
        return "conflicting"
    if supports:
        return "supported" if supports == len(outcomes) else "partial"
    if opposes:
        return "contradicted" if opposes == len(outcomes) else "partly_contradicted"
    return "negligible" if known.count("negligible") == len(outcomes) else "inconclusive"


def guides_hypothesis(primary: Sequence[MetricResult]) -> bool:
    """Whether what is expected of the primary metrics is what the guide expects: more concentrated attention."""
    return all(
        m.metric in BY_NAME and m.expected_sign == BY_NAME[m.metric].expected_sign != 0 for m in primary
    )


def scenario(primary: Sequence[MetricResult], word: Verdict, axis: PerformanceAxis) -> int | None:
    """The guide's scenario: 1 supported, 2 small changes with better error, 3 opposite with better error.

    Scenarios speak of the guide's own hypothesis: None unless a verdict may be given, and where other directions or
    metrics were declared.
    """
    if not guides_hypothesis(primary):
        return None
    changes = [abs(m.paired.percent_change) for m in primary if not math.isnan(m.paired.percent_change)]
    small = bool(changes) and max(changes) <= SMALL_CHANGE_PERCENT
    if word in ("supported", "partial") and axis == "better" and small:
        return 2
    if word == "supported":
        return 1
    if word == "partial" and axis == "better":
        return 2
    if word in ("contradicted", "partly_contradicted") and axis == "better":
        return 3
    return None

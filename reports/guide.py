"""The original guide's expectations: its ranges and its three scenarios, as data and as sentences.

Source: the guide's "Reading the results" (scenario 1: entropy 20 to 30 % lower, maximum 30 to 50 % higher, effective tokens
30 to 50 % fewer, Gini 20 to 40 % higher; scenario 2: changes of 5 to 15 % and a clearly lower error; scenario 3: the opposite
direction and a lower error).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from crysmm_attn_plugin.reports.arm_names import is_about_middle_fusion
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.stats.results import MetricResult, PairComparison
from crysmm_attn_plugin.stats.verdict import guides_hypothesis

#: Percent change against the baseline that scenario 1 names.
GUIDE_RANGES: dict[str, tuple[float, float]] = {
    "entropy": (-30.0, -20.0),
    "max_weight": (30.0, 50.0),
    "effective_tokens_hill": (-50.0, -30.0),
    "gini": (20.0, 40.0),
}
#: Size of the changes of scenario 2, percent, in the predicted direction.
SCENARIO_2 = (5.0, 15.0)

_SENTENCES: dict[int, tuple[str, str]] = {
    1: (
        "more concentrated attention is what one would expect if middle fusion had already given the atoms information "
        "from the text; these metrics do not show that mechanism itself",
        "若中期融合已使节点带有文本信息，注意力更集中正是预期的结果；但这些指标本身并不能显示这一机制",
    ),
    2: (
        "the changes in attention are small while the error is lower; middle fusion may also act in ways that concentration "
        "does not measure, such as more varied features or better generalisation, which were not examined here",
        "注意力的变化较小而误差更低；中期融合还可能以集中程度之外的方式起作用，例如增加特征多样性或提升泛化能力，这些在此未作考察",
    ),
    3: (
        "the error is lower although attention is less concentrated; the model may use a more distributed alignment, which "
        "concentration as measured cannot tell apart from a less precise one",
        "误差更低而注意力更分散；模型可能采用了更为分散的对齐方式，该指标无法将其与不精确的对齐相区分",
    ),
}

_RANGES = (
    "attention entropy 20 to 30% lower, maximum weight 30 to 50% higher, effective tokens 30 to 50% fewer, "
    "Gini coefficient 20 to 40% higher",
    "注意力熵降低 20%～30%，最大权重提高 30%～50%，有效 token 数减少 30%～50%，基尼系数升高 20%～40%",
)


def ranges_met(primary: Sequence[MetricResult]) -> tuple[int, int] | None:
    """How many intervals of the percent change overlap the guide's range, of how many; None where none is defined."""
    rows = [
        (GUIDE_RANGES[m.metric], m.paired.percent_ci_low, m.paired.percent_ci_high)
        for m in primary
        if m.metric in GUIDE_RANGES
        and math.isfinite(m.paired.percent_ci_low)
        and math.isfinite(m.paired.percent_ci_high)
    ]
    if not rows:
        return None
    return sum(low <= high_g and high >= low_g for (low_g, high_g), low, high in rows), len(rows)


def scenario_of(pair: PairComparison, primary: Sequence[MetricResult]) -> int | None:
    """The guide's scenario that the estimates look like; the verdict's own where there is one.

    With fewer runs than a verdict needs this is a resemblance: every interval lies on one side of zero.
    """
    if not is_about_middle_fusion(pair.arm, pair.baseline) or not guides_hypothesis(primary):
        return None
    if pair.claim == "verdict":
        return pair.scenario
    changes = [m.paired.percent_change * (m.expected_sign or 1) for m in primary]
    clear = [not (m.paired.ci_low <= 0 <= m.paired.ci_high) and not m.disagreement for m in primary]
    if not changes or not all(math.isfinite(c) for c in changes) or not all(clear):
        return None
    better = pair.performance.axis == "better"
    if all(c > 0 for c in changes):
        if better and max(changes) <= SCENARIO_2[1]:
            return 2
        return 1 if min(changes) > SCENARIO_2[1] else None
    return 3 if better and all(c < 0 for c in changes) else None


def scenario_sentence(number: int, lang: str) -> str:
    """What the guide's scenario means, in words that its numbers carry (no full stop, no capital)."""
    return pick(_SENTENCES[number], lang)


def ranges_text(lang: str) -> str:
    """Scenario 1's ranges in one line."""
    return pick(_RANGES, lang)

"""The verdict in one sentence, as ``report.md`` and experiment trackers show it; its words, as every reader does."""

from __future__ import annotations

from crysmm_attn_plugin.reports.arm_names import arm_heading
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.prose import facts
from crysmm_attn_plugin.reports.prose.facts import Wording
from crysmm_attn_plugin.stats.results import ComparisonResult, PairComparison
from crysmm_attn_plugin.stats.verdict import guides_hypothesis

#: verdict -> sign, word (English, Chinese)
WORDS = {
    "supported": ("✓", "Supported", "支持假设"),
    "partial": ("◐", "Partly supported", "部分支持假设"),
    "contradicted": ("✕", "Contradicted", "与假设相反"),
    "partly_contradicted": ("◑", "Partly contradicted", "部分与假设相反"),
    "conflicting": ("⇄", "Conflicting", "结果相互矛盾"),
    "negligible": ("≈", "Negligible", "差异可忽略"),
    "inconclusive": ("?", "Inconclusive", "尚无定论"),
    "checkpoints_differ": ("≠", "These checkpoints differ", "检查点有差异"),
    "checkpoints_alike": ("≈", "These checkpoints are alike", "检查点无实质差异"),
    "estimates_only": ("~", "Estimates, no verdict", "仅为估计，不作判定"),
    "not_tested": ("–", "Not tested", "未作检验"),
}
_READING = {
    "supported": ("attention is more concentrated on all primary metrics", "各项主要指标均更集中"),
    "partial": ("attention is more concentrated on some primary metrics", "部分主要指标更集中"),
    "contradicted": (
        "attention is less concentrated, not more, on all primary metrics",
        "各项主要指标均更分散，而非更集中",
    ),
    "partly_contradicted": (
        "attention is less concentrated, not more, on some primary metrics",
        "部分主要指标更分散，而非更集中",
    ),
    "conflicting": ("the metrics point both ways", "各项指标指向不一"),
    "negligible": (
        "attention is equivalent within the smallest effect of interest",
        "在最小关注效应范围内等效",
    ),
    "inconclusive": (
        "neither a difference nor equivalence was established",
        "既未检出差异，也未通过等效性检验",
    ),
    "checkpoints_differ": ("", ""),
    "checkpoints_alike": ("equivalent within the smallest effect of interest", "在最小关注效应范围内等效"),
    "estimates_only": ("", ""),
    "not_tested": ("too few crystals for a test", "晶体过少"),
}
#: The same where other directions than the guide's were declared.
_PREDICTION = {
    "supported": ("all primary metrics changed as predicted", "各项主要指标均符合预期方向"),
    "partial": ("some primary metrics changed as predicted", "部分主要指标符合预期方向"),
    "contradicted": ("all primary metrics changed against the prediction", "各项主要指标均与预期方向相反"),
    "partly_contradicted": (
        "some primary metrics changed against the prediction",
        "部分主要指标与预期方向相反",
    ),
}
_ERROR = {
    "better": ("error lower", "误差更低"),
    "worse": ("error higher", "误差更高"),
    "indistinguishable": ("errors indistinguishable", "误差无法区分"),
    "unknown": ("error not compared", "误差未比较"),
}
_CLAIM = {
    "checkpoints": (
        "holds for the trained checkpoints, not for the architectures",
        "仅适用于现有检查点，不涉及架构",
    ),
    "estimates": (
        "too few training runs, or too little known of the arms, for a verdict",
        "训练次数或已知信息不足以作出判定",
    ),
    "verdict": ("holds for models trained as here", "适用于按此方式训练的模型"),
    "none": ("", ""),
}
_START = ("{arm} against {baseline}: {reading}{numbers}", "{arm}对{baseline}：{reading}{numbers}")
_TESTED = (
    ": {metric} {change}, difference {difference} ({level} CI {interval}, adjusted {p})",
    "：{metric}{change}，差值 {difference}（{level} 置信区间 {interval}，校正后 {p}）",
)
_ESTIMATE = (
    ": {metric} {change}, difference {difference} ({level} interval {interval})",
    "：{metric}{change}，差值 {difference}（{level} 估计区间 {interval}）",
)


def verdict_word(pair: PairComparison, lang: str) -> str:
    """``Supported`` / ``支持假设``."""
    return pick(WORDS[pair.verdict][1:], lang)


def headline(result: ComparisonResult, pair: PairComparison, lang: str) -> str:
    """One sentence: verdict, entropy with its interval and p, error axis, N, and what may be claimed.

    Args:
        result: The comparison.
        pair: One of its pairs.
        lang: A known language's code.
    """
    w = Wording(lang, "nature")
    _, english, chinese = WORDS[pair.verdict]
    reading = w.marks.comma.join(
        text for text in (w.say(english.lower(), chinese), w.pick(_reading(result, pair))) if text
    )
    # with estimates alone no side is taken on the error either
    error = "" if pair.claim == "estimates" else w.pick(_ERROR[pair.performance.axis])
    start = w.pick(_START).format(
        arm=arm_heading(pair.arm, lang),
        baseline=facts.arm_label(pair.baseline, lang),
        reading=reading,
        numbers=_numbers(result, pair, w),
    )
    # nothing was established, so nothing holds
    holds = "" if pair.verdict == "inconclusive" else w.pick(_CLAIM[pair.claim])
    parts = (start, error, f"N = {pair.n}", holds)
    return w.marks.semicolon.join(p for p in parts if p) + w.marks.stop.rstrip()


def _reading(result: ComparisonResult, pair: PairComparison) -> tuple[str, str]:
    primary = pair.primary(result.directions[0]) if result.directions else ()
    usual = _READING[pair.verdict]
    return usual if guides_hypothesis(primary) else _PREDICTION.get(pair.verdict, usual)


def _numbers(result: ComparisonResult, pair: PairComparison, w: Wording) -> str:
    """The entropy's change, difference and interval, with a p-value where one is given."""
    primary = pair.primary(result.directions[0]) if result.directions else ()
    entropy = next((m for m in primary if m.metric == "entropy" and m.outcome != "not_tested"), None)
    if entropy is None:
        return ""
    f = facts.metric_fact(entropy, w, result.alpha)
    return w.pick(_ESTIMATE if pair.claim == "estimates" else _TESTED).format(
        metric=f.label,
        change=f.change,
        difference=f"{f.difference} {f.unit}".rstrip(),
        level=f"{100 * entropy.paired.confidence:g}%",
        interval=f.interval,
        p=f.p,
    )

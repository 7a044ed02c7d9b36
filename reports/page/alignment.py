"""Alignment, blocks and use among the facts of the page's first screen."""

from __future__ import annotations

from crysmm_attn_plugin.reports import aligned
from crysmm_attn_plugin.reports.language import known, metric_label, pick, say
from crysmm_attn_plugin.reports.numbers import fixed, format_interval, interval_decimals
from crysmm_attn_plugin.reports.page.chart import Both
from crysmm_attn_plugin.reports.prose.alignment_facts import every_use
from crysmm_attn_plugin.reports.prose.use_line import use_line, use_word
from crysmm_attn_plugin.reports.prose.wording import Wording, joined
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison

Fact = tuple[str, Both | str, Both]
_BLOCKS = (
    "{label} {a} against {b}, difference {difference} ({interval})",
    "{label} {a} 对 {b}，差值 {difference}（{interval}）",
)


def alignment_facts(result: ComparisonResult, pair: PairComparison) -> list[Fact]:
    """The primary alignment metric with the blocks, and whether each arm uses its attention; nothing of what was not captured."""
    facts: list[Fact] = []
    m = aligned.primary_of(pair, result)
    if m is not None:
        p = m.paired
        small = {lang: _alignment(m, result, pair, lang) for lang in known()}
        decimals = interval_decimals(p.ci_low, p.ci_high)
        facts.append(("fact_alignment", fixed(p.mean_difference, decimals, sign=True), small))
    used = {lang: every_use(result, Wording(lang, "nature"), (pair.arm, pair.baseline)) for lang in known()}
    if any(used.values()):
        big = {
            lang: " / ".join(dict.fromkeys(use_word(u, lang) for u in uses)) for lang, uses in used.items()
        }
        small = {lang: use_line(result, pair, lang) for lang in known()}
        facts.append(("fact_use", big, small))
    return facts


def _alignment(m: MetricResult, result: ComparisonResult, pair: PairComparison, lang: str) -> str:
    p = m.paired
    decimals = interval_decimals(p.ci_low, p.ci_high)
    parts = [
        f"{100 * p.confidence:g}% {say('CI', '置信区间', lang)} {format_interval(p.ci_low, p.ci_high, lang=lang)}",
        f"{fixed(p.mean_a, decimals)} {say('against', '对', lang)} {fixed(p.mean_b, decimals)}",
        pick(aligned.READING[m.outcome], lang),
    ]
    blocks = next((x for x in aligned.results_of(pair, result) if x.metric == "element_blocks"), None)
    if blocks is not None:
        b = blocks.paired
        decimals = interval_decimals(b.ci_low, b.ci_high)
        parts.append(
            pick(_BLOCKS, lang).format(
                label=metric_label("element_blocks", lang), a=fixed(b.mean_a, decimals), b=fixed(b.mean_b, decimals),
                difference=fixed(b.mean_difference, decimals, sign=True),
                interval=format_interval(b.ci_low, b.ci_high, lang=lang),
            )
        )  # fmt: skip
    return joined(lang, *parts)

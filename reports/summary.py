"""The reporting summary: the statistical items that journals of the Nature family ask for, filled in from the result."""

from __future__ import annotations

from crysmm_attn_plugin.reports import prose_facts as facts
from crysmm_attn_plugin.reports.markup import to_markdown
from crysmm_attn_plugin.reports.paragraphs import render_summary
from crysmm_attn_plugin.reports.prose_facts import Lang
from crysmm_attn_plugin.stats.results import ComparisonResult

_TITLE = {"en": "Reporting summary", "zh": "统计信息报告摘要"}


def reporting_summary(result: ComparisonResult, lang: Lang) -> str:
    """Markdown: one list per pair of arms, or one for an arm alone.

    Args:
        result: The comparison.
        lang: ``en`` or ``zh``.
    """
    parts = [f"# {_TITLE[lang]}"]
    for i in range(max(1, len(result.pairs))):
        if len(result.pairs) > 1:
            pair = result.pairs[i]
            first, second = facts.arm_label(pair.arm, lang), facts.arm_label(pair.baseline, lang)
            heading = f"{first}与{second}" if lang == "zh" else f"{facts.capital(first)} against {second}"
            parts.append(f"## {to_markdown(heading)}")
        parts.append(
            "\n".join(_item(line, lang) for line in render_summary(result, lang=lang, pair=i).splitlines())
        )
    return "\n\n".join(parts) + "\n"


def _item(line: str, lang: Lang) -> str:
    name, _, text = line.partition("|")
    colon = "：" if lang == "zh" else ": "
    return f"- **{to_markdown(name)}**{colon}{to_markdown(text)}"

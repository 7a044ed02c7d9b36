"""The reporting summary: the statistical items that journals of the Nature family ask for, filled in from the result."""

from __future__ import annotations

from crysmm_attn_plugin.reports.language import marks, pick
from crysmm_attn_plugin.reports.prose.markup import to_markdown
from crysmm_attn_plugin.reports.prose.paragraphs import render_summary
from crysmm_attn_plugin.reports.tables import pair_name
from crysmm_attn_plugin.stats.results import ComparisonResult

_TITLE = ("Reporting summary", "统计信息报告摘要")


def reporting_summary(result: ComparisonResult, lang: str) -> str:
    """Markdown: one list per pair of arms, or one for an arm alone.

    Args:
        result: The comparison.
        lang: A known language's code.
    """
    parts = [f"# {pick(_TITLE, lang)}"]
    for i in range(max(1, len(result.pairs))):
        if len(result.pairs) > 1:
            parts.append(f"## {to_markdown(pair_name(result.pairs[i], lang))}")
        parts.append(
            "\n".join(_item(line, lang) for line in render_summary(result, lang=lang, pair=i).splitlines())
        )
    return "\n\n".join(parts) + "\n"


def _item(line: str, lang: str) -> str:
    name, _, text = line.partition("|")
    colon = marks(lang).colon
    return f"- **{to_markdown(name)}**{colon}{to_markdown(text)}"

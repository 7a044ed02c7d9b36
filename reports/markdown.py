"""``report.md``: the whole report without interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.reports import tables
from crysmm_attn_plugin.reports.alarm_texts import alarm_text
from crysmm_attn_plugin.reports.aligned import sentence as alignment_sentence
from crysmm_attn_plugin.reports.escape import markdown as literal
from crysmm_attn_plugin.reports.language import nearest, pick
from crysmm_attn_plugin.reports.prose.headline import headline
from crysmm_attn_plugin.reports.prose.markup import to_markdown
from crysmm_attn_plugin.reports.prose.paragraphs import TITLES, Paragraphs
from crysmm_attn_plugin.reports.prose.references import REFERENCES, cited_in
from crysmm_attn_plugin.reports.prose.use_line import use_line
from crysmm_attn_plugin.reports.sections import Section

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison

_WORDS = {
    "title": ("Attention of the arms compared", "各组注意力对比"),
    "one": ("Attention of one arm", "单组注意力"),
    "table": ("Numbers", "数值"),
    "figures": ("Figures", "图"),
    "alarms": ("Alarms of the capture", "记录时的警示"),
    "references": ("References", "参考文献"),
    "use": ("Is the attention used?", "注意力是否被使用"),
}


def report_markdown(
    comparison: Comparison,
    figures: Sequence[Any],
    paragraphs: Mapping[str, Sequence[Paragraphs]],
    table: tables.Table,
    sections: Sequence[Section],
    langs: Sequence[str],
) -> str:
    """The report in every language asked for, one after the other.

    Args:
        comparison: What is reported.
        figures: Records of the figures written; shown by relative path.
        paragraphs: Language -> paragraphs, one item a pair.
        table: The main table.
        sections: Sections of plugins.
        langs: Languages.
    """
    parts = [_one_language(comparison, figures, paragraphs[lang], table, sections, lang) for lang in langs]
    return "\n\n---\n\n".join(parts) + "\n"


def _one_language(
    comparison: Comparison,
    figures: Sequence[Any],
    paragraphs: Sequence[Paragraphs],
    table: tables.Table,
    sections: Sequence[Section],
    lang: str,
) -> str:
    result = comparison.result
    words = {key: pick(texts, lang) for key, texts in _WORDS.items()}
    what = " · ".join(literal(x) for x in (result.dataset, result.property) if x)
    parts = [f"# {words['title'] if result.pairs else words['one']}" + (f" ({what})" if what else "")]
    for pair in result.pairs:
        parts.append("> " + to_markdown(headline(result, pair, lang)))
        if aligned := alignment_sentence(result, pair, lang):
            parts.append("> " + literal(aligned))
        if used := use_line(result, pair, lang):
            parts.append(f"> {words['use']} {literal(used)}")
    parts.append(f"## {words['table']}\n\n{tables.to_markdown(table, lang)}")
    several = len(result.pairs) > 1
    for i, prose in enumerate(paragraphs):
        if several:
            pair = result.pairs[i]
            parts.append(f"## {literal(tables.pair_name(pair, lang))}")
        for name, text in prose.items():
            if name != "methods_short" and (name != "methods" or i == 0):
                parts.append(
                    f"{'###' if several else '##'} {pick(TITLES[name], lang)}\n\n{to_markdown(text)}"
                )
    if figures:
        parts.append(f"## {words['figures']}")
        parts += [_figure(record, lang) for record in figures]
    if result.alarms:
        items = "\n".join(f"- {literal(alarm_text(alarm, lang))}" for alarm in result.alarms)
        parts.append(f"## {words['alarms']}\n\n{items}")
    for section in sections:
        title = nearest(section.title, lang, section.id)
        body = nearest(section.markdown, lang)
        parts.append(f"## {literal(title)}\n\n{body}")
    cited = cited_in(" ".join(text for prose in paragraphs for _, text in prose.items()))
    if cited:
        parts.append(
            f"## {words['references']}\n\n" + "\n".join(f"- {literal(REFERENCES[key].full)}" for key in cited)
        )
    return "\n\n".join(parts)


def _figure(record: Any, lang: str) -> str:
    shown = record.path("png", lang)
    image = f"![{literal(record.alts[lang])}](figures/{shown.name})\n\n" if shown else ""
    return f"{image}{literal(record.captions[lang])}"

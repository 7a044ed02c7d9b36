"""Paragraphs for a paper, in any known language, from the result and nothing else.

The case (claim x verdict x performance axis) chooses the sentences; see docs/paragraphs.md. No sentence claims more than
``PairComparison.claim`` allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.prose import facts
from crysmm_attn_plugin.reports.prose.alignment_facts import established, every_use
from crysmm_attn_plugin.reports.prose.context import context, describe_context
from crysmm_attn_plugin.reports.prose.facts import Style, Wording
from crysmm_attn_plugin.reports.prose.markup import to_markdown
from crysmm_attn_plugin.reports.prose.references import REFERENCES, cited_in
from crysmm_attn_plugin.reports.tables import pair_name
from crysmm_attn_plugin.stats.results import ComparisonResult

TITLES: dict[str, tuple[str, str]] = {
    "results": ("Results", "结果"),
    "alignment": ("Results: alignment and use", "结果：对齐与使用"),
    "robustness": ("Results: robustness", "结果：稳健性"),
    "caption": ("Figure caption", "图题"),
    "limitations": ("Limitations", "局限性"),
    "methods_short": ("Methods (short)", "方法（简）"),
    "methods": ("Methods", "方法"),
    "references": ("References", "参考文献"),
}


@dataclass(frozen=True)
class Paragraphs:
    """Plain text with one mark, ``*p*``, for symbols in italics; see ``reports.markup``.

    Attributes:
        results: The guide's core: what was compared, the four metrics, the figure, the errors, and what may be claimed.
        alignment: Whether attention is aligned with the text, shows blocks, and is used; empty where none of it was captured.
        robustness: Smallest effects, every run, the guide's ranges, other readings of the same data.
        methods_short: At most 80 words; ``methods`` says everything.
    """

    methods: str
    methods_short: str
    results: str
    alignment: str
    robustness: str
    caption: str
    limitations: str

    def items(self) -> list[tuple[str, str]]:
        """(name, text) of each that has a text, methods first."""
        return [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name)]


def render(
    result: ComparisonResult, *, lang: str = "en", style: Style = "nature", pair: int = 0
) -> Paragraphs:
    """The paragraphs of one pair of arms, or of one arm alone when the result has no pair.

    Args:
        result: The comparison.
        lang: A known language's code.
        style: ``nature``, ``apa`` or ``gbt``.
        pair: Index into ``result.pairs``.

    Raises:
        UsageError: On an unknown language, style or pair.
    """
    check_language(lang)
    if style not in get_args(Style):
        raise UsageError(f"number styles are {', '.join(get_args(Style))}; {style!r} is none of them.")
    if result.pairs and not 0 <= pair < len(result.pairs):
        raise UsageError(f"the result has {len(result.pairs)} pairs of arms; there is no pair {pair}.")
    values = _values(result, Wording(lang, style), pair)
    folder = "" if result.pairs else "one_arm_"
    return Paragraphs(
        methods=_fill(lang, "methods", values),
        methods_short=_fill(lang, "methods_short", values),
        results=_fill(lang, f"{folder}results", values),
        alignment=_fill(lang, "alignment", values),
        robustness=_fill(lang, "robustness", values) if result.pairs else "",
        caption=_fill(lang, f"{folder}caption", values),
        limitations=_fill(lang, "limitations", values),
    )


def render_use(result: ComparisonResult, *, lang: str, style: Style = "nature") -> list[str]:
    """Whether each arm uses its attention, then the difference of every pair: one text each, as in the paragraphs.

    Args:
        result: The comparison.
        lang: A known language's code.
        style: ``nature``, ``apa`` or ``gbt``.
    """
    wording = Wording(check_language(lang), style)
    values = _values(result, wording, 0)
    found = [
        _fill(lang, "use", {**values, "uses": [use], "use_between": None})
        for use in every_use(result, wording)
    ]
    for i in range(len(result.pairs)):
        found.append(_fill(lang, "use", {**_values(result, wording, i), "uses": []}))
    return [text for text in found if text]


def render_summary(result: ComparisonResult, *, lang: str, style: Style = "nature", pair: int = 0) -> str:
    """The reporting summary's body (Markdown list items), filled in from the result."""
    values = _values(result, Wording(lang, style), pair)
    text = _environment(lang).get_template("summary.j2").render(**values)
    lines = [_tidy(line, lang) for line in text.splitlines()]
    return "\n".join(line for line in lines if line)


def markdown(result: ComparisonResult, *, lang: str, style: Style = "nature") -> str:
    """Every paragraph in one language as Markdown, with the works that are cited."""
    parts, texts = [], []
    for level, title, text in blocks(result, lang=lang, style=style):
        parts.append(f"{'#' * level} {to_markdown(title)}\n\n{to_markdown(text)}".rstrip())
        texts.append(text)
    works = [f"- {to_markdown(REFERENCES[key].full)}" for key in cited_in(" ".join(texts))]
    if works:
        parts.append(f"## {language.pick(TITLES['references'], lang)}\n\n" + "\n".join(works))
    return "\n\n".join(parts) + "\n"


def blocks(result: ComparisonResult, *, lang: str, style: Style = "nature") -> list[tuple[int, str, str]]:
    """(heading level, title, text) in reading order: methods once; results, caption and limitations per pair."""
    which = check_language(lang)
    rendered = [render(result, lang=which, style=style, pair=i) for i in range(max(1, len(result.pairs)))]
    found: list[tuple[int, str, str]] = []
    for i, paragraphs in enumerate(rendered):
        level = 2
        if len(rendered) > 1:
            found.append((2, pair_name(result.pairs[i], which), ""))
            level = 3
        texts = dict(paragraphs.items())
        found += [
            (level, language.pick(TITLES[n], which), texts[n])
            for n in TITLES
            if n in texts and not n.startswith("methods")
        ]
    texts = dict(rendered[0].items())
    found += [(2, language.pick(TITLES[n], which), texts[n]) for n in ("methods_short", "methods")]
    return found


def check_language(lang: str) -> str:
    """The language, when paragraphs are written in it.

    Raises:
        UsageError: On another.
    """
    if lang not in language.known():
        raise UsageError(f"paragraphs are written in {' or '.join(language.known())}, not in {lang!r}.")
    return lang


def _values(result: ComparisonResult, wording: Wording, pair: int) -> dict[str, Any]:
    return context(result, result.pairs[pair], wording) if result.pairs else describe_context(result, wording)


@lru_cache(maxsize=8)
def _environment(lang: str) -> Environment:
    # the output is plain text; escaping is done for each format afterwards, in markup.py
    environment = Environment(
        loader=FileSystemLoader(language.template_folders(lang)),
        undefined=StrictUndefined,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters.update(facts.FILTERS)
    environment.globals.update(
        select=facts.select, established=established, count=language.numbers(lang).word
    )
    return environment


def _fill(lang: str, name: str, values: dict[str, Any]) -> str:
    return _tidy(_environment(lang).get_template(f"{name}.j2").render(**values), lang)


_HAN = r"[\u3400-\u9fff\u3001-\u303f\uff00-\uffef]"


def _tidy(text: str, lang: str) -> str:
    """One paragraph on one line; no space between Han characters and what stands beside them."""
    # an ideographic space, as after a figure's number, is no white space to be joined
    text = " ".join(re.split(r"[ \t\n\r\f\v]+", text)).strip(" ")
    if not language.marks(lang).space:
        text = re.sub(rf"(?<={_HAN}) +| +(?={_HAN})", "", text)
    return text

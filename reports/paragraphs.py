"""Paragraphs for a paper, in English and Chinese, from the result and nothing else.

The case (verdict x performance axis x number of seeds) chooses the sentences; see docs/paragraphs.md. No sentence
claims more than ``PairComparison.claim`` allows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports import prose_facts as facts
from crysmm_attn_plugin.reports.markup import to_latex, to_markdown
from crysmm_attn_plugin.reports.prose_context import context, describe_context
from crysmm_attn_plugin.reports.prose_facts import Lang, Style, Wording
from crysmm_attn_plugin.stats.results import ComparisonResult
from crysmm_attn_plugin.store.files import write_atomic

TITLES: dict[str, tuple[str, str]] = {
    "methods": ("Methods", "方法"),
    "results": ("Results", "结果"),
    "caption": ("Figure caption", "图题"),
    "limitations": ("Limitations", "局限性"),
}


@dataclass(frozen=True)
class Paragraphs:
    """Plain text with one mark, ``*p*``, for symbols in italics; see ``reports.markup``."""

    methods: str
    results: str
    caption: str
    limitations: str

    def items(self) -> list[tuple[str, str]]:
        """(name, text) of each."""
        return [(f.name, getattr(self, f.name)) for f in fields(self)]


def render(
    result: ComparisonResult, *, lang: Lang = "en", style: Style = "nature", pair: int = 0
) -> Paragraphs:
    """The four paragraphs of one pair of arms, or of one arm alone when the result has no pair.

    Args:
        result: The comparison.
        lang: ``en`` or ``zh``.
        style: ``nature``, ``apa`` or ``gbt``.
        pair: Index into ``result.pairs``.

    Raises:
        UsageError: On an unknown language, style or pair.
    """
    if lang not in get_args(Lang):
        raise UsageError(f"paragraphs are written in {' or '.join(get_args(Lang))}, not in {lang!r}.")
    if style not in get_args(Style):
        raise UsageError(f"number styles are {', '.join(get_args(Style))}; {style!r} is none of them.")
    if result.pairs and not 0 <= pair < len(result.pairs):
        raise UsageError(f"the result has {len(result.pairs)} pairs of arms; there is no pair {pair}.")
    wording = Wording(lang, style)
    values = (
        context(result, result.pairs[pair], wording) if result.pairs else describe_context(result, wording)
    )
    folder = "" if result.pairs else "one_arm_"
    return Paragraphs(
        methods=_fill(lang, "methods", values),
        results=_fill(lang, f"{folder}results", values),
        caption=_fill(lang, f"{folder}caption", values),
        limitations=_fill(lang, "limitations", values),
    )


def render_summary(result: ComparisonResult, *, lang: Lang, style: Style = "nature", pair: int = 0) -> str:
    """The reporting summary's body (Markdown list items), filled in from the result."""
    wording = Wording(lang, style)
    values = (
        context(result, result.pairs[pair], wording) if result.pairs else describe_context(result, wording)
    )
    text = _environment(lang).get_template("summary.j2").render(**values)
    lines = [_tidy(line, lang) for line in text.splitlines()]
    return "\n".join(line for line in lines if line)


def write(
    result: ComparisonResult,
    out_dir: str | os.PathLike[str],
    *,
    langs: Sequence[str] = ("en", "zh"),
    style: Style = "nature",
) -> list[Path]:
    """Write ``paragraphs.<lang>.md`` for each language and ``paragraphs.tex`` with all of them.

    Returns:
        The files written.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for lang in langs:
        written.append(folder / f"paragraphs.{lang}.md")
        _save(written[-1], markdown(result, lang=lang, style=style))
    written.append(folder / "paragraphs.tex")
    _save(written[-1], latex(result, langs=langs, style=style))
    return written


def markdown(result: ComparisonResult, *, lang: str, style: Style = "nature") -> str:
    """Every paragraph in one language as Markdown."""
    parts = []
    for level, title, text in blocks(result, lang=lang, style=style):
        parts.append(f"{'#' * level} {to_markdown(title)}\n\n{to_markdown(text)}".rstrip())
    return "\n\n".join(parts) + "\n"


def latex(result: ComparisonResult, *, langs: Sequence[str], style: Style = "nature") -> str:
    """Every paragraph in some languages as LaTeX, to be put into a document with ``\\input``."""
    parts = ["% Input this file from a document compiled with XeLaTeX or LuaLaTeX."]
    if "zh" in langs:
        parts.append(
            "% The Chinese part needs \\usepackage{ctex} (or \\documentclass{ctexart}) in the preamble."
        )
    commands = {2: "section*", 3: "subsection*"}
    for lang in langs:
        parts.append(f"% ---- {lang}")
        for level, title, text in blocks(result, lang=lang, style=style):
            parts.append(
                f"\\{commands[level]}{{{to_latex(title)}}}" + (f"\n{to_latex(text)}" if text else "")
            )
    return "\n\n".join(parts) + "\n"


def blocks(result: ComparisonResult, *, lang: str, style: Style = "nature") -> list[tuple[int, str, str]]:
    """(heading level, title, text) in reading order: results, caption and limitations per pair; methods once."""
    which: Lang = "zh" if lang == "zh" else "en"
    if lang not in get_args(Lang):
        raise UsageError(f"paragraphs are written in {' or '.join(get_args(Lang))}, not in {lang!r}.")
    zh = which == "zh"
    rendered = [render(result, lang=which, style=style, pair=i) for i in range(max(1, len(result.pairs)))]
    found: list[tuple[int, str, str]] = [(2, TITLES["methods"][zh], rendered[0].methods)]
    for i, paragraphs in enumerate(rendered):
        level = 2
        if len(rendered) > 1:
            pair = result.pairs[i]
            first, second = facts.arm_label(pair.arm, which), facts.arm_label(pair.baseline, which)
            found.append((2, f"{first}与{second}" if zh else f"{facts.capital(first)} against {second}", ""))
            level = 3
        found += [(level, TITLES[n][zh], t) for n, t in paragraphs.items() if n != "methods" and t]
    return found


def _save(path: Path, text: str) -> None:
    def fill(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomic(path, fill)


@lru_cache(maxsize=2)
def _environment(lang: str) -> Environment:
    # the output is plain text; escaping is done for each format afterwards, in markup.py
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates" / lang),
        undefined=StrictUndefined,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters.update(facts.FILTERS)
    environment.globals.update(select=facts.select, count=facts.count)
    return environment


def _fill(lang: str, name: str, values: dict[str, Any]) -> str:
    return _tidy(_environment(lang).get_template(f"{name}.j2").render(**values), lang)


_HAN = r"[\u3400-\u9fff\u3001-\u303f\uff00-\uffef]"


def _tidy(text: str, lang: str) -> str:
    """One paragraph on one line; no space between Han characters and what stands beside them."""
    text = " ".join(text.split())
    if lang == "zh":
        text = re.sub(rf"(?<={_HAN}) +| +(?={_HAN})", "", text)
    return text

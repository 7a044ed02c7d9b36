"""Sentences, a table and a figure of a report part, as a page's section and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.numbers import MISSING
from crysmm_attn_plugin.reports.sections import Section

#: A text in English and Chinese.
Texts = tuple[str, str]
#: How a cell with a number begins; a column without any is set as text.
_NUMBER = re.compile(r"[−+<]?\s?\d|p [=<]")
_WORDS = Markup(' class="words"')


@dataclass(frozen=True)
class Picture:
    """A figure of a part: its file beside the report, its element on the page."""

    path: Path
    drawing: str


def section(
    name: str,
    title: Texts,
    langs: Sequence[str],
    sentences: Callable[[str], Sequence[str]],
    columns: Sequence[Texts],
    rows: Callable[[str], Sequence[Sequence[str]]],
    pictures: Mapping[str, Picture] | None = None,
    caption: Texts = ("", ""),
) -> Section:
    """A part in every language, for the page and in Markdown.

    Args:
        name: Its identifier.
        title: Heading.
        langs: Languages.
        sentences: Language -> paragraphs, in reading order.
        columns: Headings of the table.
        rows: Language -> cells of the table.
        pictures: Language -> figure, where there is one.
        caption: Of the figure.
    """
    html, markdown = {}, {}
    for lang in langs:
        said, cells = sentences(lang), rows(lang)
        picture = (pictures or {}).get(lang)
        html[lang] = as_html(said, columns, cells, lang, picture.drawing if picture else "", caption)
        markdown[lang] = as_markdown(said, columns, cells, lang, picture.path if picture else None, caption)
    return Section(name, {lang: pick(title, lang) for lang in langs}, html, markdown)


def filled(
    columns: Sequence[Texts], rows: Sequence[Sequence[str]]
) -> tuple[list[Texts], list[tuple[str, ...]]]:
    """A table without the columns that hold nothing; what is missing in the others is shown as a dash.

    Args:
        columns: Headings.
        rows: Cells, as many a row as there are headings; an empty text for what is not known.

    Returns:
        Headings and rows that are left.
    """
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    return [columns[i] for i in kept], [tuple(row[i] or MISSING for i in kept) for row in rows]


def as_html(
    sentences: Sequence[str],
    columns: Sequence[Texts],
    rows: Sequence[Sequence[str]],
    lang: str,
    drawing: str = "",
    caption: Texts = ("", ""),
) -> str:
    """A section's HTML: a paragraph a sentence, the table where there are rows, the drawing where there is one.

    Args:
        sentences: In reading order.
        columns: Headings of the table.
        rows: Its cells; every text is escaped here.
        lang: Language.
        drawing: Element that shows the figure; it is taken as it is.
        caption: Of the figure.
    """
    parts = [Markup("<p>{}</p>").format(s) for s in sentences]
    columns, rows = filled(columns, rows)
    if rows:
        words = [not any(_NUMBER.match(row[i]) for row in rows) for i in range(len(columns))]
        head = Markup("").join(
            Markup('<th scope="col"{}>{}</th>').format(_WORDS if text else "", pick(c, lang))
            for c, text in zip(columns, words)
        )
        body = Markup("").join(
            Markup("<tr>{}</tr>").format(
                Markup("").join(
                    Markup("<td{}>{}</td>").format(_WORDS if text else "", c) for c, text in zip(row, words)
                )
            )
            for row in rows
        )
        parts.append(
            Markup(
                '<div class="scroll" tabindex="0"><table class="numbers"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
            ).format(head, body)
        )
    if drawing:
        parts += [Markup(drawing), Markup('<p class="note">{}</p>').format(pick(caption, lang))]
    return str(Markup("\n").join(parts))


def as_markdown(
    sentences: Sequence[str],
    columns: Sequence[Texts],
    rows: Sequence[Sequence[str]],
    lang: str,
    picture: Path | None = None,
    caption: Texts = ("", ""),
) -> str:
    """The same in Markdown; the picture is named by its file, which lies beside the document."""
    parts = [escape.markdown(s) for s in sentences]
    columns, rows = filled(columns, rows)
    if rows:
        cells = [[pick(c, lang) for c in columns], ["---"] * len(columns)]
        cells += [[escape.markdown(c) for c in row] for row in rows]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in cells))
    if picture is not None:
        parts.append(f"![{escape.markdown(pick(caption, lang))}]({picture.name})")
    return "\n\n".join(parts)

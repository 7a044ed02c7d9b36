"""Sentences, a table and a figure of a report part, as a page's section and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.language import pick

#: A text in English and Chinese.
Texts = tuple[str, str]


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
    if rows:
        head = Markup("").join(Markup('<th scope="col">{}</th>').format(pick(c, lang)) for c in columns)
        body = Markup("").join(
            Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row))
            for row in rows
        )
        parts.append(
            Markup(
                '<div class="scroll"><table class="numbers"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
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
    if rows:
        cells = [[pick(c, lang) for c in columns], ["---"] * len(columns)]
        cells += [[escape.markdown(c) for c in row] for row in rows]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in cells))
    if picture is not None:
        parts.append(f"![{escape.markdown(pick(caption, lang))}]({picture.name})")
    return "\n\n".join(parts)

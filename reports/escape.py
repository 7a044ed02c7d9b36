"""Text that came from data, made safe for where it goes."""

from __future__ import annotations

import html
import re

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": r"$-$", "–": "--", "×": r"$\times$",
}  # fmt: skip


def latex(text: object) -> str:
    """``text`` with every character that LaTeX treats specially escaped."""
    return "".join(_LATEX.get(c, c) for c in str(text))


def csv_cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers are left alone."""
    if (
        isinstance(value, str)
        and value[:1] in ("=", "+", "-", "@", "\t", "\r")
        and not _NUMBER.fullmatch(value)
    ):
        return "'" + value
    return value


def markdown(text: object) -> str:
    """``text`` as literal Markdown: no tags, no emphasis, no table breaks, one line."""
    escaped = html.escape(str(text), quote=False)
    for character in "\\`*_[]|":
        escaped = escaped.replace(character, "\\" + character)
    return " ".join(escaped.split())

"""Paragraph text to Markdown, HTML, LaTeX and plain text.

Paragraphs are plain text with one kind of mark: ``*p*``, a statistic's symbol in italics. Everything else, and so
everything that came from data, is literal and escaped here for where it goes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from crysmm_attn_plugin.reports import escape

#: The symbols that prose sets in italics; nothing else between asterisks is a mark.
ITALIC = re.compile(r"\*([A-Za-zρ]{1,2})\*")

_MATHS = {
    "−": "$-$", "×": r"$\times$", "·": r"$\cdot$", "±": r"$\pm$", "Σ": r"$\sum$", "ρ": r"$\rho$", "α": r"$\alpha$",
    "β": r"$\beta$", "≥": r"$\geq$", "≤": r"$\leq$", "<": "$<$", ">": "$>$", "~": r"$\sim$",
}  # fmt: skip
_SYMBOLS = {"g_z": "$g_z$", "d_z": "$d_z$", "w_(i)": "$w_{(i)}$", "e^H": r"$e^{H}$"}


def to_plain(text: str) -> str:
    """Without the italics marks."""
    return ITALIC.sub(r"\1", text)


def to_markdown(text: str) -> str:
    """Markdown with everything but the italics marks escaped."""
    return _around_italics(text, _markdown, lambda symbol: f"*{symbol}*")


def to_html(text: str) -> str:
    """HTML with everything escaped and italics as ``<i>``."""
    return _around_italics(text, lambda t: html.escape(t, quote=True), lambda symbol: f"<i>{symbol}</i>")


def to_latex(text: str) -> str:
    """LaTeX with everything escaped; statistics' symbols and signs in maths mode."""
    return _around_italics(text, _latex, lambda symbol: f"${_MATHS.get(symbol, symbol).strip('$')}$")


def _markdown(text: str) -> str:
    # html.escape first: a backslash before & would break the entity
    escaped = html.escape(text, quote=False)
    return re.sub(r"([\\`*_\[\]|])", r"\\\1", escaped)


def _latex(text: str) -> str:
    parts = re.split("(" + "|".join(re.escape(s) for s in _SYMBOLS) + ")", text)
    return "".join(
        _SYMBOLS[p] if p in _SYMBOLS else "".join(_MATHS.get(c) or escape.latex(c) for c in p) for p in parts
    )


def _around_italics(text: str, literal: Callable[[str], str], symbol: Callable[[str], str]) -> str:
    pieces, last = [], 0
    for found in ITALIC.finditer(text):
        pieces += [literal(text[last : found.start()]), symbol(found.group(1))]
        last = found.end()
    return "".join([*pieces, literal(text[last:])])

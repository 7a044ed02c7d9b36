"""Paragraph text to Markdown, HTML, LaTeX and plain text.

Paragraphs are plain text with one kind of mark: ``*p*``, a statistic's symbol in italics. Everything else, and so
everything that came from data, is literal and escaped here for where it goes. In LaTeX citations become ``\\cite``, and
formulas and symbols mathematics.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.prose.references import citations_in, keys_of

#: The symbols that prose sets in italics; nothing else between asterisks is a mark.
ITALIC = re.compile(r"\*([A-Za-zρ]{1,2})\*")
#: Formulas of the primary metrics as prose has them, and as mathematics.
FORMULAS = {
    "entropy": ("H = −Σ w ln w", r"H = -\sum w \ln w"),
    "max_weight": ("max w", r"\max w"),
    "effective_tokens_hill": ("e^H", r"e^{H}"),
    "gini": (
        "[2 Σ i w_(i)/(m Σ w) − (m + 1)/m]·m/(m − 1)",
        r"\left[\frac{2 \sum i\,w_{(i)}}{m \sum w} - \frac{m + 1}{m}\right] \frac{m}{m - 1}",
    ),
    "normalized_entropy": ("H/ln m", r"H / \ln m"),
}
_MATHS = {
    "−": "-", "×": r"\times", "·": r"\cdot", "±": r"\pm", "Σ": r"\sum", "ρ": r"\rho", "α": r"\alpha", "β": r"\beta",
    "≥": r"\geq", "≤": r"\leq", "<": "<", ">": ">", "≈": r"\approx", "Δ": r"\Delta",
}  # fmt: skip
_SYMBOLS = {
    **{text: f"${maths}$" for text, maths in FORMULAS.values()},
    "g_z": "$g_z$", "d_z": "$d_z$", "d_av": r"$d_{\mathrm{av}}$", "w_(i)": "$w_{(i)}$",
}  # fmt: skip
_LITERAL = re.compile("|".join(re.escape(s) for s in sorted(_SYMBOLS, key=len, reverse=True)))
_SIGNS = re.compile(f"([{re.escape(''.join(_MATHS))}])")
#: Marks of italics while Markdown escapes what stands beside them.
_OPEN, _CLOSE = "\ue000", "\ue001"


def to_plain(text: str) -> str:
    """Without the italics marks."""
    return ITALIC.sub(r"\1", text)


def to_markdown(text: str) -> str:
    """Markdown with the italics marks kept and everything else literal."""
    marked = ITALIC.sub(rf"{_OPEN}\1{_CLOSE}", text.replace(_OPEN, "").replace(_CLOSE, ""))
    return escape.markdown(marked).replace(_OPEN, "*").replace(_CLOSE, "*")


def to_html(text: str) -> str:
    """HTML with everything escaped and italics as ``<i>``."""
    return pieces(text, lambda t: html.escape(t, quote=True), lambda symbol: f"<i>{symbol}</i>")


def to_latex(text: str) -> str:
    """LaTeX with everything escaped; citations as ``\\cite``, symbols and formulas in maths mode."""
    parts, last = [], 0
    for found in citations_in(text):
        parts.append(_latex_symbols(text[last : found.start()]))
        keys = ",".join(keys_of(found["inside"] or found["bare"]))
        parts.append(("~" if found["open"] else "") + rf"\cite{{{keys}}}")
        last = found.end()
    return "".join([*parts, _latex_symbols(text[last:])])


def pieces(text: str, literal: Callable[[str], str], symbol: Callable[[str], str]) -> str:
    """The text with its literal parts and its italic symbols each put through a function."""
    parts, last = [], 0
    for found in ITALIC.finditer(text):
        parts += [literal(text[last : found.start()]), symbol(found.group(1))]
        last = found.end()
    return "".join([*parts, literal(text[last:])])


def _latex_symbols(text: str) -> str:
    return pieces(text, _latex, lambda symbol: f"${_MATHS.get(symbol, symbol)}$")


def _latex(text: str) -> str:
    parts, last = [], 0
    for found in _LITERAL.finditer(text):
        parts += [_signs(text[last : found.start()]), _SYMBOLS[found.group()]]
        last = found.end()
    return "".join([*parts, _signs(text[last:])])


def _signs(text: str) -> str:
    return "".join(
        f"${_MATHS[part]}$" if part in _MATHS else escape.latex(part) for part in _SIGNS.split(text)
    )

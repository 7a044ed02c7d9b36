"""The one place where numbers of prose and tables become text.

Rules: a true minus; two significant figures of an interval's width decide the decimals; p below .001 as ``p < 0.001``;
never scientific notation for what a reader can take in; Chinese text uses half-width digits and ``~`` for ranges.
"""

from __future__ import annotations

import math

from crysmm_attn_plugin.reports import language

MINUS = "−"
MISSING = "–"


def fixed(value: float | None, decimals: int, *, sign: bool = False) -> str:
    """``value`` with a true minus; a rounded zero has no sign."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.{decimals}f}"
    zero = float(text) == 0
    mark = "" if zero else MINUS if value < 0 else "+" if sign else ""
    return mark + text


def decimals_for(width: float | None, *, most: int = 5) -> int:
    """Decimals that show an interval of this width to two significant figures."""
    if width is None or not math.isfinite(width) or width <= 0:
        return 3
    return min(max(1 - math.floor(math.log10(width)), 0), most)


def interval_decimals(low: float, high: float, *, most: int = 5) -> int:
    """As ``decimals_for``, and enough that an end which is not zero is not shown as zero."""
    decimals = decimals_for(high - low, most=most)
    while decimals < most and any(x != 0 and float(f"{x:.{decimals}f}") == 0 for x in (low, high)):
        decimals += 1
    return decimals


def format_number(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A number at the precision its interval deserves; three significant figures without one."""
    if value is None or not math.isfinite(value):
        return MISSING
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        return fixed(value, interval_decimals(low, high))
    if value == 0:
        return "0"
    return fixed(value, min(max(2 - math.floor(math.log10(abs(value))), 0), 5))


def format_interval(low: float | None, high: float | None, *, lang: str = "en", style: str = "nature") -> str:
    """``0.12 to 0.34`` (nature), ``[0.12, 0.34]`` (apa): two ends as the language writes them."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    decimals = interval_decimals(low, high)
    first, second = fixed(low, decimals), fixed(high, decimals)
    forms = language.numbers(lang).interval
    return forms.get(style, forms[""]).format(low=first, high=second)


def format_percent(
    value: float | None, decimals: int | None = None, *, magnitude: bool = False, lang: str = "en"
) -> str:
    """``12.3%``; without sign when a word such as lower or higher carries it."""
    if value is None or not math.isfinite(value):
        return MISSING
    shown = abs(value) if magnitude else value
    if decimals is None:
        decimals = 1 if abs(value) < 100 else 0
    return f"{fixed(shown, decimals)}%"


def format_p(value: float | None, *, lang: str = "en", style: str = "nature", name: str = "p") -> str:
    """``p = 0.012``, ``p < 0.001``; APA drops the leading zero; gbt and Markdown italics are the caller's."""
    if value is None or not math.isfinite(value):
        return f"{name} {MISSING}"
    if value < 0.001:
        text, relation = "0.001", "<"
    else:
        text, relation = f"{min(value, 1.0):.{3 if value < 0.1 else 2}f}", "="
    if style == "apa" and text.startswith("0."):
        text = text[1:]
    return f"{name} {relation} {text}"


def format_p_value(value: float | None, *, style: str = "nature") -> str:
    """The p-value alone, for a table cell: ``0.012`` or ``< 0.001``."""
    text = format_p(value, style=style, name="p")
    return text.removeprefix("p ").removeprefix("= ")


def format_effect(value: float | None, *, style: str = "nature") -> str:
    """A standardised effect with two decimals."""
    return fixed(value, 2)

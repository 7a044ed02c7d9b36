"""Numbers as text in one language and style."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crysmm_attn_plugin.language_forms import Marks, NumberForms, Styled
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.numbers import (
    MISSING,
    decimals_for,
    fixed,
    format_number,
    format_p,
    format_percent,
    interval_decimals,
)

Style = Literal["nature", "apa", "gbt"]

#: Above this a rise is told as a multiple: "3.2-fold", not "221 % higher".
FOLD_FROM = 100.0


@dataclass(frozen=True)
class Wording:
    """Numbers as text in one language and style."""

    lang: str
    style: Style

    @property
    def italic(self) -> bool:
        return self.style in ("apa", "gbt")

    @property
    def marks(self) -> Marks:
        return language.marks(self.lang)

    @property
    def forms(self) -> NumberForms:
        return language.numbers(self.lang)

    def say(self, en: str, zh: str, **values: object) -> str:
        """One text in the language; see ``language.say``."""
        return language.say(en, zh, self.lang, **values)

    def pick(self, texts: Sequence[str] | Mapping[str, str]) -> str:
        """One of several texts; see ``language.pick``."""
        return language.pick(texts, self.lang)

    def styled(self, texts: Styled, **values: str) -> str:
        """The text of this style, its fields filled in."""
        return texts.get(self.style, texts[""]).format(**values)

    def symbol(self, name: str) -> str:
        """A statistic's symbol, in italics where the style asks for it."""
        return f"*{name}*" if self.italic else name

    def p(self, value: float | None) -> str:
        """``p = 0.012``."""
        return format_p(value, lang=self.lang, style=self.style, name=self.symbol("p"))

    def ends(self, low: str, high: str) -> str:
        """A range from its two ends as text: ``0.1 to 0.3``, ``[0.1, 0.3]`` (apa), ``0.1～0.3`` in Chinese."""
        return self.styled(self.forms.range, low=low, high=high)

    def bracketed(self, value: str, low: str, high: str) -> str:
        """A number with its range, as a table cell has it."""
        return self.styled(self.forms.cell, value=value, low=low, high=high)

    def with_interval(self, value: float, low: float, high: float, *, sign: bool = False) -> str:
        """A number with its interval, as a table cell has it, at the precision of the interval's width."""
        if not (math.isfinite(low) and math.isfinite(high)):
            return fixed(value, 3, sign=sign)
        decimals = interval_decimals(low, high)
        return self.bracketed(fixed(value, decimals, sign=sign), fixed(low, decimals), fixed(high, decimals))

    def with_unit(self, label: str, unit: str) -> str:
        """A label with its unit, as a table has it; a capital first."""
        label = capital(label)
        return self.styled(self.forms.unit, label=label, unit=unit) if unit else label

    def interval(self, low: float | None, high: float | None) -> str:
        """An interval, at the precision of its width."""
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            return MISSING
        decimals = interval_decimals(low, high)
        return self.ends(fixed(low, decimals), fixed(high, decimals))

    def percent(self, value: float | None, low: float | None = None, high: float | None = None) -> str:
        """Percent with its sign."""
        decimals = None
        if low is not None and high is not None and math.isfinite(high - low):
            decimals = min(max(decimals_for(high - low), 0 if abs(value or 0) >= FOLD_FROM else 1), 3)
        return format_percent(value, decimals, lang=self.lang)

    def percent_interval(self, low: float | None, high: float | None) -> str:
        """An interval of a percentage, empty where an end is missing."""
        if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
            return ""
        return self.ends(self.percent(low, low, high), self.percent(high, low, high))

    def fold(self, percent: float, low: float | None = None, high: float | None = None) -> str:
        """``3.2-fold`` / ``3.2 倍``: a percent change as the ratio it stands for."""
        ratio = 1 + percent / 100
        if low is not None and high is not None and math.isfinite(high - low):
            text = fixed(ratio, min(max(decimals_for((high - low) / 100), 1), 2))
        else:
            text = fixed(ratio, 1)
        return self.forms.fold.format(ratio=text)

    def change(self, percent: float | None, low: float | None = None, high: float | None = None) -> str:
        """A relative change as a table cell: ``−23.6%``, ``3.2-fold``, ``not defined``."""
        if percent is None or not math.isfinite(percent):
            return self.say("not defined", "无定义")
        return self.fold(percent, low, high) if percent >= FOLD_FROM else self.percent(percent, low, high)

    def rho(self, value: float | None) -> str:
        """A correlation: two decimals, without the leading zero in APA."""
        text = fixed(value, 2)
        return text.replace("0.", ".", 1) if self.style == "apa" else text

    def rho_interval(self, low: float, high: float) -> str:
        """An interval of a correlation."""
        return self.ends(self.rho(low), self.rho(high))

    def several_p(self, values: Sequence[float]) -> str:
        """One p-value for all when they read alike, else all of them."""
        texts = [self.p(v) for v in values]
        return self.join(list(dict.fromkeys(texts)) if len(set(texts)) == 1 else texts)

    def numbers(self, values: Sequence[float], width: float | None = None) -> str:
        """Values one after the other at one precision, that of an interval of this width."""
        if width is not None and math.isfinite(width) and width > 0:
            texts = [fixed(v, decimals_for(width)) for v in values]
        else:
            texts = [format_number(v) for v in values]
        return self.marks.list.join(texts)

    def join(self, items: Sequence[str], last: str = "") -> str:
        """``a, b and c`` / ``a、b和c``."""
        return self.marks.join(list(items), f"{self.marks.space}{last}{self.marks.space}" if last else "")

    def count(self, n: int) -> str:
        """A small count as a word, where the language has one."""
        return self.forms.word(n)


def capital(text: str) -> str:
    """First letter as a capital."""
    return text[:1].upper() + text[1:]


def bare(text: str) -> str:
    """Without a leading article."""
    return text.removeprefix("the ")


def joined(lang: str, *parts: str) -> str:
    """Several statements as one; a symbol, its relation and its value stay on one line."""
    return language.marks(lang).semicolon.join(
        re.sub(r"p ([=<]) ", "p\u00a0\\1\u00a0", part) for part in parts
    )

"""What a language is made of besides its texts: punctuation, numbers in words, names of works, LaTeX, fonts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: One text per number style (``nature``, ``apa``, ``gbt``); the empty style stands for all that are not named.
Styled = Mapping[str, str]


@dataclass(frozen=True)
class Marks:
    """Punctuation of a language, with the spaces that go with it."""

    stop: str = ". "
    comma: str = ", "
    list: str = ", "
    last: str = " and "
    semicolon: str = "; "
    colon: str = ": "
    space: str = " "
    open: str = " ("
    close: str = ")"

    def join(self, items: Sequence[str], last: str = "") -> str:
        """``a, b and c``; ``last`` in place of the language's own last joint."""
        if len(items) < 2:
            return "".join(items)
        return self.list.join(items[:-1]) + (last or self.last) + items[-1]


@dataclass(frozen=True)
class NumberForms:
    """Numbers in running text and cells.

    Attributes:
        range: Two ends in prose.
        interval: Two ends beside a name of the interval.
        cell: A number with its range, in a table.
        unit: A label with its unit, as a table's head.
        fold: A ratio.
        thousands: Mark between groups of three digits; empty for none.
        words: Words of the counts from nought on; digits where they end.
    """

    range: Styled = field(default_factory=lambda: {"": "[{low}, {high}]", "nature": "{low} to {high}"})
    interval: Styled = field(default_factory=lambda: {"": "[{low}, {high}]", "nature": "{low} to {high}"})
    cell: Styled = field(
        default_factory=lambda: {"": "{value} ({low} to {high})", "apa": "{value} [{low}, {high}]"}
    )
    unit: Styled = field(default_factory=lambda: {"": "{label} ({unit})"})
    fold: str = "{ratio}-fold"
    thousands: str = ","
    words: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("range", "interval", "cell", "unit"):
            if "" not in getattr(self, name):
                raise ValueError(f"number forms: {name} needs a text for every style, under the empty one")

    def word(self, n: int) -> str:
        """A count as a word where there is one."""
        return self.words[n] if 0 <= n < len(self.words) else str(n)

    def count(self, n: int) -> str:
        """A large count with its groups of three digits set apart."""
        return f"{n:,}".replace(",", self.thousands)


@dataclass(frozen=True)
class LatexForm:
    """How a language is set in LaTeX.

    Attributes:
        engine: The program that compiles it.
        babel: Option of the package babel, which names figures and tables and hyphenates; empty for English.
        cjk_fonts: Fonts for Han characters, first found wins; with ``xelatex`` only.
        preamble: Lines added to the preamble.
    """

    engine: str = "pdflatex"
    babel: str = ""
    cjk_fonts: tuple[str, ...] = ()
    preamble: str = ""


@dataclass(frozen=True)
class Fonts:
    """Fonts of Word documents: of Latin letters, and of Han characters."""

    latin: str = "Times New Roman"
    han: str = "SimSun"


#: Replacements that turn an English citation (Holm & Hill, 1979) into another language's.
Citation = tuple[tuple[str, str], ...]

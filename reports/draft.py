"""What the parts of one report share while it is made: each is made once, when the first part asks for it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.reports import tables
from crysmm_attn_plugin.reports.sections import Section
from crysmm_attn_plugin.store.files import write_atomic

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison
    from crysmm_attn_plugin.reports.figures import FigureRecord
    from crysmm_attn_plugin.reports.prose.facts import Style
    from crysmm_attn_plugin.reports.prose.paragraphs import Paragraphs
    from crysmm_attn_plugin.reports.tables import Table


class Draft:
    """A report in the making.

    Args:
        comparison: What is reported.
        folder: Where its files go.
        langs: Languages, at least one.
        style: ``nature``, ``apa`` or ``gbt``.
        wanted: Names of the parts asked for.
        earlier: Folder of an earlier report, whose figures are taken over where they would be drawn again as they are.
        progress: Called with the name of what is made next.
    """

    def __init__(
        self,
        comparison: Comparison,
        folder: Path,
        langs: tuple[str, ...],
        style: Style,
        wanted: frozenset[str],
        earlier: Path,
        progress: Callable[[str], None],
    ) -> None:
        self.comparison, self.folder, self.langs, self.style = comparison, folder, langs, style
        self.wanted, self.earlier, self.progress = wanted, earlier, progress
        #: Sections of the parts made so far.
        self.sections: list[Section] = []
        #: Numbers of the parts made so far, by part.
        self.numbers: dict[str, Any] = {}

    @cached_property
    def table(self) -> Table:
        """The main table."""
        return tables.main_table(self.comparison.result, self.style)

    @cached_property
    def figures(self) -> list[FigureRecord]:
        """Every figure; where no part keeps the files, as vectors alone."""
        from crysmm_attn_plugin.reports.figures import FIGURE_FORMATS, write_figures  # matplotlib

        self.progress("figures")
        files = FIGURE_FORMATS if "figures" in self.wanted else ("svg",)
        return write_figures(
            self.comparison, self.folder, langs=self.langs, formats=files, earlier=self.earlier
        )

    @property
    def shown_figures(self) -> Sequence[FigureRecord]:
        """The figures without files that will not lie beside the report: captions and no dead links."""
        if "figures" in self.wanted:
            return self.figures
        return [dataclasses.replace(f, files=()) for f in self.figures]

    @cached_property
    def paragraphs(self) -> dict[str, list[Paragraphs]]:
        """Paragraphs by language, one item a pair."""
        from crysmm_attn_plugin.reports.prose import paragraphs as prose  # jinja2

        self.progress("paragraphs")
        result = self.comparison.result
        pairs = range(max(len(result.pairs), 1))
        return {
            lang: [prose.render(result, lang=lang, style=self.style, pair=i) for i in pairs]
            for lang in self.langs
        }

    @property
    def figure_numbers(self) -> dict[str, Any]:
        """Numbers of the figures that were drawn."""
        drawn = self.figures if "figures" in vars(self) else ()
        return {record.name: record.numbers for record in drawn if record.numbers}

    def table_stem(self, lang: str) -> str:
        """``table`` in the report's first language, ``table.zh`` in its second."""
        return "table" if lang == self.langs[0] else f"table.{lang}"

    def text(self, name: str, text: str) -> Path:
        """Write a text file."""
        return write_atomic(self.folder / name, lambda p: p.write_text(text, encoding="utf-8"))

    def tidy(self) -> None:
        """Remove pictures that were drawn for a page alone."""
        if "figures" in self.wanted:
            return
        for path in (self.folder / "figures", *self.folder.glob("attention_*.png")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

"""Every figure of a comparison, written with its captions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.errors import AttnError, UsageError
from crysmm_attn_plugin.reports.figures import (
    captions,
    categories,
    coupling,
    epochs,
    heatmaps,
    performance,
    specification,
    statistics,
)
from crysmm_attn_plugin.reports.figures.style import FigureRecord, context, label_language, save
from crysmm_attn_plugin.store.files import safe_name, write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Plan:
    """One figure to be drawn.

    Attributes:
        name: File stem.
        kind: Which caption.
        draw: Language of the labels -> the figure, and numbers in its labels that the result lacks.
        about: What the caption needs beside the result.
        at_top: Its PNG also lies in the report's own folder, where the original tool put it.
    """

    name: str
    kind: str
    draw: Callable[[str], tuple[Figure, dict[str, float]]]
    about: dict[str, Any] = field(default_factory=dict)
    at_top: bool = False


def write_figures(
    comparison: Any,
    out_dir: str | os.PathLike[str],
    *,
    langs: Sequence[str] = LANGUAGES,
    formats: Sequence[str] = FORMATS,
) -> list[FigureRecord]:
    """Draw every figure the comparison has numbers for.

    English labels give ``figures/<name>.<format>``, Chinese ones ``figures/<name>.zh.<format>``; the original
    tool's four pictures also lie in ``out_dir`` itself. Where no Chinese font is installed the Chinese report
    gets the English pictures, and the record says so (``label_languages``).

    Args:
        comparison: A ``reports.comparison.Comparison``: ``result``, ``samples``, ``maps(id, arm)``.
        out_dir: The report's folder.
        langs: Languages of labels and captions, ``en`` and ``zh``.
        formats: ``png``, ``pdf``, ``svg``.

    Returns:
        A record per figure, in the order a report shows them.

    Raises:
        UsageError: On an unknown language or format.
    """
    for given, known, what in ((langs, LANGUAGES, "language"), (formats, FORMATS, "figure format")):
        wrong = [g for g in given if g not in known]
        if wrong:
            raise UsageError(f"unknown {what} {wrong[0]!r}; choose from {', '.join(known)}.")
    folder = Path(out_dir) / "figures"
    drawn_in = {lang: label_language(lang) for lang in langs}
    records = []
    with context():
        for plan in plans(comparison):
            files: list[Path] = []
            numbers: dict[str, float] = {}
            for lang in dict.fromkeys(drawn_in.values()):
                figure, found = plan.draw(lang)
                numbers.update(found)
                files += save(figure, folder, plan.name, formats, lang)
            if plan.at_top and "png" in formats:
                files.append(_copy(files, Path(out_dir) / f"{plan.name}.png"))
            records.append(
                FigureRecord(
                    plan.name,
                    tuple(files),
                    {
                        lang: captions.caption(plan.kind, comparison.result, lang, **plan.about)
                        for lang in langs
                    },
                    {lang: captions.alt(plan.kind, comparison.result, lang, **plan.about) for lang in langs},
                    numbers,
                    drawn_in,
                )
            )
    return records


def _copy(files: Sequence[Path], target: Path) -> Path:
    """The first PNG (English where both languages were drawn) under the original tool's name."""
    source = next(f for f in files if f.suffix == ".png")

    def copy(path: Path) -> None:
        shutil.copyfile(source, path)

    return write_atomic(target, copy)


def plans(comparison: Any) -> Iterator[Plan]:
    """Which figures this comparison can have, in order."""
    result, samples = comparison.result, comparison.samples
    if any(f"{m}.{a.name}" in samples for m in statistics.PRIMARY for a in result.arms):
        yield Plan(
            "attention_statistics_comparison",
            "statistics",
            lambda lang: (statistics.draw(result, samples, lang), {}),
            at_top=True,
        )
    for number, (example, maps) in enumerate(_examples(comparison), start=1):
        yield Plan(
            f"attention_heatmap_example_{number}",
            "heatmap",
            lambda lang, example=example, maps=maps: heatmaps.draw(result, example, maps, lang),  # type: ignore[misc]
            {"example": example},
            at_top=True,
        )
    if result.categories:
        yield Plan(
            "attention_by_word_category", "categories", lambda lang: (categories.draw(result, lang), {})
        )
    if coupling.available(result):
        yield Plan("attention_and_error", "coupling", lambda lang: (coupling.draw(result, samples, lang), {}))
    if result.epochs:
        yield Plan("attention_over_training", "epochs", lambda lang: (epochs.draw(result, lang), {}))
    several = specification.available(result)
    for pair in several:
        name = "specification_curve" + (f"_{safe_name(pair.arm)[:40]}" if len(several) > 1 else "")
        yield Plan(
            name,
            "specification",
            lambda lang, pair=pair: (specification.draw(result, pair, lang), {}),  # type: ignore[misc]
            {"pair": pair},
        )
    if performance.available(result, samples):
        yield Plan(
            "prediction_performance",
            "performance",
            lambda lang: (performance.draw(result, samples, lang), {}),
        )


def _examples(comparison: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The chosen crystals with their maps, the baseline's first; arms without a map of it are left out."""
    result = comparison.result
    names = [a.name for a in result.arms]
    ordered = [a for a in names if a == result.baseline] + [a for a in names if a != result.baseline]
    for example in result.examples:
        maps = {}
        for arm in ordered:
            try:
                maps[arm] = comparison.maps(example.id, arm)
            except AttnError:
                continue
        shapes = {m.weights.shape[1:] for m in maps.values() if m is not None}
        maps = {arm: m for arm, m in maps.items() if m is not None}
        if maps and len(shapes) == 1 and (not result.baseline or result.baseline in maps):
            yield example, maps

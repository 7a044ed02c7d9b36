"""Every figure of a comparison, written with its captions; those an earlier report has already are taken from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.figures import captions
from crysmm_attn_plugin.reports.figures.drawing import Job, Result, draw_all
from crysmm_attn_plugin.reports.figures.kept import Data, Kept, digest_of
from crysmm_attn_plugin.reports.figures.plans import Plan, plans
from crysmm_attn_plugin.reports.figures.style import FigureRecord
from crysmm_attn_plugin.store.files import write_atomic

FORMATS = ("png", "pdf", "svg")


def write_figures(
    comparison: Any,
    out_dir: str | os.PathLike[str],
    *,
    langs: Sequence[str] = language.BUILT_IN,
    formats: Sequence[str] = FORMATS,
    earlier: str | os.PathLike[str] | None = None,
) -> list[FigureRecord]:
    """Draw every figure the comparison has numbers for.

    English labels give ``figures/<name>.<format>``, Chinese ones ``figures/<name>.zh.<format>``; the original
    tool's four pictures also lie in ``out_dir`` itself.

    Args:
        comparison: A ``reports.comparison.Comparison``: ``result``, ``samples``, ``maps(id, arm)``.
        out_dir: The report's folder.
        langs: Languages of labels and captions.
        formats: ``png``, ``pdf``, ``svg``.
        earlier: A report's folder whose figures are used again where their data have not changed.

    Returns:
        A record per figure, in the order a report shows them.

    Raises:
        UsageError: On an unknown language or format.
    """
    for given, known, what in ((langs, language.known(), "language"), (formats, FORMATS, "figure format")):
        wrong = [g for g in given if g not in known]
        if wrong:
            raise UsageError(f"unknown {what} {wrong[0]!r}; choose from {', '.join(known)}.")
    folder = Path(out_dir) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    result, samples = comparison.result, comparison.samples
    kept = Kept.read(Path(earlier) / "figures") if earlier is not None else Kept({})
    known_results: dict[tuple[str, str], Result] = {}
    jobs = []
    data = Data.of(result, samples)
    planned = list(plans(comparison))
    texts = {(plan.name, lang): _texts(plan, result, lang) for plan in planned for lang in langs}
    for plan in planned:
        for lang in dict.fromkeys(langs):
            caption, alt = texts[plan.name, lang]
            job = Job(plan.name, plan.kind, dict(plan.about), lang, tuple(formats), folder, caption, alt)
            digest = digest_of(data, job)
            found = kept.take(job, digest)
            if found is None:
                jobs.append((job, digest))
            else:
                known_results[plan.name, lang] = found
    for (job, digest), drawn in zip(jobs, draw_all(result, samples, [job for job, _ in jobs])):
        known_results[job.name, job.lang] = drawn
        kept.add(job, digest, drawn)
    kept.write(folder, set(known_results))
    return [_record(plan, texts, known_results, langs, Path(out_dir), "png" in formats) for plan in planned]


def _texts(plan: Plan, result: Any, lang: str) -> tuple[str, str]:
    about = {key: value for key, value in plan.about.items() if key != "maps"}
    return captions.caption(plan.kind, result, lang, **about), captions.alt(plan.kind, result, lang, **about)


def _record(
    plan: Plan,
    texts: dict[tuple[str, str], tuple[str, str]],
    drawn: dict[tuple[str, str], Result],
    langs: Sequence[str],
    out: Path,
    pictures: bool,
) -> FigureRecord:
    files = [file for lang in dict.fromkeys(langs) for file in drawn[plan.name, lang].files]
    numbers = {key: v for lang in langs for key, v in drawn[plan.name, lang].numbers.items()}
    if plan.at_top and pictures:
        files.append(_copy(files, out / f"{plan.name}.png"))
    return FigureRecord(
        plan.name,
        tuple(files),
        {lang: texts[plan.name, lang][0] for lang in langs},
        {lang: texts[plan.name, lang][1] for lang in langs},
        numbers,
        {lang: drawn[plan.name, lang].dots for lang in langs},
    )


def _copy(files: Sequence[Path], target: Path) -> Path:
    """The first PNG (English where both languages were drawn) under the original tool's name."""
    source = next(f for f in files if f.suffix == ".png")

    def copy(path: Path) -> None:
        shutil.copyfile(source, path)

    return write_atomic(target, copy)

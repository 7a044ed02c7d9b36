"""A comparison as a reader holds it: the result, the runs behind it, one row per crystal, and ``write``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import AttentionMap, Structure, TokenLabels
from crysmm_attn_plugin.reports.added import completed, know
from crysmm_attn_plugin.reports.baseline import choose_baseline, name_baseline, refuse_same_weights, stand_in
from crysmm_attn_plugin.reports.notebook import comparison_html, plot_comparison, table
from crysmm_attn_plugin.reports.write import write_report
from crysmm_attn_plugin.stats.choices import PLAIN, Question
from crysmm_attn_plugin.stats.compare import compare
from crysmm_attn_plugin.stats.results import ComparisonResult, LegacyResult
from crysmm_attn_plugin.store.reader import Run, find_runs


@dataclass(frozen=True)
class Comparison:
    """Arms compared on the same crystals.

    Attributes:
        result: Every number a report prints.
        runs: Arm -> its runs, one a seed.
        samples: One row per crystal: id, formula, n_atoms, n_tokens, text_truncated, target, and for each arm
            ``prediction.<arm>``, ``abs_error.<arm>``, ``<metric>.<arm>`` (seed-averaged).
    """

    result: ComparisonResult
    runs: Mapping[str, tuple[Run, ...]]
    samples: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        lines = [
            f"Comparison of {len(self.runs)} arms on {self.result.n_crystals} {self.result.split} crystals"
        ]
        for pair in self.result.pairs:
            lines.append(
                f"  {pair.arm} against {pair.baseline}: {pair.verdict}, error {pair.performance.axis}, claim {pair.claim}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return comparison_html(self)

    @property
    def table(self) -> pd.DataFrame:
        """Primary metrics and error of every pair, one row each (see ``reports.notebook.table``)."""
        return table(self)

    def plot(self, *, pair: int = 0, ax: Any = None) -> Any:
        """Percent changes with their intervals as matplotlib axes (see ``reports.notebook.plot_comparison``)."""
        return plot_comparison(self, pair=pair, ax=ax)

    @property
    def arms(self) -> tuple[str, ...]:
        """Arm names, the baseline last."""
        return tuple(sorted(self.runs, key=lambda a: a == self.result.baseline))

    def digest(self, arm: str) -> str:
        """Digest of the checkpoint that stands for the arm's first run."""
        summary = next(a for a in self.result.arms if a.name == arm)
        return summary.checkpoints[0]

    def run(self, arm: str) -> Run:
        """The arm's first run; maps and labels are read from it."""
        summary = next(a for a in self.result.arms if a.name == arm)
        return next(r for r in self.runs[arm] if r.run_id == summary.run_ids[0])

    def map_ids(self) -> tuple[str, ...]:
        """Crystals whose maps every arm kept, in the order of ``samples``."""
        kept = set.intersection(*(set(self.run(a).map_ids(self.digest(a))) for a in self.runs))
        return tuple(i for i in self.samples["id"] if i in kept)

    def maps(self, id: str, arm: str, *, direction: str = "atom_to_text", call: int = 0) -> AttentionMap:
        """The labelled map of a crystal in one arm (first run).

        Raises:
            UsageError: When it was not kept.
        """
        return self.run(arm).maps(
            id, checkpoint=self.digest(arm), direction=direction, module=self.result.module, call=call
        )

    def token_labels(self, id: str) -> TokenLabels | None:
        """The crystal's tokens, or None."""
        return self.run(next(iter(self.runs))).token_labels(id)

    def elements(self, id: str) -> tuple[str, ...]:
        """Element symbols in the order of the map's rows."""
        return tuple(self.run(next(iter(self.runs))).crystals["elements"][id])

    def structure(self, id: str) -> Structure | None:
        """The crystal's structure, or None."""
        return self.run(next(iter(self.runs))).structure(id)

    def write(
        self,
        out_dir: str | os.PathLike[str],
        *,
        formats: Sequence[str] | None = None,
        lang: Sequence[str] = ("en", "zh"),
        style: str = "nature",
    ) -> Path:
        """Write the whole report (see docs/reports.md).

        Args:
            out_dir: Folder; an earlier report there is replaced only when the new one is complete.
            formats: Some of ``reports.write.FORMATS``; all when None.
            lang: Languages.
            style: ``nature``, ``apa`` or ``gbt``.

        Returns:
            The folder.

        Raises:
            UsageError: On an unknown format, language or style, or a folder that is no report's.
        """
        return write_report(self, out_dir, formats=formats, langs=tuple(lang), style=style)


def compare_runs(
    *,
    baseline: Any = None,
    split: str = "test",
    checkpoint: str = "auto",
    module: str | None = None,
    alpha: float = 0.05,
    seed: int = 0,
    n_resamples: int = 10_000,
    sesoi_percent: Mapping[str, float] | None = None,
    legacy: Sequence[LegacyResult] = (),
    allow_partial: bool = False,
    **arms: Any,
) -> Comparison:
    """Compare captured runs: ``compare_runs(full=["runs/full"], no_middle=["runs/no_middle"])``.

    Args:
        baseline: Name of the baseline arm; or, like any other arm, the runs of an arm called ``baseline``. When it is
            not given, an arm that is so named (``no_middle``, 无中期融合, ...) or whose host config has middle fusion off.
        split: Split whose passes are compared.
        checkpoint: Which checkpoint stands for a run: ``auto``, a role, a file name or a digest prefix.
        module: Attention module, when the model has several.
        alpha, seed, n_resamples: Level, seed and number of resamples.
        sesoi_percent: Metric -> smallest effect of interest, percent of the baseline's mean.
        legacy: The original script's numbers, carried into the result.
        allow_partial: Read runs that are partial.
        **arms: Arm name -> run folders or ``Run`` objects (one or a list), one a seed.

    Returns:
        ``Comparison``. With one arm it describes that arm.

    Raises:
        UsageError: When there is no arm, no such baseline, nothing says which arm is the baseline, or two arms hold the
            same weights.
        NothingCapturedError, PartialStoreError, StatisticsError: As the runs give cause.
    """
    if baseline is not None and not isinstance(baseline, str):
        arms["baseline"] = baseline
        baseline = "baseline"
    elif isinstance(baseline, str) and baseline not in arms and Path(baseline).exists():
        arms["baseline"] = [baseline]
        baseline = "baseline"
    opened = {arm: tuple(_open(value, allow_partial)) for arm, value in arms.items()}
    question = Question(
        split, checkpoint, module, alpha, seed, n_resamples, sesoi_percent=sesoi_percent, legacy=legacy
    )
    return compare_arms(opened, question, baseline=baseline)


def compare_arms(
    arms: Mapping[str, Sequence[Run]],
    question: Question = PLAIN,
    *,
    baseline: str | None = None,
    guess_baseline: bool = False,
    **changes: Any,
) -> Comparison:
    """As ``compare_runs``, with opened runs by arm; arms may have any name.

    Args:
        arms: Arm name -> runs, one a seed.
        question: What is asked of them.
        baseline: As in ``compare_runs``.
        guess_baseline: Where nothing says which arm is the baseline, take differences against the arm captured first
            and give no verdict, instead of refusing.
        **changes: Fields of ``stats.choices.Question`` that are asked otherwise.

    Raises:
        UsageError: As ``compare_runs``.
    """
    opened = {arm: tuple(runs) for arm, runs in arms.items()}
    if not opened:
        raise UsageError("compare_runs needs at least one arm, for example full=['runs/full'].")
    known = (
        not guess_baseline or baseline is not None or len(opened) < 2 or choose_baseline(opened) is not None
    )
    chosen = name_baseline(opened, baseline) if known else stand_in(opened)
    asked = replace(question, **changes)
    refuse_same_weights(opened, checkpoint=asked.checkpoint, split=asked.split)
    know(opened)
    result, samples = compare(opened, asked, baseline=chosen, baseline_known=known)
    return completed(Comparison(result, opened, samples))


def _open(value: Any, allow_partial: bool) -> list[Run]:
    items = value if isinstance(value, (list, tuple)) else [value]
    runs: list[Run] = []
    for item in items:
        runs += [item] if isinstance(item, Run) else find_runs(item, allow_partial=allow_partial)
    return runs

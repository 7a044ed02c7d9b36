"""The reports room as a plugin on the project's own contract: the automatic analysis after a host's run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.descriptors import ReportPart
from crysmm_attn_plugin.errors import AttnError, StoreError
from crysmm_attn_plugin.hooks.contract.specs import hookimpl
from crysmm_attn_plugin.reports.formats import PARTS

if TYPE_CHECKING:
    from crysmm_attn_plugin.store.reader import Run

log = logging.getLogger("crysmm_attn")


@hookimpl
def attn_report_parts() -> Sequence[ReportPart]:
    """Figures, tables, paragraphs, page and the other formats."""
    return PARTS


@hookimpl
def attn_run_finished(run_dir: str) -> None:
    """Make ``<out_dir>/report`` when the arms to compare are there; else say in one line what to run."""
    from crysmm_attn_plugin.store.reader import Run  # pandas, which --help does without

    run = Run(run_dir, allow_partial=True)
    settings: dict[str, Any] = (run.info.get("settings") or {}).get("report") or {}
    if not settings.get("auto", True):
        return
    if run.state != "complete":
        log.warning("no report: this run is partial (%s); see crysmm-attn status %s", run.reason, run.path)
        return
    arms = complete_arms(run.path.parent.parent)
    if len(arms) < 2:
        log.warning(
            "captured arm %s; for a comparison run the other arm too: crysmm-attn run --arm NAME --out %s -- COMMAND",
            run.arm,
            run.path.parent.parent,
        )
        return
    from crysmm_attn_plugin.reports.comparison import compare_arms

    out = run.path.parent.parent / "report"
    baseline = settings.get("baseline") or None
    try:
        comparison = compare_arms(
            arms,
            baseline=baseline if baseline in arms else None,
            guess_baseline=True,
            alpha=settings.get("alpha", 0.05),
            seed=settings.get("seed", 0),
        )
        comparison.write(
            out, lang=settings.get("lang") or ("en", "zh"), style=settings.get("style", "nature")
        )
    except AttnError as error:
        log.warning("no report: %s", error)
        return
    for pair in comparison.result.pairs:
        log.warning(
            "%s against %s: %s (error %s)", pair.arm, pair.baseline, pair.verdict, pair.performance.axis
        )
    log.warning("report: %s", out / "report.html")


def complete_arms(out_dir: Path) -> dict[str, list[Run]]:
    """Complete runs below a folder of runs, by arm."""
    from crysmm_attn_plugin.store.places import run_folders
    from crysmm_attn_plugin.store.reader import Run as Opened  # pandas

    arms: dict[str, list[Run]] = {}
    for folder in run_folders(out_dir):
        try:
            run = Opened(folder, allow_partial=True)
        except StoreError as error:
            log.warning("left out of the report: %s", error)
            continue
        if run.state == "complete" and any(o.n_crystals for o in run.windows):
            arms.setdefault(run.arm, []).append(run)
    return arms

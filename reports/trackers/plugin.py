"""A built-in plugin: a written report is logged to the experiment tracker that the host already uses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.hooks.contract.specs import hookimpl
from crysmm_attn_plugin.reports.trackers import TRACKERS, Place, Tracker

log = logging.getLogger("crysmm_attn")

#: Tracker -> the run that was active when a pass was last captured in this process.
_during_capture: dict[str, Place] = {}


@hookimpl
def attn_trackers() -> Sequence[Tracker]:
    """MLflow, Weights & Biases, TensorBoard."""
    return TRACKERS


@hookimpl
def attn_window_opened(window: Any) -> None:
    """Remember the host's runs: they may have ended by the time a report is written."""
    for tracker in get_plugin_manager().hooks.trackers():
        place = tracker.active()
        if place is not None:
            _during_capture[tracker.name] = Place(place.id, getattr(place, "details", {}))


@hookimpl
def attn_report_written(comparison: Any, report_dir: str) -> None:
    """Log the report to every tracker in use; one that fails is told in a line and skipped."""
    if not _wanted(comparison):
        return
    from crysmm_attn_plugin.reports.trackers.entry import make_entry  # xxhash

    entry = None
    for tracker in get_plugin_manager().hooks.trackers():
        try:
            place = tracker.active() or _during_capture.get(tracker.name) or tracker.named_by_environment()
            if place is None:
                continue
            if entry is None:
                entry = make_entry(comparison, Path(report_dir))
            tracker.log(place, entry)
        except Exception as error:
            reason = " ".join(str(error).split())
            log.warning("the report was not logged to %s: %s: %s", tracker.name, type(error).__name__, reason)
        else:
            log.warning("report logged to %s (%s)", tracker.name, place.id)


def _wanted(comparison: Any) -> bool:
    """Whether every run's settings allow it."""
    settings = [run.info.get("settings") or {} for runs in comparison.runs.values() for run in runs]
    return all((s.get("report") or {}).get("track", True) for s in settings)

"""The whole report as one folder: made beside its place, moved there when it is complete; edited files stay."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crysmm_attn_plugin.errors import AttnError, shortened
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.reports.draft import Draft
from crysmm_attn_plugin.reports.parts import make_parts, part_files
from crysmm_attn_plugin.reports.request import LANGUAGES, check_request
from crysmm_attn_plugin.store.files import write_json
from crysmm_attn_plugin.store.folders import write_folder_atomic

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison

#: A folder with this file is a report, and may be replaced by one.
MARKER = "result.json"

log = logging.getLogger("crysmm_attn")
Progress = Callable[[str], None]


def write_report(
    comparison: Comparison,
    out_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    langs: Sequence[str] = LANGUAGES,
    style: str = "nature",
    progress: Progress | None = None,
) -> Path:
    """Write a report folder.

    Args:
        comparison: What to report.
        out_dir: The folder. An earlier report there stays as it is until the new one is complete; files beside it that
            are not a report's are kept.
        formats: Some of ``FORMATS``; all when None.
        langs: Languages, at least one.
        style: ``nature``, ``apa`` or ``gbt``.
        progress: Called with the name of each part before it is made.

    Returns:
        The folder.

    Raises:
        UsageError: On an unknown format, language or style, or a folder that cannot be written.
        AttnError: When the disk fails under way; what was there is unharmed.
    """
    wanted, languages, number_style, target = check_request(
        out_dir, formats=formats, langs=langs, style=style
    )
    work = progress or (lambda part: None)
    try:
        written = write_folder_atomic(
            target,
            lambda stage: _fill(
                Draft(comparison, stage, languages, number_style, frozenset(wanted), target, work)
            ),
            marker=MARKER,
            names={MARKER, *part_files()},
        )
    except OSError as error:
        raise AttnError(
            f"the report could not be written to {shortened(target)}: {error.strerror or error}; nothing there was changed. Make "
            "room or name another folder."
        ) from error
    for edited, beside in written.kept:
        log.warning("%s was edited and stays as it is; the new version is %s", target / edited, beside)
    get_plugin_manager().hooks.report_written(comparison=comparison, report_dir=target)
    return target


def _fill(draft: Draft) -> None:
    make_parts(draft)
    draft.tidy()
    result = draft.comparison.result.to_dict()
    write_json(draft.folder / MARKER, {**result, "figures": draft.figure_numbers, "parts": draft.numbers})

"""Contents of a figure's files: drawn once for all of them or, where matplotlib's inner parts differ, one by one."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection
from typing import Any

from matplotlib.figure import Figure

log = logging.getLogger("crysmm_attn")


def contents_of(figure: Figure, formats: Collection[str], title: str) -> dict[str, bytes]:
    """Contents of a figure's files, without a date inside (equal figures give equal files).

    Args:
        figure: What to draw.
        formats: ``png``, ``pdf``, ``svg``.
        title: Carried inside the files.
    """
    try:
        from crysmm_attn_plugin.reports.figures import together

        return together.files_of(figure, formats, title)
    except Exception as error:
        # it rests on parts of matplotlib that no version promises
        log.debug("figures are drawn once a format: %s: %s", type(error).__name__, error)
        return {name: _plainly(figure, name, title) for name in formats}


def _plainly(figure: Figure, name: str, title: str) -> bytes:
    """One file as matplotlib itself saves it."""
    undated: dict[str, Any] = {
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
        "png": {"Software": None},
    }
    file = io.BytesIO()
    figure.savefig(file, format=name, dpi=figure.dpi, metadata={"Title": title, **undated[name]})
    return file.getvalue()

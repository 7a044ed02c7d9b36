"""Places that no run is written to: URLs of an object store, which are read by a copy, and names that are no text."""

from __future__ import annotations

import os
import re

from crysmm_attn_plugin.errors import UsageError


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a URL (``s3://bucket/runs``, ``memory://runs``), not a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", os.fspath(place)) is not None


def refuse_url(place: str | os.PathLike[str], what: str) -> None:
    """Refuse to write to a URL: a run is made of appends, renames and syncs that an object store does not have.

    Args:
        place: Where something is to be written.
        what: What it is, beginning the message.

    Raises:
        UsageError: When the place is a URL.
    """
    # as a ``Path``, a URL has lost one of its slashes
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", os.fspath(place)):
        raise UsageError(
            f"{what} {os.fspath(place)} is a URL, and only folders are written to; give a folder (of a mounted or shared file "
            "system, if you like) and copy it to the URL afterwards: runs are read from there."
        )


def refuse_no_text(place: str | os.PathLike[str]) -> None:
    """Refuse a path whose bytes are no text: what reads tables and maps cannot open it, and would take them for damaged.

    Raises:
        UsageError: When a part of the absolute path is no text.
    """
    try:
        os.path.abspath(place).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            f"{os.path.abspath(place)} has a name that is no text in UTF-8, which files of runs cannot be opened by; "
            "rename the folder."
        ) from None

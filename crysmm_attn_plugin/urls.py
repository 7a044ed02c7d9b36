"""Places that are URLs of an object store rather than folders: read by a copy, never written to."""

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

"""Memory that writing took, given back to the system, so that a long pass takes no more than a short one."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any

import pyarrow as pa


def give_back() -> None:
    """Return pages that nobody uses any more; nothing happens where the C library cannot (only glibc can).

    Between the columns of one group of rows and the next the heap is full of holes, which the C library keeps. What anybody
    still uses stays where it is.
    """
    pa.default_memory_pool().release_unused()
    trim = _trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # another C library
        return None

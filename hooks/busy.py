"""Whether the code that runs right now is ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_state = threading.local()


def ours() -> bool:
    """True inside ``working``."""
    return bool(getattr(_state, "depth", 0))


@contextmanager
def working() -> Iterator[None]:
    """Marks what happens inside as ours, in this thread."""
    _state.depth = getattr(_state, "depth", 0) + 1
    try:
        yield
    finally:
        _state.depth -= 1

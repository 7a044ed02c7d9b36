"""Whether the code that runs right now is ours, or runs at all: calls of ours, and calls that torch only compiles."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


def compiling() -> bool:
    """True while torch.compile reads the calling code; a hook that returns at once then leaves no trace in it."""
    torch: Any = sys.modules.get("torch")
    compiler = getattr(torch, "compiler", None)
    if compiler is None:  # torch 2.0
        compiler = sys.modules.get("torch._dynamo")
    return compiler is not None and bool(compiler.is_compiling())

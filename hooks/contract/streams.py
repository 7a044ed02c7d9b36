"""The standard streams around a plugin's code: exchanged, closed or redirected, they are put back."""

from __future__ import annotations

import os
import sys
from typing import Any

_NAMES = ("stdin", "stdout", "stderr")


class Streams:
    """The three streams as they are now, and a second hold on their descriptors until ``put_back``."""

    def __init__(self) -> None:
        self._objects = [getattr(sys, name) for name in _NAMES]
        self._open = [_descriptor(stream) for stream in self._objects]
        self._places = [_place(number) for number in range(3)]
        self._kept: list[int | None] = []
        for number in range(3):
            try:
                self._kept.append(None if self._places[number] is None else os.dup(number))
            except OSError:  # the process has no descriptor left
                self._kept.append(None)

    def put_back(self) -> list[str]:
        """Restore what is not as it was; returns what had changed."""
        changed = False
        for number, kept in enumerate(self._kept):
            if kept is None:
                continue
            if _place(number) != self._places[number]:
                os.dup2(kept, number)
                changed = True
            os.close(kept)
        self._kept = []
        for number, (name, stream) in enumerate(zip(_NAMES, self._objects)):
            if self._open[number] is not None and stream.closed:
                setattr(sys, name, _again(stream, self._open[number], reading=number == 0))
                changed = True
            elif getattr(sys, name) is not stream:
                setattr(sys, name, stream)
                changed = True
        return ["the standard streams"] if changed else []


def _descriptor(stream: Any) -> int | None:
    """The descriptor of an open stream; None where there is none."""
    try:
        return None if stream.closed else int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


def _place(number: int) -> tuple[int, int, int] | None:
    """What a descriptor leads to; None when it is closed."""
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_rdev


def _again(stream: Any, descriptor: int | None, *, reading: bool) -> Any:
    """A stream like a closed one, on the same descriptor, where that is open."""
    assert descriptor is not None
    if _place(descriptor) is None:
        return stream
    return open(
        descriptor,
        "r" if reading else "w",
        buffering=1 if getattr(stream, "line_buffering", False) else -1,
        encoding=stream.encoding,
        errors=stream.errors,
        closefd=False,
    )

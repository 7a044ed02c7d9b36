"""One kind of the process's state: how to read it, tell two readings apart, and put one back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Aspect(NamedTuple):
    """One kind of state: its name, how to read it, how to tell two readings apart, how to put one back."""

    name: str
    read: Callable[[], Any]
    differ: Callable[[Any, Any], bool]
    restore: Callable[[Any], object]


def unequal(a: Any, b: Any) -> bool:
    return bool(a != b)


def not_same(a: Any, b: Any) -> bool:
    return a is not b

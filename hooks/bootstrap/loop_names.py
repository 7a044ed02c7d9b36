"""Which loop is which: the framework that runs it, else the name its loader is bound to, else its place among loops."""

from __future__ import annotations

import inspect
import re
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

#: Frames looked at on the way out, at most.
DEPTH = 80
#: Stands for a loop that is not the one asked for by name or place; no split bears this name.
ANOTHER = "another"
_MARKS = {"test": ("test", "testing", "tst"), "val": ("val", "valid", "validation", "dev"), "train": ("train", "training", "trn")}  # fmt: skip
#: What hosts write behind such a word, or before it, without anything between.
_TAILS = ("loader", "dataloader", "dl", "iter", "iterator", "data", "dataset", "set", "ds", "gen", "batches")
#: Functions of frameworks that run one kind of loop: (module, function) -> split.
_FRAMEWORKS = {
    ("lightning.pytorch.trainer.trainer", "_test_impl"): "test",
    ("pytorch_lightning.trainer.trainer", "_test_impl"): "test",
    ("lightning.pytorch.trainer.trainer", "_predict_impl"): "test",
    ("pytorch_lightning.trainer.trainer", "_predict_impl"): "test",
    ("lightning.pytorch.trainer.trainer", "_validate_impl"): "val",
    ("pytorch_lightning.trainer.trainer", "_validate_impl"): "val",
    ("lightning.pytorch.loops.evaluation_loop", "run"): "evaluation",
    ("pytorch_lightning.loops.evaluation_loop", "run"): "evaluation",
    ("lightning.pytorch.trainer.trainer", "_fit_impl"): "train",
    ("pytorch_lightning.trainer.trainer", "_fit_impl"): "train",
    ("transformers.trainer", "predict"): "test",
    ("transformers.trainer", "evaluate"): "evaluation",
    ("transformers.trainer", "_inner_training_loop"): "train",
}


class LoopNames:
    """Says which split a loader is. Nothing of the host's is kept alive.

    Args:
        asked: The setting ``loader``: a name, or a place among the loaders in the order their first loops begin (from 1).
    """

    def __init__(self, asked: str = "") -> None:
        self.asked = asked
        self._known: dict[int, tuple[Callable[[], Any], str | None]] = {}
        self._order: list[tuple[int, Callable[[], Any]]] = []

    def tell(self, loader: Any, split: str) -> None:
        """A seam of the host's says which split this is."""
        self._known[id(loader)] = (_weakly(loader), split)

    def place(self, loader: Any) -> int:
        """From 1, in the order in which loops over loaders began."""
        for i, (number, alive) in enumerate(self._order):
            if number == id(loader) and alive() is loader:
                return i + 1
        self._order.append((id(loader), _weakly(loader)))
        return len(self._order)

    def described(self, loader: Any, split: str | None) -> str:
        """A loop in words: its place, its loader, what it is bound to, how many items it has, which split it is."""
        data = getattr(loader, "dataset", None)
        try:
            items = f", {len(data)} items" if data is not None else ""
        except TypeError:
            items = ""
        names = [n for n in bound_names(loader) if n not in ("self", "loader", "iterable", "dataloader")]
        bound = f", bound to {names[0]}" if names else ""
        over = f" over {type(data).__name__}" if data is not None else ""
        return f"{self.place(loader)}. {type(loader).__name__}{over}{items}{bound}: {'not asked for' if split == ANOTHER else split or 'not named'}"

    def split_of(self, loader: Any) -> str | None:
        """``train``, ``val``, ``test``; ``another`` when another loop was asked for; None when nothing says it."""
        place = self.place(loader)
        if self.asked:
            if self.asked.isdigit():
                return "test" if place == int(self.asked) else ANOTHER
            return "test" if self.asked in bound_names(loader) else ANOTHER
        known = self._known.get(id(loader))
        if known is not None and known[0]() is loader and known[1] is not None:
            return known[1]
        found = split_by_framework() or split_by_names(bound_names(loader))
        if found is not None:
            self._known[id(loader)] = (_weakly(loader), found)
        return found


def split_by_framework() -> str | None:
    """The split of the loop that a framework is running now, from the functions on the stack."""
    evaluation = False
    for frame in _callers():
        found = _FRAMEWORKS.get((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        if found == "evaluation":
            evaluation = True
        elif found is not None:
            return "val" if evaluation and found == "train" else found
    return None


def split_by_names(names: Iterator[str] | tuple[str, ...]) -> str | None:
    """The first split that one of the names says: ``test_loader``, ``testloader``, ``dl_test``, ``loaderTest``."""
    return next((split for name in names if (split := split_in(name)) is not None), None)


def split_in(name: str) -> str | None:
    """The split that a variable's name says, or None: ``latest`` and ``contest`` say nothing."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    words = [w for w in re.split(r"[^A-Za-z]+", spaced.lower()) if w]
    for split, marks in _MARKS.items():
        joined = {m + t for m in marks for t in _TAILS} | {t + m for m in marks for t in _TAILS}
        if any(w in marks or w in joined for w in words):
            return split
    return None


def bound_names(loader: Any) -> tuple[str, ...]:
    """Names that the loader is bound to in the callers, innermost first: variables, attributes of ``self``, keys."""
    found: list[str] = []
    for frame in _callers():
        found += _names_in(frame, loader)
    return tuple(dict.fromkeys(found))


def _callers() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    for _ in range(DEPTH):
        if frame is None:
            return
        if not frame.f_globals.get("__name__", "").startswith("crysmm_attn_plugin."):
            yield frame
        frame = frame.f_back


def _names_in(frame: FrameType, loader: Any) -> list[str]:
    """Names of one frame. Asking a frame for its locals leaves a copy of them on it, which is emptied again."""
    values = frame.f_locals
    found = []
    for name, value in list(values.items()):
        if value is loader:
            found.append(name)
        elif isinstance(value, Mapping) and len(value) <= 64 and value is not frame.f_globals:
            found += [str(k) for k, v in list(value.items()) if v is loader]
        elif name == "self":
            members = getattr(value, "__dict__", {})
            found += [k for k, v in list(members.items()) if v is loader]
    copied = frame.f_code.co_flags & inspect.CO_OPTIMIZED and sys.version_info < (3, 13)
    if (
        copied and sys.getrefcount(values) <= 3
    ):  # this variable's, the frame's and getrefcount's own: nobody else's
        values.clear()
    return found


def _weakly(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value

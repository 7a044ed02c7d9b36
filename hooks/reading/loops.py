"""Which loader is being iterated, when each of its batches begins and ends, and which data-set items it holds.

torch's loaders are followed on the class of their iterators, so a host's loader and iterator keep their types, attributes
and samplers; the indices are those that the iterator itself takes from its sampler, so they hold for shuffled loaders and
worker processes too. Everything is put back when nobody listens.
"""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from types import GeneratorType
from typing import Any, Protocol

import torch
from torch.utils.data import DataLoader
from torch.utils.data import dataloader as torch_loader

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.reading import collating
from crysmm_attn_plugin.hooks.reading.batch import holds_several

Positions = tuple[int, ...] | None


class LoaderListener(Protocol):
    """Told about loops over loaders. Methods must not raise unless the host is to see it."""

    def loader_started(self, loader: Any) -> bool:
        """A loop over ``loader`` begins; True to be told about its batches."""

    def batch_yielded(self, loader: Any, batch: Any, positions: Positions) -> None:
        """``batch`` is about to be handed to the host."""

    def batch_over(self, loader: Any) -> None:
        """The host asks for the next batch, or its loop is over."""

    def loader_finished(self, loader: Any, complete: bool) -> None:
        """The loop ended; ``complete`` is False when the host left it early."""


class Loop:
    """One loop over one loader.

    Args:
        loader: The loader; held until the loop is over, because a host may have made it for this loop alone.
        listeners: Who is told.
    """

    def __init__(self, loader: Any, listeners: list[LoaderListener]) -> None:
        self._loader: Any = loader
        self._listeners = listeners
        self.positions: deque[Positions] = deque()
        self.workers: Any = None
        self._waiting = False
        self._ended = False

    def asked(self) -> None:
        """The host asks for a batch."""
        if self._waiting:
            self._waiting = False
            self._tell("batch_over")

    def yielded(self, batch: Any, positions: Positions) -> None:
        self._waiting = True
        self._tell("batch_yielded", batch, positions)

    def ended(self, *, complete: bool) -> None:
        if not self._ended:
            self._ended = True
            self.asked()
            self._tell("loader_finished", complete)
            self._loader = None

    def _tell(self, what: str, *values: Any) -> None:
        for listener in self._listeners:
            getattr(listener, what)(self._loader, *values)


def weakly(value: Any) -> Callable[[], Any]:
    """A function that gives a value back while it lives; a value that cannot be referred to weakly is kept."""
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


# -- torch's DataLoader ---------------------------------------------------------------------------------------

_listeners: list[LoaderListener] = []
_loops: weakref.WeakKeyDictionary[Any, Loop] = weakref.WeakKeyDictionary()
#: Indices taken by iterators that are being made, before anybody knows whose loop they are of.
_taken: weakref.WeakKeyDictionary[Any, deque[Positions]] = weakref.WeakKeyDictionary()
#: What the workers of an iterator tell by, for as long as they live.
_workers: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
_making = 0
_iterator_class: Any = torch_loader._BaseDataLoaderIter
_iter: Any = DataLoader.__iter__
_next: Any = _iterator_class.__next__
_index: Any = _iterator_class._next_index
#: Positions handed out by inner loaders while an outer one is asked for its next batch.
_outer: list[deque[Positions]] = []


def _watched_iter(self: Any) -> Any:
    global _making
    if not _listeners:
        return _iter(self)
    told = [x for x in list(_listeners) if x.loader_started(self)]
    reused = getattr(self, "_iterator", None)
    if reused is not None:  # persistent workers: the iterator of the loop before begins again
        _loops.pop(reused, None)
        _taken[reused] = deque()
    _making += 1
    workers = collating.shared(self) if reused is None else _workers.get(reused)
    try:
        iterator = _iter(self)
    finally:
        _making -= 1
    if workers is not None:
        _workers[iterator] = workers
    positions = _taken.pop(iterator, None)
    if told or _outer:
        loop = Loop(self, told)
        loop.workers = workers
        if positions:
            loop.positions.extend(positions)
        _loops[iterator] = loop
        if told:
            weakref.finalize(iterator, loop.ended, complete=False).atexit = False
    return iterator


def _watched_index(self: Any) -> Any:
    index = _index(self)
    loop = _loops.get(self)
    if loop is not None:
        loop.positions.append(as_positions(index))
    elif _making:
        _taken.setdefault(self, deque()).append(as_positions(index))
    return index


def _watched_next(self: Any) -> Any:
    loop = _loops.get(self)
    if loop is None:
        return _next(self)
    loop.asked()
    collating.forget()
    try:
        batch = _next(self)
    except StopIteration:
        loop.ended(complete=True)
        raise
    except BaseException:
        loop.ended(complete=False)
        raise
    positions = collating.arranged(loop.positions.popleft() if loop.positions else None, loop.workers)
    if not getattr(self, "_in_order", True):  # batches come as workers finish them
        positions = None
    if positions is not None and len(positions) == 1 and not getattr(self, "_auto_collation", True):
        positions = None if _ready_made(batch) else positions
    if _outer:
        _outer[-1].append(positions)
    loop.yielded(batch, positions)
    return batch


def _place() -> None:
    global _iter, _next, _index
    _iter, _next, _index = DataLoader.__iter__, _iterator_class.__next__, _iterator_class._next_index
    DataLoader.__iter__ = _watched_iter  # type: ignore[method-assign]
    _iterator_class.__next__ = _watched_next
    _iterator_class._next_index = _watched_index
    collating.place()


def _put_back() -> None:
    for owner, name, original, ours in (
        (DataLoader, "__iter__", _iter, _watched_iter),
        (_iterator_class, "__next__", _next, _watched_next),
        (_iterator_class, "_next_index", _index, _watched_index),
    ):
        if vars(owner).get(name) is ours:
            setattr(owner, name, original)
    collating.put_back()
    _loops.clear()
    _taken.clear()


# -- any other class that can be iterated ---------------------------------------------------------------------

_others: dict[type, tuple[Any, list[LoaderListener]]] = {}


def _watched_other(owner: type) -> Callable[[Any], Iterator[Any]]:
    original, listeners = _others[owner]

    def __iter__(self: Any) -> Iterator[Any]:
        told = [x for x in list(listeners) if x.loader_started(self)]
        return _follow(original(self), Loop(self, told)) if told else original(self)

    return __iter__


def _follow(inner: Iterator[Any], loop: Loop) -> Generator[Any, Any, Any]:
    """The batches of ``inner``; positions are those of a torch loader that is iterated within."""
    positions: deque[Positions] = deque()
    try:
        while True:
            loop.asked()
            _outer.append(positions)
            try:
                batch = next(inner)
            finally:
                _outer.remove(positions)
            loop.yielded(batch, positions.popleft() if positions else None)
            yield batch
    except StopIteration:
        loop.ended(complete=True)
    finally:
        if isinstance(inner, GeneratorType):
            inner.close()
        loop.ended(complete=False)


def listen(loader_class: type, listener: LoaderListener) -> Callable[[], None]:
    """Tell ``listener`` about loops over loaders of a class (and of subclasses that do not redefine iteration).

    Args:
        loader_class: For example ``torch.utils.data.DataLoader``.
        listener: Who is told.

    Returns:
        A function that undoes it; classes are put back when the last listener is gone.

    Raises:
        TypeError: When instances of the class cannot be followed.
    """
    if issubclass(loader_class, DataLoader):
        return _listen_to_torch(listener)
    owner = next((c for c in loader_class.__mro__ if "__iter__" in vars(c)), None)
    if owner is None or owner.__module__ == "builtins":
        raise TypeError(f"loops over {loader_class.__name__} cannot be followed; use a torch DataLoader")
    if owner not in _others:
        _others[owner] = (owner.__iter__, [])  # type: ignore[attr-defined]
        owner.__iter__ = _watched_other(owner)  # type: ignore[attr-defined]
    listeners = _others[owner][1]
    listeners.append(listener)
    # positions come from the torch loader inside it, if there is one
    undo_torch = _listen_to_torch(_Nobody())

    def undo() -> None:
        undo_torch()
        if listener in listeners:
            listeners.remove(listener)
        if not listeners and owner in _others:
            owner.__iter__ = _others.pop(owner)[0]  # type: ignore[attr-defined]

    return undo


class _Nobody:
    """Wants no loop for itself."""

    def loader_started(self, loader: Any) -> bool:
        return False

    def batch_yielded(self, loader: Any, batch: Any, positions: Positions) -> None:
        return None

    def batch_over(self, loader: Any) -> None:
        return None

    def loader_finished(self, loader: Any, complete: bool) -> None:
        return None


def _listen_to_torch(listener: LoaderListener) -> Callable[[], None]:
    if not _listeners:
        _place()
    _listeners.append(listener)

    def undo() -> None:
        if listener in _listeners:
            _listeners.remove(listener)
            if not _listeners:
                _put_back()

    return undo


def listening(listener: LoaderListener) -> bool:
    """Whether ``listener`` is told about torch's loaders."""
    return listener in _listeners


def asking_frame() -> Any:
    """The frame of the host's code that asked for the batch in progress; call it from ``batch_yielded``."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame = frame.f_back  # type: ignore[assignment]
    return frame


_OWN = ("crysmm_attn_plugin.", "torch.utils.data")


def _ready_made(batch: Any) -> bool:
    """Whether the data set holds ready batches, so that a place in it is no crystal's."""
    try:
        with busy.working(), torch.no_grad():
            return holds_several(batch)
    except Exception:  # fields that cannot be looked at; the reader says so
        return False


def as_positions(item: Any) -> Positions:
    """What a sampler gave for one batch as data-set positions, or None when it is no such thing."""
    items = item if isinstance(item, (list, tuple)) else item.tolist() if hasattr(item, "tolist") else [item]
    try:
        return tuple(int(i) for i in (items if isinstance(items, (list, tuple)) else [items]))
    except (TypeError, ValueError):
        return None

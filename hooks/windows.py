"""Which loader is being iterated, and which data-set items each of its batches holds.

Loader classes are patched while somebody listens and put back when nobody does. Batches pass through unchanged; the
sampler's own indices are recorded, so ids hold for shuffled loaders and worker processes too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol


class LoaderListener(Protocol):
    """Told about the iteration of loaders. Methods must not raise unless the host is to see it."""

    def loader_started(self, loader: Any) -> bool:
        """A loop over ``loader`` begins; True to be told about its batches."""

    def batch_yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        """``batch`` is about to be handed to the host."""

    def loader_finished(self, loader: Any, complete: bool) -> None:
        """The loop ended; ``complete`` is False when the host left it early."""


class _Patch:
    def __init__(self, original: Callable[[Any], Iterator[Any]]) -> None:
        self.original = original
        self.listeners: list[LoaderListener] = []


_patches: dict[type, _Patch] = {}


def listen(loader_class: type, listener: LoaderListener) -> Callable[[], None]:
    """Tell ``listener`` about loops over loaders of a class (and of subclasses that do not redefine iteration).

    Args:
        loader_class: For example ``torch.utils.data.DataLoader``.
        listener: Who is told.

    Returns:
        A function that undoes it; the class is put back when the last listener is gone.

    Raises:
        TypeError: When instances of the class cannot be iterated by ``__iter__``.
    """
    owner = next((c for c in loader_class.__mro__ if "__iter__" in vars(c)), None)
    if owner is None or owner in (list, tuple, dict, object):
        raise TypeError(f"loops over {loader_class.__name__} cannot be followed; use a torch DataLoader")
    patch = _patches.get(owner)
    if patch is None:
        patch = _patches[owner] = _Patch(owner.__iter__)  # type: ignore[attr-defined]
        owner.__iter__ = _watched_iter(patch)  # type: ignore[attr-defined]
    patch.listeners.append(listener)

    def undo() -> None:
        if listener in patch.listeners:
            patch.listeners.remove(listener)
        if not patch.listeners and _patches.get(owner) is patch:
            owner.__iter__ = patch.original  # type: ignore[attr-defined]
            del _patches[owner]

    return undo


def _watched_iter(patch: _Patch) -> Callable[[Any], Iterator[Any]]:
    def __iter__(loader: Any) -> Iterator[Any]:
        listeners = [x for x in list(patch.listeners) if x.loader_started(loader)]
        if not listeners:
            return patch.original(loader)
        positions, restore = _record_positions(loader)
        try:
            inner = iter(patch.original(loader))
        finally:
            restore()
        _let_go(inner)
        return _WatchedLoop(loader, inner, listeners, positions)

    return __iter__


class _WatchedLoop:
    """The host's iterator with listeners beside it; every other attribute is the host's own."""

    def __init__(
        self, loader: Any, inner: Iterator[Any], listeners: list[LoaderListener], positions: deque[Any] | None
    ) -> None:
        self._loader = loader
        self._inner = inner
        self._listeners = listeners
        self._positions = positions
        self._ended = False

    def __iter__(self) -> _WatchedLoop:
        return self

    def __len__(self) -> int:
        return len(self._inner)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __next__(self) -> Any:
        try:
            batch = next(self._inner)
        except StopIteration:
            self._end(complete=True)
            raise
        except BaseException:
            self._end(complete=False)
            raise
        positions = self._positions.popleft() if self._positions else None
        for listener in self._listeners:
            listener.batch_yielded(self._loader, batch, positions)
        return batch

    def _end(self, *, complete: bool) -> None:
        if not self._ended:
            self._ended = True
            for listener in self._listeners:
                listener.loader_finished(self._loader, complete)

    def __del__(self) -> None:
        if not getattr(self, "_ended", True):
            self._end(complete=False)


def _record_positions(loader: Any) -> tuple[deque[Any] | None, Callable[[], None]]:
    """Let the loader's (batch) sampler be recorded by the iterator that is about to be made.

    ``DataLoader`` forbids assigning its sampler, so the instance dictionary is used, and restored right after the
    iterator has taken hold of the recorder.
    """
    attributes = getattr(loader, "__dict__", {})
    key = "batch_sampler" if attributes.get("batch_sampler") is not None else "sampler"
    if getattr(attributes.get("_iterator"), "_index_sampler", None) is not None:
        # persistent workers: the iterator of the first loop is used again, with the sampler it took then
        attributes, key = vars(attributes["_iterator"]), "_index_sampler"
    sampler = attributes.get(key)
    if sampler is None:
        return None, lambda: None
    recorder = _SamplerRecorder(sampler)
    attributes[key] = recorder

    def restore() -> None:
        attributes[key] = sampler

    return recorder.positions, restore


def _let_go(iterator: Any) -> None:
    """A loader's iterator keeps the sampler it was made with: give it its own back, its loop has begun."""
    recorder = getattr(iterator, "_index_sampler", None)
    if isinstance(recorder, _SamplerRecorder):
        iterator._index_sampler = recorder.sampler


class _SamplerRecorder:
    """Yields what a sampler yields and keeps it, one entry per batch."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler
        self.positions: deque[Any] = deque()

    def __iter__(self) -> Iterator[Any]:
        self.positions.clear()
        for item in self.sampler:
            self.positions.append(_as_positions(item))
            yield item

    def __len__(self) -> int:
        return len(self.sampler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sampler, name)


def _as_positions(item: Any) -> tuple[int, ...] | None:
    items = item if isinstance(item, (list, tuple)) else item.tolist() if hasattr(item, "tolist") else [item]
    try:
        return tuple(int(i) for i in (items if isinstance(items, (list, tuple)) else [items]))
    except (TypeError, ValueError):
        return None

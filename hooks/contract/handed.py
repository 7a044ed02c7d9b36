"""What a plugin is handed of a host's pass: tensors of its own, or the host's own, compared and put back.

``attn_batch_metrics`` gets copies, so that no plugin's arithmetic in place reaches another's numbers or the kept maps. The
batch, and the arguments and output of a module, are the host's own objects: their contents are compared afterwards. Data
set and loader are handed on as they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: Hooks that get copies.
COPIED = ("attn_batch_metrics",)
#: Hooks that get the host's own objects -> argument -> its members that belong to the batch.
LIVE: dict[str, dict[str, tuple[str, ...]]] = {
    "attn_identify_batch": {"inputs": ("batch", "given", "tokenizer_calls")},
    "attn_read_attention": {"call": ("args", "kwargs", "output")},
}
_DEPTH, _WIDTH = 6, 1024
#: Objects that are looked at in all; a batch of more is data, not structure.
_MOST = 20_000


def copied(value: Any) -> Any:
    """Tensors as copies: alone, in a mapping, or as fields of a frozen dataclass (the context of a batch)."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        mappings = {
            f.name: copied(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if isinstance(getattr(value, f.name), dict)
        }
        return dataclasses.replace(value, **mappings) if mappings else value
    return value


class Kept:
    """Contents of some objects of the host, to be compared later.

    Args:
        hook: The hook that they are handed to.
        arguments: Its arguments by name.
    """

    def __init__(self, hook: str, arguments: Mapping[str, Any]) -> None:
        self._hook, self._arguments = hook, arguments
        self._undo: list[tuple[Callable[[], bool], Callable[[], object]]] = []
        self._modules: list[tuple[Any, tuple[bool, ...], tuple[int, ...]]] = []

    def look(self) -> None:
        """Keep the contents as they are now."""
        seen: set[int] = set()
        for name, members in LIVE.get(self._hook, {}).items():
            value = self._arguments.get(name)
            for member in members:
                self._keep(getattr(value, member, None), seen, 0)
            module = getattr(value, "module", None)
            if hasattr(module, "parameters"):
                self._modules.append((module, _training(module), _versions(module)))

    def put_back(self) -> list[str]:
        """Restore what is not as it was; returns what had changed."""
        changed = []
        for altered, undo in reversed(self._undo):
            try:
                if altered():
                    undo()
                    changed = ["the batch"]
            except Exception as error:
                changed = [f"the batch (which could not be put back: {error})"]
        for module, training, versions in self._modules:
            if _training(module) != training:
                for part, mode in zip(module.modules(), training):
                    part.training = mode
                changed.append("the mode of the model")
            if _versions(module) != versions:
                changed.append("the weights of the model (which could not be put back)")
        return changed

    def _keep(self, value: Any, seen: set[int], depth: int) -> None:
        if value is None or isinstance(value, (str, bytes, int, float)) or id(value) in seen:
            return
        if depth > _DEPTH or len(seen) >= _MOST:
            return
        seen.add(id(value))
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            with contextlib.suppress(NotImplementedError, RuntimeError):  # a kind of tensor without contents
                self._keep_tensor(value)
        elif (numpy := sys.modules.get("numpy")) is not None and isinstance(value, numpy.ndarray):
            self._keep_array(value)
        elif torch is None or not isinstance(value, torch.nn.Module):
            container = value if isinstance(value, (dict, list)) else _attributes(value)
            if container is not None:
                self._keep_container(container, growing=container is not value)
                for item in list(container.values() if isinstance(container, dict) else container)[:_WIDTH]:
                    self._keep(item, seen, depth + 1)
            if isinstance(value, tuple):
                for item in value[:_WIDTH]:
                    self._keep(item, seen, depth + 1)
            for frame in _frames(value):
                for name in list(frame):
                    self._keep(frame[name], seen, depth + 1)

    def _keep_tensor(self, value: Any) -> None:
        torch = sys.modules["torch"]
        if value.is_meta or value.is_sparse or value.layout is not torch.strided or value.is_inference():
            return
        own = value.detach()
        before, place, graded = own.clone(), own.data_ptr(), value.requires_grad

        def moved() -> bool:
            return bool(
                value.shape != before.shape or value.dtype != before.dtype or value.data_ptr() != place
            )

        def altered() -> bool:
            if moved() or value.requires_grad != graded:
                return True
            same = (own == before) | ((own != own) & (before != before))  # NaN is the same as NaN
            return not bool(same.all())

        def undo() -> None:
            if moved():
                value.data = own
            if value.requires_grad != graded:
                value.requires_grad_(graded)
            own.copy_(before)

        self._undo.append((altered, undo))

    def _keep_array(self, value: np.ndarray) -> None:
        before = value.copy()

        def altered() -> bool:
            return (
                value.tobytes() != before.tobytes()
                if value.dtype != object
                else list(value.flat) != list(before.flat)
            )

        def undo() -> None:
            value[...] = before

        self._undo.append((altered, undo))

    def _keep_container(self, value: Any, *, growing: bool) -> None:
        """``growing``: attributes of an object, which may remember what was asked of it; what is new is left there."""
        before = value.copy()

        def altered() -> bool:
            if len(value) != len(before) and not (growing and len(value) > len(before)):
                return True
            if isinstance(value, dict):
                return any(k not in value or value[k] is not v for k, v in before.items())
            return any(a is not b for a, b in zip(value, before))

        def undo() -> None:
            if isinstance(value, dict):
                if not growing:
                    value.clear()
                value.update(before)
            else:
                value[:] = before

        self._undo.append((altered, undo))


def _attributes(value: Any) -> dict[str, Any] | None:
    """The attributes of an object that holds data."""
    if isinstance(value, tuple) or callable(value) or not hasattr(value, "__dict__") or _frames(value):
        return None
    held: dict[str, Any] = vars(value)
    return held


def _frames(value: Any) -> tuple[Any, ...]:
    """The data of a DGL graph: its nodes' and its edges'."""
    found = (
        tuple(getattr(value, name, None) for name in ("ndata", "edata"))
        if hasattr(value, "batch_num_nodes")
        else ()
    )
    return tuple(f for f in found if isinstance(f, Mapping))


def _training(module: Any) -> tuple[bool, ...]:
    return tuple(m.training for m in module.modules())


def _versions(module: Any) -> tuple[int, ...]:
    """Counts that go up with each change in place; no value is read."""
    return tuple(p._version for p in (*module.parameters(), *module.buffers()))

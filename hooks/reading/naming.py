"""Names of the modules whose attention is seen, from the outermost module of the host's that was at work."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from torch import nn

from crysmm_attn_plugin.hooks.digests import unwrapped_name
from crysmm_attn_plugin.hooks.reading.frames import Mark, has_parameters, root_of


class Naming:
    """Finds roots and names; refers to the host's modules weakly.

    Args:
        model: The model whose forward takes the batches, where somebody named it.

    Attributes:
        outer_names: Class names of modules called from outside any other.
        training: A root was in training mode when it was first seen.
    """

    def __init__(self, model: nn.Module | None) -> None:
        self._model = None if model is None else weakref.ref(model)
        self._roots: dict[int, weakref.ref[nn.Module]] = {}
        self._names: dict[int, str] = {}
        self._outer: dict[int, weakref.ref[nn.Module]] = {}
        self.outer_names: dict[str, None] = {}
        self.training = False

    def called(self, module: nn.Module) -> None:
        """The host called a module, from outside any other."""
        self.outer_names.setdefault(type(getattr(module, "_orig_mod", module)).__name__)
        if id(module) not in self._outer and has_parameters(module):
            self._outer[id(module)] = weakref.ref(module)

    def name(self, owner: nn.Module | None, stop: Mark) -> str:
        """Qualified name of a module within its root, wrapper prefixes removed.

        Args:
            owner: The module; None where a script forms attention outside any.
            stop: Mark of the frame that asked for the batch.
        """
        if owner is None:
            return "script"
        name = self._names.get(id(owner))
        if name is None:
            self.add_root(self._root(owner, stop))
            name = self._names.setdefault(id(owner), type(owner).__name__)
        return name

    def add_root(self, root: nn.Module) -> None:
        """Take the names of a root's modules."""
        if id(root) in self._roots:
            return
        self._roots[id(root)] = weakref.ref(root)
        self.training |= _wrapped(root).training
        for full, module in root.named_modules():
            self._names.setdefault(id(module), unwrapped_name(full) or type(module).__name__)

    def _root(self, owner: nn.Module, stop: Mark) -> nn.Module:
        named = self._model() if self._model is not None else None
        if named is not None and any(m is owner for m in named.modules()):
            return named
        return root_of(sys._getframe(1), stop) or owner

    @property
    def roots(self) -> list[nn.Module]:
        """The outermost modules whose code formed attention, as far as they still exist."""
        return _alive(self._roots)

    @property
    def outer(self) -> list[nn.Module]:
        """Modules with parameters that the host called from outside any other, as far as they still exist."""
        return _alive(self._outer)

    @property
    def readers(self) -> list[nn.Module]:
        """Modules whose weights decide what a pass gives: the roots, and others the host calls beside them.

        A copy of one (an average of its weights, say) is not one more.
        """
        chosen: list[nn.Module] = []
        for module in [*self.roots, *self.outer]:
            inside = {id(m) for c in chosen for m in c.modules()}
            around = any(c in set(module.modules()) for c in chosen)
            if id(module) in inside or around:
                continue
            if not any(type(c) is type(module) and _parameters(c) == _parameters(module) for c in chosen):
                chosen.append(module)
        return chosen


def _parameters(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def _alive(references: dict[int, weakref.ref[Any]]) -> list[nn.Module]:
    return [m for m in (r() for r in references.values()) if m is not None]


def _wrapped(root: nn.Module) -> nn.Module:
    """The model in a wrapper that computes nothing itself and may keep a training flag of its own."""
    while isinstance(root, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        root = root.module
    return root

"""Do something right after a module was imported for the first time, without importing it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

log = logging.getLogger("crysmm_attn")
Action = Callable[[ModuleType], None]


class AfterImport(MetaPathFinder):
    """A finder that lets the ordinary ones find, and runs an action once the module's body has run.

    Args:
        actions: Module name -> what to do with it.
    """

    def __init__(self, actions: dict[str, Action]) -> None:
        self._actions = dict(actions)
        self._busy: set[str] = set()

    def install(self) -> None:
        """Go first on ``sys.meta_path``; modules that are imported already are acted on now."""
        for name in list(self._actions):
            if name in sys.modules:
                run_action(self._actions.pop(name), sys.modules[name])
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._actions or name in self._busy:
            return None
        self._busy.add(name)
        try:
            spec = find_spec(name) if path is None else _ask_others(self, name, path, target)
        finally:
            self._busy.discard(name)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Then(spec.loader, self._actions[name])
        return spec


def _ask_others(
    me: AfterImport, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if finder is not me and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
    return None


class _Then(Loader):
    """The host's own loader, followed by an action; every other attribute is the loader's."""

    def __init__(self, loader: Any, action: Action) -> None:
        self._loader, self._action = loader, action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        run_action(self._action, module)


def run_action(action: Action, module: ModuleType) -> None:
    """Run ``action``; what goes wrong in it is logged, never the host's problem."""
    try:
        action(module)
    except Exception as error:
        log.warning("could not prepare %s for capture: %s: %s", module.__name__, type(error).__name__, error)

"""The hosts that adapters know, as one process meets them: which of its modules is a seam, and what is learnt there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.announced import OWN, announced
from crysmm_attn_plugin.catalogue import HOSTS
from crysmm_attn_plugin.descriptors import HostSeams
from crysmm_attn_plugin.hooks.bootstrap import seams as wrap
from crysmm_attn_plugin.hooks.hosts.built_in import built_in_adapters

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.contract.manager import PluginManager
    from crysmm_attn_plugin.hooks.contract.protocols import HostAdapter

#: Module names of every adapter's seams, separated by commas: the launcher knows the plugins, its host need not load them.
VARIABLE = "CRYSMM_ATTN_INTERNAL_SEAMS"


def seam_modules() -> tuple[str, ...]:
    """Modules at which a host is entered: under the launcher those it names, else built-in adapters' and announced ones."""
    told = os.environ.get(VARIABLE)
    if told:
        return tuple(told.split(","))
    return tuple(dict.fromkeys((*modules_of(built_in_adapters()), *_announced())))


def _announced() -> dict[str, set[str]]:
    """Modules that other packages announce, with these packages."""
    found: dict[str, set[str]] = {}
    for module, _, distribution in announced():
        if distribution != OWN:
            found.setdefault(module, set()).add(distribution)
    return found


def modules_of(adapters: tuple[HostAdapter, ...]) -> tuple[str, ...]:
    """Names of the modules at which hosts of these adapters are entered."""
    names: dict[str, None] = {}
    for adapter in adapters:
        seams = seams_of(adapter)
        if seams is not None:
            names |= dict.fromkeys((*seams.training_modules, *seams.loader_modules))
    return tuple(names)


def seams_of(adapter: HostAdapter) -> HostSeams | None:
    """An adapter's seams; None for one that only tests checkpoints."""
    seams = getattr(adapter, "seams", None)
    return seams if isinstance(seams, HostSeams) else None


class KnownHosts:
    """What one process has learnt of its host."""

    def __init__(self) -> None:
        self.entered: HostAdapter | None = None
        #: module.function at which it was entered
        self.entered_at = ""
        # a process that turns out not to be captured has loaded a plugin only where one announced the module it met
        self._ask_plugins = bool(os.environ.get(VARIABLE))
        self.splits: tuple[str, ...] = ("train", "val", "test")

    def adapters(self) -> tuple[HostAdapter, ...]:
        """Adapters of every plugin where one may know the host, else the built-in ones; the one whose seam was met first."""
        found = _manager().hooks.host_adapters() if self._ask_plugins else built_in_adapters()
        return tuple(sorted(found, key=lambda a: self.entered is None or a.name != self.entered.name))

    def enter(
        self, module: ModuleType, training: Callable[[Any, Any], None], loaders: Callable[[Any], None]
    ) -> list[Callable[[], None]]:
        """Listen at the seams that an imported module holds.

        Args:
            module: A module named by an adapter.
            training: Called with configuration and loaders when training begins.
            loaders: Called with what the host's loader function made.

        Returns:
            What undoes it.
        """
        self._ask_plugins = self._ask_plugins or module.__name__ in _announced()
        undos: list[Callable[[], None]] = []
        for adapter in self.adapters():
            seams = seams_of(adapter)
            if seams is None or undos:
                continue
            if module.__name__ in seams.training_modules and _has(module, seams.training_function):
                names = (seams.config_argument, seams.loaders_argument)
                undos.append(
                    wrap.watch_training_function(
                        module,
                        seams.training_function,
                        names,
                        self._told(adapter, module, seams.training_function, training),
                    )
                )
            if module.__name__ in seams.loader_modules and _has(module, seams.loader_function):
                undos.append(
                    wrap.watch_loader_function(
                        module,
                        seams.loader_function,
                        self._told(adapter, module, seams.loader_function, loaders),
                    )
                )
        return undos

    def _told(
        self, adapter: HostAdapter, module: ModuleType, function: str, action: Callable[..., None]
    ) -> Callable[..., None]:
        def tell(*values: Any) -> None:
            seams = seams_of(adapter)
            if seams is not None:
                self.entered, self.splits = adapter, seams.splits
                self.entered_at = self.entered_at or f"{module.__name__}.{function}"
            action(*values)

        return tell

    def arm(self, config: Mapping[str, Any]) -> str:
        """The arm by the host's own switch of the ablation; empty when it has none."""
        seams, value = self._switched(config)
        return "" if seams is None else seams.arms.get(value) or seams.arms.get(bool(value), "")

    def switch(self, config: Mapping[str, Any]) -> str:
        """The configuration key that is the ablation; empty when the host has none."""
        seams, _ = self._switched(config)
        return "" if seams is None else seams.switch

    def _switched(self, config: Mapping[str, Any]) -> tuple[HostSeams | None, Any]:
        for adapter in self.adapters():
            seams = seams_of(adapter)
            if seams is None or not seams.switch:
                continue
            for holder in (config, config.get("model")):
                values = holder if isinstance(holder, Mapping) else getattr(holder, "__dict__", {})
                if seams.switch in values:
                    return seams, values[seams.switch]
        return None, None

    def property_of(self, config: Mapping[str, Any]) -> str:
        """The property a host trains on."""
        return self._word("property_of", config) or ""

    def dataset_of(self, config: Mapping[str, Any]) -> str:
        """The name of a host's data set."""
        found = self._word("dataset_of", config)
        return str(config.get("dataset") or "") if found is None else found

    def _word(self, name: str, config: Mapping[str, Any]) -> str | None:
        """What the host's adapter reads from its configuration; of the adapters in turn where none was entered."""
        for adapter in self.adapters():
            read = getattr(seams_of(adapter), name, None)
            found = None if read is None else _manager().on_account(adapter.name, name, partial(read, config))
            if found or (found is not None and adapter is self.entered):
                return str(found)
        return None

    def name(self) -> str:
        """Which host this is: the adapter whose seam was met, else one whose modules were imported, else the script."""
        if self.entered is not None:
            return self.entered.name
        for adapter in self.adapters():
            seams = seams_of(adapter)
            if seams is not None and any(name in sys.modules for name in seams.model_modules):
                return adapter.name
        return Path(sys.argv[0] or "python").name

    def told(self) -> dict[str, str]:
        """Which host this is, where it was entered, and whose adapter knows it, for ``doctor``; empty when none does."""
        name = self.name()
        if self.entered is None and all(a.name != name for a in self.adapters()):
            return {}

        owner = HOSTS.owner(name) or ""
        return {"name": name, "at": self.entered_at, "source": _manager().source_of(owner)}


def _manager() -> PluginManager:
    """The plugins, loaded late: pluggy and numpy are the host's to import first, from its own path and as it set them up."""
    from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager

    return get_plugin_manager()


def _has(module: ModuleType, name: str) -> bool:
    return bool(name) and callable(getattr(module, name, None))

"""The hosts that adapters know, as one process meets them: which of its modules is a seam, and what is learnt there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crysmm_attn_plugin.descriptors import HostSeams
    from crysmm_attn_plugin.hooks.contract.protocols import HostAdapter

#: Module names of every adapter's seams, separated by commas: the launcher knows the plugins, its host need not load them.
VARIABLE = "CRYSMM_ATTN_INTERNAL_SEAMS"


def seam_modules() -> tuple[str, ...]:
    """Modules at which a host is entered: those of every plugin under the launcher, else the built-in adapters'."""
    told = os.environ.get(VARIABLE)
    if told:
        return tuple(told.split(","))
    return modules_of(built_in_adapters())


def built_in_adapters() -> tuple[HostAdapter, ...]:
    """The project's own adapters, without loading any plugin: a process may turn out not to be captured at all."""
    from crysmm_attn_plugin.hooks.hosts.alignn import AlignnAdapter
    from crysmm_attn_plugin.hooks.hosts.crysmmnet import CrysMMNetAdapter

    return CrysMMNetAdapter(), AlignnAdapter()


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
    from crysmm_attn_plugin.descriptors import HostSeams

    seams = getattr(adapter, "seams", None)
    return seams if isinstance(seams, HostSeams) else None


class KnownHosts:
    """What one process has learnt of its host."""

    def __init__(self) -> None:
        self.entered: HostAdapter | None = None
        self.splits: tuple[str, ...] = ("train", "val", "test")

    def adapters(self) -> tuple[HostAdapter, ...]:
        """Adapters of every plugin under the launcher, else the built-in ones; the one whose seam was met first."""
        found = built_in_adapters()
        if os.environ.get(VARIABLE):
            from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager

            found = get_plugin_manager().hooks.host_adapters()
        return tuple(sorted(found, key=lambda a: a is not self.entered))

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
        from crysmm_attn_plugin.hooks.bootstrap import seams as wrap

        undos: list[Callable[[], None]] = []
        for adapter in self.adapters():
            seams = seams_of(adapter)
            if seams is None or undos:
                continue
            if module.__name__ in seams.training_modules and _has(module, seams.training_function):
                names = (seams.config_argument, seams.loaders_argument)
                undos.append(
                    wrap.watch_training_function(
                        module, seams.training_function, names, self._told(adapter, training)
                    )
                )
            if module.__name__ in seams.loader_modules and _has(module, seams.loader_function):
                undos.append(
                    wrap.watch_loader_function(module, seams.loader_function, self._told(adapter, loaders))
                )
        return undos

    def _told(self, adapter: HostAdapter, action: Callable[..., None]) -> Callable[..., None]:
        def tell(*values: Any) -> None:
            seams = seams_of(adapter)
            if seams is not None:
                self.entered, self.splits = adapter, seams.splits
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
        from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager

        for adapter in self.adapters():
            seams = seams_of(adapter)
            if seams is not None and seams.property_of is not None:
                found = get_plugin_manager().on_account(
                    adapter.name, "property_of", partial(seams.property_of, config)
                )
                if found:
                    return str(found)
        return ""

    def name(self) -> str:
        """Which host this is: the adapter whose seam was met, else one whose modules were imported, else the script."""
        if self.entered is not None:
            return self.entered.name
        if "models.alignn" in sys.modules:
            return "crysmmnet"
        return "alignn" if "alignn.train" in sys.modules else Path(sys.argv[0] or "python").name


def _has(module: ModuleType, name: str) -> bool:
    return bool(name) and callable(getattr(module, name, None))

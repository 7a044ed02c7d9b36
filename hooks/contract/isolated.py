"""pluggy's manager, with every implementation wrapped once when its plugin is registered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pluggy

from crysmm_attn_plugin import catalogue
from crysmm_attn_plugin.hooks.contract import isolation
from crysmm_attn_plugin.hooks.contract.checks import checked
from crysmm_attn_plugin.hooks.contract.specs import GROUP, AttnSpecs


class IsolatedPlugins(pluggy.PluginManager):
    """pluggy's manager, with every implementation wrapped once when its plugin is registered.

    Args:
        told: (plugin, hook, what went wrong).
        collect: (plugin, name): called when a plugin was registered, to keep what it hands over.
        called: (plugin, hook, seconds, whether it answered).
        trusted: Names of the project's own plugins, whose effect on the process is not looked at.
    """

    def __init__(
        self,
        told: Callable[[str, str, str], None],
        collect: Callable[[Any, str], None],
        called: Callable[[str, str, float, bool], None],
        *,
        trusted: frozenset[str],
    ) -> None:
        super().__init__(GROUP)
        self._told, self._collect, self._called, self._trusted = told, collect, called, trusted
        self.add_hookspecs(AttnSpecs)

    def register(self, plugin: Any, name: str | None = None) -> str | None:
        """As pluggy's; the implementations are isolated."""
        registered = super().register(plugin, name)
        if registered is None:
            return None
        told = functools.partial(self._told, registered)
        called = functools.partial(self._called, registered)
        trusted = registered in self._trusted
        for caller in self.get_hookcallers(plugin) or ():
            for impl in caller.get_hookimpls():
                if impl.plugin is not plugin:
                    continue
                if impl.wrapper or impl.hookwrapper:
                    many = not (caller.spec and caller.spec.opts.get("firstresult"))
                    made = isolation.isolate_wrapper(
                        impl.function, caller.name, told=told, many=many, old_style=impl.hookwrapper, trusted=trusted
                    )  # fmt: skip
                else:
                    made = isolation.isolate(
                        impl.function, caller.name, told=told, checked=checked, trusted=trusted, called=called
                    )
                object.__setattr__(impl, "function", made)
        self._collect(plugin, registered)
        return registered

    def unregister(self, plugin: Any = None, name: str | None = None) -> Any:
        """As pluggy's; what the plugin handed over is forgotten."""
        gone = name or self.get_name(plugin)
        found = super().unregister(plugin, name)
        if gone is not None:
            catalogue.forget(gone)
        return found

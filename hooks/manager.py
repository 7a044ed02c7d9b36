"""The plugin manager: entry points loaded one at a time, calls isolated, failures reported and skipped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Any

import pluggy

from crysmm_attn_plugin.hooks.specs import GROUP, AttnSpecs

log = logging.getLogger("crysmm_attn")

#: Plugins that ship with the project, registered exactly like anyone else's: name -> module with hookimpls.
BUILT_IN: dict[str, str] = {
    "hosts": "crysmm_attn_plugin.hooks.hosts.plugin",
    "taps": "crysmm_attn_plugin.hooks.taps.plugin",
    "reports": "crysmm_attn_plugin.reports.plugin",
    "tracking": "crysmm_attn_plugin.reports.tracking",
}


@dataclass(frozen=True)
class LoadedPlugin:
    """One plugin as ``crysmm-attn plugins`` shows it."""

    name: str
    source: str
    hooks: tuple[str, ...] = ()
    error: str = ""


@dataclass
class PluginManager:
    """A thin wrapper around ``pluggy.PluginManager`` whose calls never raise on a plugin's behalf."""

    pm: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(GROUP))
    loaded: list[LoadedPlugin] = field(default_factory=list)
    on_failure: Callable[[str, str, BaseException], None] | None = None
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pm.add_hookspecs(AttnSpecs)

    def register(self, plugin: Any, name: str, source: str = "registered") -> None:
        """Register ``plugin``; a broken or doubled one is reported in ``loaded`` and skipped."""
        if self.pm.has_plugin(name) or self.pm.is_registered(plugin):
            return
        try:
            self.pm.register(plugin, name=name)
            self.pm.check_pending()
        except Exception as error:
            if self.pm.has_plugin(name):
                self.pm.unregister(name=name)
            self._report_broken(name, source, error)
            return
        hooks = tuple(sorted(c.name for c in self.pm.get_hookcallers(plugin) or ()))
        self.loaded.append(LoadedPlugin(name, source, hooks))

    def load_built_in(self) -> None:
        import importlib

        for name, module in BUILT_IN.items():
            try:
                plugin = importlib.import_module(module)
            except Exception as error:
                self._report_broken(name, f"built in ({module})", error)
            else:
                self.register(plugin, name, f"built in ({module})")

    def load_entry_points(self) -> None:
        """Load third-party plugins one at a time; a broken one is reported and skipped."""
        for entry in metadata.entry_points(group=GROUP):
            if entry.name in BUILT_IN:
                continue
            dist = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown distribution"
            try:
                plugin = entry.load()
            except Exception as error:
                self._report_broken(entry.name, dist, error)
            else:
                self.register(plugin, entry.name, dist)

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """Call every implementation of ``hook``, one at a time; one that raises is reported and skipped.

        Returns:
            The results that are not None, in pluggy's order (last registered first). For a first-result
            hook: at most one.
        """
        caller = getattr(self.pm.hook, hook)
        first = bool(caller.spec and caller.spec.opts.get("firstresult"))
        results = []
        for impl in reversed(caller.get_hookimpls()):
            try:
                result = impl.function(*(arguments[name] for name in impl.argnames))
            except Exception as error:
                self._failed(hook, impl.plugin_name, error)
                continue
            if result is not None:
                results.append(result)
                if first:
                    break
        return results

    def call_first(self, hook: str, **arguments: Any) -> Any:
        """First result of a first-result hook, or None."""
        results = self.call(hook, **arguments)
        return results[0] if results else None

    def _failed(self, hook: str, plugin: str, error: BaseException) -> None:
        if self.on_failure is not None:
            self.on_failure(hook, plugin, error)
        sentence = f"plugin {plugin} failed in {hook} and was skipped: {type(error).__name__}: {error}"
        if sentence not in self._told:  # a hook may fail in each of thousands of batches
            self._told.add(sentence)
            log.warning(sentence)

    def _report_broken(self, name: str, source: str, error: BaseException) -> None:
        self.loaded.append(LoadedPlugin(name, source, error=f"{type(error).__name__}: {error}"))
        log.warning("plugin %s (%s) could not be loaded and is skipped: %s", name, source, error)


@lru_cache(maxsize=1)
def get_plugin_manager() -> PluginManager:
    """The process's plugin manager, built-in plugins first, then entry points."""
    manager = PluginManager()
    manager.load_built_in()
    manager.load_entry_points()
    return manager

"""The plugin manager: built-ins first, then third parties one at a time; failures told, counted and shown in the run."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from crysmm_attn_plugin import __version__, catalogue, settings
from crysmm_attn_plugin.descriptors import NAME
from crysmm_attn_plugin.errors import PluginError, UsageError
from crysmm_attn_plugin.hooks.contract import isolation
from crysmm_attn_plugin.hooks.contract.facade import Hooks
from crysmm_attn_plugin.hooks.contract.isolated import IsolatedPlugins
from crysmm_attn_plugin.hooks.contract.loading import Found, find_plugins, of_others
from crysmm_attn_plugin.settings import Settings

log = logging.getLogger("crysmm_attn")

#: Plugins that ship with the project, registered exactly like anyone else's: name -> module with hook functions.
BUILT_IN: dict[str, str] = {
    "catalogue": "crysmm_attn_plugin.builtin.plugin",
    "hosts": "crysmm_attn_plugin.hooks.hosts.plugin",
    "reports": "crysmm_attn_plugin.reports.plugin",
    "tracking": "crysmm_attn_plugin.reports.trackers.plugin",
}
DISABLE_VARIABLE = "CRYSMM_ATTN_DISABLE_PLUGINS"
TIMING_VARIABLE = "CRYSMM_ATTN_PLUGINS_TIMING"


@dataclass(frozen=True)
class LoadedPlugin:
    """One plugin as ``crysmm-attn plugins`` shows it.

    Attributes:
        name: Its name.
        source: Distribution and version, or ``built in (module)``.
        hooks: Hooks it implements.
        error: Why it is not loaded.
        notes: What of it is left out, and why.
    """

    name: str
    source: str
    hooks: tuple[str, ...] = ()
    error: str = ""
    notes: tuple[str, ...] = ()


@dataclass
class Failure:
    """What one plugin did wrong in one hook, and how often."""

    hook: str
    error: str
    count: int = 1


@dataclass
class PluginManager:
    """Loads plugins, keeps what they hand over, and remembers what went wrong.

    Attributes:
        loaded: Every plugin that was met, loaded or not.
        failures: Plugin -> what it did wrong.
        timings: (plugin, hook) -> (calls, seconds), when timing was asked for.
        answered: Hook -> plugins that gave an answer when it was called, which may be none of those that implement it.
        on_failure: Called with hook, plugin and sentence of each failure, besides the log.
    """

    timing: bool = False
    loaded: list[LoadedPlugin] = field(default_factory=list)
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    timings: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    answered: dict[str, set[str]] = field(default_factory=dict)
    on_failure: Callable[[str, str, str], None] | None = None
    disabled: set[str] = field(default_factory=set)
    load_seconds: dict[str, float] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _notes: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pm = IsolatedPlugins(self._failed, self._collect, self._called, trusted=frozenset(BUILT_IN))
        self.hooks = Hooks(self.pm.hook, self._on_account)

    # -- loading -------------------------------------------------------------------------------------------

    def register(self, plugin: Any, name: str, source: str = "registered") -> bool:
        """Register ``plugin`` and keep its descriptors; a broken, blocked or doubled one is told and left out."""
        if name in self.disabled:
            self.loaded.append(LoadedPlugin(name, source, error="disabled"))
            return False
        if self.pm.has_plugin(name):
            holder = next((p.source for p in self.loaded if p.name == name and not p.error), "another")
            self._left_out(
                name, source, f"a plugin of this name is loaded already ({holder}); rename one of them"
            )
            return False
        if self.pm.is_registered(plugin):
            self._left_out(name, source, "the same object is registered under another name")
            return False
        with isolation.protected(lambda wrong: self._left_out(name, source, wrong), trusted=name in BUILT_IN):
            self.pm.register(plugin, name=name)
            self.pm.check_pending()
        if any(p.name == name and p.source == source and p.error for p in self.loaded):
            if self.pm.has_plugin(name):
                self.pm.unregister(name=name)
            return False
        notes = tuple(self._notes.pop(name, ()))
        self.loaded.append(LoadedPlugin(name, source, self._hooks_of(plugin), notes=notes))
        return True

    def load_built_in(self) -> None:
        """Register the project's own plugins.

        Raises:
            PluginError: When one is broken: the installation is not whole.
        """
        for name, module in BUILT_IN.items():
            source = f"built in ({module})"
            if name in self.disabled:
                self.loaded.append(LoadedPlugin(name, source, error="disabled"))
                continue
            started = time.perf_counter()
            try:
                plugin = importlib.import_module(module)
            except Exception as error:
                raise PluginError(
                    f"the built-in plugin {name} ({module}) cannot be loaded ({isolation.sentence(error)}); "
                    "install crysmm-attn again."
                ) from error
            self.load_seconds[name] = time.perf_counter() - started
            if not self.register(plugin, name, source):
                why = next((p.error for p in self.loaded if p.name == name), "")
                raise PluginError(f"the built-in plugin {name} ({module}) cannot be registered: {why}.")

    def load_entry_points(self) -> None:
        """Load third-party plugins one at a time; a broken one is told and left out."""
        for found in of_others(find_plugins(), set(BUILT_IN)):
            self._load(found)

    def _load(self, found: Found) -> None:
        if found.entry is None:
            self._left_out(found.name, found.source, found.error)
            return
        if found.name in self.disabled:
            self.loaded.append(LoadedPlugin(found.name, found.source, error="disabled"))
            return
        wrongs: list[str] = []
        plugin: Any = None
        started = time.perf_counter()
        with isolation.protected(wrongs.append):
            plugin = found.entry.load()
        self.load_seconds[found.name] = time.perf_counter() - started
        if plugin is None:
            self._left_out(found.name, found.source, wrongs[0] if wrongs else "its entry point is None")
            return
        if self.register(plugin, found.name, found.source):
            for wrong in wrongs:  # loaded, but it changed what is the host's
                self._failed(found.name, "import", wrong)

    def configure(self, chosen: settings.PluginSettings) -> None:
        """Follow the settings, once they are known."""
        self.timing = self.timing or chosen.timing
        self.block(chosen.disabled)

    def block(self, names: Iterable[str]) -> None:
        """Take plugins out, or keep them out, by name."""
        for name in names:
            self.disabled.add(name)
            if self.pm.has_plugin(name):
                self.pm.unregister(name=name)
                self.loaded = [replace(p, error="disabled") if p.name == name else p for p in self.loaded]

    def _hooks_of(self, plugin: Any) -> tuple[str, ...]:
        return tuple(sorted(c.name for c in self.pm.get_hookcallers(plugin) or ()))

    def _collect(self, plugin: Any, name: str) -> None:
        """Keep the descriptors that one plugin hands over."""
        for hook, registry in catalogue.REGISTRIES.items():
            impls = [i for i in getattr(self.pm.hook, hook).get_hookimpls() if i.plugin is plugin]
            for item in [x for i in impls if not (i.wrapper or i.hookwrapper) for x in i.function() or ()]:
                wrong = _unusable(item, registry, name) or registry.add(
                    item, "" if name in BUILT_IN else name
                )
                if wrong:
                    self._note(name, f"{wrong}; this one is left out")

    # -- what went wrong -----------------------------------------------------------------------------------

    def fault(self, name: str, where: str, reason: str) -> None:
        """A value of a plugin was of no use: told once, counted, shown in run and report.

        Args:
            name: Plugin, or a metric that one registered.
            where: Hook or metric.
            reason: What was wrong.
        """
        owner = name if self.pm.has_plugin(name) else catalogue.BY_NAME.owner(name) or name
        self._failed(owner, where, reason)

    def _failed(self, plugin: str, hook: str, reason: str) -> None:
        known = self.failures.setdefault(plugin, [])
        same = next((f for f in known if (f.hook, f.error) == (hook, reason)), None)
        if same is not None:
            same.count += 1
        elif len(known) < 100:  # a message that differs in every batch must not grow without end
            known.append(Failure(hook, reason))
        if self.on_failure is not None:
            self.on_failure(hook, plugin, reason)
        text = f"plugin {plugin} failed in {hook} and was skipped: {reason}"
        if isinstance(reason, isolation.Changed):
            text = f"plugin {plugin} in {hook} {reason}"
        if (
            text not in self._told and len(self._told) < 1000
        ):  # a hook may fail in each of thousands of batches
            self._told.add(text)
            log.warning(text)

    def _called(self, plugin: str, hook: str, seconds: float, answered: bool) -> None:
        if answered:
            self.answered.setdefault(hook, set()).add(plugin)
        if not self.timing:
            return
        calls, total = self.timings.get((plugin, hook), (0, 0.0))
        self.timings[plugin, hook] = (calls + 1, total + seconds)

    def _on_account(self, owner: str, where: str, function: Callable[[], Any]) -> Any:
        with isolation.protected(functools.partial(self._failed, owner, where)):
            return function()
        return None

    def on_account(self, descriptor: str, where: str, function: Callable[[], Any]) -> Any:
        """Run a descriptor's function as its plugin's code: a part's ``make``, an alarm's ``check``, a tracker's ``log``."""
        return self._on_account(descriptor, where, function)

    def _note(self, name: str, text: str) -> None:
        self._notes.setdefault(name, []).append(text)
        log.warning("plugin %s: %s", name, text)

    def _left_out(self, name: str, source: str, why: str) -> None:
        self.loaded.append(LoadedPlugin(name, source, error=why))
        log.warning("plugin %s (%s) could not be loaded and is skipped: %s", name, source, why)

    # -- what a run keeps of it ----------------------------------------------------------------------------

    def record(self) -> list[dict[str, Any]]:
        """Third-party plugins, and any that failed, for ``run.json``."""
        known = {p.name for p in self.loaded}
        nameless = [
            {"name": name, "failures": [vars(f).copy() for f in found]}
            for name, found in self.failures.items()
            if name not in known
        ]
        return nameless + [
            {
                "name": p.name,
                "source": p.source,
                "hooks": list(p.hooks),
                "error": p.error,
                "notes": list(p.notes),
                "failures": [vars(f).copy() for f in self.failures.get(p.name, ())],
                **({"seconds": self._seconds_of(p.name)} if self.timing else {}),
            }
            for p in self.loaded
            if p.name not in BUILT_IN or p.error or self.failures.get(p.name)
        ]

    def answers(self) -> list[dict[str, Any]]:
        """Third-party plugins with the hooks they implement and those they answered so far, for ``doctor``."""
        return [
            {
                "name": p.name,
                "source": p.source,
                "hooks": list(p.hooks),
                "answered": sorted(h for h, names in self.answered.items() if p.name in names),
                "error": p.error,
            }
            for p in self.loaded
            if p.name not in BUILT_IN
        ]

    def source_of(self, plugin: str) -> str:
        """Distribution and version that a plugin comes from; this project's own for the built-in ones."""
        found = next((p.source for p in self.loaded if p.name == plugin and not p.error), "")
        return found or f"crysmm-attn {__version__}"

    def _seconds_of(self, plugin: str) -> dict[str, dict[str, float]]:
        return {
            hook: {"calls": calls, "seconds": seconds}
            for (name, hook), (calls, seconds) in self.timings.items()
            if name == plugin
        }

    def descriptor_data(self) -> dict[str, list[dict[str, Any]]]:
        """Descriptors of the metrics that plugins added, for ``run.json``."""
        return catalogue.descriptors_of(catalogue.BY_NAME)


def _unusable(item: Any, registry: catalogue.Registry[Any], owner: str) -> str:
    """Why a third party's descriptor cannot be kept."""
    name = registry.name_of(item)
    if not isinstance(name, str) or not name.strip():
        return f"its name is {name!r}"
    strict = any(registry is r for r in (catalogue.BY_NAME, catalogue.ALARMS, catalogue.PARTS))
    if strict and not NAME.fullmatch(name):
        return f"{name!r} is no name: it begins with a letter and has letters, digits, _ . - (64 at most)"
    if owner in BUILT_IN or getattr(item, "family", "") != "primary":
        return ""
    return f"the metric {name!r} cannot be primary: the four that carry the verdict are fixed"


def disabled_by_environment() -> set[str]:
    """Names in ``CRYSMM_ATTN_DISABLE_PLUGINS``, separated by commas."""
    return {n.strip() for n in os.environ.get(DISABLE_VARIABLE, "").split(",") if n.strip()}


@lru_cache(maxsize=1)
def get_plugin_manager() -> PluginManager:
    """The process's plugin manager, built-in plugins first, then entry points.

    Raises:
        PluginError: When a built-in plugin is broken.
    """
    timing = os.environ.get(TIMING_VARIABLE, "").lower() in ("1", "true", "yes", "on")
    manager = PluginManager(timing=timing, disabled=disabled_by_environment())
    manager.load_built_in()
    manager.load_entry_points()
    return manager


def load_settings(**layers: Any) -> Settings:
    """``settings.load_settings``; plugins are loaded only when a value may be one of theirs, such as a language.

    Raises:
        UsageError: As there.
    """
    try:
        return settings.load_settings(**layers)
    except UsageError:
        get_plugin_manager()
        return settings.load_settings(**layers)

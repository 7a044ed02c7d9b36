"""What is known by name: metrics, languages, alarms, report parts, trackers. Readers loop over it.

Built-ins are there from the start; the plugin manager adds what plugins hand over, and ``learn`` what a stored run says
of metrics whose plugin is not installed here. Torch-free.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from crysmm_attn_plugin.builtin.alarms import ALARM_KINDS
from crysmm_attn_plugin.builtin.languages import LANGUAGES as _LANGUAGES
from crysmm_attn_plugin.builtin.metrics import METRICS, PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.descriptors import AlarmKind, Language, Metric, ReportPart

__all__ = [
    "ALARMS",
    "BY_NAME",
    "LANGUAGES",
    "METRICS",
    "PRIMARY",
    "REGISTRIES",
    "TOKEN_CATEGORIES",
    "Registry",
    "added_metrics",
    "descriptors_of",
    "forget",
    "known_languages",
    "learn",
]  # fmt: skip

log = logging.getLogger("crysmm_attn")
T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Descriptors of one kind by name, in the order they were added.

    Args:
        what: What is kept, for messages.
        key: Descriptor -> name.
        built_in: There from the start. What is there is replaced only by an item whose ``replaces`` says so.
    """

    def __init__(self, what: str, key: Callable[[T], str], built_in: Iterable[T] = ()) -> None:
        self.what, self._key = what, key
        self._items: dict[str, T] = {key(item): item for item in built_in}
        self._owners: dict[str, str] = dict.fromkeys(self._items, "")
        self._replaced: dict[str, tuple[T, str]] = {}

    def __getitem__(self, name: str) -> T:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, owner: str) -> str:
        """Keep ``item``; returns why it was left out, or an empty text.

        The first of a name stays, except that an installed plugin takes the place of what a stored run told.
        """
        name = self._key(item)
        holder = self._owners.get(name)
        if holder is None or (holder == TOLD and owner != TOLD):
            self._items[name], self._owners[name] = item, owner
            return ""
        if self._items[name] == item:
            return ""
        if getattr(item, "replaces", False) and name not in self._replaced:
            self._replaced[name] = self._items[name], holder
            self._items[name], self._owners[name] = item, owner
            return ""
        return f"the {self.what} {name!r} is there already ({'built in' if holder == '' else f'of {holder}'})"

    def remove(self, owner: str) -> None:
        """Forget everything of one plugin."""
        for name in [n for n, o in self._owners.items() if o == owner and owner]:
            if name in self._replaced:
                self._items[name], self._owners[name] = self._replaced.pop(name)
            else:
                del self._items[name], self._owners[name]

    def added(self) -> tuple[T, ...]:
        """What is not built in."""
        return tuple(item for name, item in self._items.items() if self._owners[name])

    def built_in(self) -> tuple[T, ...]:
        """What the project itself registered."""
        return tuple(item for name, item in self._items.items() if not self._owners[name])

    def name_of(self, item: T) -> str:
        """The name an item goes by."""
        return self._key(item)

    def owner(self, name: str) -> str | None:
        """Plugin that added ``name``; empty for a built-in, None when nobody did."""
        return self._owners.get(name)


#: Owner of metrics that only a stored run speaks of.
TOLD = "a stored run"

BY_NAME: Registry[Metric] = Registry("metric", lambda m: m.name, METRICS)
LANGUAGES: Registry[Language] = Registry("language", lambda x: x.code, _LANGUAGES)
ALARMS: Registry[AlarmKind] = Registry("alarm", lambda a: a.code, ALARM_KINDS)
#: Host adapters, report parts and trackers are objects that the plugin manager hands over when it loads its plugins.
HOSTS: Registry[Any] = Registry("host adapter", lambda a: a.name)
PARTS: Registry[ReportPart] = Registry("report part", lambda p: p.name)
TRACKERS: Registry[Any] = Registry("tracker", lambda t: t.name)
#: Hook -> registry of what it hands over.
REGISTRIES: dict[str, Registry[Any]] = {
    "attn_metrics": BY_NAME,
    "attn_languages": LANGUAGES,
    "attn_alarms": ALARMS,
    "attn_host_adapters": HOSTS,
    "attn_report_parts": PARTS,
    "attn_trackers": TRACKERS,
}


def forget(owner: str) -> None:
    """Forget every descriptor of one plugin."""
    for registry in REGISTRIES.values():
        registry.remove(owner)


def added_metrics() -> tuple[Metric, ...]:
    """Metrics that plugins added, here or where a stored run was captured."""
    return BY_NAME.added()


def known_languages() -> tuple[str, ...]:
    """Codes, the built-in ones first."""
    return tuple(LANGUAGES)


def descriptors_of(names: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """What a run or a result keeps, so that it can be read where the plugins are not installed.

    Args:
        names: Metrics that were captured.
    """
    wanted = set(names)
    return {"metrics": [m.to_dict() for m in added_metrics() if m.name in wanted]}


def learn(descriptors: Mapping[str, Any] | None) -> None:
    """Know the metrics that a stored run speaks of; what describes none is told and left out."""
    told = (descriptors or {}).get("metrics") if isinstance(descriptors, Mapping) else None
    for values in told if isinstance(told, (list, tuple)) else ():
        try:
            metric = Metric.from_dict(values)
        except ValueError as error:
            log.warning("a metric of a stored run cannot be read: %s", error)
            continue
        BY_NAME.add(metric, TOLD)

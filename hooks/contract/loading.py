"""Plugins found on the path: every distribution asked on its own, so that a garbled one costs itself alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from crysmm_attn_plugin.hooks.contract.specs import GROUP


@dataclass(frozen=True)
class Found:
    """A plugin that a distribution announces, not yet imported.

    Attributes:
        name: Name of its entry point.
        source: Distribution and version.
        value: What would be imported.
        entry: The entry point; None when the announcement itself cannot be read.
        error: Why not.
    """

    name: str
    source: str
    value: str = ""
    entry: metadata.EntryPoint | None = None
    error: str = ""


def find_plugins() -> list[Found]:
    """What every installed distribution announces in the group ``crysmm_attn``, the first on the path of each name."""
    found: list[Found] = []
    seen: set[str] = set()
    for dist in metadata.distributions():
        try:
            text = dist.read_text("entry_points.txt") or ""
            folder = getattr(dist, "_path", None)
            if GROUP not in text and folder is not None:
                # hundreds announce nothing here: the folder's name stands for the metadata, which takes long to parse
                seen.add(_normal(folder.name.split("-")[0]))
                continue
            name = dist.metadata["Name"] or ""
            if _normal(name) in seen:
                continue
            seen.add(_normal(name))
            if GROUP not in text:
                continue
            source = f"{name or 'unknown distribution'} {dist.version or ''}".strip()
        except Exception as error:  # a folder that only looks like a distribution
            if not isinstance(error, (KeyError, TypeError, AttributeError)):
                found.append(_unreadable(dist, error))
            continue
        try:
            entries = [e for e in dist.entry_points if e.group == GROUP]
            found += [Found(e.name, source, e.value, e) for e in entries]
        except Exception as error:
            found.append(Found(name or "unknown", source, error=f"its entry points cannot be read ({error})"))
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _unreadable(dist: metadata.Distribution, error: Exception) -> Found:
    where = str(getattr(dist, "_path", "a distribution"))
    name = where.rsplit("/", 1)[-1].split("-")[0]
    return Found(name, where, error=f"its entry points cannot be read ({type(error).__name__}: {error})")


def of_others(found: list[Found], built_in: set[str]) -> Iterator[Found]:
    """Without what the project announces itself, which is registered by name."""
    for item in found:
        if item.name in built_in and item.value.startswith("crysmm_attn_plugin"):
            continue
        yield item

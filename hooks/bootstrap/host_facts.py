"""What a host's own config and imports say about it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def arm_from(config: Mapping[str, Any]) -> str:
    """``full`` or ``no_middle`` by the host's own switch for middle fusion; empty when it has none."""
    for holder in (config, config.get("model")):
        values = holder if isinstance(holder, Mapping) else getattr(holder, "__dict__", {})
        if "use_middle_fusion" in values:
            return "full" if values["use_middle_fusion"] else "no_middle"
    return ""


def property_from(config: Mapping[str, Any]) -> str:
    """The property a host trains on: its file name's tail in the CrysMMNet family, else its target."""
    name = str(config.get("filename") or "")
    target = str(config.get("target") or "")
    return name.split("_", 1)[1] if target == "target" and "_" in name else target


def host_name() -> str:
    """Which host this is, by what it has imported."""
    if "models.alignn" in sys.modules:
        return "crysmmnet"
    return "alignn" if "alignn.train" in sys.modules else Path(sys.argv[0] or "python").name

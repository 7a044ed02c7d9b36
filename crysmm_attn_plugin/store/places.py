"""Where runs lie."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import PartialStoreError, UsageError
from crysmm_attn_plugin.store.journal import FOLDER as JOURNALS
from crysmm_attn_plugin.store.manifest import MANIFEST
from crysmm_attn_plugin.store.remote import here
from crysmm_attn_plugin.store.schema import SCHEMA_VERSION


def is_run(folder: Path) -> bool:
    """True for a folder that a run was written into, even when its ``run.json`` is lost."""
    if (folder / "run.json").exists() or (folder / MANIFEST).exists():
        return True
    return any((folder / JOURNALS).glob("rank=*.jsonl"))


def arm_of(folder: Path) -> str:
    """The arm a run says it is of, or its folder's where it cannot say."""
    try:
        arm = json.loads((folder / "run.json").read_text(encoding="utf-8"))["arm"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        arm = None
    return arm if isinstance(arm, str) else folder.parent.name


def refuse_later(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse a run of a layout that this version does not know.

    Raises:
        PartialStoreError: When its schema version is a later one.
    """
    version = record.get("schema_version", 0)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise PartialStoreError(
            f"{path} was written with store schema {version}, this version reads up to {SCHEMA_VERSION}; update "
            "crysmm-attn."
        )


def run_folders(path: str | os.PathLike[str]) -> list[Path]:
    """Folders of the runs at or below ``path`` (a copy of them, when it is a URL), oldest first.

    Raises:
        UsageError: When there is none, or a URL cannot be read.
    """
    root = here(path)
    if not root.exists():
        raise UsageError(f"{root} does not exist; give a run folder, an arm's folder or a folder of runs.")
    levels = ([root], root.glob("*"), root.glob("*/*"))
    for level in levels:
        folders = sorted(p for p in level if p.is_dir() and is_run(p))
        if folders:
            return folders
    raise UsageError(f"{root} holds no captured run (no run.json there or up to two folders below).")

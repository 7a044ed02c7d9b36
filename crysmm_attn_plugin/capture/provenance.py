"""Where a run came from: command, folder, git state, versions, settings."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.settings import Settings

PACKAGES = ("crysmm-attn", "torch", "dgl", "alignn", "jarvis-tools", "transformers", "numpy")


def run_info(settings: Settings, host: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into ``run.json`` besides arm and id."""
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": list(sys.argv),
        "cwd": str(Path.cwd()),
        "git": git_state(Path.cwd()),
        "versions": versions(),
        "settings": settings.to_dict(),
        **host,
    }


def versions() -> dict[str, str]:
    """Installed versions of the packages a result may depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and whether the tree was changed, for the repository that holds ``folder``; None without one."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(changed)}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()

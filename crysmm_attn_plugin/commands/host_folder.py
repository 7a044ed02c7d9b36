"""Which adapter knows the host whose code lies in a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.contract.protocols import HostAdapter


def adapter_of(host_dir: Path) -> HostAdapter:
    """The first adapter that knows the host in a folder, those of plugins first.

    Raises:
        UsageError: When none does.
    """
    manager = get_plugin_manager()
    adapters = manager.hooks.host_adapters()
    for adapter in adapters:
        if manager.on_account(adapter.name, "matches", partial(adapter.matches, host_dir)):
            return adapter
    raise UsageError(
        f"--host-dir {host_dir.resolve()} holds no known host (adapters: {', '.join(a.name for a in adapters)}); give the "
        "folder of the code that trained the checkpoints."
    )

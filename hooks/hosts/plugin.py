"""The built-in adapters. Importing them imports no torch: seams are asked for before the host does."""

from __future__ import annotations

from collections.abc import Sequence

from crysmm_attn_plugin.hooks.contract.protocols import HostAdapter
from crysmm_attn_plugin.hooks.contract.specs import hookimpl
from crysmm_attn_plugin.hooks.hosts.built_in import built_in_adapters


@hookimpl
def attn_host_adapters() -> Sequence[HostAdapter]:
    """Hosts whose seams are known, and whose checkpoints ``crysmm-attn compare`` can test."""
    return built_in_adapters()

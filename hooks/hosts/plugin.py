"""The built-in adapters."""

from __future__ import annotations

from collections.abc import Sequence

from crysmm_attn_plugin.hooks.hosts.base import HostAdapter
from crysmm_attn_plugin.hooks.hosts.crysmmnet import CrysMMNetAdapter
from crysmm_attn_plugin.hooks.specs import hookimpl


@hookimpl
def attn_host_adapters() -> Sequence[HostAdapter]:
    """Hosts whose checkpoints ``crysmm-attn compare`` can test."""
    return [CrysMMNetAdapter()]

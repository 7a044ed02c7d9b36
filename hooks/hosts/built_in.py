"""The project's own hosts, known without a plugin being loaded: a process may turn out not to be captured at all."""

from __future__ import annotations

from functools import cache

from crysmm_attn_plugin.hooks.hosts.alignn import AlignnAdapter
from crysmm_attn_plugin.hooks.hosts.crysmmnet import CrysMMNetAdapter


@cache
def built_in_adapters() -> tuple[CrysMMNetAdapter, AlignnAdapter]:
    """One adapter of each host that comes with the project."""
    return CrysMMNetAdapter(), AlignnAdapter()

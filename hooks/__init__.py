"""Everything that touches a host. Installed as ``crysmm_attn_plugin.hooks``; ``hookimpl`` marks hook functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.contract.specs import hookimpl as hookimpl

__all__ = ["hookimpl"]


def __getattr__(name: str) -> Any:
    # pluggy is loaded when a hook is written, not in every process of the environment
    if name == "hookimpl":
        from crysmm_attn_plugin.hooks.contract.specs import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

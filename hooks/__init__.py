"""Everything that touches a host. Installed as ``crysmm_attn_plugin.hooks``."""

from crysmm_attn_plugin.hooks.specs import hookimpl

__all__ = ["hookimpl"]

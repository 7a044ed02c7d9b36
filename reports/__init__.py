"""Everything a reader sees. Installed as ``crysmm_attn_plugin.reports``."""

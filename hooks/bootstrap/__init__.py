"""What ``crysmm-attn run`` puts into a host's process. Importing this imports neither torch nor the host."""

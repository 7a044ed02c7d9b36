"""``crysmm-attn plugins``: the plugins and what they add."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No flags."""


def run(args: argparse.Namespace) -> int:
    """Print one line a plugin."""
    from crysmm_attn_plugin.hooks.manager import get_plugin_manager

    for plugin in get_plugin_manager().loaded:
        state = f"not loaded: {plugin.error}" if plugin.error else ", ".join(plugin.hooks)
        print(f"{plugin.name} ({plugin.source}): {state}")
    return 0

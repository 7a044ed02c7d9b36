"""``crysmm-attn plugins``: the plugins and what they add."""

from __future__ import annotations

import argparse
import time

from crysmm_attn_plugin.hooks.contract import loading, manager

EXAMPLES = (
    "crysmm-attn plugins",
    "crysmm-attn plugins --no-load",
    "CRYSMM_ATTN_DISABLE_PLUGINS=own_element crysmm-attn plugins --timing",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn plugins``."""
    parser.add_argument(
        "--no-load", action="store_true", help="only say who announces a plugin; import none of them"
    )
    parser.add_argument("--timing", action="store_true", help="also say how long each took to load")


def run(args: argparse.Namespace) -> int:
    """Print one line a plugin, and what it adds."""

    if args.no_load:
        for found in loading.of_others(loading.find_plugins(), set(manager.BUILT_IN)):
            print(f"{found.name} ({found.source}): {found.error or f'would import {found.value}'}")
        return 0
    started = time.perf_counter()
    plugins = manager.get_plugin_manager()
    seconds = time.perf_counter() - started
    for plugin in plugins.loaded:
        state = f"not loaded: {plugin.error}" if plugin.error else ", ".join(plugin.hooks) or "no hook"
        took = plugins.load_seconds.get(plugin.name)
        shown = f" [{1000 * took:.1f} ms]" if args.timing and took is not None else ""
        print(f"{plugin.name} ({plugin.source}): {state}{shown}")
        for note in plugin.notes:
            print(f"  left out: {note}")
        for failure in plugins.failures.get(plugin.name, ()):
            print(f"  {failure.hook}: {failure.error}")
    if args.timing:
        print(f"all of them: {1000 * seconds:.1f} ms")
    return 0

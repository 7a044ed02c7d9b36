"""``crysmm-attn repair``: keep what is whole of a damaged or unfinished run."""

from __future__ import annotations

import argparse

from crysmm_attn_plugin.errors import StoreError

#: Shown under ``--help``.
EXAMPLES = ("crysmm-attn repair attention_runs/full",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn repair``."""
    parser.add_argument("run", metavar="RUN", help="a run folder, an arm's folder, or a folder of arms")


def run(args: argparse.Namespace) -> int:
    """Repair every run there; returns 4 when one is partial afterwards."""
    from crysmm_attn_plugin.store.places import run_folders
    from crysmm_attn_plugin.store.repair import repair, report

    partial = False
    for folder in run_folders(args.run):
        try:
            done = repair(folder)
        except OSError as error:
            raise StoreError(
                f"{folder} could not be repaired ({error}); make the folder writable and give it room, then repeat."
            ) from error
        print(folder)
        print(report(done))
        partial = partial or done.state != "complete"
    return 4 if partial else 0

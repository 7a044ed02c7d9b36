"""``crysmm-attn status``: what a run on disk holds, and whether it is complete."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn status``."""
    parser.add_argument("run", metavar="RUN", help="a run folder, an arm's folder, or a folder of arms")


def run(args: argparse.Namespace) -> int:
    """Print what is there; returns 4 when any run is partial."""
    from crysmm_attn_plugin.errors import PartialStoreError
    from crysmm_attn_plugin.store.reader import Run, find_runs

    partial = False
    for found in find_runs(args.run, allow_partial=True):
        try:
            Run(found.path)
        except PartialStoreError:
            partial = True
        print(f"{found.path}")
        print(
            f"  arm {found.arm}, run {found.run_id}: {found.state}"
            + (f" ({found.reason})" if found.reason else "")
        )
        for outcome in found.windows:
            w = outcome.window
            print(
                f"  pass {w.split}, {w.kind}" + (f", epoch {w.epoch}" if w.epoch is not None else "")
                + f", checkpoint {w.checkpoint[:8]}: {outcome.state}, {outcome.n_crystals} crystals, "
                f"{outcome.actual_calls} of {outcome.expected_calls} module calls"
                + (f" ({outcome.reason})" if outcome.reason else "")
            )  # fmt: skip
        for c in found.checkpoints:
            print(
                f"  checkpoint {c.digest[:8]}: {c.role or 'unnamed'}"
                + (f", {', '.join(c.files)}" if c.files else "")
            )
        for alarm in found.alarms:
            print(f"  alarm: {alarm.message}")
    return 4 if partial else 0

"""``crysmm-attn status``: what a run on disk holds, whether it is complete, and whether its bytes are as written."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from crysmm_attn_plugin.errors import DamagedStoreError

if TYPE_CHECKING:
    from crysmm_attn_plugin.store.reader import Run

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn status attention_runs",
    "crysmm-attn status attention_runs/full --verify",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn status``."""
    parser.add_argument("run", metavar="RUN", help="a run folder, an arm's folder, or a folder of arms")
    parser.add_argument(
        "--verify", action="store_true", help="read every byte and compare it with what was written"
    )


def run(args: argparse.Namespace) -> int:
    """Print what is there; returns 4 when any run is partial or damaged."""
    from crysmm_attn_plugin.store.places import run_folders

    sound = True
    for folder in run_folders(args.run):
        found = _opened(folder)
        sound = sound and found.state == "complete"
        _print(found)
        if args.verify:
            sound = _verify(found) and sound
        elif found.damage:
            for damage in found.damage:
                print(f"  damaged: {damage}")
    return 0 if sound else 4


def _opened(folder: Path) -> Run:
    """The run, without what is damaged; every byte is read only when a cheap look has found damage."""
    from crysmm_attn_plugin.store.reader import Run

    try:
        found = Run(folder, allow_partial=True)
        _ = found.windows, found.checkpoints
        return found
    except DamagedStoreError:
        return Run(folder, damaged="skip")


def _print(found: Run) -> None:
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


def _verify(found: Run) -> bool:
    damage = found.verify()
    for flaw in damage:
        print(f"  damaged: {flaw}")
    if damage:
        print(f"  {len(damage)} files are damaged; `crysmm-attn repair {found.path}` keeps what is whole")
    elif found.first_layout:
        print(
            "  written by an earlier version, which kept no digests: sizes and row counts agree, more cannot be said; "
            f"`crysmm-attn repair {found.path}` records digests from now on"
        )
    else:
        print(f"  verified: every byte of {found.n_files} files ({found.n_bytes / 1e6:.1f} MB) is as written")
    return not damage

"""``crysmm-attn verify``: the host's command run off, off and on, outputs and prediction files compared bit by bit."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

from crysmm_attn_plugin.cli import split_host_command
from crysmm_attn_plugin.commands.arguments import pattern as glob
from crysmm_attn_plugin.commands.launch import launch
from crysmm_attn_plugin.errors import AttnError

#: Files that may hold predictions.
PREDICTIONS = ("*predict*.csv", "*predict*.json", "*Test_results*.json", "*test_results*.json")

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn verify -- python train.py --epochs 1",
    "crysmm-attn verify --predictions '*.csv' -- python test.py",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn verify``."""
    parser.add_argument(
        "--predictions",
        type=glob,
        action="append",
        default=[],
        metavar="GLOB",
        help="prediction files, below the working directory",
    )
    parser.add_argument("host", nargs=argparse.REMAINDER, metavar="-- CMD", help="the host's own command")


def run(args: argparse.Namespace) -> int:
    """Returns 0 when capture changed nothing, 1 when it did or when the host itself does not repeat."""
    from crysmm_attn_plugin.store.writer import new_run_id

    command = split_host_command(args.host, command="verify")
    patterns = tuple(args.predictions) or PREDICTIONS
    results = []
    with tempfile.TemporaryDirectory(prefix="crysmm-attn-verify-") as folder:
        for mode in ("record", "record", "capture"):
            done = launch(
                command,
                mode=mode,
                run_id=new_run_id(),
                record=True,
                quiet=True,
                settings={
                    "CRYSMM_ATTN_OUT_DIR": folder,
                    "CRYSMM_ATTN_ARM": "verify",
                    "CRYSMM_ATTN_REPORT_AUTO": "false",
                },
            )
            if done.code != 0:
                raise AttnError(
                    f"the host's command ended with exit code {done.code}; it must succeed to be compared."
                )
            outputs = sorted(s["outputs"] for s in done.statuses if s.get("outputs"))
            counts = sum(int(s.get("n_outputs") or 0) for s in done.statuses)
            results.append((outputs, counts, file_digests(Path.cwd(), patterns), done.captured))
    (off, n_off, files, _), (again, _, files_again, _), (on, _, files_on, captured) = results
    if off != again or files != files_again:
        print(
            "the host does not repeat itself without the plugin, so nothing can be compared: fix its random seeds."
        )
        return 1
    same_files = files == files_on
    print(f"model outputs: {n_off} tensors, {'bit-identical' if off == on else 'DIFFERENT'} with capture on")
    print(
        f"prediction files: {len(files)}, {'byte-identical' if same_files else 'DIFFERENT'} with capture on"
    )
    for name in sorted(set(files) | set(files_on)):
        if files.get(name) != files_on.get(name):
            print(f"  differs: {name}")
    print(f"captured in the third run: {captured} crystals")
    if not n_off:
        print("no model output was seen in a validation or test pass, so this proves nothing.")
        return 3
    return 0 if off == on and same_files else 1


def file_digests(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Digest of every file below ``folder`` that matches, by relative path."""
    found = {}
    for pattern in patterns:
        for path in folder.rglob(pattern):
            if path.is_file():
                digest = hashlib.blake2b(path.read_bytes(), digest_size=16)
                found[path.relative_to(folder).as_posix()] = digest.hexdigest()
    return found

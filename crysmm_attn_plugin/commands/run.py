"""``crysmm-attn run``: a host's own command, unedited, with its test passes captured."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from crysmm_attn_plugin.cli import split_host_command
from crysmm_attn_plugin.commands.arguments import output_folder
from crysmm_attn_plugin.commands.launch import launch
from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager, load_settings
from crysmm_attn_plugin.settings import Settings, merge

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn run --arm full -- python train.py --config config.json",
    "crysmm-attn run --arm no_middle --windows 10 -- torchrun --nproc-per-node 2 train.py",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn run``."""
    parser.add_argument(
        "--arm", help="name of this ablation arm (default: from the host's middle-fusion switch)"
    )
    parser.add_argument("--out", type=output_folder, help="folder of runs (default: attention_runs)")
    parser.add_argument("--strict", action="store_true", help="end the host's run when capture fails")
    parser.add_argument(
        "--loader", metavar="NAME|N", help="the test loader, by its name in the host's script or its place"
    )
    parser.add_argument("--windows", help="passes to keep: final, all, or every N-th epoch")
    parser.add_argument("--maps", help="full maps to keep: none, all, or how many crystals")
    parser.add_argument(
        "--probe",
        metavar="WORDS",
        help="interventions in extra passes: all, or some of knock_out, uniform, ... (see docs)",
    )
    parser.add_argument("--no-report", action="store_true", help="make no report when the host is done")
    parser.add_argument("host", nargs=argparse.REMAINDER, metavar="-- CMD", help="the host's own command")


def run(args: argparse.Namespace) -> int:
    """Run the host; returns its exit code, or 3 when it succeeded and nothing was captured."""
    from crysmm_attn_plugin.store.writer import new_run_id, seal

    command = split_host_command(args.host, command="run")
    flags = {
        "arm": args.arm,
        "out_dir": args.out,
        "strict": "true" if args.strict else None,
        "loader": args.loader,
        "windows": args.windows,
        "maps": args.maps,
        "probe": args.probe,
        "report.auto": "false" if args.no_report else None,
    }
    check_flags(flags)
    warn_of_settings()
    values = {
        "CRYSMM_ATTN_" + key.upper().replace(".", "_"): value
        for key, value in flags.items()
        if value is not None
    }
    done = launch(command, mode="capture", run_id=new_run_id(), settings=values)
    why = "" if done.captured else _why(done.failures, done.statuses, args.loader)
    for run_dir in done.run_dirs:
        failed = f"the host's command ended with exit code {done.code}" if done.code else ""
        reason = failed or (f"nothing captured: {why}" if why else "")
        seal(run_dir, state="partial" if reason else "complete", reason=reason)
        if done.captured:
            passes = f" in {done.windows} passes" if done.windows > 1 else ""
            print(f"crysmm-attn: {done.captured} crystals{passes} captured into {run_dir}", file=sys.stderr)
            for cause in _partial(run_dir):
                print(f"crysmm-attn: a pass is partial: {cause}", file=sys.stderr)
    if done.code != 0:
        return done.code
    if not done.captured:
        print(f"crysmm-attn: nothing captured: {why}", file=sys.stderr)
        return 3
    _finished(done.run_dirs)
    return 0


def _partial(run_dir: Path) -> list[str]:
    """Why passes of a run are partial, each cause once."""
    from crysmm_attn_plugin.store.reader import Run

    try:
        run = Run(run_dir, allow_partial=True)
    except AttnError:
        return []  # who reads the run hears of it
    return sorted({w.reason or w.state for w in run.windows if w.state == "partial"}) if run.reason else []


def check_flags(flags: dict[str, str | None]) -> None:
    """A wrong flag is said now, before hours of training.

    Raises:
        UsageError: When a flag cannot be read.
    """

    merge(Settings(), {k: v for k, v in flags.items() if v is not None}, source="flags")


def warn_of_settings() -> None:
    """A wrong file or variable is said now too; it keeps capture off and never the host from running."""

    try:
        load_settings()
    except (AttnError, OSError) as error:
        print(f"crysmm-attn: the host runs without capture: {error}", file=sys.stderr)


def _finished(run_dirs: list) -> None:  # type: ignore[type-arg]
    """Plugins hear of finished runs; the built-in one makes the report."""
    log = logging.getLogger("crysmm_attn")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("crysmm-attn: %(message)s"))
        log.addHandler(handler)
        log.propagate = False
    for run_dir in run_dirs:
        get_plugin_manager().hooks.run_finished(run_dir=run_dir)


def _why(failures: list[str], statuses: list[dict], asked: str | None = None) -> str:  # type: ignore[type-arg]
    if failures:
        return f"{failures[0].rstrip('.')}."
    unread = next((s["unread"] for s in statuses if s.get("unread")), "")
    if unread and not asked:
        return f"{unread.rstrip('.')}."
    loaders = list(dict.fromkeys(w for s in statuses for w in s.get("loaders", ())))
    if loaders and asked:
        return (
            f"--loader {asked} is none of the loaders whose loops were seen ({'; '.join(loaders[:6])}); give a name that one "
            "of them is bound to, or its number."
        )
    if loaders:
        return (
            f"none of the loops was recognised as a test pass (seen: {'; '.join(loaders[:4])}). Say which one is with "
            "--loader NAME or --loader N; `crysmm-attn doctor -- CMD` says what would be captured of it."
        )
    return (
        "the host iterated no torch DataLoader in a Python that has this package (python -S ignores it); "
        "`crysmm-attn doctor -- CMD` says more."
    )

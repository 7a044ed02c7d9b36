"""``crysmm-attn plan``: how many crystals and seeds a comparison needs, and what a finished one could have detected."""

from __future__ import annotations

import argparse

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.errors import UsageError

#: What is assumed without a pilot, in percent of the baseline's mean: SD over crystals of the change between arms, SD of
#: a crystal's value between training runs, SD of a run's mean.
DEFAULTS = {"crystals": 10.0, "noise": 15.0, "runs": 10.0}
#: Change to detect, percent: the least that the guide's first scenario expects of entropy.
PERCENT = 20.0
#: Change beyond which a number to detect is a slip of the keyboard.
LARGEST_CHANGE = 10_000
#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn plan",
    "crysmm-attn plan attention_runs --metric gini --percent 10",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn plan``."""
    parser.add_argument(
        "runs", nargs="*", metavar="RUN",
        help="pilot or finished runs of two arms (run folders, arms' folders, folders of arms); none: assumed variation",
    )  # fmt: skip
    parser.add_argument(
        "--metric", default="entropy", help="attention metric to plan for (default: %(default)s)"
    )
    parser.add_argument(
        "--percent",
        type=float,
        help=f"change to detect, percent of the baseline's mean (default: {PERCENT:g})",
    )
    parser.add_argument(
        "--dz",
        type=float,
        help="change to detect in SDs of the change over crystals, one run an arm; instead of --percent",
    )
    parser.add_argument("--power", type=float, default=0.8, help="chance to detect it (default: %(default)s)")
    parser.add_argument("--alpha", type=float, default=0.05, help="two-sided level (default: %(default)s)")
    parser.add_argument(
        "--max-seeds", type=int, default=8, help="most seeds per arm to consider (default: %(default)s)"
    )
    for part, text in (
        ("crystals", "SD over crystals of the change between arms"),
        ("noise", "SD of one crystal's value between training runs"),
        ("runs", "SD of a training run's mean"),
    ):
        parser.add_argument(
            f"--sd-{part}", type=float, metavar="PERCENT",
            help=f"{text}, percent of the baseline's mean (default: the pilot's, else {DEFAULTS[part]:g})",
        )  # fmt: skip
    parser.add_argument("--baseline", metavar="ARM", help="arm the other is compared with (default: by rule)")
    parser.add_argument("--arm", metavar="ARM", help="the other arm, when the pilot holds more than two")
    parser.add_argument(
        "--checkpoint",
        default="auto",
        help="which checkpoint stands for a run: auto, best_val, best_test, last, a file",
    )
    parser.add_argument("--split", default="test", help="split to read (default: test)")
    parser.add_argument("--module", help="attention module, when the model has several")
    parser.add_argument("--allow-partial", action="store_true", help="also read runs that did not finish")


def run(args: argparse.Namespace) -> int:
    """Print the plan; returns the exit code."""
    _check(args)
    from crysmm_attn_plugin.commands import plan_lines

    found = None
    if args.runs:
        panel, arm, baseline = plan_lines.pilot_of(args)
        found = plan_lines.percent_variation(panel, arm, baseline, args.metric)
        print("\n".join(plan_lines.finished(panel, arm, baseline, args)))
        print()
    print("\n".join(plan_lines.planned(args, found, DEFAULTS, PERCENT)))
    return 0


def _check(args: argparse.Namespace) -> None:

    if args.metric not in BY_NAME:
        raise UsageError(f"--metric {args.metric}: no such metric; choose one of {', '.join(BY_NAME)}.")
    if args.percent is not None and args.dz is not None:
        raise UsageError("--percent and --dz both say which change to detect; give one of them.")
    for flag, value in (("--percent", args.percent), ("--dz", args.dz)):
        if value is not None and not 0 < abs(value) <= LARGEST_CHANGE:
            raise UsageError(
                f"{flag} must be other than zero and at most {LARGEST_CHANGE:,} either way, got {value:g}."
            )
    if not 0 < args.alpha < 0.5:
        raise UsageError(f"--alpha must lie between 0 and 0.5, got {args.alpha:g}.")
    if not args.alpha < args.power < 1:
        raise UsageError(f"--power must lie between --alpha ({args.alpha:g}) and 1, got {args.power:g}.")
    if not 1 <= args.max_seeds <= 50:
        raise UsageError(f"--max-seeds must lie between 1 and 50, got {args.max_seeds}.")
    for part in DEFAULTS:
        value = getattr(args, f"sd_{part}")
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"--sd-{part} must be a percentage of 0 or more, got {value:g}.")

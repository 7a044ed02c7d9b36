"""``crysmm-attn declare``: hypothesis and rules of a comparison, written with the clock's time before anything is captured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.store.declaration import write_declaration

EXAMPLES = (
    'crysmm-attn declare attention_runs --hypothesis "middle fusion concentrates attention" --seeds 1,2,3,4,5,6',
    "crysmm-attn declare attention_runs --hypothesis ... --smallest-effect entropy=10 --paired-seeds",
)
WAYS = {"lower": -1, "higher": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn declare``."""
    parser.add_argument(
        "folder",
        nargs="?",
        default="attention_runs",
        metavar="DIR",
        help="folder that the runs go to (default: %(default)s)",
    )
    parser.add_argument("--hypothesis", required=True, metavar="TEXT", help="what is expected, in words")
    parser.add_argument(
        "--direction", action="append", default=[], metavar="METRIC=lower|higher",
        help="way a metric of the arm goes, against the baseline (default: towards concentrated attention); repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--smallest-effect", action="append", default=[], metavar="METRIC=PERCENT",
        help="smallest effect of interest, percent of the baseline's mean (default: 5); repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--primary",
        metavar="METRICS",
        help="metrics that carry the verdict, comma-separated (default: the four)",
    )
    parser.add_argument(
        "--seeds", default="", metavar="SEEDS", help="training seeds of every arm, comma-separated"
    )
    parser.add_argument(
        "--paired-seeds",
        action="store_true",
        help="runs of one seed belong together (same initial weights and batches in every arm)",
    )
    parser.add_argument(
        "--clusters",
        choices=("composition", "none"),
        default="composition",
        help="crystals of one composition count as one (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the declaration; returns the exit code."""
    hypothesis = " ".join(args.hypothesis.split())
    if not hypothesis:
        raise UsageError("--hypothesis is empty; say in words what you expect.")
    primary = _metrics(args.primary) if args.primary is not None else PRIMARY
    directions = {m: int(BY_NAME[m].expected_sign) for m in primary if BY_NAME[m].expected_sign}
    for item in args.direction:
        metric, word = _split(item, "--direction", "METRIC=lower or METRIC=higher")
        if word not in WAYS:
            raise UsageError(f"--direction {item}: write METRIC=lower or METRIC=higher.")
        directions[metric] = WAYS[word]
    missing = [m for m in primary if m not in directions]
    if missing:
        raise UsageError(
            f"nothing is expected of {', '.join(missing)}; a primary metric needs --direction METRIC=lower or higher."
        )
    effects = {m: float(BY_NAME[m].sesoi_percent) for m in primary}
    for item in args.smallest_effect:
        metric, word = _split(item, "--smallest-effect", "METRIC=PERCENT")
        effects[metric] = _percent(item, word)
    try:
        path, declared = write_declaration(
            args.folder,
            hypothesis=hypothesis,
            directions=directions,
            smallest_effects=effects,
            primary_metrics=primary,
            seeds=_seeds(args.seeds),
            paired_seeds=args.paired_seeds,
            clusters=args.clusters,
        )
    except OSError as error:
        raise UsageError(f"{args.folder} cannot be written to ({error}); give a folder that can.") from None
    # what comes after runs is written down, and nobody may take it for declared
    print(f"{'written' if declared.runs_before else 'declared'} on {declared.date}: {path}")
    print(f"digest {declared.digest}")
    for metric in primary:
        word = "lower" if directions[metric] < 0 else "higher"
        print(f"  {metric}: {word}, at least {effects[metric]:g} % of the baseline's mean")
    if declared.runs_before:
        print(
            f"crysmm-attn: note: {args.folder} holds {len(declared.runs_before)} runs already; no report will say that "
            "this came before them.",
            file=sys.stderr,
        )
    return 0


def _metrics(text: str) -> tuple[str, ...]:

    names = tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
    unknown = [n for n in names if n not in BY_NAME]
    if unknown or not names:
        raise UsageError(f"--primary {text}: name some of {', '.join(BY_NAME)}, separated by commas.")
    return names


def _split(item: str, flag: str, shape: str) -> tuple[str, str]:

    metric, _, value = (part.strip() for part in item.partition("="))
    if metric not in BY_NAME:
        raise UsageError(f"{flag} {item}: write {shape} with one of {', '.join(BY_NAME)}.")
    return metric, value


def _percent(item: str, text: str) -> float:

    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise UsageError(f"--smallest-effect {item}: write METRIC=PERCENT with a percent above 0.")
    return value


def _seeds(text: str) -> Sequence[int]:

    words = [w.strip() for w in text.split(",") if w.strip()]
    if not all(w.isascii() and w.isdigit() for w in words) or len(set(words)) < len(words):
        raise UsageError(
            f"--seeds {text}: write different whole numbers, separated by commas, for example 1,2,3,4."
        )
    return [int(w) for w in words]

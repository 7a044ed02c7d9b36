"""``crysmm-attn pool``: comparisons of several data sets or properties, each alone and pooled."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from crysmm_attn_plugin.commands.arguments import output_folder, words
from crysmm_attn_plugin.commands.known_words import languages
from crysmm_attn_plugin.errors import StatisticsError, UsageError

EXAMPLES = (
    "crysmm-attn pool report_bandgap report_formation_energy report_bulk_modulus",
    "crysmm-attn pool bandgap/result.json energy/result.json --labels bandgap,energy --lang en --out several",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn pool``."""
    parser.add_argument(
        "results", nargs="+", metavar="RESULT",
        help="one a data set or property, two or more: a report's folder, its result.json, or a folder of runs",
    )  # fmt: skip
    parser.add_argument("--arm", metavar="ARM", help="arm to pool, where the results hold several pairs")
    parser.add_argument(
        "--baseline", metavar="ARM", help="arm it is compared with (default: that of every result)"
    )
    parser.add_argument(
        "--labels",
        type=words,
        metavar="NAMES",
        help="names of the data sets, comma-separated (default: their properties)",
    )
    parser.add_argument(
        "--out",
        type=output_folder,
        default="attention_pooled",
        help="folder of table and figure (default: %(default)s)",
    )
    parser.add_argument(
        "--lang", type=languages, default="en,zh", help="languages, en and zh (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the pooled numbers; returns the exit code."""
    from crysmm_attn_plugin.reports.pooled import result_at, sentences, write_pooled
    from crysmm_attn_plugin.stats.pooled_results import pool_results

    places = [Path(p) for p in args.results]
    real = [os.path.realpath(p) for p in places]
    twice = next((p for i, p in enumerate(places) if real[i] in real[:i]), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice; give every data set once.")
    if len(places) < 2:
        raise UsageError("pooling needs the results of two data sets or more; name another report.")
    results = [result_at(p, args.baseline) for p in places]
    try:
        found = pool_results(results, arm=args.arm, baseline=args.baseline, labels=args.labels)
    except StatisticsError as error:
        raise UsageError(str(error)) from None
    out = write_pooled(found, args.out, langs=args.lang.split(","))
    print("\n".join(sentences(found, args.lang.split(",")[0])))
    print(f"pooled: {out / 'pooled.md'}")
    return 0

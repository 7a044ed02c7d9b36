"""Run the calibration: CSV tables and one page; exit 1 when a sentence that is offered misses its band."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tqdm import tqdm

from benchmarks.calibration.page import write_page, write_tables
from benchmarks.calibration.pooled import pooled_rates
from benchmarks.calibration.rates import designs, rates_of
from benchmarks.calibration.words import word_rates


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few designs, for continuous integration")
    parser.add_argument(
        "--replicates", type=int, default=4000, help="studies a design (default: %(default)s)"
    )
    parser.add_argument(
        "--word-replicates", type=int, default=1000, help="studies of verdicts (default: %(default)s)"
    )
    parser.add_argument(
        "--resamples", type=int, default=999, help="sign flips and resamples (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulation")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default: %(default)s)")
    args = parser.parse_args()
    import numpy as np

    start = time.process_time()
    every = list(designs(small=args.small))
    rates = []
    for index, design in enumerate(tqdm(every, unit="design", disable=not sys.stderr.isatty())):
        rates += rates_of(design, args.replicates, args.resamples, np.random.default_rng([args.seed, index]))
    words = word_rates(
        small=args.small, replicates=args.word_replicates, n_resamples=args.resamples, seed=args.seed
    )
    pooled = pooled_rates(small=args.small, replicates=args.replicates, seed=args.seed)
    write_tables(args.out, rates, words, pooled)
    failed = write_page(
        args.out, rates, words, pooled, replicates=args.replicates, word_replicates=args.word_replicates,
        n_resamples=args.resamples, seed=args.seed, minutes=(time.process_time() - start) / 60,
    )  # fmt: skip
    print(f"{args.out / 'calibration.md'}: {failed} failing cells")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Run the calibration: CSV tables and one page; exit 1 when a sentence that is offered misses its band."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.calibration.design import Design
from benchmarks.calibration.page import write_page, write_tables
from benchmarks.calibration.pooled import pooled_rates
from benchmarks.calibration.rates import Rate, designs, rates_of
from benchmarks.calibration.words import WordRate, word_rates
from benchmarks.calibration.words import cases as word_cases


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
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulation")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default: %(default)s)")
    args = parser.parse_args()
    every = list(designs(small=args.small))
    # every design has its own generator, so the numbers do not depend on the number of processes
    tasks: list[Callable[[], Any]] = [partial(_rates, design, i, args) for i, design in enumerate(every)]
    tasks += [partial(_words, i, args) for i in range(len(list(word_cases(small=args.small))))]
    tasks.append(partial(pooled_rates, small=args.small, replicates=args.replicates, seed=args.seed))
    with ProcessPoolExecutor(args.jobs) as pool:
        futures = [pool.submit(_timed, task) for task in tasks]
        done = [f.result() for f in tqdm(futures, unit="cell", disable=not sys.stderr.isatty())]
    found = [value for _, value in done]
    rates = [r for part in found[: len(every)] for r in part]
    words = [w for part in found[len(every) : -1] for w in part]
    write_tables(args.out, rates, words, found[-1])
    failed = write_page(
        args.out, rates, words, found[-1], replicates=args.replicates, word_replicates=args.word_replicates,
        n_resamples=args.resamples, seed=args.seed, minutes=sum(seconds for seconds, _ in done) / 60,
    )  # fmt: skip
    print(f"{args.out / 'calibration.md'}: {failed} failing cells")
    return 1 if failed else 0


def _rates(design: Design, index: int, args: argparse.Namespace) -> list[Rate]:
    rng = np.random.default_rng([args.seed, index])
    return rates_of(design, args.replicates, args.resamples, rng)


def _words(index: int, args: argparse.Namespace) -> list[WordRate]:
    return word_rates(
        small=args.small,
        replicates=args.word_replicates,
        n_resamples=args.resamples,
        seed=args.seed,
        only=index,
    )


def _timed(task: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    value = task()
    return time.process_time() - start, value


if __name__ == "__main__":
    raise SystemExit(main())

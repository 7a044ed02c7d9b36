"""Run the calibration: CSV tables and one page; exit 1 when a sentence that is offered misses its band."""

from __future__ import annotations

import argparse
import pickle
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.calibration.page import write_page, write_tables
from benchmarks.calibration.pooled import pooled_rate, poolings
from benchmarks.calibration.rates import designs, rates_of
from benchmarks.calibration.verdicts import cases, verdict_rate

PARTS = ("metric", "verdicts", "pooled")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few designs, for continuous integration")
    parser.add_argument(
        "--replicates", type=int, default=4000, help="studies a design (default: %(default)s)"
    )
    parser.add_argument(
        "--resamples", type=int, default=499, help="sign flips and resamples (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulation")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder (default: %(default)s)")
    parser.add_argument(
        "--cells", type=Path, help="folder that keeps finished cells, so that a run that was stopped goes on"
    )
    parser.add_argument(
        "--part", choices=PARTS, action="append", help="these cells only, without the page (needs --cells)"
    )
    args = parser.parse_args()
    if args.part and args.cells is None:
        parser.error("--part needs --cells")
    wanted = args.part or PARTS
    tasks = {key: task for key, task in _tasks(args).items() if key[0] in wanted}
    with ProcessPoolExecutor(args.jobs) as pool:
        futures = {key: pool.submit(_kept, task, _file(args, key)) for key, task in tasks.items()}
        shown = tqdm(futures.items(), unit="cell", disable=not sys.stderr.isatty())
        done = {key: future.result() for key, future in shown}
    if args.part:
        return 0
    rates = [r for (part, _), (_, found) in done.items() if part == "metric" for r in found]
    verdicts = [found for (part, _), (_, found) in done.items() if part == "verdicts"]
    pooled = [found for (part, _), (_, found) in done.items() if part == "pooled"]
    write_tables(args.out, rates, verdicts, pooled)
    failed = write_page(
        args.out, rates, verdicts, pooled, n_resamples=args.resamples, seed=args.seed,
        minutes=sum(seconds for seconds, _ in done.values()) / 60,
    )  # fmt: skip
    print(f"{args.out / 'calibration.md'}: {failed} failing cells")
    return 1 if failed else 0


def _tasks(args: argparse.Namespace) -> dict[tuple[str, int], Callable[[], Any]]:
    """Every cell; each has its own generator, so the numbers do not depend on the order or the number of processes."""
    tasks: dict[tuple[str, int], Callable[[], Any]] = {}
    for i, design in enumerate(designs(small=args.small)):
        tasks["metric", i] = partial(
            rates_of, design, args.replicates, args.resamples, np.random.default_rng([args.seed, i])
        )
    for i, (truth, design) in enumerate(cases(small=args.small)):
        tasks["verdicts", i] = partial(
            verdict_rate, truth, design, replicates=args.replicates, n_resamples=args.resamples,
            rng=np.random.default_rng([args.seed, 5, i]),
        )  # fmt: skip
    for i, pooling in enumerate(poolings(small=args.small)):
        tasks["pooled", i] = partial(
            pooled_rate, pooling, replicates=args.replicates, rng=np.random.default_rng([args.seed, 9, i])
        )
    return tasks


def _file(args: argparse.Namespace, key: tuple[str, int]) -> Path | None:
    if args.cells is None:
        return None
    name = f"{key[0]}-{key[1]}-{args.replicates}-{args.resamples}-{args.seed}-{int(args.small)}.pickle"
    return Path(args.cells) / name


def _kept(task: Callable[[], Any], path: Path | None) -> tuple[float, Any]:
    """Processor seconds and result of a cell, read back where it was finished before."""
    if path is not None and path.is_file():
        found: tuple[float, Any] = pickle.loads(path.read_bytes())
        return found
    start = time.process_time()
    value = task()
    done = (time.process_time() - start, value)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(done))
    return done


if __name__ == "__main__":
    raise SystemExit(main())

"""Processor time and memory of the statistics on 100,000 crystals x 2 arms x 3 seeds x 8 metrics with 10,000 resamples.

Run ``python -m benchmarks.statistics_scale`` from the repository root. Every part runs in a process of its own, once with
the package and once as a plain numpy loop over resamples; the loop makes a fraction of them (``--fraction``) and its
time is scaled up.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from crysmm_attn_plugin.stats import holm, max_t_step_down, spearman_with_interval
from crysmm_attn_plugin.stats.paired import analyse

METRICS = 8
SEEDS = 3
#: No part may hold more than this.
LIMIT_MB = 2000

Arms = tuple[np.ndarray, np.ndarray]


def simulated(n: int) -> Arms:
    """(METRICS, SEEDS, n) values of both arms: a crystal's own level, a small change, noise between runs."""
    rng = np.random.default_rng(0)
    level = 3 + rng.standard_normal((METRICS, 1, n))
    shape = (METRICS, SEEDS, n)
    return level + 0.01 + 0.3 * rng.standard_normal(shape), level + 0.3 * rng.standard_normal(shape)


def first_runs(arms: Arms) -> np.ndarray:
    """(n, METRICS) differences of one run each."""
    return np.ascontiguousarray((arms[0][:, 0] - arms[1][:, 0]).T)


def joint_flips(arms: Arms, n_resamples: int) -> None:
    """Step-down max-T over the metrics, one run each."""
    max_t_step_down(first_runs(arms), n_resamples=n_resamples)


def joint_flips_loop(arms: Arms, n_resamples: int) -> None:
    """The same flips one at a time."""
    d, rng = first_runs(arms), np.random.default_rng(0)
    n, observed, reached = len(d), _t(d), np.zeros(METRICS)
    order = np.argsort(-observed)
    for _ in range(n_resamples):
        signs = rng.integers(0, 2, n) * 2 - 1
        t = _t(d * signs[:, None])[order]
        reached += np.maximum.accumulate(t[::-1])[::-1] >= observed[order]


def _t(d: np.ndarray) -> np.ndarray:
    return np.abs(d.mean(0)) / (d.std(0, ddof=1) / np.sqrt(len(d)))


def one_run_each(arms: Arms, n_resamples: int) -> None:
    """Every field of the paired comparisons, one run each, and step-down max-T over the metrics, from one set of flips."""
    pairs = [(a[:1], b[:1]) for a, b in zip(*arms)]
    analyse(pairs, families=[range(METRICS)], n_resamples=n_resamples, seed=0, alpha=0.05)


def one_run_each_loop(arms: Arms, n_resamples: int) -> None:
    """Flips and a bootstrap of the mean, one at a time, metric by metric."""
    rng = np.random.default_rng(0)
    for a, b in zip(*arms):
        d = a[0] - b[0]
        n, observed, reached, means = len(d), abs(d.mean()), 0, []
        for _ in range(n_resamples):
            reached += abs((d * (rng.integers(0, 2, n) * 2 - 1)).mean()) >= observed
            means.append(d[rng.integers(0, n, n)].mean())
        np.quantile(means, [0.025, 0.975])


def three_seeds(arms: Arms, n_resamples: int) -> None:
    """Every field of the paired comparison over crystals and seeds, Holm over the metrics."""
    found, _ = analyse(list(zip(*arms)), n_resamples=n_resamples, seed=0, alpha=0.05)
    holm([f.paired.p_value for f in found])


def three_seeds_loop(arms: Arms, n_resamples: int) -> None:
    """Crystals and seeds drawn with replacement, one resample at a time, metric by metric."""
    rng = np.random.default_rng(0)
    for a, b in zip(*arms):
        k, n = a.shape
        means = []
        for _ in range(n_resamples):
            crystals = rng.integers(0, n, n)
            means.append(
                a[rng.integers(0, k, k)][:, crystals].mean() - b[rng.integers(0, k, k)][:, crystals].mean()
            )
        np.quantile(means, [0.025, 0.975])


def spearman(arms: Arms, n_resamples: int) -> None:
    """Test and interval of one rank correlation (in closed form above 2,000 crystals)."""
    d = first_runs(arms)
    spearman_with_interval(d[:, 0], d[:, 1], n_resamples=n_resamples)


def spearman_loop(arms: Arms, n_resamples: int) -> None:
    """The same permutations one at a time."""
    from scipy import stats

    d, rng = first_runs(arms), np.random.default_rng(0)
    x, y = (stats.rankdata(c) for c in d[:, :2].T)
    for _ in range(n_resamples):
        np.corrcoef(x, rng.permutation(y))


Part = Callable[[Arms, int], None]
PARTS: dict[str, tuple[str, Part, Part]] = {
    "joint": ("step-down max-T, 8 metrics flipped jointly", joint_flips, joint_flips_loop),
    "single": ("8 paired comparisons, one run each, with max-T", one_run_each, one_run_each_loop),
    "seeds": ("8 paired comparisons, 3 seeds an arm", three_seeds, three_seeds_loop),
    "spearman": ("one rank correlation", spearman, spearman_loop),
}


def measured(part: str, loop: bool, n: int, n_resamples: int) -> dict[str, float]:
    """Processor seconds and peak megabytes of one part in a process of its own, data included."""
    command = [sys.executable, "-m", "benchmarks.statistics_scale", "--part", part, "--crystals", str(n)]
    command += ["--resamples", str(n_resamples)] + (["--loop"] if loop else [])
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return dict(json.loads(done.stdout))


def run_part(part: str, loop: bool, n: int, n_resamples: int) -> dict[str, float]:
    """One part here and now."""
    arms = simulated(n)
    start = time.process_time()
    PARTS[part][2 if loop else 1](arms, n_resamples)
    seconds = time.process_time() - start
    return {"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> int:
    """Print the table; exit 1 when a part holds more than the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics_scale", description=__doc__)
    parser.add_argument("--crystals", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument(
        "--fraction", type=float, default=0.01, help="share of the resamples that the plain loop makes"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--loop", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(run_part(args.part, args.loop, args.crystals, args.resamples)))
        return 0
    few = max(round(args.resamples * args.fraction), 10)
    print(
        f"{args.crystals:,} crystals x 2 arms x {SEEDS} seeds x {METRICS} metrics, {args.resamples:,} resamples, one thread; "
        f"the plain loop made {few:,} of them and is scaled by {args.resamples / few:g}.\n"
    )
    print(
        "| part | package, s | plain loop, s | loop / package | package, MB | plain loop, MB | package / loop |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    worst, total, total_loop = 0.0, 0.0, 0.0
    for part, (name, _, _) in PARTS.items():
        ours = measured(part, False, args.crystals, args.resamples)
        loop = measured(part, True, args.crystals, few)
        scaled = loop["seconds"] * args.resamples / few
        worst, total, total_loop = max(worst, ours["mb"]), total + ours["seconds"], total_loop + scaled
        print(
            f"| {name} | {ours['seconds']:.1f} | {scaled:,.0f} | {scaled / ours['seconds']:,.0f} | {ours['mb']:.0f} | "
            f"{loop['mb']:.0f} | {ours['mb'] / loop['mb']:.2f} |"
        )
    print(f"| all | {total:.1f} | {total_loop:,.0f} | {total_loop / total:,.0f} | {worst:.0f} at most | | |")
    return 0 if worst < LIMIT_MB else 1


if __name__ == "__main__":
    raise SystemExit(main())

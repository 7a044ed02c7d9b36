"""What one training of each arm would have concluded, against what all together support; and two negative controls.

``python benchmarks/seeds_study.py STUDY`` reads a folder of ``crysmm-attn demo --seeds K --out STUDY`` and prints three
Markdown tables: every seed alone and all together; two seeds of one arm against each other; and arm labels shuffled
within crystals, which must find nothing more often than its level.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.stats import compare_paired


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--shuffles", type=int, default=200, help="shuffles of the arm labels (default: 200)")
    args = parser.parse_args()
    runs = {arm: complete(args.study / "runs" / arm) for arm in ("full", "no_middle")}
    together(runs)
    same_arm(runs)
    shuffled(runs, args.shuffles)


def complete(folder: Path) -> list[Path]:
    """Complete runs of one arm, by seed."""
    return [p for p in sorted(folder.iterdir()) if attn.Run(p, allow_partial=True).state == "complete"]


def together(runs: dict[str, list[Path]]) -> None:
    """One row a seed, and one for all."""
    print(
        "| Trainings | Verdict | Error | Entropy, change (nats) | 95 % interval | Adjusted p | Largest adjusted p |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for i, (full, base) in enumerate(zip(runs["full"], runs["no_middle"])):
        print(_row(f"seed {i} alone", attn.compare_runs(full=[full], no_middle=[base])))
    print(_row("all together", attn.compare_runs(full=runs["full"], no_middle=runs["no_middle"])))
    print()


def same_arm(runs: dict[str, list[Path]]) -> None:
    """Two seeds of one arm: nothing about the architecture differs."""
    print(
        "| Compared | Verdict | Error | Entropy, change (nats) | 95 % interval | Adjusted p | Largest adjusted p |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for arm, members in runs.items():
        for i, j in itertools.combinations(range(len(members)), 2):
            found = attn.compare_runs(first=[members[i]], second=[members[j]], baseline="second")
            print(_row(f"{arm}: seed {i} against seed {j}", found))
    print()


def shuffled(runs: dict[str, list[Path]], repeats: int) -> None:
    """Arm labels exchanged within crystals at random: no difference is left but chance."""
    samples = attn.compare_runs(full=[runs["full"][0]], no_middle=[runs["no_middle"][0]]).samples
    random = np.random.default_rng(0)
    print(f"| Metric | p below 0.05 of {repeats} shuffles |\n| --- | --- |")
    for metric in PRIMARY:
        pair = samples[[f"{metric}.full", f"{metric}.no_middle"]].to_numpy()
        rejected = 0
        for _ in range(repeats):
            swap = random.random(len(pair)) < 0.5
            a, b = np.where(swap, pair[:, 1], pair[:, 0]), np.where(swap, pair[:, 0], pair[:, 1])
            rejected += (
                compare_paired(a, b, n_resamples=1999, seed=int(random.integers(2**31))).p_value < 0.05
            )
        print(f"| {metric} | {rejected} ({100 * rejected / repeats:.1f} %) |")


def _row(name: str, comparison: attn.Comparison) -> str:
    pair = comparison.result.pairs[0]
    entropy = pair.metric("entropy")
    largest = max(m.p_adjusted for m in pair.primary())
    p = entropy.paired
    return (
        f"| {name} | {pair.verdict} | {pair.performance.axis} | {p.mean_difference:+.2f} | "
        f"{p.ci_low:+.2f} to {p.ci_high:+.2f} | {_p(entropy.p_adjusted)} | {_p(largest)} |"
    )


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


if __name__ == "__main__":
    main()

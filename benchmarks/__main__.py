"""What capture, reduction and reports cost, beside the version before and beside what one would write instead.

``python -m benchmarks`` prints one table and writes the same numbers as JSON. Everything is CPU time on one thread, measured
turn about in the same run; ``--only`` chooses parts, ``--turns`` how often.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import store_scale
from benchmarks.measure import (
    BASELINE,
    ONE_THREAD,
    ROOT,
    Figure,
    Worker,
    baseline_tree,
    cpu_seconds,
    figure,
    once,
    ratios,
    spent,
    turn_about,
)

#: Rows of the loop's share of [32, 8, 30, 512], and rows of all of it.
LOOP_ROWS, ROWS = 8 * 30, 32 * 8 * 30
BATCH = 64
#: (crystals, seeds) -> CPU seconds and MB that a whole report may take.
REPORTS = {(98, 1): (5.0, None), (1000, 1): (7.0, None), (10_000, 1): (12.0, None),
           (100_000, 1): (60.0, 2000.0), (100_000, 3): (150.0, 3000.0)}  # fmt: skip
#: Crystals whose runs are written, not captured, with one seed and with three, and not reported by the older version.
LARGE = (100_000, 1_000_000)


class Bench:
    """Both versions at hand.

    Args:
        turns: Turns of each measurement.
        before: The older version's checkout, or None.
        crystals: Crystal counts of reports.
        looped: Crystals of the host's loop; a quarter with a text encoder.
    """

    def __init__(self, turns: int, before: Path | None, crystals: list[int], looped: int) -> None:
        self.turns, self.before, self.crystals, self.looped = turns, before, crystals, looped

    def metrics(self) -> Iterator[Figure]:
        """Metrics of [32, 8, 30, 512], as times a per-row Python loop."""
        with Worker(ROOT) as now, Worker(self.before or ROOT) as old:
            loop, whole, rows, plain, whole_old, rows_old = turn_about(
                self.turns,
                lambda: now.run("row_loop")["seconds"] / LOOP_ROWS,
                lambda: now.run("metrics")["seconds"] / ROWS,
                lambda: now.run("metrics_without_variation")["seconds"] / ROWS,
                lambda: now.run("plain_torch")["seconds"] / ROWS,
                lambda: old.run("metrics")["seconds"] / ROWS,
                lambda: old.run("metrics_without_variation")["seconds"] / ROWS,
            )
        times = "times a per-row loop"
        yield figure("metrics", times, ratios(loop, whole), baseline=ratios(loop, whole_old), at_least=50)
        yield figure(
            "metrics without between-atom variation", times, ratios(loop, rows),
            baseline=ratios(loop, rows_old), at_least=100,
        )  # fmt: skip
        yield figure("rival: plain torch, without variation", times, ratios(loop, plain))

    def reduction(self) -> Iterator[Figure]:
        """Real padded batches of 64, both directions and all scopes."""
        with Worker(ROOT) as now, Worker(self.before or ROOT) as old:
            ours, before, maps, text = turn_about(
                self.turns,
                lambda: now.run("reduction")["seconds"] / BATCH * 1e3,
                lambda: old.run("reduction")["seconds"] / BATCH * 1e3,
                lambda: now.run("every_map")["seconds"] / BATCH * 1e3,
                lambda: now.run("json_of_every_map")["seconds"] / (BATCH // 8) * 1e3,
            )
        yield figure("reduction of padded batches of 64", "ms a crystal", ours, baseline=before, at_most=1.2)
        yield figure("rival: every map kept, half precision", "ms a crystal", maps)
        yield figure("rival: JSON of every head-averaged map", "ms a crystal", text)

    def loops(self) -> Iterator[Figure]:
        """A host's whole test loop with capture over without."""
        for encoder in (False, True):
            for batch in (1, 32):
                crystals = self.looped // 4 if encoder else self.looped
                with Worker(ROOT) as now, Worker(self.before or ROOT) as old:
                    for captured, limit in (
                        ("metrics", 1.02 if encoder else 1.05),
                        ("default", 1.02 if encoder else 1.1),
                    ):
                        given = {"batch": batch, "encoder": encoder, "crystals": crystals}
                        off, on, off_old, on_old = turn_about(
                            max(3, self.turns // 2),
                            *(
                                lambda w=w, c=c, g=given: w.run("host_loop", **g, captured=c)["seconds"]
                                for w in (now, old)
                                for c in ("", captured)
                            ),
                        )
                        text = "text encoder in forward" if encoder else "cached texts"
                        yield figure(
                            f"loop on / off: {text}, batch {batch}, {captured}", "ratio", ratios(on, off),
                            baseline=ratios(on_old, off_old), at_most=limit,
                        )  # fmt: skip

    def memory(self) -> Iterator[Figure]:
        """Peak memory of ten times the crystals over that of as many as before."""
        trees = [ROOT, *([self.before] if self.before else [])]
        for maps in (0, 200):
            found = []
            for tree in trees:
                few, many = (
                    once(tree, "capture_counted", crystals=n, maps=maps)["value"] for n in (3000, 30000)
                )
                found.append(many / few)
            yield figure(
                f"memory, 30,000 crystals / 3,000, {maps or 'no'} maps", "ratio", found[:1],
                baseline=found[1:], at_most=1.05,
            )  # fmt: skip

    def digest(self) -> Iterator[Figure]:
        """Digest of weights."""
        with Worker(ROOT) as now, Worker(self.before or ROOT) as old:
            ours, before = turn_about(
                self.turns, *(lambda w=w: 0.1 / w.run("digest")["seconds"] for w in (now, old))
            )
        yield figure("digest of weights", "GB/s", ours, baseline=before, at_least=1.5)

    def report(self) -> Iterator[Figure]:
        """The whole command ``report`` on two arms, nothing drawn before."""
        for crystals in self.crystals:
            for seeds in (1, 3) if crystals in LARGE else (1,):
                seconds, peaks = REPORTS.get((crystals, seeds), (None, None))
                trees = [ROOT, *([self.before] if self.before and crystals not in LARGE else [])]
                with tempfile.TemporaryDirectory() as folder:
                    runs = [
                        self._runs(tree, Path(folder) / str(i), crystals, seeds)
                        for i, tree in enumerate(trees)
                    ]
                    turns = 1 if crystals > 1000 else min(3, self.turns)
                    taken = turn_about(
                        turns, *(lambda t=t, r=r: self._report(t, r) for t, r in zip(trees, runs))
                    )
                name = f"whole report, {crystals:,} crystals x 2 arms x {seeds} seed{'s' * (seeds > 1)}"
                old = taken[1] if len(taken) > 1 else []
                yield figure(
                    name, "CPU s", [t for t, _ in taken[0]], baseline=[t for t, _ in old], at_most=seconds
                )
                yield figure(
                    f"{name}, peak",
                    "MB",
                    [m for _, m in taken[0]],
                    baseline=[m for _, m in old],
                    at_most=peaks,
                )

    def _runs(self, tree: Path, folder: Path, crystals: int, seeds: int) -> Path:
        """Two arms: captured from a small host, or, where that would take hours, written by the store's own writer."""
        for seed in range(seeds):
            for arm in ("full", "no_middle"):
                if crystals in LARGE:
                    store_scale.write(
                        folder, arm, crystals, heads=4, metrics=4, seed=2 * seed + (arm == "full")
                    )
                else:
                    given = {"maps": 50, "out": str(folder), "arm": arm, "seed": 2 * seed + (arm == "full")}
                    once(tree, "capture_counted", crystals=crystals, **given)
        return folder

    def _report(self, tree: Path, runs: Path) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as out:  # what an earlier report has drawn is not drawn again
            command = ["report", str(runs), "--baseline", "no_middle", "--out", f"{out}/report"]
            return spent(self._words(tree, command), self._environment(tree))

    def startup(self) -> Iterator[Figure]:
        """From nothing to the command's first sentence, an empty Python's time taken off."""
        empty = [sys.executable, "-c", "pass"]
        quiet = self._environment(ROOT)
        for words, limit in (
            (["--help"], 0.1),
            (["plugins"], None),
            (["report", "nothing"], None),
            (["status", "nothing"], None),
        ):
            trees = [ROOT, *([self.before] if self.before else [])]
            nothing, *taken = turn_about(
                self.turns,
                lambda: cpu_seconds(empty, quiet),
                *(lambda t=t, w=words: self._command(t, w) for t in trees),
            )
            more = [[b - a for a, b in zip(nothing, values)] for values in taken]
            yield figure(
                f"start of {words[0]}",
                "CPU s",
                more[0],
                baseline=more[1] if len(more) > 1 else (),
                at_most=limit,
            )
        plain = [sys.executable, "-c", "import torch"]
        run = [sys.executable, "-m", "crysmm_attn_plugin.cli", "run", "--no-report", "--", *plain]
        off, on = turn_about(self.turns, lambda: cpu_seconds(plain, quiet), lambda: cpu_seconds(run, quiet))
        yield figure("launcher: a host that imports torch, run / plain", "ratio", ratios(on, off))

    def _environment(self, tree: Path) -> dict[str, str]:
        import os

        return {**os.environ, **ONE_THREAD, "PYTHONPATH": str(tree)}

    def _words(self, tree: Path, words: list[str]) -> list[str]:
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); import worker; worker.use({str(tree)!r});"
            "from crysmm_attn_plugin.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        return [sys.executable, "-c", code, *words]

    def _command(self, tree: Path, words: list[str]) -> float:
        return cpu_seconds(self._words(tree, words), self._environment(tree))


PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "metrics": Bench.metrics,
    "reduction": Bench.reduction,
    "digest": Bench.digest,
    "startup": Bench.startup,
    "loops": Bench.loops,
    "memory": Bench.memory,
    "report": Bench.report,
}


def line(found: Figure) -> str:
    """A figure as a row of the table."""
    before = "–" if found.baseline is None else f"{found.baseline:.3g}"
    required = f"{found.required} {'✓' if found.met else '✗'}" if found.required else ""
    return (
        f"| {found.name} | {found.unit} | {before} | {found.value:.3g} | {found.low:.3g} to {found.high:.3g} "
        f"| {found.repeats} | {required} |"
    )


def main(argv: list[str] | None = None) -> int:
    """Print the table and write the JSON; 1 when something required is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--turns", type=int, default=9, help="turns of each measurement (default: 9)")
    parser.add_argument(
        "--crystals",
        type=int,
        nargs="+",
        default=[98, 1000, 10000],
        help="crystals of the reports (default: 98 1000 10000)",
    )
    parser.add_argument(
        "--loop-crystals",
        type=int,
        default=160,
        help="crystals of the host's loop, a quarter of them with a text encoder (default: 160)",
    )
    parser.add_argument("--without-baseline", action="store_true", help="leave the older version out")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("benchmarks.json"),
        help="where the numbers go (default: benchmarks.json)",
    )
    args = parser.parse_args(argv)
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        before = None if args.without_baseline else baseline_tree(Path(folder))
        if before is None and not args.without_baseline:
            print(f"git does not know {BASELINE}; nothing is compared with it.", file=sys.stderr)
        bench = Bench(args.turns, before, args.crystals, args.loop_crystals)
        print(f"| What | Unit | {BASELINE} | Now | 95 % interval | Turns | Required |")
        print("|---|---|--:|--:|--:|--:|---|")
        for part in args.only:
            for each in PARTS[part](bench):
                if before is None:
                    from dataclasses import replace

                    each = replace(each, baseline=None)
                found.append(each)
                print(line(each), flush=True)
                args.json.write_text(
                    json.dumps(_record(found, args.turns), indent=1) + "\n", encoding="utf-8"
                )
    return 1 if any(f.met is False for f in found) else 0


def _record(found: list[Figure], turns: int) -> dict[str, object]:
    import numpy
    import torch

    return {
        "baseline": BASELINE,
        "turns": turns,
        "machine": {"processor": platform.processor() or platform.machine(), "python": platform.python_version(),
                    "numpy": numpy.__version__, "torch": torch.__version__},
        "figures": [f.to_dict() for f in found],
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())

"""What the store costs: writing, opening, checking and averaging runs of many crystals, each in a process of its own.

``python -m benchmarks.store_scale --crystals 100000`` writes two arms of synthetic rows shaped like a captured pass (two
directions, three token scopes, heads and their mean) with the store's own writer, then measures; seconds are CPU time of
one process, memory is what it adds to an interpreter that has imported the reader.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SCOPES = ((True, False), (False, False), (False, True))
DIRECTIONS = ("atom_to_text", "text_to_atom")
PARTS = ("open", "means", "means of one metric", "attention frame", "verify")


def write(out: Path, arm: str, n: int, heads: int, metrics: int, seed: int) -> None:
    """One sealed run of ``n`` crystals, appended in batches of 64 as capture does."""
    from crysmm_attn_plugin.records import Checkpoint, Window, WindowOutcome
    from crysmm_attn_plugin.store.writer import RunWriter, seal

    draw = np.random.default_rng(seed)
    writer = RunWriter(out, arm, run_id=f"run-{seed}")
    window = Window("w0", f"{arm}{seed}", "test", "final", 3)
    opened = writer.open_window(window, memory_mb=512)
    rows = (heads + 1) * len(SCOPES) * len(DIRECTIONS)
    for start in range(0, n, 64):
        ids = [f"JVASP-{i}" for i in range(start, min(start + 64, n))]
        m = len(ids)
        formulas = [f"Na{i % 97 + 1}Cl{i % 89 + 1}" for i in range(start, start + m)]
        values = draw.random((m * rows, metrics), np.float32)
        per_scope = heads + 1
        attention: dict[str, Any] = {
            "crystal": np.repeat(np.arange(m), rows), "module": "fine_grained_attention", "call": 0,
            "direction": np.tile(np.repeat(DIRECTIONS, per_scope * len(SCOPES)), m),
            "head": np.tile(np.arange(-1, heads), m * len(SCOPES) * len(DIRECTIONS)),
            "with_special_tokens": np.tile(np.repeat([s[0] for s in SCOPES], per_scope), m * len(DIRECTIONS)),
            "stopwords_removed": np.tile(np.repeat([s[1] for s in SCOPES], per_scope), m * len(DIRECTIONS)),
            "weights": "model", "n_queries": 8, "n_keys": 60,
            **{name: values[:, j] for j, name in enumerate(_names(metrics))},
        }  # fmt: skip
        samples = {
            "id": ids, "split": "test", "window": "w0", "formula": formulas, "n_atoms": 8, "n_tokens": 60,
            "tokens_hash": ids, "text_truncated": False, "target": np.random.default_rng(start).random(m), "prediction": draw.random(m),
        }  # fmt: skip
        crystals = {
            "id": ids, "formula": formulas, "elements": [["Na", "Cl"] * 4] * m, "tokens": [["salt"] * 60] * m,
            "word_ids": [list(range(60))] * m, "special": [[False] * 60] * m, "text": ["salt " * 60] * m,
            "text_truncated": False, "tokens_hash": ids, "lattice": None, "frac_coords": None,
        }  # fmt: skip
        opened.append(attention=attention, samples=samples, crystals=crystals)
    opened.close(WindowOutcome(window, "complete", n_batches=-(-n // 64), n_crystals=n))
    writer.write_checkpoint(Checkpoint(window.checkpoint, (f"{arm}.pt",), "best_val", 3, {}, ()))
    seal(writer.path)


def _names(metrics: int) -> list[str]:
    first = ["entropy", "max_weight", "effective_tokens_hill", "gini"]
    return (first + [f"metric_{i:02d}" for i in range(metrics)])[:metrics]


def measure(part: str, store: Path) -> dict[str, Any]:
    """CPU seconds and added MB of one part over every arm of ``store``."""
    from crysmm_attn_plugin.store.reader import find_runs

    before, started, clock = _peak(), time.process_time(), time.perf_counter()
    total = 0
    for run in find_runs(store):
        if part == "open":
            total += len(run.manifest["files"])
        elif part == "attention frame":
            total += len(run.attention)
        elif part == "verify":
            total += len(run.verify())
        else:
            wanted = ["entropy"] if part.endswith("one metric") else None
            means = run.crystal_means(metrics=wanted)
            total += sum(len(means.of(cell).ids) for cell in means.cells)
    seconds, wall = time.process_time() - started, time.perf_counter() - clock
    return {"part": part, "cpu_s": seconds, "wall_s": wall, "added_mb": _peak() - before, "out": total}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Write (or take) a store and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crystals", type=int, default=10_000)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument(
        "--store", type=Path, help="write here and keep it; a temporary folder when not given"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the table as JSON too")
    args = parser.parse_args()
    if args.part:
        print(json.dumps(measure(args.part, args.store)))
        return 0
    if args.write:
        before, started = _peak(), time.process_time()
        write(args.store, args.write, args.crystals, args.heads, args.metrics, 0)
        print(json.dumps({"part": f"write {args.write}", "cpu_s": time.process_time() - started,
                          "added_mb": _peak() - before}))  # fmt: skip
        return 0
    with tempfile.TemporaryDirectory() as folder:
        store = args.store or Path(folder)
        sizes = ["--store", str(store), "--crystals", str(args.crystals), "--heads", str(args.heads)]
        sizes += ["--metrics", str(args.metrics)]
        table = []
        if not any(store.glob("*/*/manifest.json")):
            table += [_in_process([*sizes, "--write", arm]) for arm in ("full", "no_middle")]
        table += [_in_process([*sizes, "--part", part]) for part in PARTS]
        size = sum(p.stat().st_size for p in store.rglob("*") if p.is_file())
        rows = args.crystals * 2 * (args.heads + 1) * len(SCOPES) * len(DIRECTIONS)
        print(
            f"{args.crystals:,} crystals x 2 arms, {rows:,} rows x {args.metrics} metrics, {size / 1e6:,.0f} MB"
        )
        for line in table:
            print(f"{line['part']:22s} {line['cpu_s']:8.2f} s CPU {line.get('wall_s', 0):8.2f} s wall "
                  f"+{line['added_mb']:7.0f} MB")  # fmt: skip
        if args.json:
            args.json.write_text(json.dumps({"bytes": size, "rows": rows, "table": table}, indent=2) + "\n")
    return 0


def _in_process(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.store_scale", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    raise SystemExit(main())

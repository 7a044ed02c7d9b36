"""Random damage to a real run: is any of it read as data, does any of it end in a traceback?

``python -m benchmarks.store_damage --trials 2000`` captures a pass of the reference host, cuts it into many small groups of
files, then damages a copy of it again and again, one way at a time, and reads the copy in three ways: as it is, with
``damaged="skip"``, and (one trial in three) after ``repair``. A trial is *told* when reading raises one of the project's own errors (or, for a run
without a manifest, says in its reason what is left out), *harmless* when everything reads exactly as before, *silent* when
anything else is read without a word, a *traceback* when any other exception comes out.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.store.reader import Run
from crysmm_attn_plugin.store.repair import repair
from crysmm_attn_plugin.store.writer import RunWriter, seal

#: Trials between repairs.
REPAIR_EVERY = 3
Damage = Callable[[random.Random, Path, list[Path]], None]


def _bytes(path: Path, change: Callable[[bytearray], bytes | bytearray]) -> None:
    path.write_bytes(change(bytearray(path.read_bytes())))


def flip(draw: random.Random, path: Path, files: list[Path]) -> None:
    """One bit."""

    def change(content: bytearray) -> bytearray:
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        return content

    _bytes(path, change)


def truncate(draw: random.Random, path: Path, files: list[Path]) -> None:
    """The end is gone."""
    _bytes(path, lambda c: c[: draw.randrange(max(len(c), 1))])


def extend(draw: random.Random, path: Path, files: list[Path]) -> None:
    """Zeros at the end, as some file systems leave after a crash."""
    _bytes(path, lambda c: c + bytes(draw.choice((1, 512, 4096))))


def zero_block(draw: random.Random, path: Path, files: list[Path]) -> None:
    """A block reads as zeros."""

    def change(content: bytearray) -> bytearray:
        start = draw.randrange(max(len(content), 1))
        length = min(draw.choice((1, 64, 512)), len(content) - start)
        content[start : start + length] = bytes(length)
        return content

    _bytes(path, change)


def delete(draw: random.Random, path: Path, files: list[Path]) -> None:
    """The file is gone."""
    path.unlink()


def swap(draw: random.Random, path: Path, files: list[Path]) -> None:
    """Two files of one kind change places."""
    others = [p for p in files if p.suffix == path.suffix and p != path]
    if not others:
        return delete(draw, path, files)
    other = draw.choice(others)
    mine, theirs = path.read_bytes(), other.read_bytes()
    path.write_bytes(theirs)
    other.write_bytes(mine)
    return None


def append(draw: random.Random, path: Path, files: list[Path]) -> None:
    """The file's own last bytes come again."""
    _bytes(path, lambda c: c + c[-draw.randrange(1, 200) :])


KINDS: dict[str, Damage] = {f.__name__: f for f in (flip, truncate, extend, zero_block, delete, swap, append)}


def contents(run: Run) -> dict[str, Any]:
    """Everything a run can be asked, as sets of rows: equal and subset are then easy to tell."""
    found: dict[str, Any] = {"info": {json.dumps(run.info, sort_keys=True)}}
    found["windows"] = {repr(o) for o in run.windows}
    found["checkpoints"] = {repr(c) for c in run.checkpoints}
    for name in ("attention", "samples"):
        frame: pd.DataFrame = getattr(run, name)
        found[name] = set(pd.util.hash_pandas_object(frame, index=False)) if len(frame) else set()
    found["crystals"] = {repr(row) for row in run.crystals.reset_index().itertuples(index=False)}
    found["maps"] = set()
    for entry in run._maps:
        one = run.maps(entry.id, checkpoint=entry.entry.checkpoint, direction=entry.direction,
                       module=entry.module, call=entry.call)  # fmt: skip
        found["maps"].add((one.id, one.module, one.call, one.direction, one.weights.tobytes()))
    for digest in sorted({w.window.checkpoint for w in run.windows}):
        means = run.crystal_means(digest)
        for cell in means.cells:
            part = means.of(cell)
            found.setdefault("means", set()).update(
                (digest, cell, i, row.tobytes()) for i, row in zip(part.ids, part.values)
            )
    found.setdefault("means", set())
    return found


def judge(folder: Path, before: dict[str, Any], reason: str, sealed: bool) -> tuple[str, str]:
    """(verdict, detail) of reading a damaged run as it is."""
    try:
        run = Run(folder, allow_partial=not sealed)
        now = contents(run)
    except AttnError as error:
        return "told", str(error)
    except Exception:
        return "traceback", traceback.format_exc()
    if now == before and run.reason == reason:
        return "harmless", ""
    if run.reason != reason and _inside(now, before):
        return "told", run.reason
    return "silent", f"{[k for k in now if now[k] != before[k]]}"


def judge_rest(folder: Path, before: dict[str, Any], reason: str, **how: Any) -> tuple[str, str]:
    """(verdict, detail) of reading what is whole: nothing that was not written, and what is missing is told."""
    try:
        run = Run(folder, **how)
        now = contents(run)
        damage = run.damage
    except AttnError as error:
        return "refused", str(error)
    except Exception:
        return "traceback", traceback.format_exc()
    if now == before:
        return "whole", ""
    if not _inside(now, before):
        return "silent", f"{[k for k in now if not now[k] <= before[k]]}"
    return ("rest", "") if damage or run.reason != reason else ("silent", "rows are missing without a word")


def _inside(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Rows are those that were written; records may say less (a pass that a crash cut, a new run.json)."""
    return all(now[k] <= before[k] for k in ("attention", "samples", "crystals", "maps", "means"))


def recut(run: Run, out: Path, *, sealed: bool, group: int = 8) -> Path:
    """The same run written again in groups of few crystals; without the manifest when not ``sealed``."""
    writer = RunWriter(out, run.arm, run_id="run", info={k: v for k, v in run.info.items() if k != "run_id"})
    attention, samples, labels = run.attention, run.samples, run.crystals.reset_index()
    for outcome in run.windows:
        mine = samples[samples["window"] == outcome.window.window_id].drop(columns=["checkpoint", "rank"])
        opened = writer.open_window(outcome.window, group=group)
        for start in range(0, len(mine), group):
            part = mine.iloc[start : start + group]
            ids = set(part["id"])
            rows = attention[attention["crystal"].isin(ids)].drop(columns=["checkpoint", "rank"])
            kept = [i for i in run.map_ids() if i in ids]
            entries = [m for m in run._maps if m.id in kept]
            opened.append(
                attention={c: rows[c].to_numpy() for c in rows},
                samples={c: part[c].tolist() for c in part},
                crystals={c: labels.loc[labels["id"].isin(ids), c].tolist() for c in labels},
                maps={f"{k}": run.maps(m.id, direction=m.direction, module=m.module, call=m.call).weights
                      for k, m in enumerate(entries)},
                maps_index=[{"key": f"{k}", "id": m.id, "module": m.module, "call": m.call, "direction": m.direction}
                            for k, m in enumerate(entries)],
            )  # fmt: skip
        opened.close(outcome)
    for checkpoint in run.checkpoints:
        writer.write_checkpoint(checkpoint)
    if sealed:
        seal(writer.path)
    return writer.path


def study(runs: dict[str, Path], work: Path, trials: int, seed: int) -> tuple[collections.Counter, list[str]]:
    """Damage copies of some runs; returns counts of (how read, verdict) and the details of what must not be."""
    before = {}
    for name, path in runs.items():
        run = Run(path, allow_partial=True)
        before[name] = (contents(run), run.reason)
    counts: collections.Counter = collections.Counter()
    bad = []
    for trial in range(trials):
        draw = random.Random(seed * 1_000_003 + trial)
        name = draw.choice(sorted(runs))
        kind = draw.choice(sorted(KINDS))
        copy = work / "copy" / "full" / "run"
        shutil.rmtree(work / "copy", ignore_errors=True)
        shutil.copytree(runs[name], copy)
        files = sorted(p for p in copy.rglob("*") if p.is_file())
        victim = draw.choice(files)
        content = victim.read_bytes()
        KINDS[kind](draw, victim, files)
        if victim.exists() and victim.read_bytes() == content:  # a block of zeros became a block of zeros
            flip(draw, victim, files)
        told = f"trial {trial}: {kind} of {victim.relative_to(copy)} ({name})"
        reference, reason = before[name]
        verdicts = {"as it is": judge(copy, reference, reason, name == "sealed")}
        verdicts["skip"] = judge_rest(copy, reference, reason, damaged="skip")
        if trial % REPAIR_EVERY == 0:
            try:
                repair(copy)
                verdicts["repaired"] = judge_rest(copy, reference, reason, allow_partial=True)
            except Exception:
                verdicts["repaired"] = ("traceback", traceback.format_exc())
        for how, (verdict, detail) in verdicts.items():
            counts[how, verdict] += 1
            if verdict == "harmless":
                print(told, "is harmless")
            if verdict in ("silent", "traceback") or (how != "as it is" and verdict == "refused"):
                bad.append(f"{told}, {how}: {verdict} {detail}")
        if trial % 100 == 99:
            told = ", ".join(f"{h}: {v} {c}" for (h, v), c in sorted(counts.items()))
            print(f"{trial + 1} of {trials}, {len(bad)} bad; {told}", file=sys.stderr, flush=True)
    return counts, bad


def captured(out: Path) -> Run:
    """A captured test pass of the reference host with an untrained network."""
    from crysmm_attn_plugin.demo.config import HostConfig
    from crysmm_attn_plugin.demo.dataset import make_loaders, seed_everything
    from crysmm_attn_plugin.demo.prepared import build_network, prepare
    from crysmm_attn_plugin.demo.testing import predict

    config = HostConfig(
        max_crystals=60, width=16, heads=2, max_neighbors=4, test_ratio=0.4, cache_dir=str(out / "cache")
    )
    data = prepare(config)
    seed_everything(0)
    net = build_network(config, data).eval()
    loader = make_loaders(
        data.crystals, data.graphs, data.texts, batch_size=8, seed=0, split=dict(data.split)
    ).test
    with attn.attach(net, loader=loader, out_dir=out / "runs", arm="full", checkpoint=None, strict=True):
        predict(net, loader)
    return attn.open_run(out / "runs" / "full")


def main() -> int:
    """Damage, count, print; 1 when anything was silent or ended in a traceback."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run = captured(work)
        runs = {name: recut(run, work / name, sealed=name == "sealed") for name in ("sealed", "unsealed")}
        n = sum(1 for p in runs["sealed"].rglob("*") if p.is_file())
        print(f"{args.trials} damages of a run of {len(run.samples)} crystals in {n} files")
        counts, bad = study(runs, work, args.trials, args.seed)
    for how in ("as it is", "skip", "repaired"):
        print(f"{how:10s} " + ", ".join(f"{v} {c}" for (h, v), c in sorted(counts.items()) if h == how))
    for line in bad[:20]:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())

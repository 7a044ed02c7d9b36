"""One run being written. Each process of a distributed job writes its own rank; the manifest comes last."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crysmm_attn_plugin.records import BatchIdentity, Checkpoint, WindowOutcome
from crysmm_attn_plugin.store.files import safe_name, write_atomic, write_json
from crysmm_attn_plugin.store.schema import CRYSTALS, SAMPLES, SCHEMA_VERSION, attention_schema


def new_run_id() -> str:
    """A run id that sorts by time and does not collide: ``20261123T201500-1a2b3c``."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + uuid.uuid4().hex[:6]


class RunWriter:
    """Writes one run folder.

    Args:
        out_dir: Folder of runs.
        arm: Arm name; becomes a folder name (made safe).
        run_id: Shared by every rank of a job; a new one when None.
        rank: This process's rank.
        info: What goes into ``run.json`` beside arm, id and schema version: command, versions, settings,
            host, host_config, host_seed.
    """

    def __init__(
        self,
        out_dir: str | os.PathLike[str],
        arm: str,
        *,
        run_id: str | None = None,
        rank: int = 0,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        self.arm = arm
        self.run_id = run_id or new_run_id()
        self.rank = rank
        self.path = Path(out_dir).absolute() / safe_name(arm) / safe_name(self.run_id)
        self.path.mkdir(parents=True, exist_ok=True)
        self._info = dict(info or {})
        self._written_crystals: set[tuple[str, str]] = set()
        if rank == 0:
            self.update_info()

    def update_info(self, **info: Any) -> None:
        """Write ``run.json`` again with ``info`` laid over what is known."""
        self._info.update(info)
        head = {"schema_version": SCHEMA_VERSION, "run_id": self.run_id, "arm": self.arm}
        write_json(self.path / "run.json", {**head, **self._info})

    def write_window(
        self,
        outcome: WindowOutcome,
        *,
        attention: Mapping[str, Sequence[Any]],
        samples: Mapping[str, Sequence[Any]],
        crystals: Mapping[str, Sequence[Any]],
        maps: Mapping[str, Any] | None = None,
        maps_index: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write one window's rows, its maps, and last its outcome.

        Args:
            outcome: How the window ended.
            attention: Column name -> values; the key columns of ``schema.ATTENTION_KEYS`` and metrics.
            samples: Columns of ``schema.SAMPLES``.
            crystals: Columns of ``schema.CRYSTALS``; crystals written before in this run are skipped.
            maps: Map key -> (heads, queries, keys) float16 array.
            maps_index: One dict a map: key, id, module, call, direction.
        """
        window = outcome.window
        name = safe_name(window.window_id)
        shard = f"ckpt={safe_name(window.checkpoint)}/rank={self.rank}/{name}"
        if samples and len(samples["id"]):
            keys = set(attention_schema([]).names)
            metrics = [c for c in attention if c not in keys]
            self._write_table(
                f"attention/{shard}.parquet", pa.table(dict(attention), schema=attention_schema(metrics))
            )
            if maps:
                from safetensors.numpy import save_file

                index = json.dumps(list(maps_index), ensure_ascii=False)
                write_atomic(
                    self.path / f"maps/{shard}.safetensors",
                    lambda p: save_file(dict(maps), p, metadata={"index": index}),
                )
            self._write_crystals(f"crystals/rank={self.rank}/{name}.parquet", crystals)
            self._write_table(f"samples/{shard}.parquet", pa.table(dict(samples), schema=SAMPLES))
        self.write_outcome(outcome)

    def write_outcome(self, outcome: WindowOutcome) -> None:
        """Write (or rewrite, when a window's kind becomes known later) a window's record."""
        suffix = "" if self.rank == 0 else f".rank{self.rank}"
        name = safe_name(outcome.window.window_id) + suffix
        write_json(self.path / f"windows/{name}.json", {"rank": self.rank, **_outcome_dict(outcome)})

    def discard_window(self, outcome: WindowOutcome) -> None:
        """Remove a superseded window's rows and record (crystal labels stay)."""
        window = outcome.window
        name = safe_name(window.window_id)
        for table, ending in (("samples", "parquet"), ("attention", "parquet"), ("maps", "safetensors")):
            folder = self.path / table / f"ckpt={safe_name(window.checkpoint)}" / f"rank={self.rank}"
            (folder / f"{name}.{ending}").unlink(missing_ok=True)
            for empty in (folder, folder.parent):
                if empty.is_dir() and not any(empty.iterdir()):
                    empty.rmdir()
        suffix = "" if self.rank == 0 else f".rank{self.rank}"
        (self.path / f"windows/{name}{suffix}.json").unlink(missing_ok=True)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write what is known of one checkpoint, together with what was known of the same weights before."""
        suffix = "" if self.rank == 0 else f".rank{self.rank}"
        path = self.path / f"checkpoints/{safe_name(checkpoint.digest)}{suffix}.json"
        if path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            roles = [*before["role"].split("+"), *checkpoint.role.split("+")]
            checkpoint = replace(
                checkpoint,
                files=tuple(dict.fromkeys([*before["files"], *checkpoint.files])),
                role="+".join(dict.fromkeys(r for r in roles if r)),
                epoch=before["epoch"] if checkpoint.epoch is None else checkpoint.epoch,
                metrics={**before["metrics"], **checkpoint.metrics},
                untrained=tuple(sorted({*before["untrained"], *checkpoint.untrained})),
            )
        write_json(path, checkpoint)

    def captured(self) -> list[tuple[str, str, bool]]:
        """(checkpoint, split, training mode) of every complete pass of this rank that is on disk."""
        found = []
        for path in sorted((self.path / "windows").glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            window = record["window"]
            if record["state"] == "complete" and record.get("rank", 0) == self.rank:
                found.append((window["checkpoint"], window["split"], window["training_mode"]))
        return found

    def _write_table(self, relative: str, table: pa.Table) -> None:
        write_atomic(self.path / relative, lambda p: pq.write_table(table, p, compression="zstd"))

    def _write_crystals(self, relative: str, crystals: Mapping[str, Sequence[Any]]) -> None:
        keys = list(zip(crystals["id"], crystals["tokens_hash"]))
        fresh = [i for i, key in enumerate(keys) if key not in self._written_crystals]
        if not fresh:
            return
        table = pa.table(dict(crystals), schema=CRYSTALS).take(pa.array(fresh))
        self._write_table(relative, table)
        self._written_crystals.update(keys)


def _outcome_dict(outcome: WindowOutcome) -> dict[str, Any]:
    import dataclasses

    record = dataclasses.asdict(outcome)
    record["window"] = dataclasses.asdict(outcome.window)
    return record


def seal(run_dir: str | os.PathLike[str], *, state: str = "complete", reason: str = "") -> Path:
    """Write ``manifest.json`` over everything in a run folder; call it once, last.

    Args:
        run_dir: The run's folder.
        state: ``complete`` or ``partial``; ``complete`` becomes ``partial`` when a window is not complete.
        reason: Why it is partial.

    Returns:
        The manifest's path.
    """
    root = Path(run_dir)
    files = []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and path.name != "manifest.json" and not hidden and relative.parts[0] in _STORE:
            rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
            files.append({"path": relative.as_posix(), "bytes": path.stat().st_size, "rows": rows})
    reasons = [reason] if reason else []
    for path in sorted((root / "windows").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["state"] not in ("complete", "empty"):
            state = "partial"
            reasons.append(f"window {record['window']['window_id']}: {record['state']}, {record['reason']}")
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "state": state,
        "reason": "; ".join(reasons),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": files,
    }
    return write_json(root / "manifest.json", manifest)


_STORE = {"run.json", "windows", "checkpoints", "crystals", "attention", "samples", "maps"}


def crystal_columns(
    identity: BatchIdentity, formulas: Sequence[str], hashes: Sequence[str]
) -> dict[str, list]:
    """A batch's labels as columns of ``schema.CRYSTALS``."""
    columns: dict[str, list] = {name: [] for name in CRYSTALS.names}
    for i, crystal in enumerate(identity.ids):
        labels = identity.tokens[i] if identity.tokens else None
        structure = identity.structures[i] if identity.structures else None
        columns["id"].append(crystal)
        columns["formula"].append(formulas[i])
        columns["elements"].append(list(identity.elements[i]))
        columns["tokens"].append(list(labels.tokens) if labels else None)
        columns["word_ids"].append(list(labels.word_ids) if labels else None)
        columns["special"].append(list(labels.special) if labels else None)
        columns["text"].append(labels.text if labels else None)
        columns["text_truncated"].append(labels.truncated if labels else None)
        columns["tokens_hash"].append(hashes[i])
        columns["lattice"].append([x for row in structure.lattice for x in row] if structure else None)
        columns["frac_coords"].append(
            [x for row in structure.frac_coords for x in row] if structure else None
        )
    return columns

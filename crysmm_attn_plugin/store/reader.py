"""Runs read back from disk: pandas frames and labelled maps."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds

from crysmm_attn_plugin.errors import NothingCapturedError, PartialStoreError, UsageError
from crysmm_attn_plugin.records import (
    Alarm,
    AttentionMap,
    Checkpoint,
    Structure,
    TokenLabels,
    Window,
    WindowOutcome,
)
from crysmm_attn_plugin.store.schema import SCHEMA_VERSION

#: Which checkpoint of a run stands for it, first found wins.
ROLE_ORDER = ("best_val", "best", "last", "best_test")


class Run:
    """One captured run.

    Args:
        path: The run's folder (the one that holds ``run.json``).
        allow_partial: Read a run whose manifest is missing or says partial.

    Attributes:
        path, run_id, arm: Where and what.
        info: ``run.json``.
        state: ``complete`` or ``partial``; ``reason`` says why.

    Raises:
        PartialStoreError: When the run is partial and ``allow_partial`` is false, or a listed file is missing
            or of another size.
    """

    def __init__(self, path: str | os.PathLike[str], *, allow_partial: bool = False) -> None:
        self.path = Path(path).absolute()
        self._map_indexes: dict[str | None, list[dict[str, Any]]] = {}
        self.info: dict[str, Any] = _json(self.path / "run.json")
        self.run_id: str = self.info["run_id"]
        self.arm: str = self.info["arm"]
        if self.info.get("schema_version", 0) > SCHEMA_VERSION:
            raise PartialStoreError(
                f"{self.path} was written with store schema {self.info['schema_version']}, this version reads up "
                f"to {SCHEMA_VERSION}; update crysmm-attn."
            )
        manifest = self.path / "manifest.json"
        if manifest.is_file():
            self.manifest: dict[str, Any] = _json(manifest)
            self.state: str = self.manifest["state"]
            self.reason: str = self.manifest.get("reason", "")
            self._check_files()
        else:
            self.manifest = {}
            self.state, self.reason = "partial", "the run did not finish (no manifest.json)"
        if self.state != "complete" and not allow_partial:
            raise PartialStoreError(
                f"run {self.path} is partial: {self.reason}. See `crysmm-attn status {self.path}`; run the host "
                "again, or read what is there with allow_partial=True (command line: --allow-partial)."
            )

    def __repr__(self) -> str:
        return f"Run(arm={self.arm!r}, run_id={self.run_id!r}, state={self.state!r}, path={str(self.path)!r})"

    @cached_property
    def windows(self) -> tuple[WindowOutcome, ...]:
        """How each captured pass ended, in order."""
        records = [_json(p) for p in sorted((self.path / "windows").glob("*.json"))]
        return tuple(_outcome(r) for r in records)

    @cached_property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Checkpoints seen, in order of epoch."""
        found: dict[str, Checkpoint] = {}
        for path in sorted((self.path / "checkpoints").glob("*.json")):
            record = _json(path)
            record["files"] = tuple(record.get("files") or ())
            record["untrained"] = tuple(record.get("untrained") or ())
            checkpoint = Checkpoint(**record)
            if checkpoint.digest not in found or checkpoint.files:
                found[checkpoint.digest] = checkpoint
        return tuple(sorted(found.values(), key=lambda c: (c.epoch is None, c.epoch or 0, c.digest)))

    @cached_property
    def attention(self) -> pd.DataFrame:
        """One row per checkpoint x crystal x module x call x direction x head x scope; see ``schema``."""
        frame = self._table("attention")
        keys = ["checkpoint", "crystal", "module", "call", "direction", "head"]
        keys += ["with_special_tokens", "stopwords_removed", "weights"]
        return self._without_repeats(frame, [k for k in keys if k in frame], "attention")

    @cached_property
    def samples(self) -> pd.DataFrame:
        """One row per checkpoint x split x crystal: counts, target, raw prediction."""
        frame = self._table("samples")
        return self._without_repeats(frame, ["checkpoint", "split", "id"] if len(frame) else [], "samples")

    @cached_property
    def crystals(self) -> pd.DataFrame:
        """One row per crystal: elements, tokens, text, structure; indexed by id."""
        frame = self._table("crystals")
        return frame.drop_duplicates("id").set_index("id") if len(frame) else frame

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Alarms of every window, each once."""
        seen: dict[tuple[str, str, str], Alarm] = {}
        for outcome in self.windows:
            for alarm in outcome.alarms:
                seen.setdefault((alarm.code, alarm.module, alarm.direction), alarm)
        return tuple(seen.values())

    def checkpoint(self, which: str = "auto", *, split: str = "test") -> Checkpoint:
        """The checkpoint that stands for this run.

        Args:
            which: ``auto`` (first of ``ROLE_ORDER`` that was captured), a role, a file name, or a digest prefix.
            split: Split that must have been captured with it.

        Raises:
            UsageError: When none matches.
            NothingCapturedError: When no checkpoint was captured on that split.
        """
        captured = [
            o.window
            for o in self.windows
            if o.window.split == split and o.state == "complete" and o.n_crystals
        ]
        digests = {w.checkpoint for w in captured}
        known = {c.digest: c for c in self.checkpoints}
        candidates = [known.get(d, Checkpoint(d)) for d in sorted(digests)]
        if not candidates:
            splits = sorted({o.window.split for o in self.windows}) or ["none"]
            raise NothingCapturedError(
                f"run {self.path} holds no complete pass over split {split!r}; captured: {', '.join(splits)}."
            )
        if which == "auto":
            for role in ROLE_ORDER:
                for candidate in candidates:
                    if role in candidate.role.split("+"):
                        return candidate
            return known.get(captured[-1].checkpoint, Checkpoint(captured[-1].checkpoint))
        for candidate in candidates:
            names = {Path(f).name for f in candidate.files} | {Path(f).stem for f in candidate.files}
            if which in candidate.role.split("+") or which in names or candidate.digest.startswith(which):
                return candidate
        have = ", ".join(f"{c.role or '?'} ({c.digest[:8]})" for c in candidates)
        raise UsageError(f"run {self.path} has no captured checkpoint {which!r}; it has: {have}.")

    def map_ids(self, checkpoint: str | None = None) -> tuple[str, ...]:
        """Ids of the crystals whose full maps were kept."""
        return tuple(dict.fromkeys(entry["id"] for entry in self._map_index(checkpoint)))

    def maps(
        self,
        id: str,
        *,
        checkpoint: str | None = None,
        direction: str = "atom_to_text",
        module: str | None = None,
        call: int = 0,
    ) -> AttentionMap:
        """The labelled attention map of one crystal.

        Args:
            id: Crystal id.
            checkpoint: Digest; the run's own choice (``checkpoint("auto")``) when None.
            direction: ``atom_to_text`` or ``text_to_atom``.
            module: Module name; the first when None.
            call: Which call of the module in one forward.

        Raises:
            UsageError: When no such map was kept; the message says which were.
        """
        digest = checkpoint or self.checkpoint().digest
        for entry in self._map_index(digest):
            if (
                entry["id"] == id
                and entry["direction"] == direction
                and entry["call"] == call
                and module in (None, entry["module"])
            ):
                return self._load_map(entry, digest)
        kept = self.map_ids(digest)
        raise UsageError(
            f"no {direction} map of crystal {id!r} was kept in {self.path}; {len(kept)} crystals have maps"
            + (f", for example {', '.join(kept[:3])}." if kept else ". Set maps to a number or all.")
        )

    def structure(self, id: str) -> Structure | None:
        """The crystal's structure, where the host's data set held one."""
        if not len(self.crystals) or id not in self.crystals.index:
            return None
        row = self.crystals.loc[id]
        if row["lattice"] is None or not hasattr(row["lattice"], "__len__"):
            return None
        lattice = np.asarray(row["lattice"], float).reshape(3, 3)
        coords = np.asarray(row["frac_coords"], float).reshape(-1, 3)
        return Structure(
            tuple(map(tuple, lattice.tolist())), tuple(map(tuple, coords.tolist())), tuple(row["elements"])
        )

    def token_labels(self, id: str) -> TokenLabels | None:
        """The crystal's token labels, or None."""
        row = self.crystals.loc[id]
        if row["tokens"] is None:
            return None
        return TokenLabels(
            tuple(row["tokens"]),
            tuple(int(i) for i in row["word_ids"]),
            tuple(bool(s) for s in row["special"]),
            row["text"] or "",
            bool(row["text_truncated"]),
        )

    # -- reading -----------------------------------------------------------------------------------------

    def _table(self, name: str) -> pd.DataFrame:
        folder = self.path / name
        files = sorted(str(p) for p in folder.rglob("*.parquet") if not p.name.startswith("."))
        if not files:
            return pd.DataFrame()
        frames = []
        for file in files:
            frame = ds.dataset(file, format="parquet").to_table().to_pandas()
            for part in Path(file).relative_to(folder).parts[:-1]:
                key, _, value = part.partition("=")
                if key == "ckpt":
                    frame.insert(0, "checkpoint", value)
                elif key == "rank":
                    frame["rank"] = int(value)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def _without_repeats(self, frame: pd.DataFrame, keys: list[str], name: str) -> pd.DataFrame:
        """Drop a distributed sampler's padding repeats; refuse repeats within one rank."""
        if not len(frame) or not keys:
            return frame
        inside = frame.duplicated([*keys, "rank"])
        if inside.any():
            row = frame[inside].iloc[0]
            raise PartialStoreError(
                f"{self.path}: {name} holds {int(inside.sum())} repeated rows within one rank, for example "
                f"{ {k: row[k] for k in keys} }; the store is damaged or two processes shared a rank."
            )
        return frame.drop_duplicates(keys, ignore_index=True)

    def _map_files(self, checkpoint: str | None) -> Iterator[Path]:
        pattern = f"ckpt={checkpoint}" if checkpoint else "ckpt=*"
        yield from sorted((self.path / "maps").glob(f"{pattern}/rank=*/*.safetensors"))

    def _map_index(self, checkpoint: str | None) -> list[dict[str, Any]]:
        """Which maps lie where, read from the files' heads once."""
        if checkpoint not in self._map_indexes:
            from safetensors import safe_open

            entries = []
            for path in self._map_files(checkpoint):
                with safe_open(path, framework="numpy") as handle:
                    index = json.loads((handle.metadata() or {}).get("index", "[]"))
                entries += [{**entry, "file": path} for entry in index]
            self._map_indexes[checkpoint] = entries
        return self._map_indexes[checkpoint]

    def _load_map(self, entry: dict[str, Any], digest: str) -> AttentionMap:
        from safetensors import safe_open

        with safe_open(entry["file"], framework="numpy") as handle:
            weights = handle.get_tensor(entry["key"]).astype(np.float32)
        return AttentionMap(
            entry["id"],
            digest,
            entry["module"],
            entry["call"],
            entry["direction"],
            weights,
            tuple(self.crystals.loc[entry["id"], "elements"]),
            self.token_labels(entry["id"]),
        )

    def _check_files(self) -> None:
        for entry in self.manifest["files"]:
            path = self.path / entry["path"]
            if not path.is_file():
                raise PartialStoreError(f"{self.path}: {entry['path']} is in the manifest but not on disk.")
            if path.stat().st_size != entry["bytes"]:
                raise PartialStoreError(
                    f"{self.path}: {entry['path']} has {path.stat().st_size} bytes, the manifest says "
                    f"{entry['bytes']}; the file was changed after the run."
                )


def find_runs(path: str | os.PathLike[str], *, allow_partial: bool = False) -> list[Run]:
    """Every run at or below ``path`` (a run folder, an arm's folder, or a folder of arms), oldest first.

    Raises:
        UsageError: When there is none.
    """
    root = Path(path)
    if not root.exists():
        raise UsageError(f"{root} does not exist; give a run folder, an arm's folder or a folder of runs.")
    folders = [root] if (root / "run.json").is_file() else sorted(p.parent for p in root.glob("*/run.json"))
    folders = folders or sorted(p.parent for p in root.glob("*/*/run.json"))
    if not folders:
        raise UsageError(f"{root} holds no captured run (no run.json there or up to two folders below).")
    return [Run(folder, allow_partial=allow_partial) for folder in folders]


def open_run(path: str | os.PathLike[str], *, allow_partial: bool = False) -> Run:
    """Open a run; given an arm's folder, its newest one.

    Args:
        path: A run folder, or a folder that holds runs of one arm.
        allow_partial: Read a run whose manifest is missing or says partial.

    Raises:
        UsageError: When there is no run, or the folder holds more than one arm.
        PartialStoreError: When the run is partial and ``allow_partial`` is false.
    """
    root = Path(path)
    if (root / "run.json").is_file():
        return Run(root, allow_partial=allow_partial)
    runs = find_runs(root, allow_partial=True)
    arms = sorted({r.arm for r in runs})
    if len(arms) > 1:
        raise UsageError(f"{root} holds runs of {len(arms)} arms ({', '.join(arms)}); name one of them.")
    return Run(runs[-1].path, allow_partial=allow_partial)


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path.parent} is not a run folder: it has no {path.name}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise PartialStoreError(f"{path} is damaged ({error}); run the host again.") from error


def _outcome(record: dict[str, Any]) -> WindowOutcome:
    record = {k: v for k, v in record.items() if k != "rank"}
    record["window"] = Window(**record["window"])
    record["alarms"] = tuple(Alarm(**a) for a in record.get("alarms", ()))
    return WindowOutcome(**record)

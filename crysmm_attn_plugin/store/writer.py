"""One run being written. Each process of a distributed job writes its own rank; the manifest comes last."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xxhash

from crysmm_attn_plugin.records import Checkpoint, Window, WindowOutcome
from crysmm_attn_plugin.store.columns import crystal_columns
from crysmm_attn_plugin.store.declaration import stamp as declaration_stamp
from crysmm_attn_plugin.store.files import digest_of, json_bytes, safe_name, unique_name, write_bytes
from crysmm_attn_plugin.store.groups import WindowWriter
from crysmm_attn_plugin.store.journal import Journal
from crysmm_attn_plugin.store.listing import Entry, read_listing, unlisted
from crysmm_attn_plugin.store.schema import SCHEMA_VERSION
from crysmm_attn_plugin.store.seal import described, seal
from crysmm_attn_plugin.store.whole import Flaw
from crysmm_attn_plugin.urls import refuse_no_text, refuse_url

__all__ = ["RunWriter", "WindowWriter", "crystal_columns", "new_run_id", "new_window_id", "seal"]

log = logging.getLogger("crysmm_attn")


def new_run_id() -> str:
    """A run id that sorts by time and does not collide: ``20261123T201500-1a2b3c``."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + uuid.uuid4().hex[:6]


#: Passes begun by this process, whichever capture they belong to.
_PASSES = itertools.count(1)


def new_window_id(split: str) -> str:
    """A window id that sorts by time and that no other pass has, of this process, of another or on another machine."""
    now = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    return f"{now}-{os.getpid()}-{next(_PASSES):04d}-{uuid.uuid4().hex[:6]}-{split}"


class RunWriter:
    """Writes one run folder.

    Args:
        out_dir: Folder of runs.
        arm: Arm name; becomes a folder name (made safe).
        run_id: Shared by every rank of a job; a new one when None.
        rank: This process's rank.
        info: What goes into ``run.json`` beside arm, id and schema version: command, versions, settings,
            host, host_config, host_seed.

    Attributes:
        path: The run's folder.
        journal: This process's journal.
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
        refuse_url(out_dir, "out_dir")
        refuse_no_text(out_dir)
        self.path = Path(out_dir).absolute() / safe_name(arm) / safe_name(self.run_id)
        self.path.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(self.path, rank)
        self._info = {**dict(info or {}), **declaration_stamp(out_dir)}
        self._labelled: set[int] = set()
        self._rows: dict[str, list[str]] = {}
        self._adopt()
        if rank == 0:
            self.update_info()

    def _adopt(self) -> None:
        """Take what an earlier version left without a manifest into the journal, so that it keeps counting."""
        if not (self.path / "run.json").is_file():
            return
        listing = read_listing(self.path)
        if listing.first_layout and not listing.sealed:
            files = []
            for entry in unlisted(self.path, set()):
                try:
                    files.append(described(self.path, entry).to_dict())
                except Flaw as flaw:
                    log.warning("%s of an earlier process %s and is left out", self.path / entry.path, flaw)
            self.journal.append({"do": "adopt", "files": files})

    def update_info(self, **info: Any) -> None:
        """Write ``run.json`` again with ``info`` laid over what is known."""
        self._info.update(info)
        head = {"schema_version": SCHEMA_VERSION, "run_id": self.run_id, "arm": self.arm}
        self._write_record("run.json", {**head, **self._info})

    def open_window(self, window: Window, *, memory_mb: int = 256, group: int = 2048) -> WindowWriter:
        """Begin a pass whose rows come batch by batch.

        Args:
            window: The pass; ``window_id`` is unique in the run.
            memory_mb: Ceiling for rows and maps held back, with what writing them takes, MB.
            group: Crystals in a group of files; a crash costs at most the group being gathered.

        Raises:
            ValueError: When the run holds a pass of that id already: its rows would be written over.
        """
        if (self.path / self._outcome_path(window)).exists() or window.window_id in self._rows:
            raise ValueError(
                f"{self.path} holds a pass {window.window_id} already; a window_id is of one pass"
            )
        return WindowWriter(self, window, memory_mb=memory_mb, group=group)

    def write_window(
        self,
        outcome: WindowOutcome,
        *,
        attention: Mapping[str, Sequence[Any]],
        samples: Mapping[str, Sequence[Any]],
        crystals: Mapping[str, Sequence[Any]],
        maps: Mapping[str, Any] | None = None,
        maps_index: Sequence[Mapping[str, Any]] = (),
    ) -> WindowOutcome:
        """Write one whole pass: its rows, its maps, and last its outcome.

        Args:
            outcome: How the window ended.
            attention: Column name -> values; the key columns of ``schema.ATTENTION_KEYS`` and metrics.
            samples: Columns of ``schema.SAMPLES``.
            crystals: Columns of ``schema.CRYSTALS``; crystals written before in this run are skipped.
            maps: Map key -> (heads, queries, keys) float16 array.
            maps_index: One dict a map: key, id, module, call, direction.

        Returns:
            The outcome as written (see ``WindowWriter.close``).
        """
        writer = self.open_window(outcome.window)
        if samples and len(samples["id"]):
            writer.append(
                attention=attention, samples=samples, crystals=crystals, maps=maps, maps_index=maps_index
            )
        return writer.close(outcome)

    def write_outcome(self, outcome: WindowOutcome) -> None:
        """Write (or rewrite, when a window's kind becomes known later) a window's record."""
        record = dataclasses.asdict(outcome)
        record["window"] = dataclasses.asdict(outcome.window)
        self._write_record(self._outcome_path(outcome.window), {"rank": self.rank, **record})

    def discard_window(self, outcome: WindowOutcome) -> None:
        """Remove a superseded window's rows and record (crystal labels stay)."""
        paths = [*self._rows.pop(outcome.window.window_id, ()), self._outcome_path(outcome.window)]
        self.journal.append({"do": "drop", "window": outcome.window.window_id, "paths": paths})
        for relative in paths:
            path = self.path / relative
            path.unlink(missing_ok=True)
            for empty in (path.parent, path.parent.parent):
                if empty != self.path and empty.is_dir() and not any(empty.iterdir()):
                    empty.rmdir()

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write what is known of one checkpoint, together with what was known of the same weights before."""
        suffix = "" if self.rank == 0 else f".rank{self.rank}"
        relative = f"checkpoints/{unique_name(checkpoint.digest)}{suffix}.json"
        path = self.path / relative
        if path.is_file():
            try:
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
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log.warning("%s is damaged (%s) and is written anew", path, type(error).__name__)
        self._write_record(relative, checkpoint)

    def captured(self) -> list[tuple[str, str, bool]]:
        """(checkpoint, split, training mode) of every complete pass of this rank that is on disk."""
        found = []
        for path in sorted((self.path / "windows").glob("*.json")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                window = record["window"]
                if record["state"] == "complete" and record.get("rank", 0) == self.rank:
                    found.append((window["checkpoint"], window["split"], window["training_mode"]))
            except (ValueError, KeyError, TypeError) as error:
                log.warning("%s is damaged (%s) and is passed over", path, type(error).__name__)
        return found

    # -- for WindowWriter ----------------------------------------------------------------------------------

    def fresh_labels(self, ids: Sequence[str], hashes: Sequence[str | None]) -> list[int]:
        """Positions of crystals whose labels this process has not written yet; they count as written from now."""
        fresh = []
        for i, key in enumerate(zip(ids, hashes)):
            mark = xxhash.xxh3_64_intdigest(repr(key).encode())
            if mark not in self._labelled:
                self._labelled.add(mark)
                fresh.append(i)
        return fresh

    def group_written(self, window: Window, entries: Sequence[Entry]) -> None:
        """Every file of a group stands: name them in the journal.

        Raises:
            OSError: As the file system says; the group does not count.
        """
        files = [e.to_dict() for e in entries]
        self.journal.append({"do": "group", "window": window.window_id, "files": files})
        self._rows.setdefault(window.window_id, []).extend(e.path for e in entries if e.table != "crystals")

    def _outcome_path(self, window: Window) -> str:
        suffix = "" if self.rank == 0 else f".rank{self.rank}"
        return f"windows/{unique_name(window.window_id)}{suffix}.json"

    def _write_record(self, relative: str, value: Any) -> None:
        content = json_bytes(value)
        self.journal.append(
            {
                "do": "json",
                "path": relative,
                "bytes": len(content),
                "digest": digest_of(content),
                "text": content.decode("utf-8"),
            }
        )
        write_bytes(self.path / relative, content)

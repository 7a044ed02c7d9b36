"""One pass being written: rows are buffered and flushed in groups of whole crystals, each group whole or absent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.records import Alarm, Window, WindowOutcome
from crysmm_attn_plugin.store.columns import Names, attention_table, metric_ranges, parquet_bytes, plain_table
from crysmm_attn_plugin.store.files import digest_of, unique_name, write_bytes
from crysmm_attn_plugin.store.listing import Entry
from crysmm_attn_plugin.store.schema import CRYSTALS, INTERVENTIONS, SAMPLES
from crysmm_attn_plugin.store.whole import schema_mark

if TYPE_CHECKING:
    from crysmm_attn_plugin.store.writer import RunWriter

#: Share of the memory ceiling that buffered rows may take: writing them needs about as much again.
BUFFER_SHARE = 0.25


class WindowWriter:
    """Rows, labels and maps of one pass, written as they come; made by ``RunWriter.open_window``.

    Args:
        run: The run's writer.
        window: The pass.
        memory_mb: Ceiling for what is held back and what writing it takes, MB.
        group: Crystals in a group of files.

    Attributes:
        window: The pass.
        n_crystals: Crystals taken so far.
    """

    def __init__(self, run: RunWriter, window: Window, *, memory_mb: int = 256, group: int = 2048) -> None:
        self.window = window
        self.n_crystals = 0
        self._run, self._group = run, max(int(group), 1)
        self._ceiling = max(memory_mb, 1) * 2**20 * BUFFER_SHARE
        self._names = Names()
        self._part = 0
        self._opened = False
        self._clear()

    def _clear(self) -> None:
        self._attention: list[pa.Table] = []
        self._samples: list[pa.Table] = []
        self._crystals: list[pa.Table] = []
        self._interventions: list[pa.Table] = []
        self._maps: dict[str, np.ndarray] = {}
        self._maps_index: list[dict[str, Any]] = []
        self._held = 0
        self._waiting = 0

    @property
    def repeated(self) -> tuple[str, ...]:
        """Ids that came more than once in this pass; each crystal was kept, under a name of its own."""
        return self._names.repeated

    def append(
        self,
        *,
        attention: Mapping[str, Any] | None = None,
        samples: Mapping[str, Any] | None = None,
        crystals: Mapping[str, Any] | None = None,
        maps: Mapping[str, Any] | None = None,
        maps_index: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Take a batch, or what else is known of the pass; a full group is written at once.

        Args:
            attention: Key columns of ``schema.ATTENTION_KEYS`` and metrics: arrays, lists, or one scalar for a constant
                column. ``crystal`` holds ids, or positions into this call's ``samples["id"]``.
            samples: Columns of ``schema.SAMPLES``.
            crystals: Columns of ``schema.CRYSTALS``, in the order of ``samples``.
            maps: Map key -> (heads, queries, keys) array, stored as float16.
            maps_index: One dict a map: key, id (or position), module, call, direction.

        Raises:
            OSError: As the file system says; what was taken is kept and tried again by the next call.
            ValueError: When columns do not fit together.
        """
        ids = list(_values(samples["id"])) if samples else None
        names = self._names.take(ids) if ids is not None else []
        if samples and ids:
            table = plain_table({**samples, "id": names}, SAMPLES, len(ids))
            self._samples.append(table)
            self._held += table.nbytes
        if attention and len(attention["crystal"]):
            rows = attention_table(attention, ids, names, self._names)
            self._attention.append(rows)
            self._held += rows.nbytes
        if crystals and len(crystals["id"]):
            self._take_labels(crystals, ids, names)
        self._take_maps(maps or {}, maps_index, ids, names)
        self.n_crystals += len(names)
        self._waiting += len(names)
        if self._waiting >= self._group or self._held > self._ceiling:
            self.flush()

    def _take_labels(self, crystals: Mapping[str, Any], ids: list[Any] | None, names: list[str]) -> None:
        n = len(crystals["id"])
        own = names if ids is not None and n == len(ids) else [str(v) for v in _values(crystals["id"])]
        table = plain_table({**crystals, "id": own}, CRYSTALS, n)
        fresh = self._run.fresh_labels(own, table.column("tokens_hash").to_pylist())
        if fresh:
            self._crystals.append(table if len(fresh) == n else table.take(pa.array(fresh)))
            self._held += self._crystals[-1].nbytes

    def _take_maps(
        self,
        maps: Mapping[str, Any],
        index: Sequence[Mapping[str, Any]],
        ids: list[Any] | None,
        names: list[str],
    ) -> None:
        turns: dict[tuple[Any, ...], int] = {}
        for entry in index:
            crystal = entry["id"]
            if ids is not None and isinstance(crystal, (int, np.integer)) and isinstance(ids[0], str):
                name = names[int(crystal)]
            else:
                key = tuple(str(entry.get(k)) for k in ("id", "module", "call", "direction"))
                turn = turns[key] = turns.get(key, -1) + 1
                own = [n for i, n in zip(ids or (), names) if str(i) == str(crystal)]
                choices = own or self._names.known(str(crystal))
                name = choices[min(turn, len(choices) - 1)]
            array = np.ascontiguousarray(np.asarray(maps[entry["key"]]), np.float16)
            key_now = f"m{len(self._maps_index):06d}"
            self._maps[key_now] = array
            self._maps_index.append({**entry, "key": key_now, "id": name})
            self._held += array.nbytes

    def append_interventions(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Take rows of interventions, columns of ``schema.INTERVENTIONS``; they are written with the next group."""
        if len(columns["id"]):
            self._interventions.append(plain_table(columns, INTERVENTIONS, len(columns["id"])))
            self._held += self._interventions[-1].nbytes

    def flush(self) -> None:
        """Write what is buffered as one group: its files first, then the line in the journal that makes it count.

        Raises:
            OSError: As the file system says; the group stays buffered.
        """
        if not (self._attention or self._samples or self._crystals or self._interventions or self._maps):
            return
        self._open()
        entries = []
        for table, parts in (
            ("attention", self._attention),
            ("samples", self._samples),
            ("crystals", self._crystals),
            ("interventions", self._interventions),
        ):
            if parts:
                rows = pa.concat_tables(parts, promote_options="default").combine_chunks()
                parts[:] = [rows]  # a second try starts from what is joined already
                entries.append(self._write(table, "parquet", parquet_bytes(rows), rows))
        if self._maps:
            index = json.dumps(self._maps_index, ensure_ascii=False, default=str)
            entries.append(
                self._write("maps", "safetensors", save(self._maps, metadata={"index": index}), None)
            )
        self._run.group_written(self.window, entries)
        self._part += 1
        self._clear()

    def _write(self, table: str, ending: str, content: bytes, rows: pa.Table | None) -> Entry:
        path = f"{self._folder(table)}/{unique_name(self.window.window_id)}.{self._part:05d}.{ending}"
        write_bytes(self._run.path / path, content)
        return Entry(
            path,
            bytes=len(content),
            digest=digest_of(content),
            rows=rows.num_rows if rows is not None else None,
            schema=schema_mark(pq.ParquetFile(pa.BufferReader(content)).schema) if rows is not None else None,
            ranges=metric_ranges(rows) if rows is not None else {},
            window=self.window.window_id,
            checkpoint=self.window.checkpoint,
            rank=self._run.rank,
        )

    def _folder(self, table: str) -> str:
        if table == "crystals":
            return f"crystals/rank={self._run.rank}"
        return f"{table}/ckpt={unique_name(self.window.checkpoint)}/rank={self._run.rank}"

    def _open(self) -> None:
        if not self._opened:
            self._run.journal.append({"do": "open", "window": self.window, "rank": self._run.rank})
            self._opened = True

    def close(
        self,
        outcome: WindowOutcome,
        *,
        maps: Mapping[str, Any] | None = None,
        maps_index: Sequence[Mapping[str, Any]] = (),
    ) -> WindowOutcome:
        """Write what is left, then how the pass ended.

        Args:
            outcome: How it ended; whatever its state, the rows that were whole stay.
            maps, maps_index: As in ``append``.

        Returns:
            The outcome, with an alarm where ids repeated.

        Raises:
            OSError: As the file system says.
        """
        self.append(maps=maps, maps_index=maps_index)
        self.flush()
        if self.repeated:
            outcome = replace(outcome, alarms=(*outcome.alarms, _repeated_alarm(self.repeated)))
        self._run.write_outcome(outcome)
        return outcome

    def abandon(self) -> None:
        """Forget what is buffered: in a forked child, whose parent writes it."""
        self._clear()


def _repeated_alarm(ids: Sequence[str]) -> Alarm:
    return raised("repeated_ids", ids=list(ids[:20]), n=len(ids), first=ids[0], second=f"{ids[0]} (2)")


def _values(column: Any) -> Sequence[Any]:
    values: Sequence[Any] = column.to_pylist() if isinstance(column, (pa.Array, pa.ChunkedArray)) else column
    return values

"""Rows of one run, or of several that are shards of one test set: read, told apart, counted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crysmm_attn_plugin.errors import DamagedStoreError, StoreError
from crysmm_attn_plugin.records import WindowOutcome
from crysmm_attn_plugin.store.columns import Names
from crysmm_attn_plugin.store.files import safe_name, unique_name
from crysmm_attn_plugin.store.listing import Entry
from crysmm_attn_plugin.store.outcomes import looks
from crysmm_attn_plugin.store.schema import ATTENTION_KEYS
from crysmm_attn_plugin.store.whole import Files, Flaw

if TYPE_CHECKING:
    import pandas as pd

#: Numbers of one crystal from two processes agree within these: another batch, padding or device moves the last digits, and
#: half precision has two of them.
RTOL, ATOL = 1e-2, 1e-3
#: Which rows of which crystal: everything but the metrics.
ROW_KEYS = ("checkpoint", "crystal", "module", "call", "direction", "head", "with_special_tokens",
            "stopwords_removed", "weights")  # fmt: skip
_LABELS = ("formula", "n_atoms", "n_tokens", "tokens_hash")


@dataclass(frozen=True)
class Shard:
    """Files of one pass in one process.

    Attributes:
        files: Access to the run they belong to.
        outcome: How the pass ended, None where nothing says so.
        key: Different for every shard of a reading.
        entries: Table -> its files, in order.
    """

    files: Files
    outcome: WindowOutcome | None
    key: tuple[int, int, str]
    checkpoint: str
    entries: Mapping[str, Sequence[Entry]] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        return self.key[1]

    @property
    def split(self) -> str | None:
        return self.outcome.window.split if self.outcome else None

    @property
    def complete(self) -> bool:
        return self.outcome is not None and self.outcome.state == "complete"


def shards_of(files: Files, outcomes: Sequence[tuple[int, WindowOutcome]], number: int = 0) -> list[Shard]:
    """The passes of one run, mere looks left out: those that ended well first, then in order of time and rank."""
    known: dict[tuple[int, str], WindowOutcome] = {}
    passed_over = looks(outcomes)
    left_out: set[tuple[int, str]] = set()
    for rank, outcome in outcomes:
        for name in (safe_name, unique_name, str):
            place = (rank, name(outcome.window.window_id))
            known.setdefault(place, outcome)
            if (rank, outcome.window.window_id) in passed_over:
                left_out.add(place)
    grouped: dict[tuple[int, str, str], dict[str, list[Entry]]] = {}
    for path in sorted(files.listing.files):
        entry = files.listing.latest(path)
        if entry.table in ("attention", "samples") and (entry.rank, entry.window) not in left_out:
            tables = grouped.setdefault((entry.rank, entry.window, entry.checkpoint), {})
            tables.setdefault(entry.table, []).append(entry)
    shards = [
        Shard(files, known.get((rank, window)), (number, rank, window), checkpoint, tables)
        for (rank, window, checkpoint), tables in grouped.items()
    ]
    return sorted(shards, key=lambda s: (not s.complete, s.key[2], s.rank))


def read_table(files: Files, entry: Entry, columns: Sequence[str] | None = None) -> pa.Table:
    """A file's rows.

    Raises:
        DamagedStoreError: When the file is not what was written.
    """
    try:
        return files.table(entry, columns)
    except Flaw as flaw:
        raise DamagedStoreError(files.root, entry.path, str(flaw)) from None


class Rows:
    """The rows of some shards.

    Args:
        shards: In order of precedence.
        where: Names them in messages.
    """

    def __init__(self, shards: Sequence[Shard], where: Path | str) -> None:
        self.shards, self.where = list(shards), where
        self._dropped: dict[tuple[int, int, str], frozenset[str]] = {}
        self._marked: set[tuple[int, int, str]] = set()
        self.samples = self._samples()

    def dropped(self, shard: Shard) -> frozenset[str]:
        """Crystals of a shard that another shard stands for."""
        return self._dropped.get(shard.key, frozenset())

    def needs_marks(self, shard: Shard) -> bool:
        """True when ids repeat inside a shard, as versions wrote that did not mark them."""
        return shard.key in self._marked

    def _samples(self) -> pd.DataFrame:
        import pandas as pd

        frames = []
        for number, shard in enumerate(self.shards):
            parts = [read_table(shard.files, e).to_pandas() for e in shard.entries.get("samples", ())]
            if not parts:
                continue
            frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
            if frame["id"].duplicated().any():
                self._marked.add(shard.key)
                frame["id"] = Names().take(frame["id"])
            frame.insert(0, "checkpoint", shard.checkpoint)
            if shard.split is not None:
                frame["split"] = (
                    shard.split
                )  # what a loop was of may have become clear after its rows were written
            frame["rank"] = shard.rank
            frame["_shard"] = number
            frames.append(frame)
        if not frames:
            return pd.DataFrame()
        whole: pd.DataFrame = pd.concat(frames, ignore_index=True)
        keys = ["checkpoint", "split", "id"]
        again = whole.duplicated(keys)
        if again.any():
            self._compare_samples(whole, again, keys)
            repeated = whole[again]
            for place in repeated["_shard"].unique().tolist():
                ids = repeated.loc[repeated["_shard"] == place, "id"]
                self._dropped[self.shards[int(place)].key] = frozenset(map(str, ids))
            whole = whole[~again]
        return whole.drop(columns="_shard").reset_index(drop=True)

    def _compare_samples(self, frame: pd.DataFrame, again: pd.Series, keys: list[str]) -> None:
        pairs = frame[again].merge(frame[~again], on=keys, suffixes=("", "_kept"))
        comparable = np.array(
            [
                self.shards[a].complete == self.shards[b].complete
                for a, b in zip(pairs["_shard"], pairs["_shard_kept"])
            ],
            bool,
        )
        pairs = pairs[comparable]
        for name in _LABELS:
            one, other = pairs[name], pairs[f"{name}_kept"]
            self._refuse(pairs, (one != other) & ~(one.isna() & other.isna()), name)
        for name in ("target", "prediction"):
            a, b = pairs[name].to_numpy(float), pairs[f"{name}_kept"].to_numpy(float)
            self._refuse(pairs, ~np.isclose(a, b, rtol=RTOL, atol=ATOL, equal_nan=True), name)

    def _refuse(self, pairs: pd.DataFrame, differ: Any, name: str) -> None:
        differ = np.asarray(differ, bool)
        if not differ.any():
            return
        row = pairs[differ].iloc[0]
        a, b = self.shards[int(row["_shard_kept"])], self.shards[int(row["_shard"])]
        raise StoreError(
            f"crystal {row['id']!r} was captured twice with the same weights and has {name} {row[name + '_kept']} in "
            f"{_place(a)} but {row[name]} in {_place(b)} ({int(differ.sum())} such crystals); only one of them can be "
            "right: give one of the two."
        )

    def attention(self) -> pd.DataFrame:
        """Every row of the attention table, each crystal once for each checkpoint and split."""
        import pandas as pd

        kept, left = [], []
        for shard in self.shards:
            for entry in shard.entries.get("attention", ()):
                frame = read_table(shard.files, entry).to_pandas()
                frame.insert(0, "checkpoint", shard.checkpoint)
                frame["rank"] = shard.rank
                if self.needs_marks(shard):
                    frame["crystal"] = marked(frame)
                dropped = self.dropped(shard)
                if dropped:
                    out = frame["crystal"].isin(dropped)
                    if shard.complete:
                        left.append(frame[out])
                    frame = frame[~out]
                kept.append(frame)
        if not kept:
            return pd.DataFrame()
        whole: pd.DataFrame = pd.concat(kept, ignore_index=True)
        if left:
            self._compare_rows(whole, pd.concat(left, ignore_index=True))
        return whole

    def _compare_rows(self, kept: pd.DataFrame, left: pd.DataFrame) -> None:
        pairs = left.merge(kept, on=list(ROW_KEYS), suffixes=("", "_kept"))
        metrics = [c for c in left if c not in {*ATTENTION_KEYS.names, "checkpoint", "rank"}]
        for name in (m for m in metrics if f"{m}_kept" in pairs):
            a, b = pairs[name].to_numpy(float), pairs[f"{name}_kept"].to_numpy(float)
            refuse_different(self.where, pairs["crystal"], str(name), b, a)


def refuse_different(where: Path | str, ids: Any, name: str, kept: np.ndarray, other: np.ndarray) -> None:
    """Two captures of the same crystals with the same weights must agree.

    Raises:
        StoreError: When they do not; both numbers are in the message.
    """
    differ = np.flatnonzero(~np.isclose(kept, other, rtol=RTOL, atol=ATOL, equal_nan=True))
    if len(differ):
        i = int(differ[0])
        raise StoreError(
            f"{where}: crystal {list(ids)[i]!r} was captured twice with the same weights, {name} {kept[i]:g} and "
            f"{other[i]:g} ({len(differ)} such values); only one of them can be right: give one of the two."
        )


def marked(frame: pd.DataFrame) -> list[str]:
    """Crystal names of rows whose ids repeat inside a pass: the k-th row of the same key is of the k-th crystal."""
    turn = frame.groupby([k for k in ROW_KEYS if k in frame], sort=False, dropna=False).cumcount()
    return [c if k == 0 else f"{c} ({k + 1})" for c, k in zip(frame["crystal"], turn)]


def _place(shard: Shard) -> str:
    return f"{shard.files.root} (rank {shard.rank}, pass {shard.key[2]})"

"""Attention rows as they come from the files: which metrics and crystals there are, and decoded batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from crysmm_attn_plugin.errors import DamagedStoreError
from crysmm_attn_plugin.store.listing import Entry
from crysmm_attn_plugin.store.schema import ATTENTION_KEYS
from crysmm_attn_plugin.store.tables import Rows, Shard
from crysmm_attn_plugin.store.whole import BROKEN, Flaw

_CODED = ("crystal", "module", "direction", "weights")
#: Rows decoded at a time.
BATCH = 1 << 17


@contextmanager
def damage_named(shard: Shard, entry: Entry) -> Iterator[None]:
    """Whatever is wrong with a file while it is read names the file.

    Raises:
        DamagedStoreError: When it is not what was written.
    """
    try:
        yield
    except Flaw as flaw:
        raise DamagedStoreError(shard.files.root, entry.path, str(flaw)) from None
    except BROKEN as error:
        what = f"is not a readable table ({type(error).__name__})"
        raise DamagedStoreError(shard.files.root, entry.path, what) from error


def crystals_of(rows: Rows) -> dict[str, set[str]]:
    """Module -> ids of the crystals it has rows of; only those two columns are read."""
    found: dict[str, set[str]] = {}
    for shard in rows.shards:
        for entry in shard.entries.get("attention", ()):
            with damage_named(shard, entry):
                file = shard.files.parquet(entry, ("crystal", "module"))
                table = file.read(columns=["crystal", "module"], use_threads=False).unify_dictionaries()
            for batch in table.to_batches():
                module, crystal = batch.column("module"), batch.column("crystal")
                codes = module.indices.to_numpy(zero_copy_only=False)
                ids = crystal.dictionary.to_numpy(zero_copy_only=False)
                for code in np.unique(codes):
                    there = np.bincount(crystal.indices.filter(pa.array(codes == code)), minlength=len(ids))
                    found.setdefault(module.dictionary[int(code)].as_py() or "", set()).update(ids[there > 0])
    for shard in rows.shards:
        if rows.needs_marks(shard):  # repeats of one id have rows wherever the id has
            marked_ids = set(rows.samples["id"])
            for ids in found.values():
                ids |= {i for i in marked_ids if i.rpartition(" (")[0] in ids}
    return found


def metric_names(work: Sequence[tuple[Shard, Entry]]) -> list[str]:
    """Metric columns of some files, in order of first appearance."""
    names: dict[str, None] = {}
    for shard, entry in work:
        with damage_named(shard, entry):
            names.update(dict.fromkeys(shard.files.parquet(entry).schema_arrow.names))
    return [n for n in names if n not in ATTENTION_KEYS.names]


def batches(
    rows: Rows, work: Sequence[tuple[Shard, Entry]], metrics: Sequence[str], ahead: ThreadPoolExecutor
) -> Iterator[tuple[Shard, pa.RecordBatch]]:
    """Decoded rows, the next batch being decoded while one is used."""

    def decoded() -> Iterator[tuple[Shard, pa.RecordBatch]]:
        for shard, entry in work:
            with damage_named(shard, entry):
                file = shard.files.parquet(entry, _CODED)
                there = set(file.schema_arrow.names)
                columns = [c for c in (*ATTENTION_KEYS.names, *metrics) if c in there]
                # repeats within a pass are told apart by their turn in the whole file
                size = file.metadata.num_rows if rows.needs_marks(shard) else BATCH
                for batch in file.iter_batches(batch_size=max(size, 1), columns=columns, use_threads=False):
                    yield shard, batch

    source = decoded()

    def asked() -> Callable[[], tuple[Shard, pa.RecordBatch] | None]:
        try:
            return ahead.submit(next, source, None).result
        except (
            RuntimeError
        ):  # a report at the end of a host's process: the interpreter starts no thread any more
            return lambda: next(source, None)

    coming = asked()
    while (found := coming()) is not None:
        coming = asked()
        yield found

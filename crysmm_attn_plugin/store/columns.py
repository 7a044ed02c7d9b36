"""Columns as capture has them turned into Arrow tables, and ids that repeat within a pass kept apart."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from crysmm_attn_plugin.records import BatchIdentity
from crysmm_attn_plugin.store.schema import ATTENTION_KEYS, CRYSTALS, METRIC

Columns = Mapping[str, Any]


class Names:
    """Ids of one pass, each made unique: the second ``JVASP-1`` becomes ``JVASP-1 (2)``.

    Attributes:
        repeated: Ids that came more than once, in order of their first repeat.
    """

    def __init__(self) -> None:
        self._given: dict[str, int] = {}
        self._again: dict[str, list[str]] = {}

    @property
    def repeated(self) -> tuple[str, ...]:
        return tuple(self._again)

    def take(self, ids: Iterable[Any]) -> list[str]:
        """Unique names of the next crystals, in order."""
        names = []
        for value in ids:
            name = original = _text(value)
            if name in self._given:
                again = self._again.setdefault(original, [original])
                number = len(again) + 1
                while name in self._given:
                    name, number = f"{original} ({number})", number + 1
                again.append(name)
            self._given[name] = 1
            names.append(name)
        return names

    def known(self, original: str) -> Sequence[str]:
        """Every name under which an id was taken so far; the id itself where it never was."""
        return self._again.get(original, (original,))


def attention_table(
    columns: Columns, ids: Sequence[Any] | None, names: Sequence[str], known: Names
) -> pa.Table:
    """Rows of the attention table.

    Args:
        columns: Key columns of ``schema.ATTENTION_KEYS`` and metrics; a scalar stands for a constant column.
        ids: Ids of the crystals that came with these rows, None where rows came alone.
        names: Their unique names.
        known: Names of the pass.

    Raises:
        ValueError: When columns differ in length or a value does not fit its column.
    """
    crystal = columns["crystal"]
    n = len(crystal)
    arrays = [crystal_names(crystal, columns, ids, names, known)]
    for field in list(ATTENTION_KEYS)[1:]:
        array = _column(columns.get(field.name), n, field.type)
        arrays.append(_coded(array) if field.type == pa.string() else array)
    keys = ATTENTION_KEYS.names
    metrics = [name for name in columns if name not in keys]
    arrays += [_column(columns[name], n, METRIC) for name in metrics]
    return pa.table(arrays, names=[*keys, *metrics])


def crystal_names(
    crystal: Any, columns: Columns, ids: Sequence[Any] | None, names: Sequence[str], known: Names
) -> pa.Array:
    """Unique names of the crystals that rows are about; ``crystal`` holds ids or positions into ``ids``."""
    if not isinstance(crystal, (pa.Array, pa.ChunkedArray)):
        crystal = np.asarray(crystal)
        if crystal.dtype.kind in "iu" and ids is not None and isinstance(ids[0], str):
            return pa.DictionaryArray.from_arrays(pa.array(crystal, pa.int32()), pa.array(names, pa.string()))
        crystal = pa.array([_text(v) for v in crystal.tolist()], pa.string())
    elif isinstance(crystal, pa.ChunkedArray):
        crystal = crystal.combine_chunks()
    coded = _coded(crystal)
    originals = [_text(v) for v in coded.dictionary.to_pylist()]
    if ids is None:
        candidates = {o: known.known(o) for o in originals}
    else:
        candidates = {}
        for original, name in zip(map(_text, ids), names):
            candidates.setdefault(original, []).append(name)  # type: ignore[attr-defined]
    if all(len(candidates.get(o, (o,))) == 1 for o in originals):
        renamed = pa.array([candidates.get(o, (o,))[0] for o in originals], pa.string())
        return pa.DictionaryArray.from_arrays(coded.indices, renamed)
    return _coded(pa.array(_by_turn(coded, originals, columns, candidates), pa.string()))


_CODED = pa.dictionary(pa.int32(), pa.string())


def _coded(array: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        return array if array.type == _CODED else array.cast(_CODED)
    return array.cast(pa.string()).dictionary_encode()


def _by_turn(
    coded: pa.DictionaryArray,
    originals: Sequence[str],
    columns: Columns,
    candidates: Mapping[str, Sequence[str]],
) -> list[str]:
    """The k-th row with the same key belongs to the k-th crystal of that id."""
    import pandas as pd

    frame = pd.DataFrame({"crystal": coded.indices.to_numpy(zero_copy_only=False)})
    for name in ATTENTION_KEYS.names[1:8]:
        value = columns.get(name)
        frame[name] = (
            value if _is_scalar(value) else np.asarray(_column(value, len(frame), None).to_pylist(), object)
        )
    turn = frame.groupby(list(frame), sort=False, dropna=False).cumcount()
    found = []
    for code, k in zip(frame["crystal"], turn):
        choices = candidates.get(originals[code], (originals[code],))
        found.append(choices[min(int(k), len(choices) - 1)])
    return found


def plain_table(columns: Columns, schema: pa.Schema, n: int) -> pa.Table:
    """Columns of ``samples`` or ``crystals``; what is missing is null."""
    return pa.table([_column(columns.get(f.name), n, f.type) for f in schema], schema=schema)


def _column(value: Any, n: int, kind: pa.DataType | None) -> pa.Array:
    if isinstance(value, pa.ChunkedArray):
        value = value.combine_chunks()
    if isinstance(value, pa.Array):
        array = value if kind is None or value.type == kind else value.cast(kind)
    elif _is_scalar(value):
        return pa.repeat(pa.scalar(value, kind), n)
    elif kind == pa.string():
        array = pa.array([None if v is None else _text(v) for v in value], pa.string())
    elif kind is not None and pa.types.is_floating(kind):
        array = pa.array(np.asarray(value, kind.to_pandas_dtype()))
    else:
        array = pa.array(value, kind, from_pandas=True)
    if len(array) != n:
        raise ValueError(f"a column holds {len(array)} values where {n} rows are written")
    return array


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (str, bytes, bool, int, float, np.generic))


def _text(value: Any) -> str:
    """Any id as text that UTF-8 can hold."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a Parquet file with a checksum on every page, its key columns coded."""
    coded = [
        f.name for f in table.schema if not pa.types.is_floating(f.type) and not pa.types.is_list(f.type)
    ]
    out = io.BytesIO()
    pq.write_table(
        table,
        out,
        compression="zstd",
        use_dictionary=coded,
        write_page_checksum=True,
        store_schema=False,
    )
    return out.getvalue()


def metric_ranges(table: pa.Table) -> dict[str, tuple[float, float]]:
    """Smallest and largest finite value of every column of real numbers."""
    found = {}
    for name in table.column_names:
        if pa.types.is_floating(table.column(name).type):
            values = table.column(name).to_numpy()
            values = values[np.isfinite(values)]
            if len(values):
                found[name] = (float(values.min()), float(values.max()))
    return found


def crystal_columns(
    identity: BatchIdentity, formulas: Sequence[str], hashes: Sequence[str]
) -> dict[str, list[Any]]:
    """A batch's labels as columns of ``schema.CRYSTALS``; what is not known of a crystal is None."""
    columns: dict[str, list[Any]] = {name: [] for name in CRYSTALS.names}
    for i, crystal in enumerate(identity.ids):
        labels = identity.tokens[i] if identity.tokens else None
        structure = identity.structures[i] if identity.structures else None
        elements = identity.elements[i] if identity.elements else None
        columns["id"].append(crystal)
        columns["formula"].append(formulas[i])
        columns["elements"].append(list(elements) if elements is not None else None)
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

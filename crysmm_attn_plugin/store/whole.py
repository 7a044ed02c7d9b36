"""Bytes that are checked before anyone reads them: size, digest, place, and limits against files built to explode."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from safetensors import SafetensorError, safe_open

from crysmm_attn_plugin.store.files import digest_of, digest_of_file
from crysmm_attn_plugin.store.listing import Entry, Listing

#: A JSON record without a stated size is not read beyond this.
MOST_JSON = 2**26
#: A file of rows unpacks to at most so many times its own bytes, plus a start: constant columns pack well, bombs better.
MOST_UNPACKED, UNPACKED_START = 2000, 2**26
#: At most so many rows in one file whose row count nobody stated.
MOST_ROWS = 50_000_000

#: (path, bytes, time of change) -> digest of files that were read in this process.
_digests: dict[tuple[str, int, int], str] = {}


#: Everything a reader of foreign bytes may raise.
BROKEN: tuple[type[Exception], ...] = (
    pa.ArrowException, OSError, ValueError, KeyError, IndexError, TypeError, MemoryError, OverflowError, RecursionError, SafetensorError,
)  # fmt: skip


class Flaw(Exception):
    """What is wrong with one file, in words that follow its name."""


@dataclass(frozen=True)
class Damage:
    """A file of a run that is not what was written.

    Attributes:
        path: Relative to the run's folder.
        what: What is wrong, in words that follow the name.
    """

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path} {self.what}"


def schema_mark(schema: pq.ParquetSchema) -> str:
    """Fingerprint of a Parquet file's columns, their types and nesting, 16 hex digits."""
    columns = [schema.column(i) for i in range(len(schema))]
    text = "\n".join(
        f"{c.path}\t{c.physical_type}\t{c.converted_type}\t{c.max_definition_level}\t{c.max_repetition_level}"
        for c in columns
    )
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "replace"))


class Files:
    """Checked access to the files of one run.

    Args:
        root: The run's folder.
        listing: What it should hold.
    """

    def __init__(self, root: Path, listing: Listing) -> None:
        self.root, self.listing = root, listing
        self._real = os.path.realpath(root)

    def place(self, entry: Entry) -> Path:
        """The file's path, once it is known to be a file inside the run with the size that was written.

        Raises:
            Flaw: When it is not.
        """
        path = self.root / entry.path
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._real]) != self._real:
            raise Flaw("leads out of the run's folder")
        try:
            found = os.stat(real)
        except (OSError, ValueError):
            named = self.listing.sealed and entry.text is None  # a journal holds a record's text
            raise Flaw("is in the manifest but not on disk" if named else "is gone") from None
        if not stat.S_ISREG(found.st_mode):
            raise Flaw("is not a file")
        if entry.bytes is not None and found.st_size != entry.bytes:
            raise Flaw(
                f"has {found.st_size} bytes, the {'manifest' if self.listing.sealed else 'journal'} says {entry.bytes}"
            )
        return path

    def content(self, entry: Entry) -> bytes:
        """The file's bytes, their digest checked.

        Raises:
            Flaw: When they are not what was written.
        """
        path = self.place(entry)
        if entry.bytes is None and path.stat().st_size > MOST_JSON and entry.table not in ("attention",):
            raise Flaw(f"has more than {MOST_JSON:,} bytes")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Flaw(f"cannot be read ({error.strerror})") from error
        if entry.digest is not None and digest_of(content) != entry.digest:
            raise Flaw("is not what was written: its digest differs")
        return content

    def checked(self, entry: Entry, *, again: bool = False) -> Path:
        """The file's path after its digest was checked, once in a process unless ``again``.

        Raises:
            Flaw: When it is not what was written.
        """
        path = self.place(entry)
        if entry.digest is None:
            return path
        found = path.stat()
        key = (os.path.realpath(path), found.st_size, found.st_mtime_ns)
        try:
            if again or key not in _digests:
                _digests[key] = digest_of_file(path)
        except OSError as error:
            raise Flaw(f"cannot be read ({error.strerror})") from error
        if _digests[key] != entry.digest:
            raise Flaw("is not what was written: its digest differs")
        return path

    def record(self, path: str) -> dict[str, Any]:
        """A JSON record, old or new where it was being replaced.

        Raises:
            Flaw: When it is neither.
        """
        first: Flaw | None = None
        for entry in reversed(self.listing.files.get(path, [Entry(path)])):
            try:
                found = json.loads(self.content(entry))
                if isinstance(found, dict):
                    return found
                flaw = Flaw("is not a record")
            except Flaw as error:
                flaw = error
            except (ValueError, RecursionError) as error:
                flaw = Flaw(f"is not JSON ({type(error).__name__})")
            first = first or flaw
        raise first or Flaw("is gone")

    def parquet(self, entry: Entry, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
        """A table's file, opened within the limits its bytes and stated rows allow.

        Raises:
            Flaw: When it is not what was written, or unpacks to more than it can honestly hold.
        """
        path = self.checked(entry)
        try:
            file = pq.ParquetFile(
                path,
                read_dictionary=list(dictionaries),
                thrift_string_size_limit=2**27,
                thrift_container_size_limit=2**22,
            )
            meta = file.metadata
            groups = [meta.row_group(i) for i in range(meta.num_row_groups)]
            unpacked = sum(max(g.total_byte_size, 0) for g in groups)
            rows = sum(g.num_rows for g in groups)
        except BROKEN as error:
            raise Flaw(f"is not a readable table ({_short(error)})") from error
        size = path.stat().st_size
        if rows != meta.num_rows or (entry.rows is not None and rows != entry.rows):
            raise Flaw(
                f"holds {rows} rows, {entry.rows if entry.rows is not None else meta.num_rows} were said"
            )
        if rows > MOST_ROWS or unpacked > UNPACKED_START + MOST_UNPACKED * size:
            raise Flaw(f"would unpack to {rows:,} rows and {unpacked:,} bytes from {size:,}; it is not read")
        if entry.schema is not None and schema_mark(file.schema) != entry.schema:
            raise Flaw("has other columns than were written")
        return file

    def table(self, entry: Entry, columns: Sequence[str] | None = None) -> pa.Table:
        """A table's rows; texts are unpacked only once it is known how long they get.

        Raises:
            Flaw: As ``parquet``.
        """
        layout = self.parquet(entry).schema
        leaves = [layout.column(i) for i in range(len(layout))]
        file = self.parquet(entry, [c.path for c in leaves if c.physical_type == "BYTE_ARRAY"])
        size = os.path.getsize(self.root / entry.path)
        try:
            coded = file.read(columns=None if columns is None else list(columns), use_threads=False)
            length = sum(_text_length(chunk) for column in coded.columns for chunk in column.chunks)
            if length > UNPACKED_START + MOST_UNPACKED * size:
                raise Flaw(f"would unpack to {length:,} bytes of text from {size:,}; it is not read")
            return coded.cast(pa.schema([pa.field(f.name, _plain_type(f.type)) for f in coded.schema]))
        except BROKEN as error:
            raise Flaw(f"is not a readable table ({_short(error)})") from error

    def flaw(self, entries: Sequence[Entry], *, deep: bool) -> str:
        """What is wrong with a file that may be any of ``entries``, or nothing; ``deep`` reads and decodes it all."""
        entry = entries[-1]
        try:
            if entry.table in ("windows", "checkpoints", "run.json"):
                self.record(entry.path)
            elif not deep:
                self.place(entry)
            else:
                self.checked(entry, again=True)
                if entry.path.endswith(".parquet"):
                    self._decode(entry)
                elif entry.path.endswith(".safetensors"):
                    self._tensors(entry)
        except Flaw as flaw:
            return str(flaw)
        return ""

    def _decode(self, entry: Entry) -> None:
        found = self.table(entry)
        for name, (low, high) in entry.ranges.items():
            values = found.column(name).to_numpy(zero_copy_only=False) if name in found.column_names else []
            real = np.asarray(values, float)
            real = real[np.isfinite(real)]
            if not len(real) or (float(real.min()), float(real.max())) != (low, high):
                raise Flaw(f"holds values of {name} outside those written ({low:g} to {high:g})")

    def _tensors(self, entry: Entry) -> None:
        try:
            with safe_open(self.root / entry.path, framework="numpy") as handle:
                list(handle.keys())
        except BROKEN as error:
            raise Flaw(f"holds no readable maps ({_short(error)})") from error


def _text_length(array: pa.Array) -> int:
    """Bytes of an array's texts once each row holds its own."""
    if pa.types.is_list(array.type):
        return _text_length(array.flatten())
    if not pa.types.is_dictionary(array.type):
        return 0
    lengths = pc.binary_length(array.dictionary).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = array.indices.drop_null().to_numpy(zero_copy_only=False)
    return int(lengths @ np.bincount(codes, minlength=len(lengths))) if len(lengths) else 0


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

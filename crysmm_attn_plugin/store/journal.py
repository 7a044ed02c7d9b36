"""What each process has written, line by line, so that a run which never ended can still be checked byte by byte.

A line is JSON, a tab and a digest of the JSON; it is appended and fsynced. A group of rows is named after its files
stand complete (no line: the group does not count); a JSON record is named, with its text, before it is renamed into
place (so the old content and the new are both known).
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from crysmm_attn_plugin.store.files import fsync_folder, make_folder, plain, write_all

FOLDER = "journal"
#: No honest journal is longer; a longer file is not read.
MOST_BYTES = 2**29


class Journal:
    """One process's journal in a run folder; the file appears with the first line.

    Args:
        root: The run's folder.
        rank: This process's rank; part of the file's name.
    """

    def __init__(self, root: Path, rank: int) -> None:
        self._root, self._rank = root, rank
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._next = 0
        self._length = 0
        name = f"rank={self._rank}.{time.time_ns():020d}-{self._pid}-{uuid.uuid4().hex[:6]}.jsonl"
        self._path = self._root / FOLDER / name

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one line and wait until it is on the disk.

        Raises:
            OSError: As the file system says; the line does not count, and half of it is cut off again.
        """
        if os.getpid() != self._pid:  # a forked child writes a journal of its own
            self._start()
        if not self._next:
            make_folder(self._path.parent)
        content = b""
        lines = [record] if self._next else [{"do": "start", "rank": self._rank, "pid": self._pid}, record]
        for i, line in enumerate(lines):
            text = json.dumps(plain({"n": self._next + i, **line}), ensure_ascii=True, allow_nan=False)
            content += f"{text}\t{_mark(text.encode())}\n".encode()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            os.ftruncate(descriptor, self._length)  # a line that failed before may have left half of itself
            os.lseek(descriptor, self._length, os.SEEK_SET)
            try:
                write_all(descriptor, content)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, self._length)
                raise
        finally:
            os.close(descriptor)
        if not self._length:
            fsync_folder(self._path.parent)
        self._next += len(lines)
        self._length += len(content)


@dataclass(frozen=True)
class JournalRead:
    """One journal as found on disk.

    Attributes:
        path: Relative to the run folder, with ``/``.
        content: Its bytes.
        records: What its whole lines say, in order.
        damage: What is wrong with it, or empty.
        torn: True when the last line has no end, as a crash leaves it.
    """

    path: str
    content: bytes
    records: tuple[dict[str, Any], ...]
    damage: str = ""
    torn: bool = False


def read_journals(root: Path) -> Iterator[JournalRead]:
    """Every journal of a run, the earliest first; damage is said, never raised."""
    folder = root / FOLDER
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.jsonl"), key=lambda p: p.name.partition(".")[2]):
        if path.name.startswith("."):
            continue
        relative = f"{FOLDER}/{path.name}"
        if not path.is_file():
            yield JournalRead(relative, b"", (), "is not a file")
        elif path.stat().st_size > MOST_BYTES:
            yield JournalRead(relative, b"", (), f"has more than {MOST_BYTES:,} bytes, which no journal has")
        else:
            yield parse_journal(relative, path.read_bytes())


def parse_journal(path: str, content: bytes) -> JournalRead:
    """The whole lines of a journal's bytes; a missing, doubled or altered line is damage."""
    *lines, rest = content.split(b"\n")
    records: list[dict[str, Any]] = []
    damage = ""
    for number, line in enumerate(lines):
        text, _, mark = line.rpartition(b"\t")
        record = _record(text) if mark == _mark(text).encode() else None
        if record is None:
            damage = damage or f"line {number + 1} was altered"
            continue
        if record.get("n") != number:
            damage = damage or f"line {number + 1} is not the one that was written there"
        records.append(record)
    return JournalRead(path, content, tuple(records), damage, torn=bool(rest))


def _record(text: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _mark(text: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(text)

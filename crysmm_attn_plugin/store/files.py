"""Files written so that a crash leaves the old content or the new, never half of either."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import xxhash

_UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")
_written = count()
#: Ending of files in the making; a process that was killed may leave one, and nothing reads it.
TEMPORARY = ".tmp"
_CHUNK = 2**22


def safe_name(text: str) -> str:
    """``text`` as one path component: no separators, never empty, never ``.`` or ``..``."""
    name = _UNSAFE.sub("_", text).strip(".") or "_"
    return name[:120]


def unique_name(text: str) -> str:
    """As ``safe_name``, and different for different texts: what had to be changed gets a mark of the original."""
    name = safe_name(text)
    return (
        name if name == text else f"{name[:100]}~{xxhash.xxh3_64_hexdigest(text.encode('utf-8', 'replace'))}"
    )


def digest_of(content: bytes | memoryview) -> str:
    """Digest of bytes, ``xxh3:`` and 32 hex digits: finds damage, is no proof against forgery."""
    return f"xxh3:{xxhash.xxh3_128_hexdigest(content)}"


def digest_of_file(path: str | os.PathLike[str]) -> str:
    """Digest of a file's bytes, read in pieces."""
    running = xxhash.xxh3_128()
    with open(path, "rb") as handle:
        while piece := handle.read(_CHUNK):
            running.update(piece)
    return f"xxh3:{running.hexdigest()}"


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> Path:
    """Write ``content`` to a temporary file beside ``path``, fsync it, rename it into place, fsync the folder.

    Raises:
        OSError: As the file system says; ``path`` is as it was and the temporary file is gone.
    """
    final = Path(path)
    make_folder(final.parent)
    temporary = _beside(final)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, final)
        fsync_folder(final.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return final


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """``os.write`` until nothing is left (one call may write less than it was given)."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def write_atomic(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a temporary file beside ``path``, fsync it, rename it into place.

    Args:
        path: Final path; parent folders are made.
        write: Called with the temporary path.

    Raises:
        OSError: As the file system says; the temporary file is removed.
    """
    final = Path(path)
    make_folder(final.parent)
    temporary = _beside(final)
    try:
        write(temporary)
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, final)
        fsync_folder(final.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return final


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name[:180]}.{os.getpid()}-{next(_written)}{TEMPORARY}")


def json_bytes(value: Any) -> bytes:
    """``value`` as indented UTF-8 JSON; NaN and infinity become null, lone surrogates are replaced."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "replace")


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """``value`` as indented UTF-8 JSON, atomically; NaN and infinity become null."""
    return write_bytes(path, json_bytes(value))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return str(value)


plain = _plain


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents; a new folder's entry reaches the disk too."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable, where the system can (POSIX, and not every network file system)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)

"""Folders that are whole or absent, and never take an edited file's place."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.store.files import digest_of_file, fsync_folder, write_json

#: Name -> digest of what was written, so that an edit can be told later.
RECORD = ".written.json"
#: Files that people edit: of a folder without a record, these are kept beside the new ones.
_PROSE = (".md", ".tex", ".docx")


@dataclass(frozen=True)
class WrittenFolder:
    """What writing a folder did.

    Attributes:
        path: The folder.
        kept: (edited file, new version beside it) names inside the folder.
    """

    path: Path
    kept: tuple[tuple[str, str], ...] = ()


def write_folder_atomic(
    target: str | os.PathLike[str],
    fill: Callable[[Path], object],
    *,
    marker: str = "result.json",
    names: Collection[str] = (),
) -> WrittenFolder:
    """Let ``fill`` fill an empty folder beside ``target``, then put it in its place in one step.

    A file in ``target`` that is not as it was written stays, and the new version goes beside it as ``name.new.ext``. Where
    files of other origin lie in ``target``, its own files are replaced one by one instead, ``marker`` first taken away and
    put back last: without it the folder is no report.

    Args:
        target: The folder.
        fill: Called with the empty folder.
        marker: A file that every such folder holds; a program's own, so an edited one makes room for the new.
        names: Patterns of names that may lie in such a folder, for folders written before digests were recorded.

    Returns:
        The folder and what was kept.

    Raises:
        UsageError: When ``target`` is a file.
        OSError: As the file system says; ``target`` is as it was.
    """
    final = Path(target).absolute()
    if final.exists() and not final.is_dir():
        raise UsageError(f"{final} is a file; name a folder.")
    final.parent.mkdir(parents=True, exist_ok=True)
    _finish_interrupted(final, marker)
    stage = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    try:
        fill(stage)
        stage.chmod(0o755)
        made = {name: digest_of_file(stage / name) for name in _files(stage)}
        kept = _keep_edits(final, stage, marker, made) if final.is_dir() else ()
        write_json(stage / RECORD, {"files": dict(sorted(made.items()))})
        for name in _files(stage):
            _sync(stage / name)
        _place(stage, final, marker, names)
        fsync_folder(final.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return WrittenFolder(final, kept)


def _files(folder: Path) -> list[str]:
    found = (p for p in folder.rglob("*") if p.is_file() or p.is_symlink())
    return sorted(p.relative_to(folder).as_posix() for p in found if p.name != RECORD)


def _recorded(folder: Path) -> dict[str, str] | None:
    """What was written into a folder, None where nobody recorded it."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {str(k): str(v) for k, v in record.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _keep_edits(final: Path, stage: Path, marker: str, made: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Copy edited files into ``stage`` under their own names; new versions of them move beside."""
    recorded = _recorded(final)
    kept = []
    for name in _files(final):
        path = final / name
        if path.is_symlink():
            continue
        now = digest_of_file(path)
        if recorded is None:
            if path.suffix not in _PROSE or name not in made or made[name] == now:
                continue
        elif recorded.get(name) in (None, now):
            continue
        new = stage / name
        if name == marker:
            beside = _free(stage, final, name, "edited", recorded or {})
            shutil.copy2(path, stage / beside)
            kept.append((beside, name))
        elif name in made:
            beside = _free(stage, final, name, "new", recorded or {})
            os.replace(new, stage / beside)
            shutil.copy2(path, new)
            made[beside] = made[name]
            kept.append((name, beside))
        else:  # not made anew this time
            new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, new)
            made[name] = (recorded or {})[name]
    return tuple(kept)


def _free(stage: Path, final: Path, name: str, mark: str, recorded: dict[str, str]) -> str:
    """``name.mark.ext``, numbered where somebody's file has that name."""
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if dot else (name, "")
    number = 1
    while True:
        candidate = f"{stem}.{mark}{number if number > 1 else ''}{ending}"
        old = final / candidate
        mine = not old.exists() or recorded.get(candidate) == digest_of_file(old)
        if mine and not (stage / candidate).exists():
            return candidate
        number += 1


def _place(stage: Path, final: Path, marker: str, names: Collection[str]) -> None:
    if not final.exists():
        os.replace(stage, final)
        return
    ours = {*_files(stage), *(_recorded(final) or {}), RECORD}
    top = {n.partition("/")[0] for n in ours}
    foreign = [n for n in _files(final) if n not in ours]
    if (final / marker).exists() and _recorded(final) is None:
        first = {n: n.partition("/")[0] for n in foreign}
        foreign = [
            n for n in foreign if first[n] not in top and not any(fnmatchcase(first[n], p) for p in names)
        ]
    if foreign or not (final / marker).exists() or _is_used(final):
        _replace_files(stage, final, marker)
    elif not _exchange(stage, final):
        old = Path(tempfile.mkdtemp(prefix=f".{final.name}.old.", dir=final.parent))
        os.replace(final, old / "report")
        os.replace(stage, final)
        shutil.rmtree(old, ignore_errors=True)


def _is_used(folder: Path) -> bool:
    """True when this process works inside the folder: it must not be moved away under it."""
    try:
        return Path.cwd().is_relative_to(folder)
    except OSError:
        return True


def _replace_files(stage: Path, final: Path, marker: str) -> None:
    (final / marker).unlink(missing_ok=True)
    fsync_folder(final)
    for name in (_recorded(final) or {}).keys() - set(_files(stage)):
        (final / name).unlink(missing_ok=True)
    for name in sorted([*_files(stage), RECORD], key=lambda n: n == marker):
        place = final / name
        if place.is_dir() and not place.is_symlink():
            raise UsageError(f"{place} is a folder where the report has a file; move it away.")
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(stage / name, place)
    fsync_folder(final)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step where the system can (Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2
    return bool(rename(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0)


def _finish_interrupted(final: Path, marker: str) -> None:
    """Put back what a crash between two renames left beside its place."""
    if final.exists():
        return
    for old in sorted(final.parent.glob(f".{glob_safe(final.name)}.old.*")):
        if (old / "report" / marker).exists():
            os.replace(old / "report", final)
            shutil.rmtree(old, ignore_errors=True)
            return


def glob_safe(name: str) -> str:
    """A name as a pattern that matches it alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _sync(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

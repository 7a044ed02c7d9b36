"""Fuzzed: what reads a run from disk, and what stands where a checkpoint should."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crysmm_attn_plugin.errors import AttnError, UsageError
from crysmm_attn_plugin.hooks.checkpoint_files import (
    find_state_dict,
    fitted,
    load_checkpoint,
    role_of,
    what_else,
)
from crysmm_attn_plugin.store import whole
from crysmm_attn_plugin.store.files import digest_of
from crysmm_attn_plugin.store.journal import _mark, parse_journal
from crysmm_attn_plugin.store.listing import Listing, is_inside, read_listing
from crysmm_attn_plugin.store.manifest import MANIFEST, manifest_bytes
from crysmm_attn_plugin.store.reader import Run

from .draw import Draw
from .words import FOLDER

#: Events of the interpreter that no reading of a checkpoint may cause.
_FORBIDDEN = frozenset(("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect", "os.remove", "os.rmdir",
                        "shutil.rmtree"))  # fmt: skip
_watch: list[str] = []
_watching = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in _FORBIDDEN:
        _watch.append(event)


sys.addaudithook(_audit)


@cache
def _honest() -> dict[str, bytes]:
    """A small run's files: path -> bytes."""
    import tests.store_kit as kit
    from benchmarks.store_damage import recut

    run = kit.write_run(FOLDER / "honest", "full", kit.from_entropy(np.linspace(2, 3, 4)), heads=1)
    path = recut(run, FOLDER / "cut", sealed=True, group=2)
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


_HERE = FOLDER / "full" / "run"
_there: dict[str, bytes] = {}


def _lay(files: dict[str, bytes]) -> Path:
    """Make the folder hold exactly ``files``; only what differs from the last time is written."""
    altered = [p for p in {**_there, **files} if _there.get(p) != files.get(p)]
    for path in [p for p in _there if p not in files]:
        (_HERE / path).unlink(missing_ok=True)
        del _there[path]
    for path, content in files.items():
        if _there.get(path) != content:
            target = _HERE / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            _there[path] = content
    # files of one size may change within the clock's step, so none that was replaced counts as read
    changed = {os.path.realpath(_HERE / path) for path in altered}
    for key in [k for k in whole._digests if k[0] in changed]:
        del whole._digests[key]
    return _HERE


#: First folder of a file -> what of a reading comes from it.
_PARTS = ("samples", "attention", "crystals", "maps")


def _records_of(run: Run) -> list[Any]:
    return [run.state, run.reason, run.windows, run.checkpoints, run.alarms, run.n_files, run.n_bytes]


def _part_of(run: Run, name: str) -> Any:
    if name == "maps":
        return [
            run.maps(m.id, checkpoint=m.entry.checkpoint, direction=m.direction, module=m.module, call=m.call).weights.tolist()
            for m in run._maps
        ]  # fmt: skip
    return getattr(run, name).to_json()


def _ask(path: Path, parts: Sequence[str] = _PARTS, **how: Any) -> list[Any] | None:
    """What a reader is told, table by table; None when it is refused."""
    try:
        run = Run(path, **how)
        return [_records_of(run), *[(name, _part_of(run, name)) for name in parts]]
    except AttnError:
        return None


def _first(victim: str) -> list[str]:
    """The parts of a reading, those that a file has to do with first: what is refused is refused soon."""
    return sorted(_PARTS, key=lambda name: name != victim.partition("/")[0])


@cache
def _before() -> list[Any]:
    found = _ask(_lay(dict(_honest())))
    assert found is not None
    return found


def _patched(draw: Draw, content: bytes) -> bytes:
    """``content`` with a few bytes replaced, cut out or put in."""
    changed = bytearray(content)
    for _ in range(draw.whole(3) + 1):
        at = draw.whole(max(len(changed) - 1, 0)) if changed else 0
        kind, piece = draw.whole(3), draw.take(draw.whole(7) + 1)
        if kind == 0:
            changed[at : at + len(piece)] = piece
        elif kind == 1:
            changed[at:at] = piece
        elif kind == 2:
            del changed[at : at + draw.whole(255) + 1]
        else:
            other = draw.whole(max(len(changed) - 1, 0)) if changed else 0
            changed[at:at] = changed[other : other + draw.whole(63) + 1]
    return bytes(changed)


def damaged_run(content: bytes) -> None:
    """A file of a run altered anyhow: told, or read exactly as it was written."""
    draw = Draw(content)
    before, files = _before(), dict(_honest())
    victim = draw.one(sorted(files))
    rest = draw.whole(15) == 0
    files[victim] = _patched(draw, files[victim])
    path = _lay(files)
    now = _ask(path, _first(victim))
    if now is not None:
        told = [now[0], *sorted(now[1:], key=lambda part: _PARTS.index(part[0]))]
        assert told == before, f"{victim} altered and read without a word"
    if rest:
        _ask(path, damaged="skip")


def forged_run(content: bytes) -> None:
    """A file altered and signed anew by somebody who knows how: an error of ours or data, never a traceback."""
    draw = Draw(content)
    _before()
    files = dict(_honest())
    manifest = json.loads(files[MANIFEST])
    victim = draw.one(sorted(p for p in files if not p.startswith("journal/") and p != MANIFEST))
    rest = draw.whole(15) == 0
    files[victim] = _patched(draw, files[victim])
    for entry in manifest["files"]:
        if entry["path"] == victim:
            entry["bytes"], entry["digest"] = len(files[victim]), digest_of(files[victim])
            for name in ("rows", "schema", "ranges"):
                if draw.flag():
                    entry.pop(name, None)
    path = _signed(files, manifest)
    _ask(path, _PARTS if rest else _first(victim)[:1])
    if rest:
        _ask(path, damaged="skip")


def _signed(files: dict[str, bytes], manifest: dict[str, Any]) -> Path:
    unsigned = {k: v for k, v in manifest.items() if k not in ("schema_version", "digest")}
    return _lay({**files, MANIFEST: manifest_bytes(unsigned)})


def forged_manifest(content: bytes) -> None:
    """A manifest with a few of its values replaced by others, signed anew."""
    draw = Draw(content)
    _before()
    manifest = json.loads(_honest()[MANIFEST])
    for _ in range(draw.whole(3) + 1):
        _replace_one(draw, manifest)
    rest = draw.whole(15) == 0
    path = _signed(dict(_honest()), manifest)
    listing = read_listing(path)
    assert all(is_inside(p) for p in listing.files)
    _ask(path, _PARTS if rest else draw.one(((), (), (), ("samples",), ("maps",))))
    if rest:
        _ask(path, damaged="skip", allow_partial=True)


def _replace_one(draw: Draw, record: Any) -> None:
    for _ in range(6):
        keys = list(record) if isinstance(record, dict) else list(range(len(record)))
        if not keys:
            return
        key = draw.one(keys)
        if isinstance(record[key], (dict, list)) and draw.whole(3):
            record = record[key]
            continue
        kind = draw.whole(7)
        if kind == 0 and isinstance(record, dict):
            del record[key]
        else:
            record[key] = (
                None, draw.whole(2**33) - 5, draw.text(12), [], {}, True, [[draw.text(4)]], draw.one((
                    "../../etc/passwd", "/etc/passwd", "attention/../../x", "attention/a\\b", "maps", "run.json", "journal/a"))
            )[kind]  # fmt: skip
        return


def journal(content: bytes) -> None:
    """Lines of a journal: kept only when whole; what they say never leads outside and never ends in a traceback."""
    draw = Draw(content)
    if draw.flag():
        read = parse_journal("journal/x", draw.rest())
    else:
        lines = b""
        for n in range(draw.whole(5) + 1):
            record = {"n": n, "do": draw.one(("json", "open", "group", "adopt", "drop", "start", "x"))}
            record.update({draw.one(("path", "files", "window", "paths", "text", "bytes", "rank", "digest")): draw.one(
                ([], {}, None, "windows/w.json", "../x", -1, [{"path": "attention/x.parquet", "bytes": 3}], {"window_id": "w"},
                 draw.text(9), 2**70, '{"window": {"window_id": "w"}}'))
                for _ in range(draw.whole(5))})  # fmt: skip
            text = json.dumps(record).encode()
            lines += text + b"\t" + _mark(text).encode() + b"\n"
        read = parse_journal("journal/x", lines)
        assert not read.torn
    listing = Listing()
    for record in read.records:
        try:
            listing.apply(record)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    assert all(is_inside(p) for p in listing.files)


@cache
def _checkpoints() -> tuple[bytes, ...]:
    import io
    import pickle

    found = []
    weights = {"layer.weight": torch.ones(2, 2), "layer.bias": torch.zeros(2)}
    for value in (weights, {"model": weights, "epoch": 3, "optimizer": {"lr": 0.1}}):
        for new in (True, False):
            buffer = io.BytesIO()
            torch.save(value, buffer, _use_new_zipfile_serialization=new)
            found.append(buffer.getvalue())
    found.append(pickle.dumps({"model": [1, 2]}, protocol=2))
    found.append(b"cos\nsystem\n(S'true'\ntR.")
    found.append(b"\x80\x02cbuiltins\nexec\nX\x01\x00\x00\x001\x85R.")
    found += [
        b"<!doctype html>",
        b"version https://git-lfs.github.com/spec/v1\noid",
        b"",
        b"PK\x05\x06" + bytes(18),
    ]
    return tuple(found)


def checkpoint(content: bytes) -> None:
    """Any bytes as a checkpoint: loaded as tensors and plain containers, or one sentence; no code of it runs."""
    global _watching
    draw = Draw(content)
    stored = _patched(draw, draw.one(_checkpoints())) if draw.whole(3) else draw.rest()
    path = FOLDER / draw.one(("best_val_model.pt", "checkpoint_3.pt", "x.pt"))
    path.write_bytes(stored)
    _watch.clear()
    told = path.name
    _watching = True
    try:
        what_else(path)
        role_of(path)
        with warnings.catch_warnings(action="ignore"):  # torch's word on odd pickle protocols
            found = load_checkpoint(path)
    except UsageError as error:
        found, told = None, str(error)
    finally:
        _watching = False
    assert path.name in told, "what is refused is named"
    assert not _watch, f"reading a checkpoint did {_watch}"
    for average in (False, True):
        state = find_state_dict(found, average=average)
        if state is not None and all(isinstance(k, str) for k in state):
            fitted(state, {"layer.weight": 0})

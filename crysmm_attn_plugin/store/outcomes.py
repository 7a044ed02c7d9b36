"""Records of passes and checkpoints, read from their files or, after a crash, from the journal."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import DamagedStoreError, NothingCapturedError, UsageError
from crysmm_attn_plugin.records import LEFT_EARLY, Alarm, Checkpoint, Window, WindowOutcome
from crysmm_attn_plugin.store.whole import Files, Flaw

#: Which checkpoint of a run stands for it, first found wins.
ROLE_ORDER = ("best_val", "best", "last", "best_test")
DIED = "the process ended inside this pass"


def read(files: Files) -> tuple[tuple[int, WindowOutcome], ...]:
    """(rank, outcome) of every pass of a run, in order; one that was begun and not ended is partial.

    Raises:
        DamagedStoreError: When a record is not what was written.
    """
    found = []
    for name, record in _records(files, "windows/"):
        try:
            found.append((int(record.get("rank", 0)), outcome_of(record)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unusable(files, name, error) from error
    for window in files.listing.open.values():
        try:
            opened = Window(**_known(Window, window))
            rows = [files.listing.latest(p) for p in files.listing.files if p.startswith("samples/")]
            n = sum(e.rows or 0 for e in rows if e.window == opened.window_id)
            rank = int(window.get("rank", 0))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unusable(files, "journal", error) from error
        found.append((rank, WindowOutcome(opened, "partial", DIED, n_crystals=n)))
    return tuple(sorted(found, key=lambda x: (str(x[1].window.window_id), x[0])))


def looks(outcomes: Iterable[tuple[int, WindowOutcome]]) -> frozenset[tuple[int, str]]:
    """(rank, id) of passes that were only a look: the host left the loop, and a whole pass saw the same split and weights.

    A host may try a few batches before its test, or draw some after it. Nothing is missing then, and nothing of the look
    is read.
    """
    every = list(outcomes)

    def of(rank: int, outcome: WindowOutcome) -> tuple[int, str, str]:
        return rank, outcome.window.split, outcome.window.checkpoint

    whole = {of(rank, o): o.n_crystals for rank, o in every if o.state == "complete"}
    return frozenset(
        (rank, o.window.window_id)
        for rank, o in every
        if o.state == "partial" and o.reason == LEFT_EARLY and whole.get(of(rank, o), -1) >= o.n_crystals
    )


def outcome_of(record: Mapping[str, Any]) -> WindowOutcome:
    """A window's record as an outcome; fields of later versions are passed over.

    Raises:
        KeyError, TypeError, ValueError: When it is no such record.
    """
    values = _known(WindowOutcome, record)
    values["window"] = Window(**_known(Window, record["window"]))
    values["alarms"] = tuple(Alarm(**_known(Alarm, a)) for a in record.get("alarms") or ())
    outcome = WindowOutcome(**values)
    if not isinstance(outcome.window.window_id, str) or not isinstance(outcome.window.checkpoint, str):
        raise ValueError("window and checkpoint are no texts")
    if not isinstance(outcome.state, str) or type(outcome.n_crystals) is not int:
        raise ValueError("state or number of crystals has a wrong type")
    return outcome


def checkpoints(files: Files) -> list[Checkpoint]:
    """Checkpoints as recorded, in order of their files.

    Raises:
        DamagedStoreError: When a record is not what was written.
    """
    found = []
    for name, record in _records(files, "checkpoints/"):
        try:
            values = _known(Checkpoint, record)
            values["files"] = tuple(str(f) for f in record.get("files") or ())
            values["untrained"] = tuple(record.get("untrained") or ())
            checkpoint = Checkpoint(**values)
            if not isinstance(checkpoint.digest, str) or not isinstance(checkpoint.role, str):
                raise ValueError("digest or role is no text")
            if not isinstance(checkpoint.epoch, (int, type(None))):
                raise ValueError(f"epoch is {checkpoint.epoch!r}")
            found.append(checkpoint)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unusable(files, name, error) from error
    return found


#: Splits of loops that nobody named.
_UNNAMED = re.compile(r"loop_\d+")


def choose(
    path: Path, windows: Sequence[WindowOutcome], seen: Sequence[Checkpoint], which: str, split: str
) -> Checkpoint:
    """The checkpoint that stands for a run; see ``Run.checkpoint``.

    Raises:
        UsageError: When none matches.
        NothingCapturedError: When no checkpoint was captured on that split.
    """
    captured = [
        o.window for o in windows if o.window.split == split and o.state == "complete" and o.n_crystals
    ]
    digests = {w.checkpoint for w in captured}
    known = {c.digest: c for c in seen}
    candidates = [known.get(d, Checkpoint(d)) for d in sorted(digests)]
    if not candidates:
        splits = sorted({o.window.split for o in windows}) or ["none"]
        loops = {o.window.split: o.n_crystals for o in windows if _UNNAMED.fullmatch(o.window.split)}
        if loops:
            seen_loops = ", ".join(f"{name} ({n} crystals)" for name, n in sorted(loops.items()))
            raise UsageError(
                f"run {path} holds no pass that is known to be of the split {split!r}: nobody named its loops, {seen_loops}; "
                f"say which one with --split {max(loops)}, or capture again with --loader."
            )
        raise NothingCapturedError(
            f"run {path} holds no complete pass over split {split!r}; captured: {', '.join(splits)}."
        )
    if which == "auto":
        for role in ROLE_ORDER:
            for candidate in candidates:
                if role in candidate.role.split("+"):
                    return candidate
        return known.get(captured[-1].checkpoint, Checkpoint(captured[-1].checkpoint))
    for candidate in candidates:
        names = {Path(f).name for f in candidate.files} | {Path(f).stem for f in candidate.files}
        if which in candidate.role.split("+") or which in names or candidate.digest.startswith(which):
            return candidate
    have = ", ".join(f"{c.role or '?'} ({c.digest[:8]})" for c in candidates)
    raise UsageError(f"run {path} has no captured checkpoint {which!r}; it has: {have}.")


def _known(kind: type, record: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(kind)}
    return {k: v for k, v in record.items() if k in names}


def _records(files: Files, folder: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name in sorted(p for p in files.listing.files if p.startswith(folder)):
        try:
            found.append((name, files.record(name)))
        except Flaw as flaw:
            raise DamagedStoreError(files.root, name, str(flaw)) from None
    return found


def _unusable(files: Files, name: str, error: Exception) -> DamagedStoreError:
    return DamagedStoreError(files.root, name, f"is no such record ({type(error).__name__}: {error})")

"""The end of a run: everything its journals name becomes one signed manifest."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crysmm_attn_plugin.store.columns import metric_ranges
from crysmm_attn_plugin.store.files import digest_of, digest_of_file
from crysmm_attn_plugin.store.listing import Entry, Listing, read_listing, unlisted
from crysmm_attn_plugin.store.manifest import write_manifest
from crysmm_attn_plugin.store.outcomes import looks, outcome_of
from crysmm_attn_plugin.store.whole import BROKEN, Files, Flaw, schema_mark


def seal(run_dir: str | os.PathLike[str], *, state: str = "complete", reason: str = "") -> Path:
    """Write ``manifest.json`` over everything in a run folder; call it once, last.

    Args:
        run_dir: The run's folder.
        state: ``complete`` or ``partial``; ``complete`` becomes ``partial`` when a window is not complete.
        reason: Why it is partial.

    Returns:
        The manifest's path.
    """
    root = Path(run_dir)
    listing = read_listing(root)
    if not listing.journals and not listing.sealed:  # written by other hands: taken as it lies there
        listing.files = {e.path: [e] for e in unlisted(root, set())}
    pending = _leave_pending(root, listing)
    reasons = [reason] if reason else []
    reasons += [f"{path} {what}" for path, what in listing.damage.items()]
    entries = [_settled(root, listing, path, reasons) for path in sorted(listing.files)]
    reasons += window_reasons(Files(root, listing), but=pending)
    if reasons:
        state = "partial"
    return write_manifest(root, manifest_content(listing, entries, state, reasons))


def _leave_pending(root: Path, listing: Listing) -> set[str]:
    """Leave to the journals what another process is writing at this moment; returns the paths of those records.

    A record is named in its process's journal before it is renamed into place, so only the last line of a journal can
    speak of one that does not stand yet. Such a line is not sealed: it counts like every line that is added later.
    """
    files, pending = Files(root, listing), set()
    for number, journal in enumerate(listing.journals):
        last = journal.records[-1] if journal.records else {}
        path = last.get("path")
        if last.get("do") != "json" or journal.damage or path not in listing.files:
            continue
        newest = listing.latest(path)
        if newest.digest != last.get("digest"):
            continue
        try:
            files.content(newest)
        except Flaw:
            start = journal.content.rindex(b"\n", 0, journal.content.rindex(b"\n")) + 1
            listing.journals[number] = replace(
                journal, content=journal.content[:start], records=journal.records[:-1]
            )
            pending.add(path)
            listing.files[path].pop()
            if not listing.files[path]:
                del listing.files[path]
    return pending


def manifest_content(
    listing: Listing, entries: list[Entry], state: str, reasons: list[str]
) -> dict[str, Any]:
    """What a manifest says, its signature aside."""
    return {
        "state": state,
        "reason": "; ".join(dict.fromkeys(reasons)),
        "written": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": [e.to_dict() for e in entries],
        "journals": {
            j.path: {"bytes": len(j.content), "digest": digest_of(j.content), "lines": len(j.records)}
            for j in listing.journals
        },
        "open": list(listing.open.values()),
    }


def window_reasons(files: Files, *, but: Collection[str] = ()) -> list[str]:
    """A sentence for each window that ended otherwise than complete or empty, ``but`` for the records of these paths.

    One that was only a look (``outcomes.looks``) leaves nothing missing.
    """
    reasons = []
    found = []
    for path in sorted(p for p in files.listing.files if p.startswith("windows/") and p not in but):
        try:
            record = files.record(path)
            found.append((int(record.get("rank", 0)), outcome_of(record)))
        except (Flaw, KeyError, TypeError, ValueError, AttributeError) as error:
            reasons.append(f"{path} {error}")
    passed_over = looks(found)
    return reasons + [
        f"window {o.window.window_id}: {o.state}, {o.reason}"
        for rank, o in found
        if o.state not in ("complete", "empty") and (rank, o.window.window_id) not in passed_over
    ]


def _settled(root: Path, listing: Listing, path: str, reasons: list[str]) -> Entry:
    """Of what a file may be, what it is; one that is none of it stays listed and is told."""
    files = Files(root, listing)
    flaw = ""
    for entry in reversed(listing.files[path]):
        try:
            if entry.digest is None:
                return described(root, entry)
            if entry.table in ("run.json", "windows", "checkpoints"):
                files.content(entry)
            else:
                files.place(entry)
            return replace(entry, text=None)
        except Flaw as error:
            flaw = flaw or str(error)
    reasons.append(f"{path} {flaw}")
    return replace(listing.latest(path), text=None)


def described(root: Path, entry: Entry) -> Entry:
    """An entry with size, digest, row count, columns and ranges as they are on disk now.

    Raises:
        Flaw: When the file cannot be read.
    """
    path = Files(root, Listing()).place(entry)
    try:
        found = replace(entry, bytes=path.stat().st_size, digest=digest_of_file(path))
        if path.suffix != ".parquet":
            return found
        file = pq.ParquetFile(path)
        return replace(
            found, rows=file.metadata.num_rows, schema=schema_mark(file.schema), ranges=_ranges(file)
        )
    except BROKEN as error:
        raise Flaw(f"cannot be read ({type(error).__name__})") from error


def _ranges(file: pq.ParquetFile) -> dict[str, tuple[float, float]]:
    names = [f.name for f in file.schema_arrow if pa.types.is_floating(f.type)]
    joined: dict[str, tuple[float, float]] = {}
    for batch in file.iter_batches(columns=names, use_threads=False) if names else ():
        for name, (low, high) in metric_ranges(pa.Table.from_batches([batch])).items():
            low, high = (
                min(low, joined.get(name, (low, high))[0]),
                max(high, joined.get(name, (low, high))[1]),
            )
            joined[name] = (low, high)
    return joined

"""What a run should hold: the manifest, what journals added since, and runs of the first layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from crysmm_attn_plugin.store.files import digest_of
from crysmm_attn_plugin.store.journal import FOLDER as JOURNALS
from crysmm_attn_plugin.store.journal import JournalRead, read_journals
from crysmm_attn_plugin.store.manifest import MANIFEST, read_manifest

#: Tables of rows and maps: first folder -> ending of its files.
TABLES = {
    "attention": ".parquet", "samples": ".parquet", "crystals": ".parquet", "interventions": ".parquet",
    "maps": ".safetensors",
}  # fmt: skip
#: Folders of records; with ``run.json`` and the tables all that a run consists of.
RECORDS = ("windows", "checkpoints")
#: Earlier contents a record may still have while no manifest pins one: processes that write it take turns.
_VERSIONS = 7


@dataclass(frozen=True)
class Entry:
    """One file as it was written.

    Attributes:
        path: Relative to the run's folder, with ``/``.
        bytes: Its size, None where the first layout did not say (a run that never ended).
        digest: Of its bytes; None in the first layout.
        rows, schema, ranges: Of a Parquet file: row count, fingerprint of its columns, (min, max) per metric.
        window, checkpoint, rank: Which pass wrote it.
        text: Of a JSON record, where a journal holds it.
    """

    path: str
    bytes: int | None = None
    digest: str | None = None
    rows: int | None = None
    schema: str | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    window: str = ""
    checkpoint: str = ""
    rank: int = 0
    text: str | None = None

    @property
    def table(self) -> str:
        return self.path.partition("/")[0]

    def to_dict(self) -> dict[str, Any]:
        """As a line of the manifest; what is empty is left out."""
        values = {k: getattr(self, k) for k in ("path", "bytes", "digest", "rows", "schema", "ranges", "window",
                                                "checkpoint", "rank")}  # fmt: skip
        return {
            k: v for k, v in values.items() if v not in (None, "", {}, 0) or k in ("path", "bytes", "rows")
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Entry:
        """Checked in every field.

        Raises:
            ValueError: When a field has a wrong type or the path leads outside a run.
        """
        entry = cls(**{k: record[k] for k in cls.__dataclass_fields__ if k in record and k != "ranges"})
        for name in ("bytes", "rows"):
            value = getattr(entry, name)
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{name} of {entry.path!r} is {value!r}")
        for name in ("digest", "schema", "text"):
            if not isinstance(getattr(entry, name), (str, type(None))):
                raise ValueError(f"{name} of {entry.path!r} is no text")
        if not all(isinstance(x, str) for x in (entry.path, entry.window, entry.checkpoint)):
            raise ValueError("a path, window or checkpoint is no text")
        if type(entry.rank) is not int:
            raise ValueError(f"rank of {entry.path!r} is {entry.rank!r}")
        if not is_inside(entry.path):
            raise ValueError(f"it names {entry.path!r}, which is not a file of a run")
        ranges = record.get("ranges") or {}
        checked = {str(k): (float(low), float(high)) for k, (low, high) in ranges.items()}
        if not entry.window and entry.table in TABLES:
            entry = replace(entry, **_from_path(entry.path))
        return replace(entry, ranges=checked)


def is_inside(path: str) -> bool:
    """True for a relative path below a run's own folders, without ``..``, drive or odd separators."""
    parts = path.split("/")
    plain = not any(p in ("", ".", "..") or "\\" in p or "\0" in p or ":" in p for p in parts)
    return plain and (path == "run.json" or (len(parts) > 1 and parts[0] in (*TABLES, *RECORDS, JOURNALS)))


@dataclass
class Listing:
    """Everything known of a run's files.

    Attributes:
        files: Path -> what it may be: one entry, or for a record that was being replaced the old and the new.
        open: Window id -> record of passes that were begun and not ended.
        manifest: The manifest, empty where there is none.
        journals: As found on disk.
        damage: Path -> what is wrong with a manifest or a journal.
        first_layout: True for runs of schema version 1, which hold no digests.
        added: True when a process added to the run after it was sealed.
        torn: Journals that end in half a line, as a crash leaves them.
    """

    files: dict[str, list[Entry]] = field(default_factory=dict)
    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    journals: list[JournalRead] = field(default_factory=list)
    damage: dict[str, str] = field(default_factory=dict)
    first_layout: bool = False
    added: bool = False
    torn: list[str] = field(default_factory=list)

    @property
    def sealed(self) -> bool:
        return bool(self.manifest)

    def latest(self, path: str) -> Entry:
        return self.files[path][-1]

    def apply(self, record: Mapping[str, Any]) -> None:
        """Take one line of a journal.

        Raises:
            ValueError, KeyError, TypeError: When it says what no line says.
        """
        kind = record["do"]
        if kind == "json":
            entry = Entry.from_dict(record)
            self.files[entry.path] = [*self.files.get(entry.path, [])[-_VERSIONS:], entry]
            if entry.table == "windows":
                self.open.pop(json.loads(entry.text or "")["window"]["window_id"], None)
        elif kind == "open":
            self.open[record["window"]["window_id"]] = {"rank": record.get("rank", 0), **record["window"]}
        elif kind in ("group", "adopt"):
            for entry in map(Entry.from_dict, record["files"]):
                self.files[entry.path] = [entry]
        elif kind == "drop":
            for path in record["paths"]:
                self.files.pop(path, None)
            self.open.pop(record["window"], None)
        elif kind != "start":
            raise ValueError(f"it holds a line of kind {kind!r}")


def read_listing(root: Path) -> Listing:
    """Read manifest and journals; damage in them is noted, not raised."""
    listing = Listing()
    manifest, why = read_manifest(root)
    if why:
        listing.damage[MANIFEST] = why
    try:
        files = [Entry.from_dict(record) for record in manifest.get("files", ())]
        seen: dict[str, Any] = dict(manifest.get("journals") or {})
        listing.open = {w["window_id"]: dict(w) for w in manifest.get("open") or ()}
        listing.manifest = manifest
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        listing.damage[MANIFEST] = f"cannot be used: {error}"
        files, seen = [], {}
    listing.files = {entry.path: [entry] for entry in files}
    listing.journals = list(read_journals(root))
    for journal in listing.journals:
        _follow(listing, journal, seen.pop(journal.path, None))
    for path in seen:
        listing.damage[path] = "is gone"
    if not listing.journals and not seen and MANIFEST not in listing.damage:
        listing.first_layout = listing.manifest.get("schema_version", 1) == 1
        if listing.first_layout and not listing.manifest:
            listing.files = {e.path: [e] for e in unlisted(root, set())}
    return listing


def _follow(listing: Listing, journal: JournalRead, sealed: Any) -> None:
    """Apply the lines of a journal that the manifest does not know yet."""
    known, size = 0, 0
    if sealed is not None:
        try:
            size, digest, known = int(sealed["bytes"]), sealed["digest"], int(sealed["lines"])
        except (ValueError, TypeError, KeyError):
            size, digest = -1, ""
        if size < 0 or len(journal.content) < size or digest_of(journal.content[:size]) != digest:
            listing.damage[journal.path] = "is not what was sealed"
            return  # the manifest knows all that it said
    if journal.torn and len(journal.content) > size:
        listing.torn.append(journal.path)
    if journal.damage:
        listing.damage[journal.path] = journal.damage
    for record in journal.records[known:]:
        try:
            listing.apply(record)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            listing.damage.setdefault(journal.path, f"holds a line that cannot be used ({error})")
        else:
            listing.added = listing.added or (listing.sealed and record["do"] != "start")


def unlisted(root: Path, known: set[str]) -> list[Entry]:
    """Files in a run's folders that ``known`` does not name, with nothing but what their path says."""
    found = []
    if "run.json" not in known and (root / "run.json").is_file():
        found.append(Entry("run.json"))
    for folder in (*RECORDS, *TABLES):
        ending = TABLES.get(folder, ".json")
        for path in sorted((root / folder).rglob(f"*{ending}")):
            relative = path.relative_to(root).as_posix()
            hidden = any(part.startswith(".") for part in PurePosixPath(relative).parts)
            if not hidden and relative not in known and is_inside(relative):
                found.append(Entry(relative, **(_from_path(relative) if folder in TABLES else {})))
    return found


def _from_path(path: str) -> dict[str, Any]:
    """Window, checkpoint and rank as the folders and the file's name say."""
    *folders, name = path.split("/")
    parts = dict(part.partition("=")[::2] for part in folders)
    rank = parts.get("rank", "0")
    return {
        "window": name.rpartition(".")[0],
        "checkpoint": parts.get("ckpt", ""),
        "rank": int(rank) if rank.isdigit() and len(rank) < 10 else 0,
    }

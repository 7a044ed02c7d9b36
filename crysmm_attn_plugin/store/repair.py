"""A damaged or unfinished run made usable: what is whole stays, the rest is set aside, the manifest says which."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.store.files import (
    TEMPORARY,
    digest_of,
    fsync_folder,
    json_bytes,
    make_folder,
    write_bytes,
)
from crysmm_attn_plugin.store.journal import FOLDER as JOURNALS
from crysmm_attn_plugin.store.listing import RECORDS, TABLES, Entry, Listing, read_listing, unlisted
from crysmm_attn_plugin.store.manifest import MANIFEST, write_manifest
from crysmm_attn_plugin.store.places import is_run, refuse_later
from crysmm_attn_plugin.store.schema import SCHEMA_VERSION
from crysmm_attn_plugin.store.seal import described, manifest_content, window_reasons
from crysmm_attn_plugin.store.whole import Files, Flaw
from crysmm_attn_plugin.urls import refuse_no_text

#: Where what is not whole is moved; nothing is ever deleted but files in the making.
ASIDE = "damaged"


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    Attributes:
        kept: Number of files that are whole.
        restored: Records that were written again from the journal.
        aside: (path, what was wrong) of files moved to ``damaged/`` or lost.
        state, reason: As the new manifest says.
        digests_added: True when the run held none before (an earlier layout).
    """

    kept: int
    restored: tuple[str, ...]
    aside: tuple[tuple[str, str], ...]
    state: str
    reason: str
    digests_added: bool


def repair(run_dir: str | os.PathLike[str]) -> Repaired:
    """Check every byte of a run, set aside what is not whole, write a manifest over the rest.

    Not while a process still writes the run. A sound run is left as it is, with a fresh manifest.

    Raises:
        UsageError: When the folder holds no run.
        PartialStoreError: When a later version wrote it.
        OSError: As the file system says; what was done by then is sound, and the command can be given again.
    """
    root = Path(run_dir).absolute()
    refuse_no_text(root)
    if not root.is_dir() or not is_run(root):
        raise UsageError(f"{root} is not a run folder: it has no run.json.")
    listing = read_listing(root)
    refuse_later(root, listing.manifest)
    work = _Repair(root, listing)
    return work.run()


class _Repair:
    def __init__(self, root: Path, listing: Listing) -> None:
        self.root, self.listing = root, listing
        self.files = Files(root, listing)
        self.aside: dict[str, str] = {}
        self.restored: list[str] = []

    def run(self) -> Repaired:
        first = self.listing.first_layout
        reasons = self._earlier_reasons()
        for path, what in sorted(self.listing.damage.items()):
            self._set_aside(path, what)
        self.listing.journals = [j for j in self.listing.journals if j.path not in self.aside]
        entries = [e for path in sorted(self.listing.files) if (e := self._settle(path)) is not None]
        known = {e.path for e in entries}
        self.listing.files = {e.path: [e] for e in entries}
        for entry in unlisted(self.root, known):
            if not first:
                self._set_aside(entry.path, "is on no record that says what it held")
        if "run.json" not in known:
            entries.append(self._new_info())
            reasons.append("run.json was lost; arm and run id are those of the folders")
        reasons += [f"{path} ended in half a line" for path in self.listing.torn]
        if self.listing.open:
            reasons.append(f"{len(self.listing.open)} passes were begun and not ended")
        self.listing.files = {e.path: [e] for e in entries}
        if self.aside:
            reasons.append("repaired: " + "; ".join(f"{p} {what}" for p, what in sorted(self.aside.items())))
        reasons += window_reasons(Files(self.root, self.listing))
        reasons = list(dict.fromkeys(reasons))
        state = "partial" if reasons else "complete"
        write_manifest(self.root, manifest_content(self.listing, entries, state, reasons))
        self._sweep()
        return Repaired(
            len(entries),
            tuple(self.restored),
            tuple(sorted(self.aside.items())),
            state,
            "; ".join(reasons),
            first,
        )

    def _earlier_reasons(self) -> list[str]:
        if not self.listing.sealed:
            if MANIFEST in self.listing.damage:
                return []  # told as set aside
            return ["the run did not finish (no manifest.json)"]
        if self.listing.manifest["state"] == "complete":
            return []
        return [str(self.listing.manifest.get("reason") or "its manifest says so")]

    def _settle(self, path: str) -> Entry | None:
        """The file as it is, restored where a journal holds its text; None when it was set aside."""
        versions = self.listing.files[path]
        record = versions[-1].table in (*RECORDS, "run.json")
        flaw = Flaw("")
        for entry in reversed(versions):
            try:
                found = described(self.root, entry) if entry.digest is None else entry
                what = self.files.flaw([found], deep=True)
                if not what:
                    return replace(found, text=None)
                raise Flaw(what)
            except Flaw as error:
                flaw = flaw if str(flaw) else error
        self._set_aside(path, str(flaw))
        text = self._text(versions) if record else None
        if text is None:
            return None
        content = text.encode("utf-8")
        write_bytes(self.root / path, content)
        self.restored.append(path)
        del self.aside[path]
        return Entry(path, bytes=len(content), digest=digest_of(content))

    def _text(self, versions: list[Entry]) -> str | None:
        """What a journal says a record held, in its latest version that counts."""
        wanted = {e.digest for e in versions}
        found = [e.text for e in versions if e.text is not None]
        for journal in self.listing.journals:
            for line in journal.records:
                if (
                    line.get("do") == "json"
                    and line.get("digest") in wanted
                    and isinstance(line.get("text"), str)
                ):
                    found.append(line["text"])
        sound = [t for t in found if digest_of(t.encode("utf-8", "replace")) in wanted]
        return sound[-1] if sound else None

    def _set_aside(self, path: str, what: str) -> None:
        self.aside[path] = what
        source = self.root / path
        if not source.exists() and not source.is_symlink():
            return
        target = self.root / ASIDE / path
        number = 2
        while target.exists() or target.is_symlink():
            target = target.with_name(f"{Path(path).name}.{number}")
            number += 1
        make_folder(target.parent)
        os.replace(source, target)
        fsync_folder(target.parent)
        fsync_folder(source.parent)

    def _new_info(self) -> Entry:
        info = {"schema_version": SCHEMA_VERSION, "run_id": self.root.name, "arm": self.root.parent.name}
        content = json_bytes(info)
        write_bytes(self.root / "run.json", content)
        return Entry("run.json", bytes=len(content), digest=digest_of(content))

    def _sweep(self) -> None:
        """Remove files in the making that a killed process left."""
        for folder in ("", *RECORDS, *TABLES, JOURNALS):
            pattern = f".*{TEMPORARY}" if not folder else f"{folder}/**/.*{TEMPORARY}"
            for path in self.root.glob(pattern):
                path.unlink(missing_ok=True)


def report(done: Repaired) -> str:
    """What was done, a line each."""
    lines = [f"{done.kept} files are whole"]
    if done.digests_added:
        lines.append("digests recorded: what changed before now cannot be known")
    lines += [f"restored from the journal: {path}" for path in done.restored]
    lines += [f"set aside: {path} {what}" for path, what in done.aside]
    lines.append(f"state: {done.state}" + (f" ({done.reason})" if done.reason else ""))
    return "\n".join(f"  {line}" for line in lines)

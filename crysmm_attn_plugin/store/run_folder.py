"""A run's folder opened: what it should hold, what is damaged, whether it is whole; its passes and checkpoints."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import DamagedStoreError, PartialStoreError, UsageError
from crysmm_attn_plugin.records import Alarm, Checkpoint, WindowOutcome
from crysmm_attn_plugin.store import outcomes
from crysmm_attn_plugin.store.listing import Listing, read_listing, unlisted
from crysmm_attn_plugin.store.places import is_run, refuse_later
from crysmm_attn_plugin.store.tables import shards_of
from crysmm_attn_plugin.store.whole import Damage, Files, Flaw
from crysmm_attn_plugin.urls import refuse_no_text


class RunFolder:
    """What a run says of itself, every file's size looked at and every record read with its digest.

    Args and attributes: as ``store.reader.Run``, which reads the tables.

    Raises:
        DamagedStoreError: When a file is missing, of another size, or a record is not what was written.
        PartialStoreError: When the run is partial and ``allow_partial`` is false.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, allow_partial: bool = False, damaged: str = "raise"
    ) -> None:
        if damaged not in ("raise", "skip"):
            raise UsageError(f'damaged must be "raise" or "skip", not {damaged!r}.')
        self.path = Path(path).absolute()
        refuse_no_text(self.path)
        if not is_run(self.path):
            raise UsageError(f"{self.path} is not a run folder: it has no run.json.")
        listing = read_listing(self.path)
        self._files = Files(self.path, listing)
        self.manifest: dict[str, Any] = listing.manifest
        self.first_layout = listing.first_layout
        refuse_later(self.path, listing.manifest)
        found = [Damage(p, what) for p, what in listing.damage.items()]
        self.info, flaw = self._read_info()
        found += [flaw] if flaw else []
        refuse_later(self.path, self.info)
        if listing.first_layout and not listing.sealed and self.info.get("schema_version", 1) != 1:
            found.append(Damage("journal", "is gone, and with it what the run's files should hold"))
            listing.files = {}
        for name in sorted(listing.files):
            what = self._files.flaw(listing.files[name], deep=damaged == "skip") if name != "run.json" else ""
            if what:
                found.append(Damage(name, what))
        self.damage: tuple[Damage, ...] = tuple(found)
        if found and damaged == "raise":
            raise DamagedStoreError(self.path, found[0].path, found[0].what, others=len(found) - 1)
        for flaw in found:
            listing.files.pop(flaw.path, None)
        self.run_id: str = self.info["run_id"]
        self.arm: str = self.info["arm"]
        self._shards = shards_of(self._files, self._ranked_outcomes)
        self._parts: tuple[RunFolder, ...] = (self,)
        self.state, self.reason = self._state(listing)
        if self.state != "complete" and not allow_partial and damaged == "raise":
            raise PartialStoreError(
                f"run {self.path} is partial: {self.reason}. See `crysmm-attn status {self.path}`; run the host "
                "again, or read what is there with allow_partial=True (command line: --allow-partial)."
            )

    def _read_info(self) -> tuple[dict[str, Any], Damage | None]:
        fallback = {"run_id": self.path.name, "arm": self.path.parent.name}
        try:
            info = self._files.record("run.json")
            if all(isinstance(info.get(k), str) for k in fallback):
                return info, None
            return fallback, Damage("run.json", "does not say which run and arm it is of")
        except Flaw as flaw:
            return fallback, Damage("run.json", str(flaw))

    def _state(self, listing: Listing) -> tuple[str, str]:
        reasons = []
        if not listing.sealed:
            reasons.append("the run did not finish (no manifest.json)")
            loose = len(unlisted(self.path, set(listing.files))) if not self.damage else 0
            if loose:
                reasons.append(f"{loose} files were written and never confirmed; they are left out")
        elif listing.manifest["state"] != "complete":
            reasons.append(str(listing.manifest.get("reason") or "its manifest says so"))
        reasons += [f"{path} ends in half a line, as a crash leaves it" for path in listing.torn]
        if self.damage:
            more = f" and {len(self.damage) - 1} more" if len(self.damage) > 1 else ""
            reasons.append(f"damaged: {self.damage[0]}{more}")
        if listing.added or listing.open or not listing.sealed or self.damage:
            passed_over = outcomes.looks(self._ranked_outcomes)
            reasons += [
                f"window {o.window.window_id}: {o.state}, {o.reason}"
                for rank, o in self._ranked_outcomes
                if o.state not in ("complete", "empty") and (rank, o.window.window_id) not in passed_over
            ]
        return ("partial" if reasons else "complete"), "; ".join(dict.fromkeys(reasons))

    @property
    def n_files(self) -> int:
        """Number of files the run's manifest or journals name."""
        return len(self._files.listing.files)

    @property
    def n_bytes(self) -> int:
        """Their size in bytes."""
        return sum(self._files.listing.latest(p).bytes or 0 for p in self._files.listing.files)

    def verify(self) -> tuple[Damage, ...]:
        """Read every byte of the run again and compare it with what was written; what is wrong, with the file."""
        found = list(self.damage)
        for part in self._parts:
            listing = read_listing(part.path)
            files = Files(part.path, listing)
            found += [Damage(p, what) for p, what in listing.damage.items()]
            found += [Damage(p, "ends in half a line, as a crash leaves it") for p in listing.torn]
            for name in sorted(listing.files):
                what = files.flaw(listing.files[name], deep=True)
                found += [Damage(name, what)] if what else []
        return tuple(dict.fromkeys(found))

    @cached_property
    def _ranked_outcomes(self) -> tuple[tuple[int, WindowOutcome], ...]:
        return outcomes.read(self._files)

    @cached_property
    def windows(self) -> tuple[WindowOutcome, ...]:
        """How each captured pass ended, in order; one that a process died in is partial."""
        return tuple(outcome for part in self._parts for _, outcome in part._ranked_outcomes)

    @cached_property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Checkpoints seen, in order of epoch."""
        found: dict[str, Checkpoint] = {}
        for checkpoint in (c for part in self._parts for c in outcomes.checkpoints(part._files)):
            if checkpoint.digest not in found or checkpoint.files:
                found[checkpoint.digest] = checkpoint
        return tuple(sorted(found.values(), key=lambda c: (c.epoch is None, c.epoch or 0, c.digest)))

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Alarms of every window, each once."""
        seen: dict[tuple[str, str, str], Alarm] = {}
        for outcome in self.windows:
            for alarm in outcome.alarms:
                seen.setdefault((alarm.code, alarm.module, alarm.direction), alarm)
        return tuple(seen.values())

    def checkpoint(self, which: str = "auto", *, split: str = "test") -> Checkpoint:
        """The checkpoint that stands for this run.

        Args:
            which: ``auto`` (first of ``outcomes.ROLE_ORDER`` that was captured), a role, a file name, or a digest prefix.
            split: Split that must have been captured with it.

        Raises:
            UsageError: When none matches.
            NothingCapturedError: When no checkpoint was captured on that split.
        """
        return outcomes.choose(self.path, self.windows, self.checkpoints, which, split)

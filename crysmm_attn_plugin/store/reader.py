"""Runs read back from disk: pandas frames, means and labelled maps, every byte checked before it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.errors import (
    UsageError,
)
from crysmm_attn_plugin.notebook import plot_run, run_html
from crysmm_attn_plugin.records import (
    AttentionMap,
    Structure,
    TokenLabels,
)
from crysmm_attn_plugin.store import labelled
from crysmm_attn_plugin.store.attention_rows import crystals_of, metric_names
from crysmm_attn_plugin.store.means import CrystalMeans, crystal_means
from crysmm_attn_plugin.store.places import arm_of, is_run, run_folders
from crysmm_attn_plugin.store.remote import here
from crysmm_attn_plugin.store.run_folder import RunFolder
from crysmm_attn_plugin.store.tables import Rows, Shard, read_table

if TYPE_CHECKING:
    import pandas as pd

_MARKED = re.compile(r"(.*) \(\d+\)", re.S)


class Run(RunFolder):
    """One captured run, or several that are shards of one (``store.shards.merge_shards``).

    Args:
        path: The run's folder (the one that holds ``run.json``).
        allow_partial: Read a run whose manifest is missing or says partial.
        damaged: ``raise``, or ``skip`` to read what is whole (implies ``allow_partial``); ``damage`` lists the rest.

    Attributes:
        path, run_id, arm: Where and what.
        info: ``run.json``.
        state: ``complete`` or ``partial``; ``reason`` says why.
        damage: Files that are left out.
        first_layout: True for runs of schema version 1, whose bytes nobody can check.

    Raises:
        DamagedStoreError: When a file is missing, of another size, or a record is not what was written.
        PartialStoreError: When the run is partial and ``allow_partial`` is false.
    """

    def __repr__(self) -> str:
        return f"Run(arm={self.arm!r}, run_id={self.run_id!r}, state={self.state!r}, path={str(self.path)!r})"

    def _repr_html_(self) -> str:
        return run_html(self)

    def plot(self, metric: str = "entropy", *, ax: Any = None) -> Any:
        """Distribution of a metric over the test crystals as matplotlib axes (see ``notebook.plot_run``)."""
        return plot_run(self, metric, ax=ax)

    @cached_property
    def _rows(self) -> Rows:
        return Rows(self._shards, self.path)

    @cached_property
    def attention(self) -> pd.DataFrame:
        """One row per checkpoint x crystal x module x call x direction x head x scope; see ``schema``."""
        return self._rows.attention()

    @property
    def samples(self) -> pd.DataFrame:
        """One row per checkpoint x split x crystal: counts, target, raw prediction."""
        return self._rows.samples

    @cached_property
    def crystals(self) -> pd.DataFrame:
        """One row per crystal: elements, tokens, text, structure; indexed by id."""
        import pandas as pd

        frames = []
        for part in self._parts:
            for name in sorted(part._files.listing.files):
                entry = part._files.listing.latest(name)
                if entry.table == "crystals":
                    frames.append(read_table(part._files, entry).to_pandas())
        if not frames:
            return pd.DataFrame()
        whole: pd.DataFrame = pd.concat(frames, ignore_index=True).drop_duplicates("id").set_index("id")
        return whole

    @cached_property
    def interventions(self) -> pd.DataFrame:
        """One row per crystal and extra pass, columns of ``schema.INTERVENTIONS`` with checkpoint and split; empty without."""
        import pandas as pd

        frames = []
        for part in self._parts:
            split = {o.window.window_id: o.window.split for _, o in part._ranked_outcomes}
            for name in sorted(part._files.listing.files):
                entry = part._files.listing.latest(name)
                if entry.table == "interventions":
                    frame = read_table(part._files, entry).to_pandas()
                    frame.insert(0, "split", split.get(entry.window, "test"))
                    frame.insert(0, "checkpoint", entry.checkpoint)
                    frames.append(frame)
        if not frames:
            return pd.DataFrame()
        again = [
            "checkpoint",
            "split",
            "id",
            "module",
            "call",
            "direction",
            "intervention",
            "size",
            "draw",
            "head",
        ]
        whole: pd.DataFrame = pd.concat(frames, ignore_index=True).drop_duplicates(again, ignore_index=True)
        return whole

    @property
    def repeated_ids(self) -> frozenset[str]:
        """Ids that came more than once in a pass: the first of them and the marked ones."""
        told = any(a.code == "repeated_ids" for a in self.alarms)
        if not len(self.samples) or not (told or any(self._rows.needs_marks(s) for s in self._shards)):
            return frozenset()
        ids = set(self.samples["id"])
        again = {i for i in ids if (m := _MARKED.fullmatch(i)) and m[1] in ids}
        return frozenset(again | {i.rpartition(" (")[0] for i in again})

    def shards(self, checkpoint: str | None = None, split: str | None = None) -> list[Shard]:
        """The passes with a checkpoint's weights over a split; every one when None."""
        return [
            s
            for s in self._shards
            if checkpoint in (None, s.checkpoint) and (split is None or s.split in (None, split))
        ]

    def crystals_of(self, checkpoint: str | None = None, split: str | None = None) -> dict[str, set[str]]:
        """Attention module -> ids of the crystals it has rows of."""
        return crystals_of(Rows(self.shards(checkpoint, split), self.path))

    def samples_of(self, checkpoint: str, split: str) -> pd.DataFrame:
        """``samples`` of one checkpoint and split; nothing else is read."""
        frame = Rows(self.shards(checkpoint, split), self.path).samples
        return frame[frame["split"] == split].reset_index(drop=True) if len(frame) else frame

    def metric_names(self, checkpoint: str | None = None) -> tuple[str, ...]:
        """Metric columns of the attention table."""
        work = [(s, e) for s in self.shards(checkpoint) for e in s.entries.get("attention", ())]
        return tuple(metric_names(work))

    def crystal_means(
        self,
        checkpoint: str | None = None,
        split: str | None = None,
        *,
        module: str | None = None,
        directions: Sequence[str] | None = None,
        metrics: Sequence[str] | None = None,
        per_head: Sequence[str] = (),
    ) -> CrystalMeans:
        """Means over heads and calls of every crystal, streamed: only what is asked for is read and held.

        Args:
            checkpoint: Digest; the run's own choice when None.
            split: Split; every one when None.
            module, directions, metrics: Only these; all when None.
            per_head: Metrics whose values of each head are kept too, in the scope with special tokens.

        Raises:
            DamagedStoreError: When a file is not what was written.
            StoreError: When a crystal was captured twice with different numbers.
        """
        digest = checkpoint or self.checkpoint().digest
        rows = Rows(self.shards(digest, split), self.path)
        return crystal_means(rows, module=module, directions=directions, metrics=metrics, per_head=per_head)

    def map_ids(self, checkpoint: str | None = None) -> tuple[str, ...]:
        """Ids of the crystals whose full maps were kept."""
        return tuple(dict.fromkeys(m.id for m in self._maps if checkpoint in (None, m.entry.checkpoint)))

    @cached_property
    def _maps(self) -> list[labelled.MapEntry]:
        """Which maps lie where, read from the files' heads once."""
        found: list[labelled.MapEntry] = []
        for part in self._parts:
            for name in sorted(part._files.listing.files):
                entry = part._files.listing.latest(name)
                found += labelled.map_entries(part._files, entry) if entry.table == "maps" else []
        return found

    def maps(
        self,
        id: str,
        *,
        checkpoint: str | None = None,
        direction: str | None = "atom_to_text",
        module: str | None = None,
        call: int = 0,
    ) -> AttentionMap:
        """The labelled attention map of one crystal.

        Args:
            id: Crystal id.
            checkpoint: Digest; the run's own choice (``checkpoint("auto")``) when None.
            direction: ``atom_to_text``, ``text_to_atom``, or what an undirected map was stored under; any when None.
            module: Module name; the first when None.
            call: Which call of the module in one forward.

        Raises:
            UsageError: When no such map was kept; the message says which were.
        """
        digest = checkpoint or self.checkpoint().digest
        for found in self._maps:
            if (
                (found.id, found.entry.checkpoint, found.call) == (id, digest, call)
                and module in (None, found.module)
                and direction in (None, found.direction)
            ):
                return labelled.load_map(found, self._labels(id))
        kept = self.map_ids(digest)
        others = sorted({m.direction or "undirected" for m in self._maps if m.id == id})
        raise UsageError(
            f"no {direction or ''} map of crystal {id!r} was kept in {self.path}; {len(kept)} crystals have maps"
            + (f", for example {', '.join(kept[:3])}" if kept else ". Set maps to a number or all")
            + (f"; of this crystal there are: {', '.join(others)}." if others else ".")
        )

    def _labels(self, id: str) -> Mapping[str, Any] | None:
        if not len(self.crystals) or id not in self.crystals.index:
            return None
        return {str(k): v for k, v in self.crystals.loc[id].items()}

    def structure(self, id: str) -> Structure | None:
        """The crystal's structure, where the host's data set held one."""
        return labelled.structure(self._labels(id))

    def token_labels(self, id: str) -> TokenLabels | None:
        """The crystal's token labels, or None."""
        return labelled.token_labels(self._labels(id))


def find_runs(
    path: str | os.PathLike[str], *, allow_partial: bool = False, damaged: str = "raise"
) -> list[Run]:
    """Every run at or below ``path`` (a run folder, an arm's folder, or a folder of arms), oldest first.

    Raises:
        UsageError: When there is none.
    """
    return [Run(folder, allow_partial=allow_partial, damaged=damaged) for folder in run_folders(path)]


def open_run(path: str | os.PathLike[str], *, allow_partial: bool = False, damaged: str = "raise") -> Run:
    """Open a run; given an arm's folder, its newest one.

    Args:
        path: A run folder, or a folder that holds runs of one arm; or the URL of one, which is copied here first.
        allow_partial: Read a run whose manifest is missing or says partial.
        damaged: ``raise``, or ``skip`` to read what is whole of a damaged run; ``Run.damage`` lists the rest.

    Raises:
        UsageError: When there is no run, or the folder holds more than one arm.
        PartialStoreError: When the run is partial and ``allow_partial`` is false.
        DamagedStoreError: When a file is not what was written and ``damaged`` is ``raise``.
    """
    root = here(path)
    if root.is_dir() and is_run(root):
        return Run(root, allow_partial=allow_partial, damaged=damaged)
    folders = run_folders(root)
    arms = sorted({arm_of(f) for f in folders})
    if len(arms) > 1:
        raise UsageError(f"{root} holds runs of {len(arms)} arms ({', '.join(arms)}); name one of them.")
    return Run(folders[-1], allow_partial=allow_partial, damaged=damaged)

"""What one window has gathered and not yet handed over, and the sums that its alarms need."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from crysmm_attn_plugin.capture.maps import MapKeeper
from crysmm_attn_plugin.capture.row_buffer import RowBuffer
from crysmm_attn_plugin.capture.rows import Block
from crysmm_attn_plugin.hooks.reading.identity import order_label
from crysmm_attn_plugin.records import BatchIdentity, TokenLabels, Window
from crysmm_attn_plugin.store.memory import give_back
from crysmm_attn_plugin.store.schema import SAMPLES
from crysmm_attn_plugin.store.writer import crystal_columns
from crysmm_attn_plugin.text.elements import reduced_formula

log = logging.getLogger("crysmm_attn")

#: Crystals after which rows are handed over.
GROUP = 512


@dataclass(frozen=True)
class RowGroup:
    """Columns of a group of crystals, as the store has them.

    Attributes:
        attention: Of the attention table; ``crystal`` holds positions into ``samples["id"]``.
        samples, crystals: Of these tables.
    """

    attention: dict[str, Any]
    samples: dict[str, Any]
    crystals: dict[str, Any]


class Accumulator:
    """Rows, samples, labels and maps of one window. Results stay on the device until a group is handed over.

    Args:
        keeper: Whose maps are kept.
        window: The window; needed with a sink.
        sink: Takes rows, a group of crystals at a time; without one, everything stays here.
        memory_mb: Ceiling for rows and maps; rows are handed over when they take a quarter.
        group: Crystals after which rows are handed over.
    """

    def __init__(
        self,
        keeper: MapKeeper,
        window: Window | None = None,
        sink: Callable[[RowGroup], None] | None = None,
        memory_mb: int = 512,
        group: int = GROUP,
    ) -> None:
        self.keeper = keeper
        self.n_crystals = 0
        self.n_truncated = 0
        self.tokens_unknown = False
        self.n_blocks = 0
        self.metric_faults: dict[str, str] = {}
        self._window, self._sink, self._group = window, sink, group
        self._ceiling = memory_mb * 2**20 // 4
        self._identities: list[BatchIdentity] = []
        self._predictions: list[Any] = []
        self._held = self._held_bytes = 0
        self._rows = RowBuffer()
        self._padding: list[torch.Tensor] = []
        self._worst_padding = 0.0
        self._variation: dict[tuple[str, str], tuple[float, int]] = {}
        self._content = 0

    def add(
        self,
        identity: BatchIdentity,
        blocks: Sequence[Block],
        prediction: torch.Tensor | None,
        padding: Sequence[Any],
    ) -> None:
        """Take one batch.

        Args:
            identity: Who is in it.
            blocks: Metrics of its calls.
            prediction: (B,) the model's raw predictions, or None.
            padding: Largest share on padding of each call.
        """
        self._rows.put(blocks, self._held)
        self.n_blocks += len(blocks)
        self._identities.append(identity)
        self._predictions.append(_kept(prediction))
        for lost in padding:
            if isinstance(lost, torch.Tensor):
                self._padding.append(lost)
            else:
                self._worst_padding = float(np.fmax(self._worst_padding, lost))
        labels = list(identity.tokens or [None] * len(identity))
        self.n_truncated += sum(t is not None and t.truncated for t in labels)
        self.tokens_unknown |= any(t is None for t in labels)
        self.n_crystals += len(identity)
        self._held += len(identity)
        self._held_bytes += sum(200 + (len(t.text) + 16 * len(t.tokens) if t else 0) for t in labels)
        full = self._held >= self._group or self._held_bytes + self._rows.nbytes >= self._ceiling
        if self._sink is not None and full:
            self.flush()

    def metric_left_out(self, name: str, why: str) -> None:
        """A plugin's metric could not be kept: said once a name, the pass goes on."""
        if name not in self.metric_faults:
            self.metric_faults[name] = why
            log.warning("%s; it is left out", why)

    def flush(self) -> None:
        """Hand over what is held; nothing happens without a sink."""
        if self._sink is None or not self._held:
            return
        assert self._window is not None
        self._settle()
        samples = self.samples(self._window)
        self._content += content_of(samples)
        group = RowGroup(self._rows.columns(), samples, self.crystals())
        self._remember_variation()
        self._rows = RowBuffer()
        self._identities, self._predictions = [], []
        self._held = self._held_bytes = 0
        self._sink(group)
        del samples, group
        give_back()

    def rows_only(self, blocks: Sequence[Block]) -> dict[str, Any]:
        """Columns of the attention table for blocks without samples of their own: the re-initialised baseline."""
        rows, first = RowBuffer(), 0
        ids: list[str] = []
        for block in blocks:
            rows.put([block], first)
            ids += block.ids
            first += len(block.ids)
        return _with_ids(rows.columns(), ids)

    @property
    def content(self) -> int | None:
        """Alike for passes of one process over the same crystals, in whatever order; None where nothing tells crystals apart."""
        return self._content or None

    # -- what alarms ask ---------------------------------------------------------------------------------

    @property
    def worst_padding(self) -> float:
        """Largest share of a real row that lay on padding."""
        self._settle()
        return self._worst_padding

    def variation(self) -> dict[tuple[str, str], float]:
        """Per (module, direction): mean between-row variation of the model's own weights, all tokens in."""
        found = {}
        for key, (total, count) in _added(self._variation, self._rows.sums_of("between_atom_tv")).items():
            if count:
                found[key] = total / count
        return found

    def _remember_variation(self) -> None:
        self._variation = _added(self._variation, self._rows.sums_of("between_atom_tv"))

    def _settle(self) -> None:
        if self._padding:
            worst = float(torch.stack([p.float().cpu() for p in self._padding]).nan_to_num(0.0).amax())
            self._worst_padding, self._padding = max(self._worst_padding, worst), []

    # -- what is held, as columns ------------------------------------------------------------------------

    def attention(self) -> dict[str, Any]:
        """Columns of the attention table."""
        return _with_ids(self._rows.columns(), [c for i in self._identities for c in i.ids])

    def samples(self, window: Window) -> dict[str, list[Any]]:
        """Columns of the samples table."""
        columns: dict[str, list[Any]] = {name: [] for name in SAMPLES.names}
        for identity, prediction in zip(self._identities, self._predictions):
            n = len(identity)
            labels = list(identity.tokens) if identity.tokens else [None] * n
            elements = list(identity.elements) if identity.elements else [None] * n
            columns["id"] += identity.ids
            columns["split"] += [window.split] * n
            columns["window"] += [window.window_id] * n
            columns["formula"] += [None if e is None else reduced_formula(e) for e in elements]
            columns["n_atoms"] += identity.n_atoms
            columns["n_tokens"] += [None if t is None else len(t.tokens) for t in labels]
            columns["tokens_hash"] += token_hashes(identity)
            columns["text_truncated"] += [None if t is None else t.truncated for t in labels]
            columns["target"] += list(identity.targets) if identity.targets else [None] * n
            values = prediction.double().cpu() if isinstance(prediction, torch.Tensor) else prediction
            columns["prediction"] += [None] * n if values is None else values.tolist()
        return columns

    def crystals(self) -> dict[str, list[Any]]:
        """Columns of the crystal labels."""
        columns: dict[str, list[Any]] = {}
        for identity in self._identities:
            formulas = ["" if e is None else reduced_formula(e) for e in identity.elements]
            for name, values in crystal_columns(identity, formulas, token_hashes(identity)).items():
                columns.setdefault(name, []).extend(values)
        return columns


def _kept(prediction: torch.Tensor | None) -> Any:
    """Predictions in the processor's memory as numpy, others as they are: to fetch them would be to wait."""
    if prediction is None or prediction.device.type != "cpu":
        return prediction
    return prediction.detach().double().numpy().copy()


def _added(
    first: dict[tuple[str, str], tuple[float, int]], second: dict[tuple[str, str], tuple[float, int]]
) -> dict[tuple[str, str], tuple[float, int]]:
    found = dict(first)
    for key, (total, count) in second.items():
        before = found.get(key, (0.0, 0))
        found[key] = (before[0] + total, before[1] + count)
    return found


def _with_ids(columns: dict[str, Any], ids: Sequence[str]) -> dict[str, Any]:
    if "crystal" in columns:
        columns["crystal"] = pa.array(ids, pa.string()).take(pa.array(columns["crystal"]))
    return columns


def content_of(samples: Mapping[str, Sequence[Any]]) -> int:
    """Sum of the samples' fingerprints; a sample that only its place names counts nothing."""
    names = ("id", "formula", "n_atoms", "tokens_hash", "target")
    told = 0
    for label, *facts in zip(*(samples[name] for name in names)):
        if not order_label(label):
            told += hash((label, *facts))
        elif any(facts[i] is not None and facts[i] != "" for i in (2, 3)):
            told += hash(tuple(facts))
    return told


def token_hashes(identity: BatchIdentity) -> list[str]:
    """16 hex digits per crystal over its tokens; empty without tokens."""
    return [_hash(t) if t is not None else "" for t in identity.tokens or [None] * len(identity)]


def _hash(labels: TokenLabels) -> str:
    return hashlib.blake2b("\x00".join(labels.tokens).encode(), digest_size=8).hexdigest()

"""Everything one window has gathered so far, and its tables when it closes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from crysmm_attn_plugin.capture.maps import MapKeeper
from crysmm_attn_plugin.capture.rows import Block
from crysmm_attn_plugin.records import BatchIdentity, TokenLabels, Window, reduced_formula
from crysmm_attn_plugin.store.schema import SAMPLES
from crysmm_attn_plugin.store.writer import crystal_columns


class Accumulator:
    """Rows, samples, labels and maps of one window. Tensors stay on the device until ``tables``.

    Args:
        keeper: Whose maps are kept.
    """

    def __init__(self, keeper: MapKeeper) -> None:
        self.keeper = keeper
        self.identities: list[BatchIdentity] = []
        self.blocks: list[Block] = []
        self.predictions: list[torch.Tensor | None] = []
        self.padding: list[torch.Tensor] = []

    @property
    def n_crystals(self) -> int:
        return sum(len(i) for i in self.identities)

    def add(
        self,
        identity: BatchIdentity,
        blocks: Sequence[Block],
        prediction: torch.Tensor | None,
        padding: Sequence[Any],
    ) -> None:
        """Take one batch."""
        self.identities.append(identity)
        self.blocks.extend(blocks)
        self.predictions.append(prediction)
        self.padding.extend(padding)

    def attention(self) -> dict[str, Any]:
        """Columns of the attention table."""
        names = list(dict.fromkeys(n for b in self.blocks for n in b.metrics))
        parts: dict[str, list[np.ndarray]] = {}
        for block in self.blocks:
            n, h = len(block.ids), len(block.heads)
            rows = n * h

            def put(name: str, values: Any) -> None:
                parts.setdefault(name, []).append(np.asarray(values))

            put("crystal", np.repeat(np.array(block.ids, dtype=object), h))
            put("module", np.full(rows, block.module, dtype=object))
            put("call", np.full(rows, block.number, np.int16))
            put("direction", np.full(rows, block.direction, dtype=object))
            put("head", np.tile(np.array(block.heads, np.int16), n))
            put("with_special_tokens", np.full(rows, block.scope[0]))
            put("stopwords_removed", np.full(rows, block.scope[1]))
            put("weights", np.full(rows, block.weights, dtype=object))
            put("n_queries", np.repeat(block.n_queries.cpu().numpy().astype(np.int32), h))
            put("n_keys", np.repeat(block.n_keys.cpu().numpy().astype(np.int32), h))
            for name in names:
                value = block.metrics.get(name)
                put(
                    name,
                    np.full(rows, np.nan, np.float32)
                    if value is None
                    else value.float().cpu().numpy().ravel(),
                )
        return {name: np.concatenate(values) for name, values in parts.items()}

    def samples(self, window: Window) -> dict[str, list[Any]]:
        """Columns of the samples table."""
        columns: dict[str, list[Any]] = {name: [] for name in SAMPLES.names}
        for identity, prediction in zip(self.identities, self.predictions):
            n = len(identity)
            values = prediction.detach().double().cpu().tolist() if prediction is not None else [None] * n
            columns["id"] += identity.ids
            columns["split"] += [window.split] * n
            columns["window"] += [window.window_id] * n
            columns["formula"] += [reduced_formula(e) for e in identity.elements]
            columns["n_atoms"] += identity.n_atoms
            columns["n_tokens"] += [len(t.tokens) for t in identity.tokens] if identity.tokens else [None] * n
            columns["tokens_hash"] += token_hashes(identity)
            columns["text_truncated"] += (
                [t.truncated for t in identity.tokens] if identity.tokens else [None] * n
            )
            columns["target"] += list(identity.targets) if identity.targets else [None] * n
            columns["prediction"] += values
        return columns

    def crystals(self) -> dict[str, list[Any]]:
        """Columns of the crystal labels."""
        columns: dict[str, list[Any]] = {}
        for identity in self.identities:
            formulas = [reduced_formula(e) for e in identity.elements]
            for name, values in crystal_columns(identity, formulas, token_hashes(identity)).items():
                columns.setdefault(name, []).extend(values)
        return columns


def token_hashes(identity: BatchIdentity) -> list[str]:
    """16 hex digits per crystal over its tokens; empty without tokens."""
    return [_hash(t) for t in identity.tokens] if identity.tokens else [""] * len(identity)


def _hash(labels: TokenLabels) -> str:
    return hashlib.blake2b("\x00".join(labels.tokens).encode(), digest_size=8).hexdigest()


def prediction_tensor(output: Any, n: int) -> torch.Tensor | None:
    """The model's raw prediction for each of ``n`` crystals, (n,), or None when the output holds no such thing.

    A tensor, the first tensor of a tuple, or a mapping's predictions, prediction, out, output, logits or y.
    """
    if isinstance(output, dict) or hasattr(output, "keys"):
        for key in ("predictions", "prediction", "out", "output", "logits", "y"):
            if key in output:
                return prediction_tensor(output[key], n)
        return None
    if isinstance(output, (tuple, list)):
        return prediction_tensor(output[0], n) if output else None
    if isinstance(output, torch.Tensor) and output.numel() == n:
        return output.detach().reshape(n)
    return None

"""What can be knocked out of a crystal's attention: words of its description, or atoms of its cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crysmm_attn_plugin.records import AttentionCall, BatchIdentity
from crysmm_attn_plugin.text import merge_tokens, read_text
from crysmm_attn_plugin.text.mentions import own_mentions


@dataclass(frozen=True)
class Units:
    """One crystal's keys.

    Attributes:
        keys: (n,) positions of its real keys along the padded axis.
        members: Per unit (word or atom) the positions along that axis; special tokens are in none.
        labels: Per unit its word or atom.
        mass: (units,) mean share of a row that lies on each, over the calls, their heads and real rows.
        own: (rows, keys of the padded axis) bool: the key mentions the row's own element; None where nobody knows.
        rows: (m,) positions of its real queries.
    """

    keys: np.ndarray
    members: tuple[np.ndarray, ...]
    labels: tuple[str, ...]
    mass: np.ndarray
    own: np.ndarray | None
    rows: np.ndarray

    @property
    def ranked(self) -> np.ndarray:
        """Indices of the units, most attended first; ties in the order of the text."""
        return np.argsort(-self.mass, kind="stable")


def units_of(calls: Sequence[AttentionCall], identity: BatchIdentity) -> list[Units | None]:
    """Units of each crystal; None where a crystal's real keys cannot be told.

    Args:
        calls: Calls of one direction, their masks filled in.
        identity: Who is in the batch.
    """
    lengths = {c.weights.shape[3] for c in calls}
    if len(lengths) != 1:
        return [None] * len(identity)
    weights = [c.weights.double().mean(1).cpu().numpy() for c in calls]  # (B, Q, K)
    found: list[Units | None] = []
    for b in range(len(identity)):
        first = calls[0]
        keys = _real(first.key_mask, b, first.weights.shape[3])
        rows = _real(first.query_mask, b, first.weights.shape[2])
        mass = np.mean([w[b][_real(c.query_mask, b, w.shape[1])].mean(0) for w, c in zip(weights, calls)], 0)
        members, labels, own = _members(identity, b, first.direction, keys, len(rows), len(mass))
        total = np.array([mass[m].sum() for m in members])
        found.append(Units(keys, members, labels, total, own, rows) if len(members) > 1 else None)
    return found


def _real(mask: torch.Tensor | None, b: int, length: int) -> np.ndarray:
    if mask is None:
        return np.arange(length)
    return np.asarray(mask[b].nonzero().flatten().cpu().numpy())


def _members(
    identity: BatchIdentity, b: int, direction: str, keys: np.ndarray, n_rows: int, length: int
) -> tuple[tuple[np.ndarray, ...], tuple[str, ...], np.ndarray | None]:
    elements = identity.elements[b]
    if direction == "text_to_atom":
        names = elements if elements is not None and len(elements) == len(keys) else [""] * len(keys)
        return (
            tuple(keys[i : i + 1] for i in range(len(keys))),
            tuple(f"{e}{i + 1}" for i, e in enumerate(names)),
            None,
        )
    labels = identity.tokens[b] if identity.tokens is not None else None
    if labels is None or len(labels.tokens) != len(keys):
        return tuple(keys[i : i + 1] for i in range(len(keys))), tuple(map(str, keys)), None
    words = [w for w in merge_tokens(labels, elements or ()) if not w.special]
    members = tuple(keys[list(w.positions)] for w in words)
    own = None
    if elements is not None and len(elements) == n_rows and read_text(labels, elements).trusted:
        mentioned = own_mentions(labels, elements)
        if mentioned is not None:
            own = np.zeros((n_rows, length), bool)
            own[:, keys] = mentioned
    return members, tuple(w.text for w in words), own

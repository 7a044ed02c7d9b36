"""One crystal read and intervened on: maps over words in both directions, and what moves its prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from crysmm_attn_plugin.errors import NothingCapturedError
from crysmm_attn_plugin.explanation import Explanation, WordMap
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.probing.api import probe
from crysmm_attn_plugin.records import AttentionCall, TokenLabels
from crysmm_attn_plugin.text import Word, merge_tokens
from crysmm_attn_plugin.text.elements import reduced_formula

#: What can be done to one crystal alone: there is no other whose attention could be swapped in.
ALONE = ("knock_out", "keep_only", "uniform", "own_element", "heads")


def explain(
    model: nn.Module,
    loader: Any,
    forward: Callable[[nn.Module, Any], Any],
    *,
    text_from: str,
    sizes: tuple[int, ...] = (1, 2, 4, 8),
    draws: int = 5,
    seed: int = 0,
    interventions: tuple[str, ...] = ALONE,
) -> Explanation:
    """Read the first crystal of a loader's first batch.

    Args:
        model: The host's model.
        loader: Of one crystal.
        forward: Calls the model on a batch.
        text_from: Where the description comes from.
        sizes, draws, seed, interventions: As in ``probe``.

    Raises:
        NothingCapturedError: When no attention between atoms and words was seen, or its words or atoms are not known.
        CaptureError: When it cannot be changed.
    """
    seen: list[ReadBatch] = []
    result = probe(
        model,
        loader,
        forward=forward,
        interventions=interventions,
        sizes=sizes,
        draws=draws,
        seed=seed,
        on_read=seen.append,
    )
    read = seen[0]
    elements = read.identity.elements[0]
    labels = read.identity.tokens[0] if read.identity.tokens is not None else None
    if elements is None or labels is None:
        what = "elements of its atoms" if elements is None else "words of its description"
        raise NothingCapturedError(
            f"the attention was read, but the {what} cannot be told from the host's batch."
        )
    words = merge_tokens(labels, elements)
    maps = tuple(m for c in read.calls if (m := _merged(c, labels, len(elements), words)) is not None)
    assert read.prediction is not None
    return Explanation(
        read.identity.ids[0],
        reduced_formula(elements),
        tuple(f"{e}{i + 1}" for i, e in enumerate(elements)),
        tuple(w.text for w in words),
        tuple(w.special for w in words),
        tuple(w.space_before for w in words),
        labels.text,
        text_from,
        labels.truncated,
        float(read.prediction.reshape(-1)[0]),
        maps,
        tuple(_rows(result.effects, read.identity.ids[0])),
        dict(result.refused),
    )


def _merged(
    call: AttentionCall, labels: TokenLabels, n_atoms: int, words: tuple[Word, ...]
) -> WordMap | None:
    weights = call.weights[0].detach().double().cpu().numpy()
    rows, keys = (
        np.arange(n) if m is None else np.flatnonzero(m[0].cpu().numpy())
        for m, n in ((call.query_mask, weights.shape[1]), (call.key_mask, weights.shape[2]))
    )
    real = weights[:, rows][:, :, keys]
    n = len(labels.tokens)
    if call.direction == "atom_to_text" and real.shape[1:] == (n_atoms, n):
        merged = np.stack([real[:, :, list(w.positions)].sum(2) for w in words], 2)
    elif call.direction == "text_to_atom" and real.shape[1:] == (n, n_atoms):
        merged = np.stack([real[:, list(w.positions)].mean(1) for w in words], 1)
    else:
        return None
    return WordMap(call.module, call.call, call.direction, merged)


def _rows(effects: pd.DataFrame, crystal: str) -> list[dict[str, Any]]:
    own = effects[effects["id"] == crystal]
    keys = ["intervention", "size", "module", "call", "head"]
    means = own.groupby(keys, sort=False, as_index=False)[["prediction", "changed", "shift"]].mean()
    return [
        {str(k): (v.item() if isinstance(v, np.generic) else v) for k, v in row.items()}
        for row in means.to_dict("records")
    ]

"""Runs on disk with chosen metric values, written with the store's own writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crysmm_attn_plugin.records import (
    BatchIdentity,
    Checkpoint,
    Structure,
    TokenLabels,
    Window,
    WindowOutcome,
)
from crysmm_attn_plugin.store.reader import Run, open_run
from crysmm_attn_plugin.store.writer import RunWriter, crystal_columns, seal

#: (with_special_tokens, stopwords_removed) of the three scopes.
SCOPES = ((True, False), (False, False), (False, True))
LABELS = TokenLabels(("[CLS]", "salt", "[SEP]"), (-1, 0, -1), (True, False, True), "salt", False)


def crystal_ids(n: int) -> tuple[str, ...]:
    """``c000``, ``c001``, ..."""
    return tuple(f"c{i:03d}" for i in range(n))


def from_entropy(entropy: np.ndarray) -> dict[str, np.ndarray]:
    """The four primary metrics and one more of (N,) crystals whose attention has this entropy, all moving together."""
    return {
        "entropy": entropy,
        "max_weight": np.exp(-entropy / 2),
        "effective_tokens_hill": np.exp(entropy),
        "gini": 1 - entropy / 5,
        "between_atom_tv": 0.1 + 0 * entropy,
    }


def write_run(
    out: Path,
    arm: str,
    metrics: Mapping[str, np.ndarray],
    *,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    targets: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    n_atoms: np.ndarray | None = None,
    n_tokens: np.ndarray | None = None,
    formulas: Sequence[str] | None = None,
    hashes: Sequence[str] | None = None,
    edges: np.ndarray | None = None,
    heads: int = 2,
    config: Mapping[str, object] | None = None,
    direction: str = "atom_to_text",
    role: str = "best_val",
) -> Run:
    """One sealed run of one seed.

    Args:
        out: Folder of runs.
        arm: Arm's name.
        metrics: Name -> (N,) values; heads get values below and above them with this mean.
        seed: Training seed; also names the run and its weights.
        ids, targets, predictions, n_atoms, n_tokens, formulas, hashes: (N,) labels with defaults of their own.
        edges: (N,) edge of each crystal's cubic cell in angstrom.
        heads: Number of heads.
        config: The host's configuration.
        direction: Direction of the attention.
        role: The checkpoint's role.
    """
    n = len(next(iter(metrics.values())))
    ids = crystal_ids(n) if ids is None else ids
    formulas = [f"A{i + 1}B" for i in range(n)] if formulas is None else formulas
    hashes = [f"h{i}" for i in ids] if hashes is None else hashes
    n_atoms = np.arange(n) % 7 + 2 if n_atoms is None else n_atoms
    n_tokens = np.arange(n) * 5 % 23 + 20 if n_tokens is None else n_tokens
    targets = np.arange(n) % 11 / 4 if targets is None else targets
    predictions = targets + 0.1 if predictions is None else predictions
    edges = 4 + np.arange(n) / 10 if edges is None else edges
    columns: dict[str, list] = {
        key: []
        for key in ("crystal", "module", "call", "direction", "head", "with_special_tokens", "stopwords_removed",
                    "weights", "n_queries", "n_keys", *metrics)
    }  # fmt: skip
    for head in range(-1, heads):
        tilt = 0.0 if head < 0 or heads < 2 else 0.02 * (2 * head / (heads - 1) - 1)
        for special, stop in SCOPES:
            keys = np.asarray(n_tokens) - (0 if special else 2) - (5 if stop else 0)
            labels = {
                "crystal": ids, "module": ["fine"] * n, "call": [0] * n, "direction": [direction] * n,
                "head": [head] * n, "with_special_tokens": [special] * n, "stopwords_removed": [stop] * n,
                "weights": ["model"] * n, "n_queries": list(n_atoms), "n_keys": list(keys),
            }  # fmt: skip
            for key, values in labels.items():
                columns[key] += list(values)
            for name, values in metrics.items():
                columns[name] += list(np.asarray(values, float) * (1 + tilt))
    structures = tuple(
        Structure(((a, 0, 0), (0, a, 0), (0, 0, a)), ((0, 0, 0),) * int(m), ("Na",) * int(m))
        for a, m in zip(np.asarray(edges, float).tolist(), n_atoms)
    )
    identity = BatchIdentity(
        tuple(ids), tuple(("Na",) * int(m) for m in n_atoms), (LABELS,) * n, tuple(targets), structures
    )
    digest = f"{arm}-{seed}"
    samples = {
        "id": ids, "split": ["test"] * n, "window": ["w"] * n, "formula": formulas, "n_atoms": list(n_atoms),
        "n_tokens": list(n_tokens), "tokens_hash": hashes, "text_truncated": [False] * n, "target": list(targets),
        "prediction": list(predictions),
    }  # fmt: skip
    writer = RunWriter(
        out,
        arm,
        run_id=f"run-{seed}",
        info={"host_seed": seed, "host_config": {"random_seed": seed, **(config or {})}},
    )
    writer.write_window(
        WindowOutcome(Window("w", digest, "test", "final", 3), "complete", n_batches=1, n_crystals=n),
        attention=columns,
        samples=samples,
        crystals=crystal_columns(identity, list(formulas), list(hashes)),
    )
    writer.write_checkpoint(Checkpoint(digest, (f"{arm}_{seed}.pt",), role, 3, {"val_mae": 0.2}, ()))
    seal(writer.path)
    return open_run(writer.path)


def entropies(n: int, seed: int = 0) -> np.ndarray:
    """(n,) plausible entropies, 2 to 3 nats."""
    return 2.5 + 0.25 * np.tanh(np.random.default_rng(seed).standard_normal(n))

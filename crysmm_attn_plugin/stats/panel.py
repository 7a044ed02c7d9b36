"""Captured runs aligned by crystal: arms x seeds x crystals arrays of every metric and of the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import METRICS, PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.errors import NothingCapturedError, StatisticsError, UsageError
from crysmm_attn_plugin.records import HEAD_MEAN_FIRST, Checkpoint
from crysmm_attn_plugin.store.reader import Run
from crysmm_attn_plugin.store.schema import ATTENTION_KEYS

#: scope -> (with_special_tokens, stopwords_removed)
SCOPES: dict[str, tuple[bool, bool]] = {
    "with_special": (True, False),
    "without_special": (False, False),
    "without_stopwords": (False, True),
}
AGGREGATIONS = ("metric_then_heads", "heads_then_metric")


@dataclass(frozen=True)
class Cell:
    """Which values: one metric, read in one way."""

    metric: str
    direction: str = "atom_to_text"
    scope: str = "with_special"
    aggregation: str = "metric_then_heads"


@dataclass(frozen=True)
class Panel:
    """Arms aligned on the same crystals.

    Attributes:
        ids: N crystal ids, sorted.
        arms: Arm name -> its runs, one a seed.
        checkpoints: Arm name -> the checkpoint that stands for each run.
        crystals: Frame indexed by id: formula, n_atoms, n_tokens, tokens_hash, text_truncated, target.
        values: (arm, cell) -> (k, N) array; NaN where a metric is not defined for a crystal.
        heads: (arm, metric, direction) -> (k, N, H) array of the scope with special tokens.
        keys: (arm, direction, scope) -> (N,) number of keys.
        reinitialised: (arm, cell) -> (k, N) array under re-initialised weights, where captured.
        predictions: Arm -> (k, N) array, NaN where unknown.
        excluded: Reason -> number of crystals left out.
        warnings: Sentences a reader must see.
        module: Name of the attention module the values come from.
    """

    ids: tuple[str, ...]
    arms: Mapping[str, tuple[Run, ...]]
    checkpoints: Mapping[str, tuple[Checkpoint, ...]]
    crystals: pd.DataFrame
    values: Mapping[tuple[str, Cell], np.ndarray]
    heads: Mapping[tuple[str, str, str], np.ndarray]
    keys: Mapping[tuple[str, str, str], np.ndarray]
    reinitialised: Mapping[tuple[str, Cell], np.ndarray]
    predictions: Mapping[str, np.ndarray]
    excluded: Mapping[str, int]
    warnings: tuple[str, ...]
    module: str
    directions: tuple[str, ...]
    n_heads: int
    metrics: tuple[str, ...] = field(default=())

    def get(self, arm: str, cell: Cell) -> np.ndarray | None:
        """(k, N) values, or None when the cell was not captured."""
        return self.values.get((arm, cell))


def build_panel(
    arms: Mapping[str, Sequence[Run]],
    *,
    split: str = "test",
    checkpoint: str = "auto",
    module: str | None = None,
) -> Panel:
    """Align runs by crystal id.

    Args:
        arms: Arm name -> runs, one a seed.
        split: Split whose passes are compared.
        checkpoint: Which checkpoint stands for a run (see ``Run.checkpoint``).
        module: Attention module; the first that every run holds when None.

    Raises:
        UsageError: When an arm has no run or the module is unknown.
        NothingCapturedError: When a run holds no attention.
        StatisticsError: When the runs share no crystal, or disagree about a crystal's target.
    """
    if not arms:
        raise UsageError("no runs to compare; give at least one run folder.")
    warnings: list[str] = []
    runs: dict[str, tuple[Run, ...]] = {}
    checkpoints: dict[str, tuple[Checkpoint, ...]] = {}
    for arm, members in arms.items():
        if not members:
            raise UsageError(f"arm {arm!r} has no run; give at least one run folder for it.")
        kept, chosen = _one_run_per_checkpoint(arm, members, checkpoint, split, warnings)
        runs[arm], checkpoints[arm] = kept, chosen
    pairs = [(arm, r, c.digest) for arm in runs for r, c in zip(runs[arm], checkpoints[arm])]
    samples = [_samples(r, digest, split) for _, r, digest in pairs]
    attention = [_attention(r, digest, set(s.index)) for (_, r, digest), s in zip(pairs, samples)]
    chosen_module = _choose_module(attention, module, warnings)
    attention = [frame[frame["module"] == chosen_module] for frame in attention]

    ids, excluded = _common_ids(pairs, samples, attention)
    crystals = _crystal_frame(pairs, samples, ids, warnings)
    columns = [c for c in attention[0].columns if c not in {*ATTENTION_KEYS.names, "checkpoint", "rank"}]
    shared = [c for c in columns if all(c in frame for frame in attention)]
    directions = tuple(
        d
        for d in ("atom_to_text", "text_to_atom")
        if all((frame["direction"] == d).any() for frame in attention)
    )
    values: dict[tuple[str, Cell], np.ndarray] = {}
    heads: dict[tuple[str, str, str], np.ndarray] = {}
    keys: dict[tuple[str, str, str], np.ndarray] = {}
    fresh: dict[tuple[str, Cell], np.ndarray] = {}
    predictions: dict[str, np.ndarray] = {}
    for arm in runs:
        mine = [i for i, (a, _, _) in enumerate(pairs) if a == arm]
        predictions[arm] = np.stack([samples[i].loc[list(ids), "prediction"].to_numpy(float) for i in mine])
        for direction in directions:
            for scope, (special, stop) in SCOPES.items():
                frames = [_scope(attention[i], direction, special, stop) for i in mine]
                if any(not len(f) for f in frames):
                    continue
                per_head = [f[(f["head"] != HEAD_MEAN_FIRST) & (f["weights"] == "model")] for f in frames]
                head_mean = [f[(f["head"] == HEAD_MEAN_FIRST) & (f["weights"] == "model")] for f in frames]
                random = [f[(f["head"] != HEAD_MEAN_FIRST) & (f["weights"] != "model")] for f in frames]
                keys[arm, direction, scope] = _by_crystal(per_head[0], ["n_keys"], ids)["n_keys"].to_numpy()
                for source, aggregation, store in (
                    (per_head, "metric_then_heads", values),
                    (head_mean, "heads_then_metric", values),
                    (random, "metric_then_heads", fresh),
                ):
                    if any(not len(f) for f in source):
                        continue
                    tables = [_by_crystal(f, shared, ids) for f in source]
                    for metric in shared:
                        cell = Cell(metric, direction, scope, aggregation)
                        store[arm, cell] = np.stack([t[metric].to_numpy(float) for t in tables])
                if scope == "with_special":
                    for metric in (m for m in PRIMARY if m in shared):
                        heads[arm, metric, direction] = np.stack(
                            [_head_array(f, metric, ids) for f in per_head]
                        )
    if not directions:
        raise NothingCapturedError("the runs to compare have no attention direction in common.")
    n_heads = int(attention[0]["head"].max()) + 1
    return Panel(
        ids, runs, checkpoints, crystals, values, heads, keys, fresh, predictions, excluded, tuple(warnings),
        chosen_module, directions, n_heads, tuple(shared),
    )  # fmt: skip


def known_metrics(panel: Panel) -> list[str]:
    """Catalogue metrics the panel holds, in catalogue order, then any that plugins added."""
    own = [m.name for m in METRICS if m.name in panel.metrics]
    masses = {f"mass_{c}" for c in TOKEN_CATEGORIES}
    return own + [m for m in panel.metrics if m not in own and m not in masses]


def _one_run_per_checkpoint(
    arm: str, members: Sequence[Run], checkpoint: str, split: str, warnings: list[str]
) -> tuple[tuple[Run, ...], tuple[Checkpoint, ...]]:
    """Newest run of each distinct checkpoint: the same weights captured twice are one seed, not two."""
    chosen: dict[str, tuple[Run, Checkpoint]] = {}
    for run in members:
        found = run.checkpoint(checkpoint, split=split)
        if found.digest in chosen:
            warnings.append(
                f"arm {arm}: runs {chosen[found.digest][0].run_id} and {run.run_id} hold the same weights; "
                "they count as one seed."
            )
        chosen[found.digest] = (run, found)
    kept = list(chosen.values())
    roles = sorted({c.role for _, c in kept})
    # one checkpoint may have several roles (best_val+last): a role that all share is the one they stand for
    if len(roles) > 1 and not set.intersection(*(set(r.split("+")) for r in roles)):
        warnings.append(
            f"arm {arm}: its runs are represented by checkpoints of different roles ({', '.join(roles)})."
        )
    return tuple(r for r, _ in kept), tuple(c for _, c in kept)


def _samples(run: Run, digest: str, split: str) -> pd.DataFrame:
    frame = run.samples
    frame = frame[(frame["checkpoint"] == digest) & (frame["split"] == split)]
    return frame.drop_duplicates("id").set_index("id")


def _attention(run: Run, digest: str, ids: set[str]) -> pd.DataFrame:
    frame = run.attention
    if not len(frame):
        raise NothingCapturedError(f"run {run.path} holds no attention; see `crysmm-attn status {run.path}`.")
    return frame[(frame["checkpoint"] == digest) & frame["crystal"].isin(ids)]


def _choose_module(frames: Sequence[pd.DataFrame], module: str | None, warnings: list[str]) -> str:
    common = set.intersection(*(set(f["module"].unique()) for f in frames))
    if not common:
        each = "; ".join(", ".join(sorted(f["module"].unique())) for f in frames)
        raise StatisticsError(
            f"the runs have no attention module in common ({each}); compare runs of one model."
        )
    if module is not None:
        if module not in common:
            raise UsageError(
                f"no attention module {module!r} in every run; common: {', '.join(sorted(common))}."
            )
        return module
    chosen = min(common)
    if len(common) > 1:
        rest = ", ".join(sorted(common - {chosen}))
        warnings.append(f"the model has several attention modules; {chosen} is compared, {rest} not.")
    return chosen


def _common_ids(
    pairs: Sequence[tuple[str, Run, str]], samples: Sequence[pd.DataFrame], attention: Sequence[pd.DataFrame]
) -> tuple[tuple[str, ...], dict[str, int]]:
    sets = [set(s.index) & set(a["crystal"]) for s, a in zip(samples, attention)]
    common = set.intersection(*sets)
    everything = set.union(*(set(s.index) for s in samples))
    if not common:
        first, last = pairs[0][1], pairs[-1][1]
        raise StatisticsError(
            f"the runs share no test crystal ({first.path}: {len(sets[0])}, {last.path}: {len(sets[-1])}); "
            "arms must be tested on the same split: use the same split seed and sizes."
        )
    excluded = {"not in every run": len(everything) - len(common)} if len(everything) > len(common) else {}
    return tuple(sorted(common)), excluded


def _crystal_frame(
    pairs: Sequence[tuple[str, Run, str]],
    samples: Sequence[pd.DataFrame],
    ids: tuple[str, ...],
    warnings: list[str],
) -> pd.DataFrame:
    first = samples[0].loc[list(ids)]
    for (arm, run, _), other in zip(pairs[1:], samples[1:]):
        mine = other.loc[list(ids)]
        a, b = first["target"].to_numpy(float), mine["target"].to_numpy(float)
        differ = np.flatnonzero(~np.isclose(a, b, rtol=1e-4, atol=1e-6, equal_nan=True))
        if len(differ):
            i = int(differ[0])
            raise StatisticsError(
                f"crystal {ids[i]!r} has target {a[i]:g} in {pairs[0][1].path} but {b[i]:g} in {run.path} "
                f"({len(differ)} such crystals); the runs were not tested on the same data."
            )
        texts = int((first["tokens_hash"].to_numpy() != mine["tokens_hash"].to_numpy()).sum())
        if texts:
            warnings.append(f"{texts} crystals have another text in arm {arm} than in arm {pairs[0][0]}.")
    columns = ["formula", "n_atoms", "n_tokens", "tokens_hash", "text_truncated", "target"]
    return first[columns].copy()


def _scope(frame: pd.DataFrame, direction: str, special: bool, stop: bool) -> pd.DataFrame:
    return frame[
        (frame["direction"] == direction)
        & (frame["with_special_tokens"] == special)
        & (frame["stopwords_removed"] == stop)
    ]


def _by_crystal(frame: pd.DataFrame, columns: Sequence[str], ids: tuple[str, ...]) -> pd.DataFrame:
    """Mean over heads and calls, one row a crystal; a NaN in any head stays NaN."""
    grouped = frame.groupby("crystal", sort=False)[list(columns)]
    means = grouped.mean().astype(float)
    holes = frame[list(columns)].isna()
    if holes.to_numpy().any():
        bad = holes.groupby(frame["crystal"], sort=False).any()
        means = means.mask(bad)
    return means.reindex(list(ids))


def _head_array(frame: pd.DataFrame, metric: str, ids: tuple[str, ...]) -> np.ndarray:
    table = frame.pivot_table(index="crystal", columns="head", values=metric, aggfunc="mean")
    return table.reindex(list(ids)).to_numpy(float)

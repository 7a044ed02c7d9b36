"""Captured runs aligned by crystal: arms x seeds x crystals arrays of every metric and of the predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.catalogue import METRICS, PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.errors import NothingCapturedError, StatisticsError, UsageError
from crysmm_attn_plugin.records import DIRECTIONS, Alarm, Checkpoint
from crysmm_attn_plugin.store.means import CrystalMeans, MeanCell
from crysmm_attn_plugin.store.reader import Run
from crysmm_attn_plugin.store.shards import MergedRun, merge_shards

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
        warnings: What a reader must see.
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
    warnings: tuple[Alarm, ...]
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
    warnings: list[Alarm] = []
    runs: dict[str, tuple[Run, ...]] = {}
    checkpoints: dict[str, tuple[Checkpoint, ...]] = {}
    for arm, members in arms.items():
        if not members:
            raise UsageError(f"arm {arm!r} has no run; give at least one run folder for it.")
        kept, chosen = _one_run_per_checkpoint(arm, members, checkpoint, split, warnings)
        runs[arm], checkpoints[arm] = kept, chosen
    if len({c.algorithm for chosen in checkpoints.values() for c in chosen}) > 1:
        warnings.append(raised("digests_differ"))
    pairs = [(arm, r, c.digest) for arm in runs for r, c in zip(runs[arm], checkpoints[arm])]
    samples = [_samples(r, digest, split) for _, r, digest in pairs]
    present = [_crystals_by_module(r, digest, split) for _, r, digest in pairs]
    chosen_module = _choose_module(present, module, warnings)
    ids, excluded = _common_ids(pairs, samples, [p[chosen_module] for p in present])
    crystals = _crystal_frame(pairs, samples, ids, warnings)
    predictions = {
        arm: np.stack(
            [
                s.loc[list(ids), "prediction"].to_numpy(float)
                for s, (a, _, _) in zip(samples, pairs)
                if a == arm
            ]
        )
        for arm in runs
    }
    gathered = _Gathered(ids)
    for arm, run, digest in pairs:
        means = run.crystal_means(digest, split, module=chosen_module, per_head=PRIMARY)
        gathered.add(arm, means)
    shared, directions = gathered.shared, gathered.directions
    values, heads, keys, fresh = gathered.arrays({arm: len(members) for arm, members in runs.items()})
    if not directions:
        raise NothingCapturedError("the runs to compare have no attention direction in common.")
    return Panel(
        ids, runs, checkpoints, crystals, values, heads, keys, fresh, predictions, excluded, tuple(warnings),
        chosen_module, directions, gathered.n_heads, shared,
    )  # fmt: skip


def known_metrics(panel: Panel) -> list[str]:
    """Catalogue metrics the panel holds, in catalogue order, then any that plugins added."""
    own = [m.name for m in METRICS if m.name in panel.metrics]
    masses = {f"mass_{c}" for c in TOKEN_CATEGORIES}
    return own + [m for m in panel.metrics if m not in own and m not in masses]


def _one_run_per_checkpoint(
    arm: str, members: Sequence[Run], checkpoint: str, split: str, warnings: list[Alarm]
) -> tuple[tuple[Run, ...], tuple[Checkpoint, ...]]:
    """One run for each distinct checkpoint: the same weights captured twice, or in shards, are one seed, not two."""
    kept = []
    for run in merge_shards(members, checkpoint=checkpoint, split=split):
        if isinstance(run, MergedRun) and run.overlap:
            warnings.append(raised("runs_same_weights", arm=arm, runs=run.run_id.split("+")))
        kept.append((run, run.checkpoint(checkpoint, split=split)))
    roles = sorted({c.role for _, c in kept})
    # one checkpoint may have several roles (best_val+last): a role that all share is the one they stand for
    if not set.intersection(*(set(r.split("+")) for r in roles)):
        warnings.append(raised("checkpoint_roles_differ", arm=arm, roles=roles))
    return tuple(r for r, _ in kept), tuple(c for _, c in kept)


def _samples(run: Run, digest: str, split: str) -> pd.DataFrame:
    return run.samples_of(digest, split).set_index("id")


def _crystals_by_module(run: Run, digest: str, split: str) -> dict[str, set[str]]:
    found = run.crystals_of(digest, split)
    if not found:
        raise NothingCapturedError(f"run {run.path} holds no attention; see `crysmm-attn status {run.path}`.")
    repeated = run.repeated_ids  # which of two crystals with one id is which is not known
    return {module: ids - repeated for module, ids in found.items()}


#: Arrays by arm and cell, and by arm, direction or metric, and scope.
_OfCells = dict[tuple[str, Cell], np.ndarray]
_OfScopes = dict[tuple[str, str, str], np.ndarray]


class _Gathered:
    """Means of every run in the order of the panel's crystals, taken run by run so that no run's frame is held."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self._runs: list[tuple[str, dict[MeanCell, tuple[np.ndarray, np.ndarray]], tuple[str, ...]]] = []
        self._heads: list[dict[tuple[str, str], np.ndarray]] = []
        self.n_heads = 0

    def add(self, arm: str, means: CrystalMeans) -> None:
        cells = {c: (means.align(c, self._ids), means.keys(c, self._ids)) for c in means.cells}
        self._runs.append((arm, cells, means.metrics))
        self._heads.append(
            {
                (metric, c.direction): means.heads(c, metric, self._ids)
                for c in means.cells
                if c.weights == "model" and c.with_special_tokens and not c.head_mean
                for metric in PRIMARY
                if metric in means.metrics
            }
        )
        self.n_heads = self.n_heads or means.n_heads

    @property
    def shared(self) -> tuple[str, ...]:
        return tuple(m for m in self._runs[0][2] if all(m in metrics for _, _, metrics in self._runs))

    @property
    def directions(self) -> tuple[str, ...]:
        known = [{c.direction for c in cells} for _, cells, _ in self._runs]
        return tuple(d for d in DIRECTIONS if all(d in k for k in known))

    def arrays(self, sizes: Mapping[str, int]) -> tuple[_OfCells, _OfScopes, _OfScopes, _OfCells]:
        """Values, heads, keys and values under re-initialised weights, as ``Panel`` has them."""
        values: _OfCells = {}
        fresh: _OfCells = {}
        heads: _OfScopes = {}
        keys: _OfScopes = {}
        for arm in sizes:
            mine = [i for i, (a, _, _) in enumerate(self._runs) if a == arm]
            for direction in self.directions:
                for scope, (special, stop) in SCOPES.items():
                    for source, head_mean, aggregation, store in (
                        ("model", False, "metric_then_heads", values),
                        ("model", True, "heads_then_metric", values),
                        ("reinitialised", False, "metric_then_heads", fresh),
                    ):
                        found = [self._cell(i, direction, special, stop, source, head_mean) for i in mine]
                        if any(cell is None for cell in found):
                            continue
                        parts = [self._runs[i][1][cell] for i, cell in zip(mine, found) if cell is not None]
                        if source == "model" and not head_mean:
                            keys[arm, direction, scope] = parts[0][1]
                        for metric in self.shared:
                            places = [self._runs[i][2].index(metric) for i in mine]
                            store[arm, Cell(metric, direction, scope, aggregation)] = np.stack(
                                [means[:, j] for (means, _), j in zip(parts, places)]
                            )
                for metric in (m for m in PRIMARY if m in self.shared):
                    if all((metric, direction) in self._heads[i] for i in mine):
                        heads[arm, metric, direction] = np.stack(
                            [self._heads[i][metric, direction] for i in mine]
                        )
        return values, heads, keys, fresh

    def _cell(
        self, run: int, direction: str, special: bool, stop: bool, weights: str, head_mean: bool
    ) -> MeanCell | None:
        wanted = (direction, special, stop, weights, head_mean)
        for c in self._runs[run][1]:
            if (c.direction, c.with_special_tokens, c.stopwords_removed, c.weights, c.head_mean) == wanted:
                return c
        return None


def _choose_module(found: Sequence[Mapping[str, set[str]]], module: str | None, warnings: list[Alarm]) -> str:
    common = set.intersection(*(set(f) for f in found))
    if not common:
        each = "; ".join(", ".join(sorted(f)) for f in found)
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
        warnings.append(raised("several_modules", chosen=chosen, rest=sorted(common - {chosen})))
    return chosen


def _common_ids(
    pairs: Sequence[tuple[str, Run, str]], samples: Sequence[pd.DataFrame], present: Sequence[set[str]]
) -> tuple[tuple[str, ...], dict[str, int]]:
    sets = [set(s.index) & ids for s, ids in zip(samples, present)]
    common = set.intersection(*sets)
    everything = set.union(*(set(s.index) for s in samples))
    if not common:
        first, last = pairs[0][1], pairs[-1][1]
        raise StatisticsError(
            f"the runs share no test crystal ({first.path}: {len(sets[0])}, {last.path}: {len(sets[-1])}); "
            "arms must be tested on the same split: use the same split seed and sizes."
        )
    repeated = len(everything & frozenset.union(*(r.repeated_ids for _, r, _ in pairs)))
    missing = len(everything) - len(common) - repeated
    excluded = {"not in every run": missing, "id came more than once": repeated}
    excluded = {reason: n for reason, n in excluded.items() if n}
    return tuple(sorted(common)), excluded


def _crystal_frame(
    pairs: Sequence[tuple[str, Run, str]],
    samples: Sequence[pd.DataFrame],
    ids: tuple[str, ...],
    warnings: list[Alarm],
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
            warnings.append(raised("texts_differ", n=texts, arm=arm, other=pairs[0][0]))
    columns = ["formula", "n_atoms", "n_tokens", "tokens_hash", "text_truncated", "target"]
    return first[columns].copy()

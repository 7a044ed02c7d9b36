"""What surrounds a comparison: example crystals, word categories, epochs, duplicates, differing settings."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from crysmm_attn_plugin.catalogue import PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.stats.panel import Cell, Panel
from crysmm_attn_plugin.stats.results import CategoryMass, EpochPoint, ExampleCrystal
from crysmm_attn_plugin.store.means import MeanCell
from crysmm_attn_plugin.store.reader import Run


def choose_examples(
    panel: Panel, arm: str, baseline: str | None, metric: str = "entropy"
) -> tuple[ExampleCrystal, ...]:
    """Crystals for the heat maps by a stated rule, among those whose maps every run kept.

    Median change, largest decrease, largest increase of ``metric``; for one arm alone the median, lowest and highest
    value. Fewer are returned when fewer maps were kept.
    """
    kept = set(panel.ids)
    arms = [arm] if baseline is None else [arm, baseline]
    for name in arms:
        run, checkpoint = panel.arms[name][0], panel.checkpoints[name][0]
        kept &= set(run.map_ids(checkpoint.digest))
    cell = Cell(metric, panel.directions[0])
    a = panel.get(arm, cell)
    b = panel.get(baseline, cell) if baseline is not None else None
    if a is None:
        return ()
    # maps are of the first run of each arm, so the change is that of those runs too
    first = a[0]
    second = b[0] if b is not None else np.zeros_like(first)
    change = first - second
    usable = [i for i, crystal in enumerate(panel.ids) if crystal in kept and math.isfinite(change[i])]
    if not usable:
        return ()
    order = sorted(usable, key=lambda i: (change[i], panel.ids[i]))
    # single atoms have nothing to compare between rows; prefer cells with more where there are any
    several = [i for i in order if panel.crystals["n_atoms"].iloc[i] > 1] or order
    picks = {
        "median_change": several[len(several) // 2],
        "largest_decrease": several[0],
        "largest_increase": several[-1],
    }
    examples, seen = [], set()
    for rule, i in picks.items():
        if i in seen:
            continue
        seen.add(i)
        examples.append(
            ExampleCrystal(
                panel.ids[i],
                str(panel.crystals["formula"].iloc[i]),
                rule,  # type: ignore[arg-type]
                metric,
                float(change[i]),
                float(first[i]),
                float(second[i]) if b is not None else float("nan"),
            )
        )
    return tuple(examples)


def category_masses(panel: Panel, alpha: float) -> tuple[CategoryMass, ...]:
    """Mean share of atom-to-text attention on each word category, t interval over crystals."""
    rows = []
    for arm in panel.arms:
        for category in TOKEN_CATEGORIES:
            values = panel.get(arm, Cell(f"mass_{category}"))
            if values is None:
                continue
            mean, low, high, _ = mean_interval(values.mean(0), alpha)
            rows.append(CategoryMass(arm, category, mean, low, high))
    return tuple(rows)


def epoch_points(panel: Panel, split: str, alpha: float) -> tuple[EpochPoint, ...]:
    """Primary metrics over training, for runs that kept more than one epoch."""
    points = []
    for arm, runs in panel.arms.items():
        for run in runs:
            points += _run_epochs(arm, run, panel, split, alpha)
    return tuple(points)


def _run_epochs(arm: str, run: Run, panel: Panel, split: str, alpha: float) -> list[EpochPoint]:
    epochs: dict[str, int] = {}
    for outcome in run.windows:
        window = outcome.window
        if window.split == split and outcome.state == "complete" and window.epoch is not None:
            epochs.setdefault(window.checkpoint, window.epoch)
    for checkpoint in run.checkpoints:
        if checkpoint.digest in epochs and checkpoint.epoch is not None:
            epochs[checkpoint.digest] = checkpoint.epoch
    if len(set(epochs.values())) < 2:
        return []
    cell = MeanCell(panel.module, panel.directions[0])
    points = []
    for digest, epoch in sorted(epochs.items(), key=lambda item: item[1]):
        means = run.crystal_means(
            digest, split, module=cell.module, directions=[cell.direction], metrics=PRIMARY
        )
        if cell not in means.cells:
            continue
        values = means.align(cell, panel.ids)
        for j, metric in enumerate(means.metrics):
            if np.isfinite(values[:, j]).any():
                mean, low, high, n = mean_interval(values[:, j], alpha)
                points.append(EpochPoint(arm, run.run_id, int(epoch), metric, mean, low, high, n))
    return points


def mean_interval(values: np.ndarray, alpha: float) -> tuple[float, float, float, int]:
    """Mean with its t interval over the finite values, and how many there were."""
    values = values[np.isfinite(values)]
    n = len(values)
    if n == 0:
        return math.nan, math.nan, math.nan, 0
    mean = float(values.mean())
    half = float(stats.t.ppf(1 - alpha / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    return mean, mean - half, mean + half, n


def find_duplicates(panel: Panel) -> tuple[tuple[str, ...], ...]:
    """Groups of test crystals that are likely the same: equal text, or equal formula, atom count and volume.

    Volumes per atom within 2 % count as equal; the comparison is by crystal, so such groups are not independent.
    """
    run = next(iter(panel.arms.values()))[0]
    parent = {crystal: crystal for crystal in panel.ids}

    def root(crystal: str) -> str:
        while parent[crystal] != crystal:
            crystal = parent[crystal]
        return crystal

    hashes: dict[str, str] = {}
    formulas: dict[tuple[str, int], list[str]] = defaultdict(list)
    frame = panel.crystals
    for crystal, token_hash, formula, n_atoms in zip(
        panel.ids, frame["tokens_hash"], frame["formula"], frame["n_atoms"]
    ):
        if isinstance(token_hash, str) and token_hash:
            first = hashes.setdefault(token_hash, crystal)
            parent[root(crystal)] = root(first)
        formulas[str(formula), int(n_atoms)].append(crystal)
    volumes = {c: _volume(run, c) for members in formulas.values() if len(members) > 1 for c in members}
    for members in formulas.values():
        for i, first in enumerate(members):
            for second in members[i + 1 :]:
                a, b = volumes[first], volumes[second]
                if a is not None and b is not None and abs(a - b) <= 0.02 * max(a, b):
                    parent[root(second)] = root(first)
    groups: dict[str, list[str]] = defaultdict(list)
    for crystal in panel.ids:
        groups[root(crystal)].append(crystal)
    return tuple(tuple(members) for members in groups.values() if len(members) > 1)


def _volume(run: Run, crystal: str) -> float | None:
    structure = run.structure(crystal)
    return None if structure is None else abs(float(np.linalg.det(np.asarray(structure.lattice))))


def differing_settings(first: Sequence[Run], second: Sequence[Run]) -> tuple[str, ...]:
    """Keys of the hosts' configurations that differ between two arms; seeds, paths and the ablation's own switch left out."""
    a, b = _flat(first[0].info.get("host_config") or {}), _flat(second[0].info.get("host_config") or {})
    ignored = ("seed", "output_dir", "out_dir", "save_dir", "filename", "crysmm_attn")
    switches = {str(run.info["switch"]) for run in (first[0], second[0]) if run.info.get("switch")}
    keys = sorted(set(a) | set(b))
    keys = [k for k in keys if k.rpartition(".")[2] not in switches]
    return tuple(k for k in keys if a.get(k) != b.get(k) and not any(word in k for word in ignored))


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            flat.update(_flat(item, name + "."))
        else:
            flat[name] = item
    return flat

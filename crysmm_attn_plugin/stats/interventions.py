"""Effects of interventions over crystals: curves with intervals, contrasts with random words, and what may be said of use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.result_parts import PairedResult
from crysmm_attn_plugin.stats.use_results import Contrast, Effect, Faithfulness, Use

MEASURES = ("shift", "error_change")
#: (name, what is looked at, what it is set against: another intervention of the same size).
CONTRASTS = (
    ("most_attended", "knock_out_most", "knock_out_random"),
    ("kept", "keep_most", "keep_random"),
    ("own_element", "own_element", "own_element_random"),
)
#: Interventions that say whether the pattern of the attention counts, whatever it lies on.
PATTERN = ("uniform", "swap")
#: A mean shift of the prediction below this share of the predictions' standard deviation is none worth a word.
NEGLIGIBLE = 0.01


def faithfulness(
    rows: pd.DataFrame | Sequence[pd.DataFrame],
    *,
    alpha: float = 0.05,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Faithfulness:
    """Summarise the table ``interventions`` of one arm's checkpoints, of one split and direction.

    Args:
        rows: Columns of ``store.schema.INTERVENTIONS``: one checkpoint's, or each training run's. With several runs every
            interval takes crystals and runs as samples.
        alpha: Level of intervals and tests.
        n_resamples: Resamples and sign flips, with one run.
        seed: Of both.
    """
    runs = (rows,) if isinstance(rows, pd.DataFrame) else tuple(rows)
    options = {"alpha": alpha, "n_resamples": n_resamples, "seed": seed}
    asked = list(dict.fromkeys(zip(runs[0]["intervention"], runs[0]["size"])))
    effects = tuple(
        Effect(str(name), int(size), measure, "", -1, -1, *found)
        for measure in MEASURES
        for name, size in asked
        if name != "head" and (found := _effect(runs, str(name), int(size), measure, options)) is not None
    )
    contrasts = tuple(
        c
        for measure in MEASURES
        for name, intervention, control in CONTRASTS
        for c in _contrasts(runs, name, intervention, control, measure, options)
    )
    predictions = pd.concat(
        [run.drop_duplicates("id").set_index("id")["prediction"] for run in runs], axis=1, join="inner"
    ).mean(axis=1)
    spread = float(predictions.std()) if len(predictions) > 1 else math.nan
    size = _tested(contrasts)
    use = _use(effects, contrasts, size, spread, alpha)
    heads = _heads(runs[0], options)
    return Faithfulness(effects, heads, contrasts, len(predictions), spread, use, size)


def beyond_random(
    first: Sequence[pd.DataFrame],
    second: Sequence[pd.DataFrame],
    size: int,
    *,
    alpha: float,
    seed: int,
    paired_seeds: bool = False,
) -> PairedResult | None:
    """Shift beyond random words, first - second arm, over the crystals that every run of both was probed on."""  # fmt: skip
    sides = [
        [per_crystal(r, "knock_out_most", size, "shift") - per_crystal(r, "knock_out_random", size, "shift") for r in runs]
        for runs in (first, second)
    ]  # fmt: skip
    ids = _shared([s.dropna() for side in sides for s in side])
    if len(ids) < 2:
        return None
    a, b = (np.array([s[ids].to_numpy(float) for s in side]) for side in sides)
    return _paired(a, b, {"alpha": alpha, "n_resamples": 2000, "seed": seed}, paired_seeds=paired_seeds)


def per_crystal(rows: pd.DataFrame, intervention: str, size: int | None, measure: str) -> pd.Series:
    """A crystal's mean of one measure over draws, by id; without values that are not finite."""
    part = rows[rows["intervention"] == intervention]
    part = part if size is None else part[part["size"] == size]
    means = part.groupby("id", sort=True)[measure].mean()
    finite: pd.Series[float] = means[np.isfinite(means.to_numpy(float))]
    return finite


def _shared(series: Sequence[pd.Series]) -> list[str]:
    return sorted(set.intersection(*(set(s.index) for s in series)))


def _values(
    runs: Sequence[pd.DataFrame], interventions: Sequence[str], size: int, measure: str
) -> list[np.ndarray]:
    """(runs, crystals) of each intervention over the crystals that all of them have; one run gives (crystals,)."""
    found = [[per_crystal(run, name, size, measure) for run in runs] for name in interventions]
    ids = _shared([s for side in found for s in side])
    arrays = [np.array([s[ids].to_numpy(float) for s in side]) for side in found]
    return arrays if len(runs) > 1 else [a[0] for a in arrays]


def _effect(
    runs: Sequence[pd.DataFrame], name: str, size: int, measure: str, options: dict[str, float | int]
) -> tuple[int, float, float, float] | None:
    (values,) = _values(runs, [name], size, measure)
    if values.shape[-1] < 2:
        return None
    found = _paired(values, np.zeros_like(values), options, paired_seeds=len(runs) > 1)
    return found.n, found.mean_difference, found.ci_low, found.ci_high


def _heads(rows: pd.DataFrame, options: dict[str, float | int]) -> tuple[Effect, ...]:
    ablated = rows[rows["intervention"] == "head"]
    found = []
    for measure in MEASURES:
        for _, part in ablated.groupby(["module", "call", "head"], sort=False):
            first, effect = part.iloc[0], _effect([part], "head", 0, measure, options)
            if effect is not None:
                module, call, head = str(first["module"]), int(first["call"]), int(first["head"])
                found.append(Effect("head", 0, measure, module, call, head, *effect))
    return tuple(found)


def _contrasts(
    runs: Sequence[pd.DataFrame],
    name: str,
    intervention: str,
    control: str,
    measure: str,
    options: dict[str, float | int],
) -> list[Contrast]:
    found = []
    first = runs[0]
    sizes = sorted(int(s) for s in first.loc[first["intervention"] == intervention, "size"].unique())
    for size in sizes:
        a, b = _values(runs, [intervention, control], size, measure)
        if a.shape[-1] > 1:
            paired = _paired(a, b, options, paired_seeds=len(runs) > 1)
            found.append(Contrast(name, intervention, control, measure, size, paired))
    return found


def _paired(
    a: np.ndarray, b: np.ndarray, options: dict[str, float | int], *, paired_seeds: bool = False
) -> PairedResult:
    return compare_paired(
        a,
        b,
        alpha=float(options["alpha"]),
        n_resamples=int(options["n_resamples"]),
        seed=int(options["seed"]),
        paired_seeds=paired_seeds,
    )


def _tested(contrasts: Sequence[Contrast]) -> int:
    sizes = sorted({c.size for c in contrasts if c.name == "most_attended"})
    return sizes[len(sizes) // 2] if sizes else 0


def _use(
    effects: Sequence[Effect], contrasts: Sequence[Contrast], size: int, spread: float, alpha: float
) -> Use:
    """One test at one size fixed beforehand, so that no size is picked for its result."""
    found = next(
        (c.paired for c in contrasts if (c.name, c.measure, c.size) == ("most_attended", "shift", size)), None
    )
    if found is None or found.n < SMALLEST_N or not spread > 0:
        return "unclear"
    line = NEGLIGIBLE * spread
    if found.ci_low > 0 and found.p_value <= alpha and found.mean_difference >= line:
        return "used"
    bounds = [
        e.ci_high
        for e in effects
        if e.measure == "shift"
        and (e.intervention in PATTERN or (e.intervention == "knock_out_most" and e.size == size))
    ]
    return "not_used" if bounds and max(bounds) < line else "unclear"

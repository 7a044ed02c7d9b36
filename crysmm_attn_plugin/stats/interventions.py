"""Effects of interventions over crystals: curves with intervals, contrasts with random words, and what may be said of use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.results import PairedResult

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

Use = Literal["used", "not_used", "unclear"]


@dataclass(frozen=True)
class Effect:
    """Mean over crystals of one measure under one intervention.

    Attributes:
        intervention, size, measure: Which.
        module, call, head: Of one ablated head; "", -1, -1 otherwise.
        n: Crystals.
        mean, ci_low, ci_high: In the target's unit.
    """

    intervention: str
    size: int
    measure: str
    module: str
    call: int
    head: int
    n: int
    mean: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Contrast:
    """What an intervention does beyond the same done to random words.

    Attributes:
        name: Of ``CONTRASTS``.
        intervention, control: What is compared.
        measure: ``shift`` or ``error_change``.
        size: Words that were hidden or kept.
        paired: intervention - control over the same crystals; random draws are averaged within a crystal first.
    """

    name: str
    intervention: str
    control: str
    measure: str
    size: int
    paired: PairedResult


@dataclass(frozen=True)
class Faithfulness:
    """What interventions say of one pass.

    Attributes:
        effects: Every intervention's mean effects, heads apart.
        heads: Effects of each ablated head.
        contrasts: Against random words.
        n_crystals: Crystals with any intervention.
        spread: Standard deviation of the predictions, which shifts are measured against.
        use: ``used``: hiding the most attended words shifts predictions more than hiding random ones. ``not_used``: neither
            that, nor even or swapped attention, shifts them by as much as ``NEGLIGIBLE`` of their spread. Else ``unclear``.
        tested_size: Size at which ``use`` was decided: the middle one of those probed.
    """

    effects: tuple[Effect, ...]
    heads: tuple[Effect, ...]
    contrasts: tuple[Contrast, ...]
    n_crystals: int
    spread: float
    use: Use
    tested_size: int


def faithfulness(
    rows: pd.DataFrame, *, alpha: float = 0.05, n_resamples: int = 2000, seed: int = 0
) -> Faithfulness:
    """Summarise the table ``interventions`` of one checkpoint, split and direction.

    Args:
        rows: Columns of ``store.schema.INTERVENTIONS``.
        alpha: Level of intervals and tests.
        n_resamples: Resamples and sign flips.
        seed: Of both.
    """
    options = {"alpha": alpha, "n_resamples": n_resamples, "seed": seed}
    effects: list[Effect] = []
    heads: list[Effect] = []
    keys = ["intervention", "size", "module", "call", "head"]
    for measure in MEASURES:
        for _, part in rows.groupby(keys, sort=False):
            first = part.iloc[0]
            found = _effect(part, measure, options)
            if found is None:
                continue
            name, size = str(first["intervention"]), int(first["size"])
            of_head = name == "head"
            module, call, head = (
                (str(first["module"]), int(first["call"]), int(first["head"])) if of_head else ("", -1, -1)
            )
            (heads if of_head else effects).append(Effect(name, size, measure, module, call, head, *found))
    contrasts = tuple(
        c
        for measure in MEASURES
        for name, intervention, control in CONTRASTS
        for c in _contrasts(rows, name, intervention, control, measure, options)
    )
    predictions = rows.drop_duplicates("id")["prediction"].to_numpy(float)
    spread = float(np.std(predictions, ddof=1)) if len(predictions) > 1 else math.nan
    size = _tested(contrasts)
    use = _use(effects, contrasts, size, spread, alpha)
    return Faithfulness(tuple(effects), tuple(heads), contrasts, len(predictions), spread, use, size)


def per_crystal(rows: pd.DataFrame, intervention: str, size: int | None, measure: str) -> pd.Series:
    """A crystal's mean of one measure over draws, by id; without values that are not finite."""
    part = rows[rows["intervention"] == intervention]
    part = part if size is None else part[part["size"] == size]
    means = part.groupby("id", sort=True)[measure].mean()
    return means[np.isfinite(means.to_numpy(float))]


def _effect(
    part: pd.DataFrame, measure: str, options: dict[str, float | int]
) -> tuple[int, float, float, float] | None:
    means = part.groupby("id", sort=True)[measure].mean().to_numpy(float)
    means = means[np.isfinite(means)]
    if len(means) < 2:
        return None
    found = _paired(means, np.zeros_like(means), options)
    return found.n, found.mean_difference, found.ci_low, found.ci_high


def _contrasts(
    rows: pd.DataFrame,
    name: str,
    intervention: str,
    control: str,
    measure: str,
    options: dict[str, float | int],
) -> list[Contrast]:
    found = []
    sizes = sorted(int(s) for s in rows.loc[rows["intervention"] == intervention, "size"].unique())
    for size in sizes:
        a, b = (per_crystal(rows, which, size, measure) for which in (intervention, control))
        both = a.index.intersection(b.index)
        if len(both) > 1:
            paired = _paired(a[both].to_numpy(float), b[both].to_numpy(float), options)
            found.append(Contrast(name, intervention, control, measure, size, paired))
    return found


def _paired(a: np.ndarray, b: np.ndarray, options: dict[str, float | int]) -> PairedResult:
    return compare_paired(
        a,
        b,
        alpha=float(options["alpha"]),
        n_resamples=int(options["n_resamples"]),
        seed=int(options["seed"]),
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

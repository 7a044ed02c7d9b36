"""The result of a comparison: frozen dataclasses, each field a number a report may print. JSON in, JSON out.

Signs: every difference is treatment minus baseline (arm minus baseline arm). Percent changes divide by the
baseline arm's mean. Not-available numbers are None in ``ComparisonResult`` and NaN in ``PairedResult``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crysmm_attn_plugin.records import Alarm

RESULT_SCHEMA_VERSION = 1

Outcome = Literal["supports", "opposes", "negligible", "inconclusive", "not_tested"]
Verdict = Literal[
    "supported", "partial", "contradicted", "conflicting", "negligible", "inconclusive", "not_tested"
]
PerformanceAxis = Literal["better", "worse", "indistinguishable", "unknown"]
#: What a sentence may claim: two checkpoints (1 seed), preliminary (2 to 3 seeds), architecture (4 or more).
Claim = Literal["checkpoints", "preliminary", "architecture", "none"]


@dataclass(frozen=True)
class PairedResult:
    """Paired comparison of one metric: a - b over N crystals. See ``stats.compare_paired``.

    ``ci_*`` is bootstrap-t for the mean with one run each, two-way t interval with several seeds.
    """

    n: int
    mean_difference: float
    ci_low: float
    ci_high: float
    p_value: float
    g_z: float
    d_av: float
    rank_biserial: float
    hodges_lehmann: float
    prob_superiority: float
    df: float
    claim: Claim
    mean_a: float
    mean_b: float
    sd_a: float
    sd_b: float
    sd_difference: float
    median_difference: float
    hl_ci_low: float
    hl_ci_high: float
    percent_change: float
    percent_ci_low: float
    percent_ci_high: float
    t_statistic: float
    p_t: float
    w_statistic: float
    p_wilcoxon: float
    n_seeds_a: int
    n_seeds_b: int
    confidence: float
    n_resamples: int
    seed: int
    test: str
    interval: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricResult:
    """One metric x direction x scope of one pair of arms.

    Attributes:
        scope: ``with_special``, ``without_special`` or ``without_stopwords``.
        aggregation: ``metric_then_heads`` (primary) or ``heads_then_metric`` (the original script's order).
        family: ``primary`` (one family, max-T adjusted) or ``exploratory`` (Benjamini-Hochberg).
        sesoi: Smallest effect of interest in the metric's own unit; ``sesoi_percent`` the same in percent.
        p_tost: Larger of the two one-sided p-values; ``equivalent`` when below alpha.
        uniform_mean: The metric under uniform attention, same crystals; ``reinitialised_*`` under fresh weights.
        p_cluster, n_clusters: Sensitivity with composition clusters.
    """

    metric: str
    direction: str
    scope: str
    aggregation: str
    family: str
    expected_sign: int
    paired: PairedResult
    p_adjusted: float | None
    adjustment: str
    sesoi: float | None
    sesoi_percent: float | None
    p_tost: float | None
    equivalent: bool
    beyond_sesoi: bool
    outcome: Outcome
    uniform_mean: float | None = None
    reinitialised_mean_a: float | None = None
    reinitialised_mean_b: float | None = None
    p_cluster: float | None = None
    ci_cluster_low: float | None = None
    ci_cluster_high: float | None = None
    n_clusters: int | None = None


@dataclass(frozen=True)
class PerformanceResult:
    """Mean absolute error of both arms on the same crystals; difference is arm - baseline (negative = better).

    Attributes:
        relative_gain: (MAE_baseline - MAE_arm) / MAE_baseline, in percent: denominator is the baseline.
        relative_gain_other_denominator: the same numerator over MAE_arm, in percent, for reconciliation.
        break_even_seed_sd: Seed SD of MAE above which the gap would be within seed noise (one run each).
    """

    axis: PerformanceAxis
    n: int
    mae_arm: float | None
    mae_baseline: float | None
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    relative_gain: float | None
    relative_gain_ci_low: float | None
    relative_gain_ci_high: float | None
    relative_gain_other_denominator: float | None
    break_even_seed_sd: float | None
    break_even_percent: float | None
    per_seed_mae_arm: tuple[float, ...] = ()
    per_seed_mae_baseline: tuple[float, ...] = ()
    claim: Claim = "none"


@dataclass(frozen=True)
class CouplingResult:
    """Change in one metric against change in absolute error, over crystals."""

    metric: str
    n: int
    spearman: float
    ci_low: float
    ci_high: float
    p_value: float
    coefficient: float | None
    coefficient_se: float | None
    coefficient_p: float | None
    coefficient_ci_low: float | None = None
    coefficient_ci_high: float | None = None
    r_squared: float | None = None
    reliability: float | None = None
    ceiling: float | None = None
    co_varied: bool = False


@dataclass(frozen=True)
class Specification:
    """One way of asking the same question: one point of the specification curve."""

    metric: str
    direction: str
    scope: str
    aggregation: str
    subset: str
    n: int
    mean_difference: float
    ci_low: float
    ci_high: float
    percent_change: float
    g_z: float
    p_value: float


@dataclass(frozen=True)
class EpochPoint:
    """Mean of one metric over the test crystals of one epoch's weights."""

    arm: str
    run_id: str
    epoch: int
    metric: str
    mean: float
    ci_low: float
    ci_high: float
    n: int


@dataclass(frozen=True)
class ArmSummary:
    """One arm: its runs and what was captured of them."""

    name: str
    n_seeds: int
    run_ids: tuple[str, ...]
    checkpoints: tuple[str, ...]
    checkpoint_roles: tuple[str, ...]
    checkpoint_files: tuple[str, ...]
    seeds: tuple[int | None, ...]
    mae: float | None
    mae_sd: float | None
    means: Mapping[str, float] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True)
class PairComparison:
    """One arm against the baseline."""

    arm: str
    baseline: str
    n: int
    claim: Claim
    verdict: Verdict
    scenario: int | None
    metrics: tuple[MetricResult, ...]
    performance: PerformanceResult
    coupling: tuple[CouplingResult, ...] = ()
    specifications: tuple[Specification, ...] = ()
    detectable_dz: float | None = None
    detectable_percent: Mapping[str, float] = field(default_factory=dict)
    differing_settings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def primary(
        self, direction: str = "atom_to_text", scope: str = "with_special"
    ) -> tuple[MetricResult, ...]:
        """The primary family: the four metrics of the guide, metric first, then heads."""
        return tuple(
            m
            for m in self.metrics
            if m.family == "primary"
            and m.direction == direction
            and m.scope == scope
            and m.aggregation == "metric_then_heads"
        )

    def metric(
        self,
        name: str,
        *,
        direction: str = "atom_to_text",
        scope: str = "with_special",
        aggregation: str = "metric_then_heads",
    ) -> MetricResult:
        """One metric's result.

        Raises:
            KeyError: When it was not computed.
        """
        for m in self.metrics:
            if (m.metric, m.direction, m.scope, m.aggregation) == (name, direction, scope, aggregation):
                return m
        raise KeyError((name, direction, scope, aggregation))


@dataclass(frozen=True)
class LegacyResult:
    """The original script's numbers (padding and all) for one pair; see ``metrics.legacy``."""

    arm: str
    baseline: str
    batch_size: int
    n_rows: int
    padding_share: float
    arm_values: Mapping[str, float]
    baseline_values: Mapping[str, float]
    change_percent: Mapping[str, float]


@dataclass(frozen=True)
class ExampleCrystal:
    """A crystal chosen for a heat map, and by which rule."""

    id: str
    formula: str
    rule: Literal["median_change", "largest_decrease", "largest_increase"]
    metric: str
    change: float
    arm_value: float
    baseline_value: float


@dataclass(frozen=True)
class CategoryMass:
    """Share of atom-to-text attention on one word category, mean over crystals, one arm."""

    arm: str
    category: str
    mean: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class ComparisonResult:
    """Everything a report prints. Saved as ``result.json``.

    ``pairs`` is empty for a report on one arm alone.
    """

    schema_version: int
    created: str
    property: str
    dataset: str
    unit: str
    split: str
    checkpoint_rule: str
    baseline: str
    arms: tuple[ArmSummary, ...]
    pairs: tuple[PairComparison, ...]
    n_crystals: int
    excluded: Mapping[str, int]
    examples: tuple[ExampleCrystal, ...]
    categories: tuple[CategoryMass, ...]
    epochs: tuple[EpochPoint, ...]
    legacy: tuple[LegacyResult, ...]
    alarms: tuple[Alarm, ...]
    warnings: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    module: str
    directions: tuple[str, ...]
    n_heads: int
    median_tokens: float
    median_atoms: float
    n_truncated: int
    alpha: float
    seed: int
    n_resamples: int
    versions: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-ready (NaN becomes null)."""
        from crysmm_attn_plugin.store.files import plain

        return plain(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ComparisonResult:
        """The inverse of ``to_dict``."""
        return _build(cls, values)


def _build(kind: Any, value: Any) -> Any:
    """``value`` (plain JSON) as ``kind`` (a dataclass, tuple, mapping, union or scalar)."""
    if isinstance(kind, str):
        raise TypeError(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(
            **{
                f.name: _build(hints[f.name], value[f.name])
                for f in dataclasses.fields(kind)
                if f.name in value
            }
        )  # type: ignore[operator]
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _build(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], v) for v in value)
        return tuple(_build(a, v) for a, v in zip(arguments, value))
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return {k: _build(arguments[1], v) for k, v in value.items()}
    if kind is float:
        return float("nan") if value is None else float(value)
    return value

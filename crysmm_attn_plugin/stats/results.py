"""The result of a comparison: frozen dataclasses, each field a number a report may print. JSON in, JSON out.

Signs: every difference is treatment minus baseline (arm minus baseline arm). Percent changes divide by the
baseline arm's mean. Not-available numbers are None in ``ComparisonResult`` and NaN in ``PairedResult``.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crysmm_attn_plugin.alarms import UNCODED
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.stats.result_parts import (
    Claim as Claim,
)
from crysmm_attn_plugin.stats.result_parts import (
    CouplingResult as CouplingResult,
)
from crysmm_attn_plugin.stats.result_parts import (
    Disagreement as Disagreement,
)
from crysmm_attn_plugin.stats.result_parts import (
    MetricResult as MetricResult,
)
from crysmm_attn_plugin.stats.result_parts import (
    Outcome as Outcome,
)
from crysmm_attn_plugin.stats.result_parts import (
    PairedResult as PairedResult,
)
from crysmm_attn_plugin.stats.result_parts import (
    PerformanceAxis as PerformanceAxis,
)
from crysmm_attn_plugin.stats.result_parts import (
    PerformanceResult as PerformanceResult,
)
from crysmm_attn_plugin.stats.result_parts import (
    Posterior as Posterior,
)
from crysmm_attn_plugin.stats.result_parts import (
    SesoiSource as SesoiSource,
)
from crysmm_attn_plugin.stats.result_parts import (
    Specification as Specification,
)
from crysmm_attn_plugin.stats.result_parts import (
    SpecificationTest as SpecificationTest,
)
from crysmm_attn_plugin.stats.result_parts import (
    Trimmed as Trimmed,
)
from crysmm_attn_plugin.stats.result_parts import (
    Units as Units,
)
from crysmm_attn_plugin.stats.result_parts import (
    Verdict as Verdict,
)
from crysmm_attn_plugin.stats.use_results import ArmUse as ArmUse
from crysmm_attn_plugin.store.files import plain

RESULT_SCHEMA_VERSION = 1


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
    warnings: tuple[Alarm, ...] = ()
    claim_reasons: tuple[str, ...] = ()
    collapsed_runs: tuple[str, ...] = ()
    specification_test: SpecificationTest | None = None
    paired_seeds: bool = False
    #: shift of the predictions beyond random words where the most attended are hidden, arm - baseline
    use: PairedResult | None = None

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
class DeclarationRecord:
    """What was declared before looking, and what the analysis did otherwise.

    Attributes:
        date: When the declaration was written, UTC.
        digest: SHA-256 of its content.
        hypothesis: In words; ``directions`` per metric, -1 or 1; ``smallest_effects`` in percent.
        seeds: Training seeds planned; empty when not declared.
        clusters: ``composition`` or ``none``.
        before_first_capture: Every compared run started after ``date``.
        first_capture: Start of the earliest compared run.
        changed: What the analysis did otherwise than declared (``digest`` when the file itself was changed).
    """

    date: str
    digest: str
    path: str
    hypothesis: str
    directions: Mapping[str, int]
    smallest_effects: Mapping[str, float]
    primary_metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    paired_seeds: bool
    clusters: str
    before_first_capture: bool
    first_capture: str
    changed: tuple[str, ...] = ()


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
    warnings: tuple[Alarm, ...]
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
    declaration: DeclarationRecord | None = None
    changed_defaults: Mapping[str, str] = field(default_factory=dict)
    baseline_known: bool = True
    #: metrics of plugins as ``Metric.to_dict`` gives them, so that they can be named where the plugin is not installed
    descriptors: Mapping[str, Any] = field(default_factory=dict)
    #: arms whose passes were probed by interventions
    use: tuple[ArmUse, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-ready (NaN becomes null)."""
        found: dict[str, Any] = plain(self)
        return found

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ComparisonResult:
        """The inverse of ``to_dict``."""
        built: ComparisonResult = _build(cls, values)
        return built


def _build(kind: Any, value: Any) -> Any:
    """``value`` (plain JSON) as ``kind`` (a dataclass, tuple, mapping, union or scalar)."""
    if isinstance(kind, str):
        raise TypeError(kind)
    if kind is Alarm and isinstance(value, str):  # a warning of an older version
        return Alarm(UNCODED, value)
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
        return math.nan if value is None else float(value)
    return value

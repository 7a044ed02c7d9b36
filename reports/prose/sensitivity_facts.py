"""What other readings of the same data say: other tokens, other tests, clusters, the specification curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crysmm_attn_plugin.reports.prose.facts import Kind, kind_of
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.results import MetricResult, PairComparison


@dataclass(frozen=True)
class Reading:
    """The primary family read in another way: without special tokens, or without stop words too."""

    scope: str
    agreeing: int
    total: int
    changes: str


@dataclass(frozen=True)
class SensitivityFacts:
    """What other readings of the same data say.

    Attributes:
        clusters_decide: The printed numbers already treat one composition as one cluster.
        p_cluster: Cluster p-values where they do not; ``p_crystals`` those by crystal where they do.
        same_sign, opposite_sign: Of the alternative specifications, counted against the reported sign.
        joint_p: The specification curve's joint test, empty where it was not made.
    """

    readings: tuple[Reading, ...]
    clusters_decide: bool
    p_cluster: str
    p_crystals: str
    n_clusters: int | None
    classical_agreeing: int | None
    classical_total: int
    n_specifications: int
    same_sign: int
    opposite_sign: int
    joint_p: str


def sensitivity(
    pair: PairComparison, primary: Sequence[MetricResult], w: Wording, alpha: float
) -> SensitivityFacts:
    """Agreement of other readings with the primary one.

    Args:
        pair: The pair of arms.
        primary: The tested metrics of the primary family.
        w: Language and style.
        alpha: Two-sided level.
    """
    direction = primary[0].direction if primary else "atom_to_text"
    readings = []
    for scope in ("without_special", "without_stopwords"):
        others = {m.metric: m for m in pair.primary(direction, scope)}
        both = [(m, others[m.metric]) for m in primary if m.metric in others]
        if both:
            changes = [
                w.change(o.paired.percent_change) for _, o in both if math.isfinite(o.paired.percent_change)
            ]
            agreeing = sum(_conclusion(m, alpha) == _conclusion(o, alpha) for m, o in both)
            readings.append(Reading(scope, agreeing, len(both), w.join(changes)))
    clusters = [m for m in primary if m.p_cluster is not None]
    decide = any(m.decides == "clusters" for m in primary)
    single = all(max(m.paired.n_seeds_a, m.paired.n_seeds_b) == 1 for m in primary)
    classical: int | None = None
    if single and primary and not decide:
        classical = sum(
            (m.paired.p_value < alpha) == (m.paired.p_t < alpha) == (m.paired.p_wilcoxon < alpha)
            for m in primary
        )
    rows = [s for s in pair.specifications if s.direction == direction and math.isfinite(s.mean_difference)]
    reported = {m.metric: m.paired.mean_difference for m in primary}
    rows = [s for s in rows if s.metric in reported]
    same = sum((s.mean_difference > 0) == (reported[s.metric] > 0) for s in rows)
    joint = pair.specification_test
    return SensitivityFacts(
        readings=tuple(readings),
        clusters_decide=decide,
        p_cluster=""
        if decide
        else w.several_p([float(m.p_cluster) for m in clusters if m.p_cluster is not None]),
        p_crystals=w.several_p([m.p_crystals for m in primary if m.p_crystals is not None]) if decide else "",
        n_clusters=clusters[0].n_clusters if clusters else None,
        classical_agreeing=classical,
        classical_total=len(primary),
        n_specifications=len(rows),
        same_sign=same,
        opposite_sign=len(rows) - same,
        joint_p=w.p(joint.p_value) if joint is not None and math.isfinite(joint.p_value) else "",
    )


def _conclusion(m: MetricResult, alpha: float) -> tuple[Kind, int]:
    kind = kind_of(m, alpha)
    detected = kind in ("supports", "opposes", "differs", "small")
    return kind, (1 if m.paired.mean_difference > 0 else -1) if detected else 0

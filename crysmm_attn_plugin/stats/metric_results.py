"""Every metric of the arms against the baseline, tested in families: the primary ones jointly, the rest exploratory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.choices import Choices
from crysmm_attn_plugin.stats.clusters import FEWEST_CLUSTERS, members_of, repeats
from crysmm_attn_plugin.stats.engine import Spread
from crysmm_attn_plugin.stats.equivalence import claims_equivalence
from crysmm_attn_plugin.stats.multiplicity import benjamini_hochberg, holm
from crysmm_attn_plugin.stats.paired import Analysis, analyse
from crysmm_attn_plugin.stats.panel import AGGREGATIONS, SCOPES, Cell, Panel, known_metrics
from crysmm_attn_plugin.stats.planning import detectable, variation
from crysmm_attn_plugin.stats.results import (
    Claim,
    Disagreement,
    MetricResult,
    PairedResult,
    Posterior,
    Trimmed,
)
from crysmm_attn_plugin.stats.runs import break_even_run_sd
from crysmm_attn_plugin.stats.verdict import outcome

#: Share of the crystals that a trimmed mean leaves out at each end.
TRIM = 0.2


@dataclass(frozen=True)
class Match:
    """The runs of one pair of arms, in the order in which they are compared, and what they may say.

    Attributes:
        arm: Name.
        runs_arm, runs_baseline: Indices into the panel's runs.
        paired: Run j of one belongs to run j of the other.
        claim: What may be claimed.
    """

    arm: str
    runs_arm: tuple[int, ...]
    runs_baseline: tuple[int, ...]
    paired: bool
    claim: Claim

    @property
    def single(self) -> bool:
        """One arm has a single run: the comparison is of these checkpoints."""
        return min(len(self.runs_arm), len(self.runs_baseline)) == 1


@dataclass
class _Row:
    match: Match
    cell: Cell
    a: np.ndarray
    b: np.ndarray
    members: np.ndarray
    decides: Analysis | None = None
    by_cluster: bool = False
    n_clusters: int = 0
    p_adjusted: float | None = None
    #: beyond the smallest effect also when all primary metrics are asked at once
    passes: bool = False
    adjustment: str = ""
    family: tuple[str, str, str] = field(default=("", "", ""))


def metric_results(
    panel: Panel, matches: Sequence[Match], baseline: str, choices: Choices
) -> dict[str, tuple[MetricResult, ...]]:
    """Results of every arm against the baseline.

    The primary metrics of all arms form one family for each direction, scope and aggregation; the family of the panel's
    first direction, with special tokens, metric first, carries the verdict, the others are sensitivity analyses adjusted
    within themselves. The one alignment metric is a family of its own in the same way (Holm over arms). All other metrics
    are one exploratory family (Benjamini-Hochberg).

    Returns:
        Arm -> results, primary first.
    """
    rows: list[_Row] = []
    for match in matches:
        for direction in panel.directions:
            for scope in SCOPES:
                for aggregation in AGGREGATIONS:
                    rows += _family_rows(panel, match, baseline, (direction, scope, aggregation), choices)
    _analyse(panel, rows, choices)
    results: dict[str, list[MetricResult]] = {match.arm: [] for match in matches}
    for row in rows:
        results[row.match.arm].append(_result(panel, row, baseline, choices))
    order = {name: i for i, name in enumerate(dict.fromkeys([*choices.primary, *known_metrics(panel)]))}
    return {
        arm: tuple(
            sorted(
                found,
                key=lambda m: (
                    m.family != "primary",
                    m.family != "alignment",
                    order.get(m.metric, len(order)),
                ),
            )
        )
        for arm, found in results.items()
    }


def _family_rows(
    panel: Panel, match: Match, baseline: str, reading: tuple[str, str, str], choices: Choices
) -> list[_Row]:
    found = []
    for metric in known_metrics(panel):
        cell = Cell(metric, *reading)
        a, b = panel.get(match.arm, cell), panel.get(baseline, cell)
        if a is not None and b is not None:
            found.append((cell, a[list(match.runs_arm)], b[list(match.runs_baseline)]))
    finite = {cell: np.isfinite(a).all(0) & np.isfinite(b).all(0) for cell, a, b in found}
    primary = [cell for cell, _, _ in found if cell.metric in choices.primary]
    if not primary:
        return []
    # one set of crystals for the whole primary family, so that its metrics can be flipped jointly
    together = np.logical_and.reduce([finite[cell] for cell in primary])
    rows = []
    for cell, a, b in found:
        members = together if cell in primary else finite[cell]
        if members.sum() >= SMALLEST_N:
            rows.append(_Row(match, cell, a[:, members], b[:, members], members, family=reading))
    return rows


def _analyse(panel: Panel, rows: list[_Row], choices: Choices) -> None:
    """Fill in every row's analysis and adjusted p: all rows over the same crystals are resampled together."""
    together: dict[tuple[bytes, bool, bool], list[_Row]] = {}
    for row in rows:
        key = (np.packbits(row.members).tobytes(), row.match.single, row.match.paired)
        together.setdefault(key, []).append(row)
    adjusted: set[int] = set()
    for group in together.values():
        labels = panel.crystals["formula"].to_numpy(str)[group[0].members]
        repeated, count = repeats(labels)
        by_cluster = repeated and count >= FEWEST_CLUSTERS and choices.by_composition
        families = _complete_families(group, rows, choices)
        found, p_values = analyse(
            [(r.a, r.b) for r in group],
            members=members_of(labels, len(labels)) if by_cluster else None,
            by_cluster=by_cluster,
            families=families,
            n_resamples=choices.n_resamples,
            seed=choices.seed,
            alpha=choices.alpha,
            paired_seeds=group[0].match.paired,
        )
        for row, analysis in zip(group, found):
            row.decides, row.by_cluster, row.n_clusters = analysis, by_cluster, count if repeated else 0
        for family, values in zip(families, p_values):
            for i, p in zip(family, values):
                group[i].p_adjusted, group[i].adjustment = float(p), "step-down max-T"
                adjusted.add(id(group[i]))
    _adjust([r for r in rows if id(r) not in adjusted], choices)
    _pass_smallest(rows, choices)


def _pass_smallest(rows: list[_Row], choices: Choices) -> None:
    """Say of every primary metric whether its change passes the smallest effect, asked of the family at once."""
    verdicts: dict[tuple[str, str, str], list[_Row]] = {}
    for row in rows:
        if row.cell.metric in choices.primary:
            verdicts.setdefault(row.family, []).append(row)
    for family in verdicts.values():
        asked = [(r, r.decides.spread, s) for r in family if r.decides and (s := _smallest(r, choices))]
        passed = beyond_smallest([spread for _, spread, _ in asked], [s for _, _, s in asked], choices.alpha)
        for (row, _, _), passes in zip(asked, passed):
            row.passes = passes


def _smallest(row: _Row, choices: Choices) -> float | None:
    """Smallest effect of interest in the metric's unit; None of a baseline of 0."""
    mean = row.decides.paired.mean_b if row.decides is not None else 0.0
    return abs(mean) * choices.smallest_effect(row.cell.metric)[0] / 100 if mean else None


def beyond_smallest(spreads: Sequence[Spread], smallest: Sequence[float], alpha: float) -> list[bool]:
    """Which changes pass their smallest effect when all are asked at once (Holm over the one-sided p at the nearer bound).

    Each on its own passes in up to 2.5 % of studies whose change is just the smallest effect; one of four in 7 %.
    """
    values = [min(s.p_above(x), s.p_below(-x)) for s, x in zip(spreads, smallest)]
    return [bool(p < alpha / 2) for p in holm(values)] if values else []


def _complete_families(group: list[_Row], rows: list[_Row], choices: Choices) -> list[list[int]]:
    """Primary families of one run an arm that lie wholly in the group: flips are joint only over the same crystals."""
    if not group[0].match.single:
        return []
    families: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(group):
        if row.cell.metric in choices.primary:
            families.setdefault(row.family, []).append(i)
    whole = {
        reading: sum(r.family == reading and r.cell.metric in choices.primary for r in rows)
        for reading in families
    }
    return [members for reading, members in families.items() if len(members) == whole[reading]]


def _adjust(rows: list[_Row], choices: Choices) -> None:
    families: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        kind = choices.family(row.cell.metric)
        key: tuple[str, ...] = ("",) if kind == "exploratory" else (kind, *row.family)
        families.setdefault(key, []).append(row)
    for key, family in families.items():
        correct, name = (holm, "Holm") if key[0] else (benjamini_hochberg, "Benjamini-Hochberg")
        values = [r.decides.paired.p_value for r in family if r.decides]
        for row, p in zip(family, correct(values)):
            row.p_adjusted, row.adjustment = float(p), name


def _result(panel: Panel, row: _Row, baseline: str, choices: Choices) -> MetricResult:
    if row.decides is None:
        raise AssertionError("every row is analysed")
    cell, paired, spread = row.cell, row.decides.paired, row.decides.spread
    alpha = choices.alpha
    percent, source = choices.smallest_effect(cell.metric)
    sesoi = _smallest(row, choices)
    p_tost = spread.p_equivalence(-sesoi, sesoi) if sesoi else None
    equivalent = p_tost is not None and p_tost < alpha and claims_equivalence(spread)
    beyond = sesoi is not None and (paired.ci_low >= sesoi or paired.ci_high <= -sesoi)
    disagreement = disagreement_of(paired.p_value, paired.ci_low, paired.ci_high, alpha)
    established = row.p_adjusted is not None and row.p_adjusted < alpha and not disagreement
    headline = (
        choices.family(cell.metric) == "primary"
        and (cell.scope, cell.aggregation) == ("with_special", "metric_then_heads")
        and cell.direction == panel.directions[0]
    )
    seeds = (len(row.a), len(row.b))
    smallest = detectable(variation(row.a, row.b), paired.n, seeds, alpha=alpha) if headline else None
    bottom = abs(paired.mean_b)
    even = break_even_run_sd(paired.mean_difference, seeds) if row.match.single else None
    enough = row.n_clusters >= FEWEST_CLUSTERS
    other = _other_units(panel, row, choices) if headline and enough else None
    crystals = other if row.by_cluster else None
    cluster = (paired if row.by_cluster else other) if enough else None
    return MetricResult(
        metric=cell.metric,
        direction=cell.direction,
        scope=cell.scope,
        aggregation=cell.aggregation,
        family=choices.family(cell.metric),
        expected_sign=choices.expected_sign(cell.metric),
        paired=paired,
        p_adjusted=row.p_adjusted,
        adjustment=row.adjustment,
        sesoi=sesoi,
        sesoi_percent=percent,
        p_tost=p_tost,
        equivalent=equivalent,
        beyond_sesoi=beyond,
        outcome=outcome(
            estimate=paired.mean_difference,
            expected_sign=choices.expected_sign(cell.metric),
            established=established,
            beyond=(row.passes if row.cell.metric in choices.primary else beyond) or sesoi is None,
            equivalent=equivalent,
            claim=row.match.claim,
        ),
        uniform_mean=uniform_mean(panel, row.match.arm, cell),
        reinitialised_mean_a=_mean(panel.reinitialised.get((row.match.arm, cell))),
        reinitialised_mean_b=_mean(panel.reinitialised.get((baseline, cell))),
        p_cluster=cluster.p_value if cluster else None,
        ci_cluster_low=cluster.ci_low if cluster else None,
        ci_cluster_high=cluster.ci_high if cluster else None,
        n_clusters=row.n_clusters or None,
        decides="clusters" if row.by_cluster else "crystals",
        disagreement=disagreement,
        p_crystals=crystals.p_value if crystals else None,
        ci_crystals_low=crystals.ci_low if crystals else None,
        ci_crystals_high=crystals.ci_high if crystals else None,
        sesoi_source=source,
        per_seed_arm=tuple(row.a.mean(1).tolist()),
        per_seed_baseline=tuple(row.b.mean(1).tolist()),
        break_even_run_sd=even,
        break_even_run_percent=100 * even / bottom if even is not None and bottom else None,
        seed_p=_known(paired.seed_p),
        seed_p_smallest=_known(paired.seed_p_smallest),
        prediction_low=_known(paired.prediction_low),
        prediction_high=_known(paired.prediction_high),
        detectable=smallest,
        detectable_percent=100 * smallest / bottom if smallest is not None and bottom else None,
        trimmed=trimmed(row.a.mean(0) - row.b.mean(0), alpha)
        if headline and row.match.single and not row.by_cluster
        else None,
        posterior=posterior(row.decides, sesoi) if choices.posterior and sesoi else None,
    )


def disagreement_of(p: float, low: float, high: float, alpha: float) -> Disagreement:
    """Where test and interval part: the null hypothesis of sign flips is symmetry, the interval follows skewness."""
    apart = low > 0 or high < 0
    if p < alpha and not apart:
        return "p_only"
    return "interval_only" if apart and p >= alpha else ""


def trimmed(differences: np.ndarray, alpha: float) -> Trimmed | None:
    """20 % trimmed mean of paired differences with its t interval (Tukey and McLaughlin 1963; Yuen 1974).

    Returns:
        None where the middle differences do not vary.
    """
    ordered = np.sort(differences)
    n = len(ordered)
    cut = int(TRIM * n)
    middle = ordered[cut : n - cut]
    winsorised = np.clip(ordered, middle[0], middle[-1])
    se = float(winsorised.std(ddof=1)) / ((1 - 2 * cut / n) * math.sqrt(n))
    if se == 0:
        return None
    mean, df = float(middle.mean()), len(middle) - 1
    half = float(stats.t.ppf(1 - alpha / 2, df)) * se
    return Trimmed(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / se, df)))


def posterior(analysis: Analysis, sesoi: float) -> Posterior:
    """Posterior probabilities of a change below -``sesoi``, within, and above it.

    With flat priors on the change and on the logarithms of the variances the posterior of a mean is the distribution that
    its intervals belong to; the one-sided p of a bound is the probability beyond it. So it says what the interval says.
    """
    below, above = analysis.spread.p_above(-sesoi), analysis.spread.p_below(sesoi)
    return Posterior(below, max(0.0, 1 - below - above), above)


def _other_units(panel: Panel, row: _Row, choices: Choices) -> PairedResult:
    """The same comparison with the units that do not decide."""
    labels = panel.crystals["formula"].to_numpy(str)[row.members]
    members = None if row.by_cluster else members_of(labels, len(labels))
    found, _ = analyse(
        [(row.a, row.b)],
        members=members,
        by_cluster=not row.by_cluster,
        n_resamples=choices.n_resamples,
        seed=choices.seed,
        alpha=choices.alpha,
        paired_seeds=row.match.paired,
    )
    return found[0].paired


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def uniform_mean(panel: Panel, arm: str, cell: Cell) -> float | None:
    """The metric under uniform attention over the same crystals' keys, or None where it has no closed form."""
    keys = panel.keys.get((arm, cell.direction, cell.scope))
    if keys is None:
        return None
    n = keys[np.isfinite(keys) & (keys > 0)]
    if not len(n):
        return None
    uniform = {
        "entropy": np.log(n),
        "max_weight": 1 / n,
        "effective_tokens_hill": n,
        "effective_tokens_hill2": n,
        "normalized_entropy": np.where(n > 1, 1.0, 0.0),
        "gini": np.zeros_like(n),
        "effective_tokens_01": np.where(n < 10, n, 0.0),
        "between_atom_tv": np.zeros_like(n),
        "alignment_auc": np.full_like(n, 0.5),
        "alignment_excess": np.zeros_like(n),
        "alignment_lift": np.ones_like(n),
        "alignment_lift_bonds": np.ones_like(n),
        "alignment_lift_coordination": np.ones_like(n),
    }.get(cell.metric)
    return None if uniform is None else float(np.mean(uniform))


def _mean(values: np.ndarray | None) -> float | None:
    if values is None:
        return None
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None

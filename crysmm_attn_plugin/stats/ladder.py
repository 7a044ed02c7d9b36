"""Which runs of two arms are compared with each other, and how much they may say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.choices import Choices
from crysmm_attn_plugin.stats.clusters import FEWEST_CLUSTERS, repeats
from crysmm_attn_plugin.stats.describe import differing_settings
from crysmm_attn_plugin.stats.engine import residual_variance
from crysmm_attn_plugin.stats.metric_results import Match
from crysmm_attn_plugin.stats.panel import Cell, Panel
from crysmm_attn_plugin.stats.results import Claim
from crysmm_attn_plugin.stats.runs import collapsed
from crysmm_attn_plugin.stats.verdict import claim_of
from crysmm_attn_plugin.store.reader import Run


@dataclass(frozen=True)
class Standing:
    """One pair of arms before its numbers are looked at.

    Attributes:
        reasons: Codes of what keeps the claim lower than a verdict.
        collapsed: Ids of runs that are another kind of run than their arm's others.
        differing: Settings in which the arms differ.
    """

    match: Match
    reasons: tuple[str, ...]
    collapsed: tuple[str, ...]
    differing: tuple[str, ...]
    warnings: tuple[Alarm, ...]


def host_seed(run: Run) -> int | None:
    """The training seed that the host told, or None."""
    value = run.info.get("host_seed", (run.info.get("host_config") or {}).get("random_seed"))
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def standing(panel: Panel, arm: str, baseline: str, choices: Choices, *, baseline_known: bool) -> Standing:
    """Pair the runs of two arms and say what they allow."""
    runs_arm, runs_base = panel.arms[arm], panel.arms[baseline]
    warnings: list[Alarm] = []
    first, second, paired = _matched(runs_arm, runs_base, (arm, baseline), choices, warnings)
    differing = differing_settings(runs_arm, runs_base)
    fewer = min(len(first), len(second))
    claim: Claim = claim_of(fewer)
    reasons = ["one_run"] if fewer == 1 else ["few_runs"] if claim == "estimates" else []
    others = [key for key in differing if "fusion" not in key.lower()]
    if others:
        warnings.append(raised("arms_differ_otherwise", arm=arm, baseline=baseline, settings=others))
        reasons.append("arms_differ_otherwise")
    far = _collapsed(panel, arm, first, choices) + _collapsed(panel, baseline, second, choices)
    if far:
        warnings.append(raised("collapsed_runs", n=len(far), runs=far))
        reasons.append("collapsed_runs")
    if not baseline_known:
        reasons.append("arms_not_named")
    if claim == "verdict" and reasons:
        claim = "estimates"
    if _same_weights(panel, arm, baseline):
        warnings.append(raised("same_weights", arm=arm, baseline=baseline))
        reasons.append("same_weights")
        claim = "none"
    if len(panel.ids) < SMALLEST_N:
        reasons.append("few_crystals")
        claim = "none"
    repeated, groups = repeats(panel.crystals["formula"].to_numpy(str))
    if repeated and groups < FEWEST_CLUSTERS and choices.by_composition:
        warnings.append(raised("few_clusters", groups=groups, least=FEWEST_CLUSTERS))
        reasons.append("few_clusters")
        claim = "none"
    match = Match(arm, first, second, paired, claim)
    return Standing(match, tuple(reasons), tuple(far), differing, tuple(warnings))


def _matched(
    runs_arm: Sequence[Run],
    runs_base: Sequence[Run],
    names: tuple[str, str],
    choices: Choices,
    warnings: list[Alarm],
) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Indices of the runs compared, in matching order when seeds are paired."""
    every = tuple(range(len(runs_arm))), tuple(range(len(runs_base)))
    if not choices.paired_seeds:
        return (*every, False)
    seeds = [[host_seed(r) for r in runs] for runs in (runs_arm, runs_base)]
    common = [s for s in seeds[0] if s is not None and seeds[0].count(s) == seeds[1].count(s) == 1]
    if len(common) < 2:
        warnings.append(raised("seeds_unpaired", arm=names[0], baseline=names[1]))
        return (*every, False)
    left = len(runs_arm) + len(runs_base) - 2 * len(common)
    if left:
        warnings.append(raised("seeds_without_partner", n=left, arm=names[0], baseline=names[1]))
    common.sort()
    return tuple(seeds[0].index(s) for s in common), tuple(seeds[1].index(s) for s in common), True


def _collapsed(panel: Panel, arm: str, runs: Sequence[int], choices: Choices) -> list[str]:
    """Ids of runs whose primary metrics lie far from the arm's other runs."""
    found: dict[str, None] = {}
    for metric in choices.primary:
        values = panel.get(arm, Cell(metric, panel.directions[0]))
        if values is None:
            continue
        values = values[list(runs)]
        values = values[:, np.isfinite(values).all(0)]
        if values.shape[0] < 2 or values.shape[1] < 2:
            continue
        noise = math.sqrt(residual_variance(values) / values.shape[1])
        for j in collapsed(values.mean(1), noise):
            found[panel.arms[arm][runs[j]].run_id] = None
    return list(found)


def _same_weights(panel: Panel, arm: str, baseline: str) -> bool:
    first, second = ({c.digest for c in panel.checkpoints[name]} for name in (arm, baseline))
    return bool(first & second)

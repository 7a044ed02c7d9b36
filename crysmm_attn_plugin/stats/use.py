"""Whether each arm uses its attention, and whether two arms use it alike: interventions of the compared runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.choices import Choices
from crysmm_attn_plugin.stats.interventions import beyond_random, faithfulness
from crysmm_attn_plugin.stats.ladder import Standing
from crysmm_attn_plugin.stats.panel import Panel
from crysmm_attn_plugin.stats.result_parts import Claim, PairedResult
from crysmm_attn_plugin.stats.use_results import ArmUse
from crysmm_attn_plugin.stats.verdict import claim_of


def probed_tables(panel: Panel, split: str) -> dict[str, list[pd.DataFrame]]:
    """Arm -> one table of interventions for each of its runs that was probed, over the panel's crystals."""
    found: dict[str, list[pd.DataFrame]] = {}
    for arm, runs in panel.arms.items():
        for run, checkpoint in zip(runs, panel.checkpoints[arm]):
            rows = run.interventions
            if not len(rows):
                continue
            chosen = rows[
                (rows["checkpoint"] == checkpoint.digest)
                & (rows["split"] == split)
                & rows["id"].isin(panel.ids)
            ]
            if len(chosen):
                found.setdefault(arm, []).append(chosen.reset_index(drop=True))
    return found


def arm_uses(
    panel: Panel,
    tables: Mapping[str, Sequence[pd.DataFrame]],
    places: Sequence[Standing],
    choices: Choices,
) -> tuple[ArmUse, ...]:
    """One summary an arm that was probed; arms with runs that stand far apart from the others give estimates."""
    collapsed = {run for place in places for run in place.collapsed}
    found = []
    for arm, runs in tables.items():
        summary = faithfulness(list(runs), alpha=choices.alpha, seed=choices.seed)
        claim: Claim = claim_of(len(runs))
        if claim == "verdict" and any(run.run_id in collapsed for run in panel.arms[arm]):
            claim = "estimates"
        if summary.n_crystals < SMALLEST_N:
            claim = "none"
        found.append(ArmUse(arm, len(runs), claim, str(runs[0]["direction"].iloc[0]), summary))
    return tuple(found)


def pair_use(
    tables: Mapping[str, Sequence[pd.DataFrame]],
    arm: str,
    baseline: str,
    uses: Sequence[ArmUse],
    choices: Choices,
) -> PairedResult | None:
    """Shift beyond random words, arm - baseline, at the baseline's tested size; None unless both were probed."""
    size = next((u.found.tested_size for u in uses if u.arm == baseline), None)
    if size is None or arm not in tables:
        return None
    return beyond_random(tables[arm], tables[baseline], size, alpha=choices.alpha, seed=choices.seed)

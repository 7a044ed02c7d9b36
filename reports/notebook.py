"""A comparison in a notebook: its table, what is shown of it, and ``plot``. Runs and maps: ``crysmm_attn_plugin.notebook``."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.notebook import axes, grid, label
from crysmm_attn_plugin.reports.arm_names import arm_label, is_about_middle_fusion
from crysmm_attn_plugin.reports.guide import GUIDE_RANGES
from crysmm_attn_plugin.reports.prose.headline import headline
from crysmm_attn_plugin.reports.prose.markup import to_html
from crysmm_attn_plugin.reports.tables import main_table, verdict_metrics

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison


def table(comparison: Comparison) -> pd.DataFrame:
    """Primary metrics and error of every pair: one row each, numbers unrounded.

    Columns: arm, baseline, metric, mean_baseline, mean_arm, difference, ci_low, ci_high, percent_change, p_adjusted, outcome.
    One arm alone gives arm, metric, mean.
    """
    result = comparison.result
    if not result.pairs:
        arm = result.arms[0]
        return pd.DataFrame({"arm": arm.name, "metric": list(arm.means), "mean": list(arm.means.values())})

    rows: list[dict[str, Any]] = []
    for pair in result.pairs:
        for m in verdict_metrics(pair, result):
            p = m.paired
            rows.append(
                {"arm": pair.arm, "baseline": pair.baseline, "metric": m.metric, "mean_baseline": p.mean_b,
                 "mean_arm": p.mean_a, "difference": p.mean_difference, "ci_low": p.ci_low, "ci_high": p.ci_high,
                 "percent_change": p.percent_change, "p_adjusted": m.p_adjusted, "outcome": m.outcome}
            )  # fmt: skip
        e = pair.performance
        if e.mae_arm is not None:
            rows.append(
                {"arm": pair.arm, "baseline": pair.baseline, "metric": "mean_absolute_error",
                 "mean_baseline": e.mae_baseline, "mean_arm": e.mae_arm, "difference": e.difference, "ci_low": e.ci_low,
                 "ci_high": e.ci_high, "percent_change": None if e.relative_gain is None else -e.relative_gain,
                 "p_adjusted": e.p_value, "outcome": e.axis}
            )  # fmt: skip
    return pd.DataFrame(rows)


def comparison_html(comparison: Comparison) -> str:
    """Headline and table."""
    result = comparison.result
    made = main_table(result)
    lines = "".join(f"<p>{to_html(headline(result, pair, 'en'))}</p>" for pair in result.pairs)
    return (
        lines
        + grid(made.columns["en"], made.rows["en"])
        + f"<p><small>{html.escape(made.note['en'])}</small></p>"
    )


def plot_comparison(comparison: Comparison, *, pair: int = 0, ax: Any = None) -> Any:
    """Percent change of the primary metrics with their intervals, the guide's ranges behind them.

    Args:
        comparison: The comparison.
        pair: Index into ``result.pairs``.
        ax: matplotlib axes; a new figure's when None.

    Returns:
        The axes.

    Raises:
        UsageError: When there is no such pair, or no metric with a defined percent change.
    """
    pairs = comparison.result.pairs
    if not 0 <= pair < len(pairs):
        raise UsageError(f"the comparison has {len(pairs)} pairs of arms; there is no pair {pair}.")
    chosen = pairs[pair]
    metrics = [m for m in verdict_metrics(chosen, comparison.result) if np.isfinite(m.paired.percent_change)]
    if not metrics:
        raise UsageError("no primary metric has a percent change that is defined; see comparison.table.")
    ax = axes(ax, (4.5, 0.5 * len(metrics) + 1.0))
    for i, m in enumerate(metrics):
        p = m.paired
        if m.metric in GUIDE_RANGES and is_about_middle_fusion(chosen.arm, chosen.baseline):
            low, high = GUIDE_RANGES[m.metric]
            ax.barh(i, high - low, left=low, height=0.7, color="#DDDDDD", zorder=0)
        ax.plot([p.percent_ci_low, p.percent_ci_high], [i, i], color="#0072B2", linewidth=1.5)
        ax.plot(p.percent_change, i, "o", color="#0072B2")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(metrics)), [BY_NAME[m.metric].label("en") for m in metrics])
    ax.invert_yaxis()
    ax.set_xlabel(
        f"change of {label(arm_label(chosen.arm, 'en'))} against {label(arm_label(chosen.baseline, 'en'))} (%)"
    )
    return ax

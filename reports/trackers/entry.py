"""What of a report goes to an experiment tracker: numbers by name, sentences, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports import tables
from crysmm_attn_plugin.reports.language import SOURCE, known
from crysmm_attn_plugin.reports.prose.headline import headline
from crysmm_attn_plugin.reports.prose.markup import to_plain
from crysmm_attn_plugin.reports.trackers import NAME, Entry, finite
from crysmm_attn_plugin.stats.results import ComparisonResult
from crysmm_attn_plugin.store.files import safe_name


def make_entry(comparison: Any, folder: Path) -> Entry:
    """What is logged of a report.

    Args:
        comparison: The ``reports.comparison.Comparison`` that was written.
        folder: Where it lies.
    """
    others = tuple(f".{lang}.png" for lang in known() if lang != SOURCE)
    figures = [f for f in sorted((folder / "figures").glob("*.png")) if not f.name.endswith(others)]
    numbers, texts = summary_numbers(comparison.result), summary_texts(comparison.result)
    return Entry(numbers, texts, figures, folder)


def summary_numbers(result: ComparisonResult) -> dict[str, float]:
    """Per pair and primary metric: mean difference, interval, percent change, adjusted p, g_z; and the errors.

    Args:
        result: The comparison; with one arm alone, its means.

    Returns:
        ``attention/<arm>_vs_<baseline>/<metric>/<number>`` -> finite value.
    """
    found: dict[str, float | None] = {}
    for pair in result.pairs:
        prefix = f"{NAME}/{_pair_name(pair.arm, pair.baseline)}"
        for m in tables.verdict_metrics(pair, result):
            p = m.paired
            found |= {
                f"{prefix}/{m.metric}/mean_difference": p.mean_difference,
                f"{prefix}/{m.metric}/ci_low": p.ci_low,
                f"{prefix}/{m.metric}/ci_high": p.ci_high,
                f"{prefix}/{m.metric}/percent_change": p.percent_change,
                f"{prefix}/{m.metric}/p_adjusted": m.p_adjusted,
                f"{prefix}/{m.metric}/g_z": p.g_z,
            }
        e = pair.performance
        found |= {
            f"{prefix}/mae": e.mae_arm,
            f"{prefix}/mae_baseline": e.mae_baseline,
            f"{prefix}/mae_difference": e.difference,
            f"{prefix}/n_crystals": pair.n,
        }
    if not result.pairs:
        arm = result.arms[0]
        prefix = f"{NAME}/{safe_name(arm.name)}"
        found |= {f"{prefix}/{m}": arm.means.get(m) for m in PRIMARY}
        found |= {f"{prefix}/mae": arm.mae, f"{prefix}/n_crystals": result.n_crystals}
    return finite(found)


def summary_texts(result: ComparisonResult) -> dict[str, str]:
    """Per pair: verdict, what may be claimed, and the headline."""
    found: dict[str, str] = {}
    for pair in result.pairs:
        prefix = f"{NAME}/{_pair_name(pair.arm, pair.baseline)}"
        found[f"{prefix}/verdict"] = pair.verdict
        found[f"{prefix}/claim"] = pair.claim
        found[f"{prefix}/headline"] = to_plain(headline(result, pair, "en"))
    return found


def _pair_name(arm: str, baseline: str) -> str:
    return f"{safe_name(arm)}_vs_{safe_name(baseline)}"

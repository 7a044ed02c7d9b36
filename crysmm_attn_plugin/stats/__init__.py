"""Numbers to results, torch-free: paired tests, intervals, effect sizes, several seeds, verdicts."""

from __future__ import annotations

from crysmm_attn_plugin.stats.results import ComparisonResult, PairedResult

__all__ = ["ComparisonResult", "PairedResult"]

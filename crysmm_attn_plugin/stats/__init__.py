"""Numbers to results, torch-free: paired tests, intervals, effect sizes, several seeds, verdicts."""

from __future__ import annotations

from crysmm_attn_plugin.stats.association import robust_regression, spearman_with_interval
from crysmm_attn_plugin.stats.equivalence import tost
from crysmm_attn_plugin.stats.multiplicity import benjamini_hochberg, holm, max_t_step_down
from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.pooled_results import PooledComparison, pool_results
from crysmm_attn_plugin.stats.pooling import PooledResult, pool
from crysmm_attn_plugin.stats.power import crystals_needed, detectable_dz, paired_power
from crysmm_attn_plugin.stats.results import ComparisonResult, PairedResult
from crysmm_attn_plugin.stats.signflip import sign_flip

__all__ = [
    "ComparisonResult",
    "PairedResult",
    "PooledComparison",
    "PooledResult",
    "benjamini_hochberg",
    "compare_paired",
    "crystals_needed",
    "detectable_dz",
    "holm",
    "max_t_step_down",
    "paired_power",
    "pool",
    "pool_results",
    "robust_regression",
    "sign_flip",
    "spearman_with_interval",
    "tost",
]

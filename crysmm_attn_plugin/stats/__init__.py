"""Numbers to results, torch-free: paired tests, intervals, effect sizes, several seeds, verdicts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: Where each name stands: what draws in scipy is loaded when it is first asked for.
_HOMES = {
    "benjamini_hochberg": "multiplicity",
    "compare_paired": "paired",
    "ComparisonResult": "results",
    "crystals_needed": "power",
    "detectable_dz": "power",
    "holm": "multiplicity",
    "max_t_step_down": "multiplicity",
    "paired_power": "power",
    "PairedResult": "results",
    "pool": "pooling",
    "pool_results": "pooled_results",
    "PooledComparison": "pooled_results",
    "PooledResult": "pooling",
    "robust_regression": "association",
    "sign_flip": "signflip",
    "spearman_with_interval": "association",
    "tost": "equivalence",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

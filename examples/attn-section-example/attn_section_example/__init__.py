"""A crysmm-attn plugin: one metric, one section of the report. Each hook only hands over to the file that knows how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.hooks import hookimpl

if TYPE_CHECKING:
    import torch


@hookimpl
def attn_batch_metrics(
    weights: torch.Tensor, query_mask: torch.Tensor, key_mask: torch.Tensor, context: Any
) -> Mapping[str, torch.Tensor]:
    """One column more in ``Run.attention``."""
    from attn_section_example.metric import NAME, own_element_hits

    own = context.categories.get("own_element")  # absent where rows are tokens, or tokens are unknown
    return {} if own is None else {NAME: own_element_hits(weights, query_mask, key_mask, own)}


@hookimpl
def attn_report_sections(comparison: Any) -> list[Any]:
    """One section more in ``report.html`` and ``report.md``."""
    from attn_section_example.section import section

    return [section(comparison)]

"""Attention to numbers: torch tensors in, one value per crystal and head out, padding-safe."""

from __future__ import annotations

from crysmm_attn_plugin.metrics.attention import (
    MetricContext,
    attention_metrics,
    category_mass,
    padding_mass,
    without_padding,
)

__all__ = ["MetricContext", "attention_metrics", "category_mass", "padding_mass", "without_padding"]

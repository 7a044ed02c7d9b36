"""Attention to numbers: weights in, one value per crystal and head out, padding-safe."""

from __future__ import annotations

from crysmm_attn_plugin.metrics.attention import MetricContext, attention_metrics
from crysmm_attn_plugin.metrics.padded import category_mass, padding_mass, without_padding
from crysmm_attn_plugin.metrics.registry import BUILT_IN

__all__ = [
    "BUILT_IN",
    "MetricContext",
    "attention_metrics",
    "category_mass",
    "padding_mass",
    "without_padding",
]

"""Metrics where another way of computing takes over: large maps, negative weights, weights on a limit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crysmm_attn_plugin.metrics import attention_metrics
from crysmm_attn_plugin.metrics.padded import padded_metrics


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_map_too_large_for_one_call_of_the_logarithm_has_the_same_values(dtype: torch.dtype) -> None:
    logits = torch.randn(1, 2, 300, 256, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = (3 * logits).softmax(-1).to(dtype)
    found, wanted = attention_metrics(weights), padded_metrics(weights.double(), None, None)
    for name, value in found.items():
        np.testing.assert_allclose(
            value.numpy(), wanted[name].numpy(), rtol=1e-5 if dtype == torch.float32 else 1e-10
        )


@pytest.mark.parametrize("shape", [(3, 7), (40, 7), (3, 90), (40, 90)])
def test_weights_below_zero_are_ordered_by_their_value(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(0)
    weights = draw.random(shape) + 0.05
    weights[:, 2] = -0.04 * draw.random(shape[0])
    weights[:, 4] = -0.3 * draw.random(shape[0])
    weights /= weights.sum(-1, keepdims=True)
    found = attention_metrics(torch.from_numpy(weights[None, None].copy()))
    ordered, n = np.sort(weights, axis=-1), shape[1]
    gini = (2 * ordered @ np.arange(1, n + 1) / n - (n + 1) / n) * n / (n - 1)
    assert float(found["gini"]) == pytest.approx(gini.mean(), rel=1e-9)
    assert float(found["max_weight"]) == pytest.approx(ordered[:, -1].mean(), rel=1e-12)
    apart = np.abs(weights[:, None] - weights[None]).sum(-1).mean() / 2
    assert float(found["between_atom_tv"]) == pytest.approx(apart, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_weight_that_rounding_puts_at_a_tenth_is_not_above_it(dtype: torch.dtype) -> None:
    weights = torch.full((1, 1, 4, 10), 0.1, dtype=dtype)
    weights[..., 1, :] = 0.30000000000000004 / 3
    for metrics in (attention_metrics(weights), padded_metrics(weights, None, None)):
        assert float(metrics["effective_tokens_01"]) == 0
    weights[..., 0, 0] += 0.001
    for metrics in (attention_metrics(weights), padded_metrics(weights, None, None)):
        assert float(metrics["effective_tokens_01"]) == 0.25

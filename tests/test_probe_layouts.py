"""Interventions in a real process, and in every layout of attention: what is changed is what was to be, or it is refused."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
from host_kit import (
    HEADS,
    WIDTH,
    Crystals,
    CrystalTextNet,
    Multihead,
    OwnDropout,
    Projections,
    join_heads,
    make_loader,
)
from process_kit import command_line, run_host, write_host
from torch import nn

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.errors import CaptureError

EXTRA = {"knock_out_most", "knock_out_random", "keep_most", "keep_random", "uniform", "swap", "own_element",
         "own_element_random", "head"}  # fmt: skip


def test_run_probe_is_a_command_that_leaves_the_hosts_predictions_alone(tmp_path) -> None:
    write_host(tmp_path)
    plain = command_line(tmp_path, "run", "--no-report", "--out", "other", "--", sys.executable, "host.py",
                         CRYSMM_ATTN_ENABLED="0")  # fmt: skip
    assert plain.returncode == 0, plain.stderr
    own = (tmp_path / "predictions_test.csv").read_bytes()
    (tmp_path / "predictions_test.csv").unlink()
    done = run_host(tmp_path, flags=("--probe", "all"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "predictions_test.csv").read_bytes() == own
    assert done.stdout == plain.stdout
    run = attn.open_run(tmp_path / "runs" / "full")
    assert set(run.interventions["intervention"]) == EXTRA
    assert set(run.interventions["id"]) == set(run.samples["id"])
    (record,) = run.info["probe"].values()
    assert record["refused"] == ""
    assert record["crystals"] == 12
    assert set(record["costs"]) == EXTRA
    assert min(record["costs"].values()) > 0


class Merged(Projections):
    """Heads merged into the batch: ``(b h) q k``."""

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None) -> Any:
        q, k, v = (x.flatten(0, 1) for x in self.projected(queries, keys))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        scores = scores.masked_fill(~key_mask.repeat_interleave(HEADS, 0)[:, None], float("-inf"))
        return join_heads((even(self, scores).softmax(-1) @ v).unflatten(0, (-1, HEADS)))


class HeadsLast(Projections):
    """``b q k h``, softmax over the third axis."""

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None) -> Any:
        q, k, v = self.projected(queries, keys)
        scores = self.logits(q, k, key_mask).permute(0, 2, 3, 1)
        return join_heads(even(self, scores, 2).softmax(2).permute(0, 3, 1, 2) @ v)


class Plain(OwnDropout):
    """``b h q k``."""

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None) -> Any:
        q, k, v = self.projected(queries, keys)
        return join_heads(even(self, self.logits(q, k, key_mask)).softmax(-1) @ v)


class FlatNet(nn.Module):
    """Atoms in one flat table, one softmax a crystal over its own words."""

    def __init__(self) -> None:
        super().__init__()
        self.atom, self.token = nn.Linear(4, WIDTH), nn.Linear(4, WIDTH)
        self.fusion, self.out = OneCrystal(), nn.Linear(WIDTH, 1)

    def forward(self, inputs: Any) -> torch.Tensor:
        atoms, atom_mask, tokens, token_mask = inputs[:4]
        pooled = [
            self.fusion(self.atom(a[am]), self.token(t[tm])).mean(0)
            for a, am, t, tm in zip(atoms, atom_mask, tokens, token_mask)
        ]
        return self.out(torch.stack(pooled)).squeeze(-1)


class OneCrystal(Projections):
    """No batch axis and no heads: ``q k``."""

    def forward(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        scores = self.query(queries) @ self.key(keys).T / math.sqrt(WIDTH)
        return queries + even(self, scores).softmax(-1) @ self.value(keys)


class EvenMultihead(Multihead):
    """``nn.MultiheadAttention`` without weights; made even by keys that say nothing."""

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor | None = None) -> Any:
        if not getattr(self, "even", False):
            return super().forward(queries, keys, key_mask)
        weights, bias = (
            x.detach().chunk(3) for x in (self.attention.in_proj_weight, self.attention.in_proj_bias)
        )
        v = (keys @ weights[2].T + bias[2]) * key_mask[..., None]
        mean = v.sum(1, keepdim=True) / key_mask.sum(1)[:, None, None]
        return self.attention.out_proj(mean).expand_as(queries)


def even(module: nn.Module, scores: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Scores, or, where the module is told to, the same for every key that is not masked."""
    return torch.where(scores.isinf(), scores, scores * 0) if getattr(module, "even", False) else scores


LAYOUTS = {
    "batch x heads x atoms x words": lambda: CrystalTextNet(Plain),
    "heads merged into the batch": lambda: CrystalTextNet(Merged),
    "heads last": lambda: CrystalTextNet(HeadsLast),
    "flat table, one softmax a crystal": FlatNet,
    "fused, no weights formed": lambda: CrystalTextNet(EvenMultihead),
}


def predictions(net: nn.Module, loader: Any, *, made_even: bool = False) -> np.ndarray:
    for module in net.modules():
        module.even = made_even  # type: ignore[assignment]
    with torch.no_grad():
        found = torch.cat([net(batch) for batch in loader]).double().numpy()
    for module in net.modules():
        module.even = False  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_attention_made_even_is_even_in_every_layout(layout: str) -> None:
    torch.manual_seed(4)
    net = LAYOUTS[layout]().eval()
    loader = make_loader(12, 4)
    found = attn.probe(net, loader, interventions=("uniform", "knock_out"), sizes=(1,), draws=1).effects
    own, truth = predictions(net, loader), predictions(net, loader, made_even=True)
    made = found[found["intervention"] == "uniform"].set_index("id").loc[Crystals(12).ids]
    np.testing.assert_allclose(made["prediction"], own, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["changed"], truth, rtol=1e-5, atol=1e-6)
    assert np.abs(own - truth).max() > 1e-3
    hidden = found[found["intervention"] == "knock_out_most"]
    assert set(hidden["id"]) == set(Crystals(12).ids)
    assert (hidden["shift"] > 0).mean() > 0.5


def test_a_call_that_predicts_for_a_part_of_the_batch_is_refused_in_one_sentence() -> None:
    with pytest.raises(CaptureError) as refused:
        attn.probe(
            CrystalTextNet(Plain).eval(), make_loader(12, 4), forward=lambda n, b: n([x[:1] for x in b])
        )
    assert str(refused.value).endswith(".")
    assert ". " not in str(refused.value)

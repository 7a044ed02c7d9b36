"""Watching softmax and fused attention: what is seen is the host's own, and nothing of the host's is touched."""

from __future__ import annotations

import copy
import gc
import io
import itertools
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from host_kit import Crystals, CrystalTextNet, OwnDropout, make_loader
from torch import nn
from torch.nn.functional import softmax as imported_softmax

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.hooks.reading import calls as outermost
from crysmm_attn_plugin.hooks.reading.frames import local
from crysmm_attn_plugin.hooks.reading.fused import FusedInputs, fused_scores
from crysmm_attn_plugin.hooks.reading.watch import Seen, watched


class Keep:
    """Wants everything."""

    copies = True

    def __init__(self) -> None:
        self.items: list[Seen] = []
        self.faults: list[Exception] = []
        self.n_hidden = 0

    def wants(self, owner: Any, lines: Any, shape: Any) -> bool:
        return True

    def seen(self, item: Seen) -> None:
        self.items.append(item)

    def hidden(self) -> None:
        self.n_hidden += 1

    def fault(self, error: Exception) -> None:
        self.faults.append(error)


class Softmaxes(nn.Module):
    """Forms the same weights in a way of its own."""

    def __init__(self, how: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.scale, self.how = nn.Parameter(torch.ones(1)), how

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return self.how(scores * self.scale)


WAYS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "method": lambda s: s.softmax(-1),
    "function": lambda s: torch.softmax(s, dim=-1),
    "functional": lambda s: F.softmax(s, dim=-1),
    "imported": lambda s: imported_softmax(s, dim=-1),
    "special": lambda s: torch.special.softmax(s, -1),
    "module": nn.Softmax(dim=-1),
    "another_axis": lambda s: s.transpose(1, -1).softmax(1).transpose(1, -1),
    "then_written_to": lambda s: s.softmax(-1).mul_(2.0),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_a_softmax_is_seen_with_the_hosts_own_numbers(way: str, inference: bool) -> None:
    module, keep = Softmaxes(WAYS[way]), Keep()
    scores = torch.randn(2, 3, 4, 5)
    scores[1, :, :, 3:] = -1e9
    with torch.inference_mode() if inference else torch.no_grad():
        plain = module(scores)
        with watched(keep):
            assert torch.equal(module(scores), plain)
    (item,) = keep.items
    found = item.weights.movedim(item.axis, -1)
    found = found if found.shape == scores.shape else found.transpose(1, 2)
    assert torch.allclose(found, scores.softmax(-1), atol=1e-7)
    assert item.owner is module
    assert item.masked is not None
    assert int(item.masked.sum()) == 24
    assert not keep.faults


@pytest.mark.parametrize("mask", ["none", "bool", "additive", "causal"])
def test_fused_attention_is_made_from_its_query_and_key(mask: str) -> None:
    q, k, v = torch.randn(2, 3, 4, 8), torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 8)
    options: dict[str, Any] = {
        "none": {},
        "bool": {
            "attn_mask": torch.arange(6)[None, None, None, :] < torch.tensor([6, 4])[:, None, None, None]
        },
        "additive": {"attn_mask": torch.where(torch.arange(6) < 5, 0.0, -1e9).expand(2, 1, 4, 6)},
        "causal": {"is_causal": True},
    }[mask]
    keep = Keep()
    with torch.no_grad(), watched(keep):
        out = F.scaled_dot_product_attention(q, k, v, **options)
    (item,) = keep.items
    assert torch.allclose(item.weights @ v, out, atol=1e-5)
    assert (item.masked is None) == (mask == "none")


LEADS = ((2, 4), (1, 4), (2, 1), (1, 1), (2, 2), (4,), ())


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("mask", [None, (2, 4, 3, 5), (2, 1, 1, 5), (1, 4, 3, 5), (3, 5), (5,)])
def test_the_shape_said_of_fused_weights_is_theirs(grouped: bool, mask: tuple[int, ...] | None) -> None:
    tried = 0
    for query, key in itertools.product(LEADS, LEADS):
        seen = FusedInputs(
            torch.randn(*query, 3, 8),
            torch.randn(*key, 5, 8),
            None if mask is None else torch.ones(mask, dtype=torch.bool),
            enable_gqa=grouped,
        )
        try:
            F.scaled_dot_product_attention(seen.query, seen.key, seen.key, seen.attn_mask, enable_gqa=grouped)
        except (RuntimeError, ValueError, IndexError):
            continue  # shapes that no host can have given
        assert seen.shape == seen.weights().shape, (query, key)
        tried += 1
    assert tried >= 12


def test_scores_of_grouped_queries_repeat_the_keys() -> None:
    q, k = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 5, 8)
    assert torch.equal(fused_scores(q, k, enable_gqa=True), fused_scores(q, k.repeat_interleave(2, dim=1)))


def test_everything_is_put_back_whoever_stops_first() -> None:
    originals = (torch.Tensor.softmax, torch.softmax, torch.special.softmax, F.scaled_dot_product_attention)
    first, second = Keep(), Keep()
    with watched(first):
        with watched(second):
            torch.randn(2, 3).softmax(-1)
        assert torch.softmax is not originals[1]
        torch.randn(2, 3).softmax(-1)
    assert (
        torch.Tensor.softmax,
        torch.softmax,
        torch.special.softmax,
        F.scaled_dot_product_attention,
    ) == originals
    assert "softmax" not in vars(torch.Tensor)
    assert (len(first.items), len(second.items)) == (2, 1)


def test_a_fault_of_ours_never_reaches_the_host() -> None:
    class Broken(Keep):
        def seen(self, item: Seen) -> None:
            raise KeyError("ours")

    keep = Broken()
    with watched(keep):
        assert torch.randn(2, 3).softmax(-1).shape == (2, 3)
    assert [type(e) for e in keep.faults] == [KeyError]


def test_the_fused_path_of_an_encoder_is_kept() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2).eval()
    x, padded = torch.randn(3, 7, 16), torch.arange(7)[None] >= torch.tensor([7, 5, 4])[:, None]
    with torch.no_grad():
        plain = encoder(x, src_key_padding_mask=padded)
        with watched(Keep()):
            assert torch.equal(encoder(x, src_key_padding_mask=padded), plain)


def test_asking_a_frame_for_a_name_keeps_nothing_alive() -> None:
    import sys

    class Thing:
        pass

    def host() -> Any:
        thing = Thing()
        frame = sys._getframe()
        assert local(frame, "thing") is thing
        gone = weakref.ref(thing)
        del thing
        return gone()

    assert host() is None


# -- inside a captured loop ------------------------------------------------------------------------------------


def scripted(model: nn.Module, batch: Any) -> Any:
    class Small(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(F.softmax(x, dim=-1), dim=-1).softmax(-1)

    return torch.jit.script(Small())(torch.ones(2, 3))


def saved(model: nn.Module, batch: Any) -> Any:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)(batch)


DEEDS: dict[str, Callable[[nn.Module, Any], Any]] = {
    "deepcopy": lambda model, batch: copy.deepcopy(model)(batch),
    "save_whole": saved,
    "script": scripted,
    "trace": lambda model, batch: torch.jit.trace(
        model.fusions[0], (torch.ones(1, 2, 16), torch.ones(1, 3, 16))
    )(torch.ones(1, 2, 16), torch.ones(1, 3, 16)),
    "export": lambda model, batch: torch.export.export(
        model.fusions[0], (torch.ones(1, 2, 16), torch.ones(1, 3, 16))
    ).module()(torch.ones(1, 2, 16), torch.ones(1, 3, 16)),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_a_host_does_with_its_model_inside_the_loop_is_as_without_us(tmp_path: Any, deed: str) -> None:
    torch.manual_seed(3)
    model, loader = CrystalTextNet(OwnDropout).eval(), make_loader(8, 4)

    def loop() -> list[torch.Tensor]:
        found = []
        with torch.no_grad():
            for batch in loader:
                found.append(model(batch))
                found.append(DEEDS[deed](model, batch))
        return found

    plain = loop()
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        captured = loop()
    assert all(torch.equal(a, b) for a, b in zip(plain, captured, strict=True))
    assert now.outcome.state == "complete"
    assert now.outcome.n_crystals == 8
    assert nn.Module.__call__ is outermost._original


def test_model_loader_and_data_set_are_let_go_after_the_pass(tmp_path: Any) -> None:
    model, loader = CrystalTextNet(OwnDropout).eval(), make_loader(dataset=Crystals(8), batch_size=4)
    references = [weakref.ref(x) for x in (model, loader, loader.dataset)]
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now, torch.no_grad():
        for batch in loader:
            model(batch)
    assert now.outcome.state == "complete"
    del model, loader, batch
    gc.collect()
    assert [r() for r in references] == [None, None, None]

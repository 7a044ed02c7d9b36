"""Taps read a module's attention; what the module computes, returns and draws stays as it was."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from host_kit import (
    HEADS,
    WIDTH,
    CrystalTextNet,
    FunctionalDropout,
    Fused,
    Multihead,
    OnRequestDict,
    OnRequestTuple,
    OwnDropout,
    Projections,
    first_tensor,
    hooks_on,
    split_heads,
)
from torch import nn

from crysmm_attn_plugin.capture.models import find_taps
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.hooks.taps.base import RawAttention
from crysmm_attn_plugin.hooks.taps.guard import install_guarded
from crysmm_attn_plugin.settings import Settings

BATCH, ATOMS, TOKENS = 3, 5, 7


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    scores = torch.matmul(q, k.transpose(-1, -2)) / q.shape[-1] ** 0.5
    return torch.matmul(scores.masked_fill(~mask[:, None, None, :], float("-inf")).softmax(-1), v)


class CallsAFunction(Projections):
    def forward(self, queries: torch.Tensor, keys: torch.Tensor, key_mask: torch.Tensor) -> torch.Tensor:
        return attention(*self.projected(queries, keys), key_mask)


KINDS: dict[str, Callable[[], nn.Module]] = {
    "own_dropout": OwnDropout,
    "functional": FunctionalDropout,
    "tuple_on_request": OnRequestTuple,
    "dict_on_request": OnRequestDict,
    "fused": Fused,
    "multihead": Multihead,
    "multihead_batch_last": lambda: Multihead(batch_first=False),
    "multihead_averaged": lambda: Multihead(need_weights=True),
    "multihead_per_head": lambda: Multihead(need_weights=True, average_attn_weights=False),
}


def build(kind: str) -> nn.Module:
    torch.manual_seed(11)
    return KINDS[kind]()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    mask = torch.arange(TOKENS)[None, :] < torch.tensor([7, 4, 2])[:, None]
    return torch.randn(BATCH, ATOMS, WIDTH, generator=g), torch.randn(BATCH, TOKENS, WIDTH, generator=g), mask


def own_weights(module: nn.Module) -> torch.Tensor:
    """What the module's own layers and masks make of ``inputs``, formed here from the definition."""
    queries, keys, mask = inputs()
    if isinstance(module, Multihead):
        inner = module.attention
        wq, wk, _ = inner.in_proj_weight.chunk(3)
        bq, bk, _ = inner.in_proj_bias.chunk(3)
        q, k = split_heads(F.linear(queries, wq, bq)), split_heads(F.linear(keys, wk, bk))
    else:
        q, k = split_heads(module.query(queries)), split_heads(module.key(keys))
    scores = (q @ k.transpose(-1, -2)) / (WIDTH // HEADS) ** 0.5
    return scores.masked_fill(~mask[:, None, None, :], float("-inf")).softmax(-1).detach()


def taps_of(model: nn.Module) -> list[Any]:
    return find_taps(model, get_plugin_manager(), Settings())


def random_state() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state()
    return torch.get_rng_state().tolist(), kind, keys.tolist(), rest, random.getstate()


def step(model: nn.Module, call: Callable[[], Any], seed: int = 0) -> dict[str, Any]:
    """Everything one forward and backward leaves: output, gradients, random states."""
    torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)
    model.zero_grad(set_to_none=True)
    output = call()
    first_tensor(output).square().sum().backward()
    return {
        "type": type(output),
        "output": first_tensor(output).detach().clone(),
        "gradients": [p.grad.clone() for p in model.parameters() if p.grad is not None],
        "random": random_state(),
    }


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a["type"] is b["type"]
    assert torch.equal(a["output"], b["output"])
    assert len(a["gradients"]) == len(b["gradients"])
    assert all(torch.equal(x, y) for x, y in zip(a["gradients"], b["gradients"]))
    assert a["random"] == b["random"]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tap_changes_no_bit_and_reads_the_modules_own_weights(kind: str, training: bool) -> None:
    module = build(kind).train(training)
    call = lambda: module(*inputs())  # noqa: E731
    plain = step(module, call)
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    tapped = step(module, call)
    tap.remove()
    after = step(module, call)

    assert_same(plain, tapped)
    assert_same(plain, after)
    assert hooks_on(module) == 0
    assert module.training is training
    (raw,) = seen
    assert raw.weights.shape == (BATCH, HEADS, ATOMS, TOKENS)
    assert not raw.weights.requires_grad
    torch.testing.assert_close(raw.weights, own_weights(module), rtol=1e-5, atol=1e-6)
    if "key_mask" in raw.masks or "key_padding_mask" in raw.masks:
        mask = raw.masks.get("key_mask", raw.masks.get("key_padding_mask"))
        assert torch.equal(mask, inputs()[2])


@pytest.mark.parametrize("kind", ["own_dropout", "tuple_on_request", "dict_on_request"])
def test_weights_are_bit_equal_to_those_the_module_forms(kind: str) -> None:
    module = build(kind).eval()
    formed: list[torch.Tensor] = []
    original = type(module).logits

    class Recording(type(module)):  # type: ignore[misc]
        def logits(self, *args: Any) -> torch.Tensor:
            formed.append(original(self, *args).softmax(-1))
            return original(self, *args)

    seen: list[RawAttention] = []
    (tap,) = taps_of(module)
    tap.install(seen.append)
    module(*inputs())
    tap.remove()
    module.__class__ = Recording
    module(*inputs())
    assert torch.equal(seen[0].weights, formed[0])


@pytest.mark.parametrize("asked", [(True,), (None, False), (None, True)], ids=str)
def test_a_host_that_asks_by_position_gets_what_it_asked_for(asked: tuple[Any, ...]) -> None:
    module = build("tuple_on_request").eval()
    queries, keys, mask = inputs()
    arguments = (queries, keys, mask, asked[0]) if len(asked) == 1 else (queries, keys, *asked)
    plain = module(*arguments)
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    tapped = module(*arguments)
    tap.remove()
    assert type(plain) is type(tapped)
    assert torch.equal(first_tensor(plain), first_tensor(tapped))
    assert [r.weights.shape for r in seen] == [(BATCH, HEADS, ATOMS, TOKENS)]


@pytest.mark.parametrize("positional", [False, True])
def test_multihead_attention_called_by_position_or_name_is_read(positional: bool) -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).eval()
    queries, keys, mask = inputs()
    call: Callable[[], Any] = (
        (lambda: module(queries, keys, keys, ~mask, False))
        if positional
        else (lambda: module(query=queries, key=keys, value=keys, key_padding_mask=~mask, need_weights=False))
    )
    plain = call()
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    tapped = call()
    tap.remove()
    assert plain[1] is None
    assert tapped[1] is None
    assert torch.equal(plain[0], tapped[0])
    _, expected = module(queries, keys, keys, ~mask, average_attn_weights=False)
    assert torch.equal(seen[0].weights, expected)
    assert torch.equal(seen[0].masks["key_padding_mask"], mask)


def test_an_averaging_host_still_gets_its_averaged_weights() -> None:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).eval()
    queries, keys, _ = inputs()
    plain = module(queries, keys, keys)
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    tapped = module(queries, keys, keys)
    tap.remove()
    assert tapped[1].shape == (BATCH, ATOMS, TOKENS)
    assert torch.equal(plain[1], tapped[1])
    assert seen[0].weights.shape == (BATCH, HEADS, ATOMS, TOKENS)


def test_a_module_that_always_drops_out_draws_no_more_numbers_for_the_second_call() -> None:
    class AlwaysDrops(OnRequestTuple):
        def forward(
            self, queries: Any, keys: Any, key_mask: Any = None, return_attention: bool = False
        ) -> Any:
            q, k, v = self.projected(queries, keys)
            weights = self.logits(q, k, key_mask).softmax(-1)
            output = join(F.dropout(weights, 0.5) @ v)  # training=True is the function's default
            return (output, weights) if return_attention else output

    from host_kit import join_heads as join

    torch.manual_seed(2)
    module = AlwaysDrops().eval()
    del module.dropout
    call = lambda: module(*inputs())  # noqa: E731
    plain = step(module, call)
    (tap,) = taps_of(module)
    tap.install(lambda raw: None)
    assert_same(plain, step(module, call))
    tap.remove()


def test_a_second_call_fires_none_of_the_hosts_own_hooks() -> None:
    module = build("tuple_on_request").eval()
    fired: list[int] = []
    module.query.register_forward_hook(lambda *_: fired.append(1))
    (tap,) = taps_of(module)
    tap.install(lambda raw: None)
    module(*inputs())
    tap.remove()
    assert fired == [1]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_hugging_face_cross_attention_is_read_whichever_kernel_it_uses(kernel: str, training: bool) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=24,
        is_decoder=True,
        add_cross_attention=True,
        attn_implementation=kernel,
    )
    model = transformers.BertModel(config).train(training)
    atoms, tokens, mask = inputs()

    def call(**more: Any) -> Any:
        found = model(
            inputs_embeds=atoms, encoder_hidden_states=tokens, encoder_attention_mask=mask.long(), use_cache=False, **more
        )  # fmt: skip
        return found if more else found.last_hidden_state

    plain = step(model, call)
    taps = [t for t in taps_of(model) if "crossattention" in t.name]
    assert len(taps) == config.num_hidden_layers
    seen: list[RawAttention] = []
    for tap in taps:
        tap.install(seen.append)
    assert_same(plain, step(model, call))
    for tap in taps:
        tap.remove()
    assert_same(plain, step(model, call))
    assert hooks_on(model) == 0
    assert [r.weights.shape for r in seen] == [(BATCH, HEADS, ATOMS, TOKENS)] * config.num_hidden_layers
    for raw in seen:
        torch.testing.assert_close(raw.weights.sum(-1), torch.ones(BATCH, HEADS, ATOMS))
        assert (raw.weights[~mask[:, None, None, :].expand_as(raw.weights)] == 0).all()
    if not training:
        model.set_attn_implementation("eager")
        with torch.no_grad():
            expected = call(output_attentions=True).cross_attentions
        for raw, weights in zip(seen, expected):
            torch.testing.assert_close(raw.weights, weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kernel", ["eager", "sdpa"])
def test_a_host_that_asks_hugging_face_for_attentions_gets_the_same_ones(kernel: str) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(4)
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=HEADS, intermediate_size=24,
        is_decoder=True, add_cross_attention=True, attn_implementation=kernel,
    )  # fmt: skip
    model = transformers.BertModel(config).eval()
    atoms, tokens, _ = inputs()
    call = lambda: model(  # noqa: E731
        inputs_embeds=atoms, encoder_hidden_states=tokens, use_cache=False, output_attentions=True
    )
    plain = call()
    taps = taps_of(model)
    seen: list[RawAttention] = []
    for tap in taps:
        tap.install(seen.append)
    tapped = call()
    for tap in taps:
        tap.remove()
    assert torch.equal(plain.last_hidden_state, tapped.last_hidden_state)
    assert (plain.cross_attentions is None) == (tapped.cross_attentions is None)
    assert len(seen) == 2  # self-attention and cross-attention of one layer


def test_the_layers_of_a_text_model_inside_a_host_are_read_one_by_one() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=24,
        is_decoder=True, add_cross_attention=True,
    )  # fmt: skip
    host = nn.ModuleDict({"encoder": transformers.BertModel(config)})
    assert [t.name for t in taps_of(host)] == [
        f"encoder.encoder.layer.{i}.{kind}.self" for i in (0, 1) for kind in ("attention", "crossattention")
    ]


def test_attention_in_a_function_of_the_modules_file_is_found() -> None:
    module = CallsAFunction().eval()
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    module(*inputs())
    tap.remove()
    torch.testing.assert_close(seen[0].weights, own_weights(module))


def test_weights_without_a_heads_dimension_are_one_heads() -> None:
    class OneHead(nn.Module):
        def forward(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
            return torch.softmax(torch.bmm(queries, keys.transpose(1, 2)), dim=-1) @ keys

    queries, keys, _ = inputs()
    (tap,) = taps_of(OneHead())
    seen: list[RawAttention] = []
    tap.install(seen.append)
    tap.module(queries, keys)
    tap.remove()
    assert torch.equal(seen[0].weights, torch.softmax(torch.bmm(queries, keys.transpose(1, 2)), -1)[:, None])


def test_a_module_that_is_asked_again_must_not_write_to_its_inputs() -> None:
    class WritesToInput(nn.Module):
        def forward(self, queries: torch.Tensor, keys: torch.Tensor, return_attention: bool = False) -> Any:
            queries += 1
            scores = torch.einsum("bqd,bkd->bqk", queries, keys)
            weights = (scores / scores.abs().sum(-1, keepdim=True)).unsqueeze(1)
            gate = torch.softmax(queries.mean(1), -1).mean()
            return (queries * gate, weights) if return_attention else queries * gate

    module = WritesToInput()
    queries, keys, _ = inputs()
    plain = module(queries.clone(), keys)
    failures: list[Exception] = []
    (tap,) = taps_of(module)
    install_guarded(tap, lambda raw: None, lambda tap, error: failures.append(error))
    assert torch.equal(module(queries.clone(), keys), plain)
    tap.remove()
    assert "changes its inputs in place" in str(failures[0])


def test_what_a_tap_raises_is_told_and_the_forward_goes_on() -> None:
    module = build("own_dropout").eval()
    plain = module(*inputs())
    (tap,) = taps_of(module)
    failures: list[Exception] = []

    def emit(raw: RawAttention) -> None:
        raise KeyError("a fault of ours")

    install_guarded(tap, emit, lambda tap, error: failures.append(error))
    assert torch.equal(module(*inputs()), plain)
    tap.remove()
    assert [type(f) for f in failures] == [KeyError]
    assert hooks_on(module) == 0


def test_every_attention_module_of_a_model_has_its_own_tap() -> None:
    torch.manual_seed(0)
    model = CrystalTextNet(OwnDropout, blocks=3)
    assert [t.name for t in taps_of(model)] == ["fusions.0", "fusions.1", "fusions.2"]


def test_an_inner_module_of_a_read_one_is_left_alone() -> None:
    model = nn.TransformerDecoderLayer(WIDTH, HEADS, 24, batch_first=True)
    assert [t.name for t in taps_of(model)] == ["self_attn", "multihead_attn"]


def test_wrapper_prefixes_are_not_part_of_a_modules_name() -> None:
    model = nn.DataParallel(CrystalTextNet(OwnDropout))
    assert [t.name for t in taps_of(model)] == ["fusions.0"]


@pytest.mark.parametrize("kind", ["own_dropout", "fused", "tuple_on_request"])
def test_several_calls_of_one_module_are_each_given(kind: str) -> None:
    module = build(kind).eval()
    queries, keys, mask = inputs()
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    module(queries, keys, mask)
    module(queries.flip(1), keys, mask)
    tap.remove()
    assert len(seen) == 2
    torch.testing.assert_close(seen[0].weights, seen[1].weights.flip(2))


def test_two_directions_in_one_call_are_numbered_in_order() -> None:
    from crysmm_attn_plugin.demo.attention import AtomTokenAttention

    torch.manual_seed(0)
    module = AtomTokenAttention(WIDTH, HEADS).eval()
    queries, keys, mask = inputs()
    _, _, expected = module(queries, keys, None, mask, return_attention=True)
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    module(queries, keys, None, mask)
    tap.remove()
    assert [r.order for r in seen] == [0, 1]
    assert torch.equal(seen[0].weights, expected["atom_to_text"])
    assert torch.equal(seen[1].weights, expected["text_to_atom"])


@pytest.mark.parametrize("kind", KINDS)
def test_removing_twice_is_safe_and_a_removed_tap_gives_nothing(kind: str) -> None:
    module = build(kind).eval()
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    tap.remove()
    tap.remove()
    module(*inputs())
    assert seen == []


@pytest.mark.parametrize("kind", ["fused", "functional"])
def test_a_forward_that_raises_leaves_nothing_watching(kind: str) -> None:
    module = build(kind).eval()
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    with pytest.raises(RuntimeError):
        module(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
    F.softmax(torch.zeros(1, 2, 3, 4), -1)  # somebody else's, outside the module
    F.scaled_dot_product_attention(*[torch.zeros(1, 2, 3, 4)] * 3)
    assert seen == []
    module(*inputs())
    tap.remove()
    assert len(seen) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_weights_are_read(kind: str) -> None:
    module = build(kind).eval().to(torch.bfloat16)
    queries, keys, mask = inputs()
    arguments = (queries.bfloat16(), keys.bfloat16(), mask)
    plain = first_tensor(module(*arguments))
    (tap,) = taps_of(module)
    seen: list[RawAttention] = []
    tap.install(seen.append)
    assert torch.equal(plain, first_tensor(module(*arguments)))
    tap.remove()
    (raw,) = seen
    torch.testing.assert_close(
        raw.weights.float().sum(-1), torch.ones(BATCH, HEADS, ATOMS), atol=2e-2, rtol=0
    )


def test_a_module_without_attention_has_no_tap() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 2), nn.Softmax(-1))
    assert taps_of(model) == []

"""What is measured, through the package's public surface, so that any version of it can be.

A case is made once (``CASES[name](options)``) and gives the function to be timed. It may return a number that is the result
instead of the time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Run = Callable[[], float | None]
CASES: dict[str, Callable[[dict[str, Any]], Run]] = {}
NAMES = (
    "entropy", "normalized_entropy", "effective_tokens_hill", "effective_tokens_hill2", "effective_tokens_01",
    "max_weight", "gini",
)  # fmt: skip


def case(make: Callable[[dict[str, Any]], Run]) -> Callable[[dict[str, Any]], Run]:
    """Register a case under its function's name."""
    CASES[make.__name__] = make
    return make


# -- metrics of one batch ------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def maps() -> torch.Tensor:
    """[32, 8, 30, 512] weights."""
    generator = torch.Generator().manual_seed(0)
    return (2 * torch.randn(32, 8, 30, 512, generator=generator)).softmax(-1)


@case
def row_loop(options: dict[str, Any]) -> Run:
    """A Python loop over the rows of head-averaged weights, a quarter of them: four numbers a row."""
    from scipy.stats import entropy

    rows = maps().mean(1).numpy()[:8].reshape(-1, 512)

    def run() -> None:
        for row in rows:
            w = row / (row.sum() + 1e-8)
            ordered, n = np.sort(w), len(w)
            entropy(w + 1e-8), w.max(), (w > 0.1).sum()
            2 * np.sum((np.arange(n) + 1) * ordered) / (n * ordered.sum()) - (n + 1) / n

    return run


@case
def metrics(options: dict[str, Any]) -> Run:
    """Every metric of [32, 8, 30, 512]."""
    from crysmm_attn_plugin.metrics import attention_metrics

    weights = maps()
    return lambda: attention_metrics(weights) and None


@case
def metrics_without_variation(options: dict[str, Any]) -> Run:
    """The same, between-atom variation not asked for where that can be said."""
    import inspect

    from crysmm_attn_plugin.metrics import attention_metrics

    weights = maps()
    said = "wanted" in inspect.signature(attention_metrics).parameters
    return lambda: attention_metrics(weights, **({"wanted": NAMES} if said else {})) and None


@case
def plain_torch(options: dict[str, Any]) -> Run:
    """The seven metrics of rows as one would write them in torch, between-atom variation left out."""
    weights = maps()

    def run() -> None:
        w = weights / weights.sum(-1, keepdim=True)
        n = w.shape[-1]
        entropy = torch.special.entr(w).sum(-1)
        rank = torch.arange(1, n + 1, dtype=w.dtype)
        gini = (2 * (rank * w.sort(-1).values).sum(-1) / n - (n + 1) / n) * n / (n - 1)
        for value in (entropy, entropy / np.log(n), entropy.exp(), 1 / w.square().sum(-1),
                      (w > 0.1).sum(-1).float(), w.amax(-1), gini):  # fmt: skip
            value.mean(-1)

    return run


# -- reduction of real padded batches ------------------------------------------------------------------------


@lru_cache(maxsize=1)
def demo_batch() -> Any:
    """Identity, masks and both directions' weights of 64 of the demo's crystals, padded like a host pads them."""
    from crysmm_attn_plugin.demo.config import HostConfig
    from crysmm_attn_plugin.demo.prepared import prepare
    from crysmm_attn_plugin.records import BatchIdentity

    with tempfile.TemporaryDirectory() as folder:
        data = prepare(HostConfig(cache_dir=folder))
    pick = np.random.default_rng(0).permutation(len(data.crystals))[:64]
    identity = BatchIdentity(
        tuple(data.crystals[i].id for i in pick),
        tuple(data.crystals[i].elements for i in pick),
        tuple(data.texts[i].labels for i in pick),
    )
    generator = torch.Generator().manual_seed(0)
    counts = [
        torch.tensor([len(e) for e in identity.elements]),
        torch.tensor([len(t.tokens) for t in identity.tokens or ()]),
    ]
    atoms, tokens = (torch.arange(int(c.max()))[None] < c[:, None] for c in counts)

    def weights(rows: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        scores = 2 * torch.randn(64, 8, rows.shape[1], keys.shape[1], generator=generator)
        return scores.masked_fill(~keys[:, None, None], -1e9).softmax(-1)

    return identity, atoms, tokens, weights(atoms, tokens), weights(tokens, atoms)


@case
def reduction(options: dict[str, Any]) -> Run:
    """Both directions of 64 crystals, every scope, head-averaged weights too; descriptions read before."""
    from crysmm_attn_plugin.capture.rows import reduce_call
    from crysmm_attn_plugin.records import AttentionCall

    identity, atoms, tokens, forward, backward = demo_batch()
    calls = [
        AttentionCall("fusion", 0, "atom_to_text", forward, atoms, tokens),
        AttentionCall("fusion", 0, "text_to_atom", backward, tokens, atoms),
    ]
    try:
        from crysmm_attn_plugin.capture.batch_words import BatchWords
    except ImportError:

        def run() -> None:
            for call in calls:
                reduce_call(call, identity)
    else:

        def run() -> None:
            words = BatchWords(identity)
            for call in calls:
                reduce_call(call, identity, words=words)

    return run


@case
def every_map(options: dict[str, Any]) -> Run:
    """The same maps kept whole: unpadded, half precision, one compressed file a batch."""
    _, atoms, tokens, forward, backward = demo_batch()

    def run() -> None:
        kept = {}
        for name, w, rows, keys in (("f", forward, atoms, tokens), ("b", backward, tokens, atoms)):
            for i in range(len(w)):
                kept[f"{name}{i}"] = w[i][:, rows[i]][:, :, keys[i]].half().numpy()
        np.savez(io.BytesIO(), **kept)

    return run


@case
def json_of_every_map(options: dict[str, Any]) -> Run:
    """The same maps as JSON, the head average, an eighth of the batch."""
    _, atoms, tokens, forward, backward = demo_batch()

    def run() -> None:
        for w, rows, keys in ((forward, atoms, tokens), (backward, tokens, atoms)):
            for i in range(len(w) // 8):
                json.dumps(w[i].mean(0)[rows[i]][:, keys[i]].tolist())

    return run


# -- a host's whole test loop --------------------------------------------------------------------------------


class EncodesText(nn.Module):
    """A host that runs a BERT-sized encoder over the descriptions in every forward.

    Args:
        net: The network behind it.
        layers: Layers of the encoder, width 768.
    """

    def __init__(self, net: nn.Module, layers: int = 12) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        self.encoder = BertModel(BertConfig(vocab_size=2000, num_hidden_layers=layers))
        self.net = net

    def forward(self, inputs: tuple[Any, ...]) -> torch.Tensor:
        graph, line_graph, states, mask = inputs
        ids = torch.arange(states.shape[1])[None].expand(len(states), -1) % 2000
        encoded = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return self.net((graph, line_graph, states + 1e-6 * encoded.mean(), mask))


VARIANTS: dict[str, dict[str, Any]] = {"metrics": {"maps": 0, "reinitialised": False}, "default": {}}


@case
def host_loop(options: dict[str, Any]) -> Run:
    """The reference host's test loop; options: batch, encoder, captured ("", "metrics" or "default"), crystals."""
    from crysmm_attn_plugin import attach
    from crysmm_attn_plugin.demo.config import HostConfig
    from crysmm_attn_plugin.demo.dataset import make_loaders, seed_everything
    from crysmm_attn_plugin.demo.prepared import build_network, prepare
    from crysmm_attn_plugin.demo.testing import predict
    from crysmm_attn_plugin.settings import Settings

    logging.getLogger("crysmm_attn").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        config = HostConfig(
            test_ratio=0.6, width=256, alignn_layers=4, gcn_layers=4, heads=8, cache_dir=folder
        )
        data = prepare(config)
    seed_everything(0)
    net: nn.Module = build_network(config, data)
    if options.get("encoder"):
        net = EncodesText(net)
    net.eval()
    split = {**data.split, "test": data.split["test"][: options["crystals"]]}
    loader = make_loaders(
        data.crystals, data.graphs, data.texts, batch_size=options["batch"], seed=0, split=split
    ).test
    captured = options.get("captured")

    def run() -> None:
        with torch.no_grad():
            if not captured:
                predict(net, loader)
                return
            settings = dataclasses.replace(Settings(enabled=True), **VARIANTS[captured])
            with (
                tempfile.TemporaryDirectory() as out,
                attach(net, loader=loader, out_dir=Path(out), arm="full", settings=settings) as now,
            ):
                predict(net, loader)
            assert now.outcome.state == "complete", now.outcome

    return run


# -- one process each ----------------------------------------------------------------------------------------


@case
def capture_counted(options: dict[str, Any]) -> Run:
    """Peak memory in MB of a process that tests ``crystals`` synthetic crystals, captured or not; writes to ``out``."""
    import resource

    import synthetic_host

    from crysmm_attn_plugin import attach

    logging.getLogger("crysmm_attn").setLevel(logging.CRITICAL)
    net = synthetic_host.CountedNet(options.get("seed", 0))
    batches = synthetic_host.loader(options["crystals"])

    def run() -> float:
        with contextlib.ExitStack() as stack:
            if options.get("captured", True):
                out = options.get("out") or stack.enter_context(tempfile.TemporaryDirectory())
                arm = options.get("arm", "full")
                settings = {"maps": options.get("maps", 0), "reinitialised": False}
                stack.enter_context(attach(net, loader=batches, out_dir=Path(out), arm=arm, **settings))
            synthetic_host.loop(net, batches)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    return run


@case
def digest(options: dict[str, Any]) -> Run:
    """Digest of 100 MB of weights."""
    from crysmm_attn_plugin.hooks.digests import weight_digest

    generator = torch.Generator().manual_seed(0)
    state = {f"layer{i}.weight": torch.randn(500, 500, generator=generator) for i in range(100)}
    return lambda: weight_digest(state) and None


@case
def command(options: dict[str, Any]) -> Run:
    """The command line in this process; options: argv."""
    from crysmm_attn_plugin.cli import main

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                main(options["argv"])
            except SystemExit:
                return

    return run

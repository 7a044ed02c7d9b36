"""What each intervention costs: an extra pass as a multiple of one test pass of the reference host.

``python -m benchmarks.probe_cost`` probes the demo's network, untrained and at its default size, on the demo's crystals with
everything asked for, several times, and prints a Markdown table. Times are processor time of one thread; an extra pass holds
the choice of what is changed and the exchange of the weights, and is set against a plain pass over the same batch.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections import defaultdict
from typing import Any
from unittest import mock

import torch

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.dataset import make_loaders, seed_everything
from crysmm_attn_plugin.demo.prepared import build_network, prepare
from crysmm_attn_plugin.demo.testing import predict, to_device

#: Interventions as the table names them; those of one word stand in its order of extra passes.
NAMES = {
    "knock_out_most": "`knock_out`: most attended hidden", "knock_out_random": "`knock_out`: random hidden",
    "keep_most": "`keep_only`: most attended kept", "keep_random": "`keep_only`: random kept",
    "uniform": "`uniform`", "swap": "`swap`", "own_element": "`own_element`: own mentions hidden",
    "own_element_random": "`own_element`: other tokens hidden", "head": "`heads`: one head made even",
}  # fmt: skip


def measure(batch_size: int, repeats: int) -> tuple[dict[str, list[float]], dict[str, int], list[float]]:
    """Multiples of a plain pass for each intervention, extra passes a batch, and the whole probe in test passes."""
    config = dataclasses.replace(HostConfig(), batch_size=batch_size)
    with tempfile.TemporaryDirectory() as cache:
        data = prepare(dataclasses.replace(config, cache_dir=cache))
    loader = make_loaders(
        data.crystals, data.graphs, data.texts, batch_size=batch_size, seed=0, split=dict(data.split)
    ).test
    seed_everything(0)
    net = build_network(config, data).eval()
    multiples: dict[str, list[float]] = defaultdict(list)
    passes: dict[str, int] = {}
    whole: list[float] = []
    with mock.patch("time.perf_counter", time.process_time):
        for _ in range(repeats):
            started = time.process_time()
            predict(net, loader)
            plain = time.process_time() - started
            started = time.process_time()
            found = attn.probe(net, loader, forward=_forward)
            whole.append((time.process_time() - started) / plain)
            for name, cost in found.costs.items():
                multiples[name].append(cost)
            shown = found.effects.drop_duplicates(["intervention", "size", "draw", "head", "module", "call"])
            passes = shown["intervention"].value_counts().to_dict()
    return multiples, passes, whole


def _forward(net: torch.nn.Module, batch: Any) -> torch.Tensor:
    return net(to_device(batch, "cpu")[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[16, 64])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {size: measure(size, asked.repeats) for size in asked.batch_sizes}
    passes = next(iter(found.values()))[1]
    print("| Extra pass | Passes a batch | " + " | ".join(f"Batches of {b}" for b in found) + " |")
    print("| --- | --- |" + " --- |" * len(found))
    for name, words in NAMES.items():
        cells = [_range(found[b][0][name]) for b in found]
        print(f"| {words} | {passes.get(name, 0)} | " + " | ".join(cells) + " |")
    print(
        f"| everything, with the checks | {sum(passes.values())} | "
        + " | ".join(_range(found[b][2], 0) for b in found)
        + " |"
    )


def _range(values: list[float], decimals: int = 2) -> str:
    middle, low, high = (f"{f(values):.{decimals}f}" for f in (statistics.median, min, max))
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    main()

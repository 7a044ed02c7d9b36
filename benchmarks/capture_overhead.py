"""What capture costs a test loop: the reference host's own loop without and with it, turn about in one process.

``python benchmarks/capture_overhead.py`` prints ratios of wall time (median over the turns, the lowest and highest
beside it). The text encoder is not in this loop (its states are computed once), so a host that runs BERT in every
forward sees a smaller ratio.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from crysmm_attn_plugin import attach
from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.dataset import make_loaders, seed_everything
from crysmm_attn_plugin.demo.train import build_network, predict, prepare
from crysmm_attn_plugin.settings import Settings

#: What is captured in each row of the table.
VARIANTS = {
    "metrics": {"maps": 0, "reinitialised": False},
    "metrics and 200 maps": {"maps": 200, "reinitialised": False},
    "metrics, maps and the re-initialised module (default)": {"maps": 200, "reinitialised": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=7, help="turns of each loop (default: 7)")
    parser.add_argument(
        "--width", type=int, default=256, help="width of the network (default: 256, the public host's)"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    logging.getLogger("crysmm_attn").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        config = HostConfig(
            test_ratio=0.6,
            width=args.width,
            alignn_layers=4,
            gcn_layers=4,
            heads=8,
            device=args.device,
            cache_dir=folder,
        )
        data = prepare(config)
        seed_everything(0)
        net = build_network(config, data).to(args.device).eval()
        print(
            f"{len(data.split['test'])} crystals, width {args.width}, 4 + 4 layers, 8 heads, {args.device}\n"
        )
        print("| Batch | Captured | Loop with capture / without | Lowest to highest |")
        print("| --- | --- | --- | --- |")
        for batch_size in (1, 32, 64):
            loader = make_loaders(
                data.crystals, data.graphs, data.texts, batch_size=batch_size, seed=0, split=dict(data.split)
            ).test

            def plain(loader=loader) -> None:  # type: ignore[no-untyped-def]
                predict(net, loader, args.device)

            for name, values in VARIANTS.items():
                settings = dataclasses.replace(Settings(enabled=True), **values)

                def captured(loader=loader, settings=settings) -> None:  # type: ignore[no-untyped-def]
                    with (
                        tempfile.TemporaryDirectory() as out,
                        attach(
                            net,
                            loader=loader,
                            out_dir=Path(out),
                            arm="full",
                            checkpoint="net.pt",
                            settings=settings,
                        ),
                    ):
                        predict(net, loader, args.device)

                ratios = turn_about(plain, captured, args.turns)
                print(
                    f"| {batch_size} | {name} | {statistics.median(ratios):.2f} | "
                    f"{min(ratios):.2f} to {max(ratios):.2f} |",
                    flush=True,
                )


def turn_about(first: Callable[[], None], second: Callable[[], None], turns: int) -> list[float]:
    """Seconds of ``second`` over those of ``first``, measured side by side, after one unmeasured turn."""
    ratios = []
    for turn in range(turns + 1):
        a, b = _seconds(first), _seconds(second)
        if turn:
            ratios.append(b / a)
    return ratios


def _seconds(work: Callable[[], None]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

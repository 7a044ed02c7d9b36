"""Train and test the reference host: ``python -m crysmm_attn_plugin.demo.train --config config.json``.

As ALIGNN hosts do: a seeded split, an evaluation of validation and test crystals after every epoch,
checkpoints of the best ones, and after training a test loop for each checkpoint that writes its predictions.
When the configuration's key ``crysmm_attn`` asks for it, attention is captured in exactly those loops.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.demo.config import HostConfig, config_from, load_config
from crysmm_attn_plugin.demo.crystals import load_demo_crystals, write_folder
from crysmm_attn_plugin.demo.dataset import Loaders, make_loaders, seed_everything
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.prepared import PreparedData, build_network, prepare
from crysmm_attn_plugin.demo.testing import (
    CHECKPOINTS,
    WATCHED_VARIABLE,
    evaluate_checkpoints,
    mean_absolute_error,
    to_device,
)
from crysmm_attn_plugin.errors import AttnError, UsageError
from crysmm_attn_plugin.settings import load_settings
from crysmm_attn_plugin.store.files import write_atomic, write_json
from crysmm_attn_plugin.store.writer import new_run_id


@dataclass(frozen=True)
class TrainingOutcome:
    """One trained arm.

    Attributes:
        output_dir: Where everything is.
        test_mae: Checkpoint name -> mean absolute error on the test crystals, in the target's unit.
        seconds: Training alone, evaluation of each epoch included.
    """

    output_dir: Path
    test_mae: Mapping[str, float]
    seconds: float


def train(
    config: HostConfig,
    *,
    data: PreparedData | None = None,
    run_id: str | None = None,
    on_epoch: Callable[[int, Mapping[str, float]], None] | None = None,
) -> TrainingOutcome:
    """Train one arm, then test each of its checkpoints.

    Args:
        config: Everything that decides the result.
        data: Prepared data, when several arms share it.
        run_id: Name of the captured run; made from the time when None.
        on_epoch: Called after each epoch with its number (from 1), its loss and errors.
    """
    settings = load_settings(host_config=config.crysmm_attn)
    if settings.enabled and settings.windows != "final" and WATCHED_VARIABLE not in os.environ:
        raise UsageError(
            f"crysmm_attn.windows is {settings.windows!r}, but this host attaches to its final tests "
            "alone; to follow the epochs, start it with `crysmm-attn run -- python -m "
            "crysmm_attn_plugin.demo.train ...`."
        )
    data = data if data is not None else prepare(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    out = Path(config.output_dir)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "config.json", config.to_dict())
    seed_everything(config.random_seed)
    loaders = make_loaders(
        data.crystals,
        data.graphs,
        data.texts,
        batch_size=config.batch_size,
        seed=config.random_seed,
        split=dict(data.split),
    )
    net = build_network(config, data).to(config.device)
    started = time.perf_counter()
    _fit(net, loaders, config, out, on_epoch)
    seconds = time.perf_counter() - started
    test_mae = evaluate_checkpoints(
        net, loaders, config, out, settings=settings, run_id=run_id or new_run_id()
    )
    write_json(out / "results.json", {"test_mae": test_mae, "mean_predictor_mae": data.mean_predictor_mae})
    return TrainingOutcome(out, test_mae, seconds)


def _fit(
    net: CrystalTextALIGNN,
    loaders: Loaders,
    config: HostConfig,
    out: Path,
    on_epoch: Callable[[int, Mapping[str, float]], None] | None,
) -> None:
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=config.learning_rate,
        total_steps=max(1, config.epochs * len(loaders.train)),
        pct_start=0.3,
    )
    criterion = nn.SmoothL1Loss(beta=0.5)
    history: list[dict[str, float]] = []
    best = {"val": float("inf"), "test": float("inf")}
    for epoch in range(1, config.epochs + 1):
        net.train()
        total, count = 0.0, 0
        for batch in loaders.train:
            inputs, target = to_device(batch, config.device)
            optimizer.zero_grad()
            loss = criterion((net(inputs) - target) / net.target_scale, torch.zeros_like(target))
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            total, count = total + loss.item() * len(target), count + len(target)
        row = {
            "epoch": epoch,
            "train_loss": total / count,
            "val_mae": mean_absolute_error(net, loaders.val, config.device),
            "test_mae": mean_absolute_error(net, loaders.test, config.device),
        }
        history.append(row)
        state = {
            "model": net.state_dict(),
            "config": json.loads(json.dumps(config.to_dict())),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch,
            "val_mae": row["val_mae"],
            "test_mae": row["test_mae"],
        }
        for name in ("val", "test"):
            if row[f"{name}_mae"] < best[name]:
                best[name] = row[f"{name}_mae"]
                _save(state, out / CHECKPOINTS[f"best_{name}"])
        if epoch == config.epochs:
            _save(state, out / CHECKPOINTS["last"])
        if on_epoch is not None:
            on_epoch(epoch, row)
    write_json(out / "history.json", history)


def _save(state: Mapping[str, Any], path: Path) -> None:
    write_atomic(path, lambda temporary: torch.save(dict(state), temporary))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of the host."""
    parser = argparse.ArgumentParser(
        prog="python -m crysmm_attn_plugin.demo.train",
        description="Train and test the reference host: an ALIGNN that also reads the crystal's description.",
    )
    parser.add_argument("--config", help="config.json; every key is optional")
    parser.add_argument("--root-dir", dest="root_dir", help="CIF folder root; default: the shipped crystals")
    parser.add_argument("--dataset", help="folder below the root")
    parser.add_argument(
        "--property", dest="property_name", help="folder below the data set; names the target"
    )
    parser.add_argument("--text-model", dest="text_model", help="offline, a hub id or a folder")
    parser.add_argument("--output-dir", dest="output_dir", help="where checkpoints and predictions go")
    parser.add_argument("--random-seed", dest="random_seed", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--no-middle-fusion", action="store_true", help="train the arm without middle fusion")
    parser.add_argument(
        "--export", metavar="DIR", help="write the shipped crystals as CIF files there and stop"
    )
    args = parser.parse_args(argv)
    try:
        if args.export:
            shipped = load_demo_crystals()
            folder = write_folder(shipped.crystals, args.export, property=shipped.property)
            print(f"{len(shipped)} crystals written to {folder}")
            return 0
        values = load_config(args.config).to_dict() if args.config else {}
        names = ("root_dir", "dataset", "property_name", "text_model", "output_dir", "random_seed", "epochs")
        values |= {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        if args.no_middle_fusion:
            values["middle_fusion_layers"] = []
        outcome = train(config_from(values), on_epoch=_print_epoch)
    except AttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps({"test_mae": dict(outcome.test_mae), "output_dir": str(outcome.output_dir)}))
    return 0


def _print_epoch(epoch: int, row: Mapping[str, float]) -> None:
    print(
        f"epoch {epoch:3d}  train loss {row['train_loss']:.4f}  val MAE {row['val_mae']:.3f}  "
        f"test MAE {row['test_mae']:.3f}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    raise SystemExit(main())

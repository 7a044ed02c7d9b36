"""The reference host's test loops: each checkpoint's weights over the test crystals, attention captured in exactly those."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.crystals import DEMO_UNIT
from crysmm_attn_plugin.demo.dataset import Batch, Loaders
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.plugin import attach
from crysmm_attn_plugin.settings import Settings
from crysmm_attn_plugin.store.files import write_atomic

#: Checkpoints tested after training: name in the predictions' file name -> file.
CHECKPOINTS = {"best_val": "best_val_model.pt", "last": "last_model.pt", "best_test": "best_test_model.pt"}
#: Set where ``crysmm-attn run`` already watches this process's test loops.
WATCHED_VARIABLE = "CRYSMM_ATTN_INTERNAL_RUN_ID"


def evaluate_checkpoints(
    net: CrystalTextALIGNN,
    loaders: Loaders,
    config: HostConfig,
    out: Path,
    *,
    settings: Settings,
    run_id: str,
) -> dict[str, float]:
    """The final test loops: each checkpoint's weights over the test crystals, predictions to a table.

    Interventions, where asked for, are made for the best validation checkpoint alone, which stands for the run.

    Returns:
        Checkpoint name -> mean absolute error on the test crystals.
    """
    errors = {}
    for which, name in CHECKPOINTS.items():
        path = out / name
        stored = torch.load(path, map_location=config.device, weights_only=True)
        net.load_state_dict(stored["model"])
        for split in ("test", *(s for s in settings.splits if s in ("val", "train"))):
            loader = getattr(loaders, split)
            epoch = stored["epoch"]
            asked = settings if which == "best_val" else dataclasses.replace(settings, probe=())
            with capture(net, loader, config, path, split=split, epoch=epoch, settings=asked, run_id=run_id):
                ids, targets, predictions = predict(net, loader, config.device)
            _write_predictions(out / f"predictions_{which}_{split}.csv", ids, targets, predictions)
            if split == "test":
                errors[which] = float((predictions - targets).abs().mean())
    return errors


def capture(
    net: nn.Module,
    loader: DataLoader[Any],
    config: HostConfig,
    checkpoint: Path,
    *,
    split: str,
    epoch: int,
    settings: Settings,
    run_id: str,
) -> AbstractContextManager[Any]:
    """Attention capture around one pass, or nothing where the settings do not ask for it."""
    if not settings.enabled or split not in settings.splits or WATCHED_VARIABLE in os.environ:
        return nullcontext()

    return attach(
        net,
        loader=loader,
        out_dir=settings.out_dir,
        arm=settings.arm or config.arm,
        checkpoint=str(checkpoint),
        split=split,
        run_id=run_id,
        epoch=epoch,
        settings=settings,
        info={
            "host": "crysmm_attn_plugin.demo",
            "host_config": config.to_dict(),
            "host_seed": config.random_seed,
            "property": config.property_name,
            "dataset": config.dataset if config.root_dir else "demo crystals",
            "unit": "" if config.root_dir else DEMO_UNIT,
        },
    )


@torch.no_grad()
def predict(
    net: nn.Module, loader: DataLoader[Any], device: str = "cpu"
) -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Ids, targets (n,) and predictions (n,) over a loader that does not shuffle."""
    net.eval()
    targets, predictions = [], []
    for batch in loader:
        inputs, target = to_device(batch, device)
        predictions.append(net(inputs).cpu())
        targets.append(target.cpu())
    return list(loader.dataset.ids), torch.cat(targets), torch.cat(predictions)  # type: ignore[attr-defined]


def to_device(batch: Batch, device: str) -> tuple[tuple[Any, ...], torch.Tensor]:
    """The network's inputs and the targets of a batch, on ``device``."""
    graph, line_graph, states, mask, target = batch
    moved = (graph.to(device), line_graph.to(device), states.to(device), mask.to(device))
    return moved, target.to(device)


def mean_absolute_error(net: nn.Module, loader: DataLoader[Any], device: str) -> float:
    """Over a loader's crystals, in the target's unit; NaN without any."""
    if not len(loader.dataset):  # type: ignore[arg-type]
        return float("nan")
    _, targets, predictions = predict(net, loader, device)
    return float((predictions - targets).abs().mean())


def _write_predictions(
    path: Path, ids: Sequence[str], targets: torch.Tensor, predictions: torch.Tensor
) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle)
            table.writerow(["id", "target", "prediction"])
            table.writerows(zip(ids, targets.tolist(), predictions.tolist()))

    write_atomic(path, write)

"""Train and test the reference host: ``python -m crysmm_attn_plugin.demo.train --config config.json``.

As ALIGNN hosts do: a seeded split, an evaluation of validation and test crystals after every epoch,
checkpoints of the best ones, and after training a test loop for each checkpoint that writes its predictions.
When the configuration's key ``crysmm_attn`` asks for it, attention is captured in exactly those loops.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from crysmm_attn_plugin.demo.config import HostConfig, config_from, load_config
from crysmm_attn_plugin.demo.crystals import (
    DEMO_UNIT,
    Crystal,
    CrystalSet,
    load_demo_crystals,
    read_folder,
    write_folder,
)
from crysmm_attn_plugin.demo.dataset import Batch, Loaders, make_loaders, seed_everything, split_positions
from crysmm_attn_plugin.demo.graphs import GraphPair, build_graphs
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.text import EncodedText, encode_texts
from crysmm_attn_plugin.errors import AttnError, UsageError
from crysmm_attn_plugin.plugin import attach
from crysmm_attn_plugin.settings import Settings, load_settings
from crysmm_attn_plugin.store.files import write_atomic, write_json
from crysmm_attn_plugin.store.writer import new_run_id

#: Checkpoints tested after training: name in the predictions' file name -> file.
CHECKPOINTS = {"best_val": "best_val_model.pt", "last": "last_model.pt", "best_test": "best_test_model.pt"}
#: Set where ``crysmm-attn run`` already watches this process's test loops.
WATCHED_VARIABLE = "CRYSMM_ATTN_INTERNAL_RUN_ID"


@dataclass(frozen=True)
class PreparedData:
    """What every arm and seed of one data set shares: crystals, graphs, token states, split."""

    crystals: Sequence[Crystal]
    graphs: Sequence[GraphPair]
    texts: Sequence[EncodedText]
    split: Mapping[str, list[int]]
    seconds: Mapping[str, float]

    @property
    def token_width(self) -> int:
        return int(self.texts[0].states.shape[1])

    def targets(self, name: str) -> torch.Tensor:
        """(n,) targets of one split."""
        return torch.tensor([self.crystals[i].target for i in self.split[name]])

    @property
    def mean_predictor_mae(self) -> float:
        """Test error of predicting the mean of the training targets."""
        return float((self.targets("test") - self.targets("train").mean()).abs().mean())


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


def load_crystals(config: HostConfig) -> CrystalSet:
    """The crystals a configuration names, at most ``max_crystals`` of them."""
    if config.root_dir:
        found = read_folder(config.root_dir, dataset=config.dataset, property=config.property_name)
    else:
        found = load_demo_crystals()
    if 0 < config.max_crystals < len(found):
        split = split_positions(len(found), split_seed=config.split_seed, val_ratio=0.1, test_ratio=0.1)
        order = [i for name in ("train", "val", "test") for i in split[name]]
        chosen = sorted(order[: config.max_crystals])
        found = dataclasses.replace(found, crystals=tuple(found.crystals[i] for i in chosen))
    return found


def prepare(config: HostConfig, *, progress: Callable[[str, int, int], None] | None = None) -> PreparedData:
    """Graphs and token states, from the cache where they are there.

    Args:
        config: What to prepare.
        progress: Called with ``graphs`` or ``text``, how many more are done, and how many there are.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    crystals = load_crystals(config).crystals

    def step(what: str) -> Callable[[int], None] | None:
        return None if progress is None else lambda n: progress(what, n, len(crystals))

    started = time.perf_counter()
    graphs = build_graphs(
        crystals,
        cutoff=config.cutoff,
        max_neighbors=config.max_neighbors,
        cache_dir=config.cache,
        progress=step("graphs"),
    )
    graphs_done = time.perf_counter()
    texts = encode_texts(
        [c.text for c in crystals],
        model=config.text_model,
        max_tokens=config.max_tokens,
        cache_dir=config.cache,
        progress=step("text"),
    )
    seconds = {"graphs": graphs_done - started, "text": time.perf_counter() - graphs_done}
    split = split_positions(
        len(crystals), split_seed=config.split_seed, val_ratio=config.val_ratio, test_ratio=config.test_ratio
    )
    return PreparedData(crystals, graphs, texts, split, seconds)


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


def build_network(config: HostConfig, data: PreparedData) -> CrystalTextALIGNN:
    """A fresh network that knows the scale of the training targets."""
    net = CrystalTextALIGNN(data.token_width, **config.model_arguments())
    targets = data.targets("train")
    net.set_target_scale(float(targets.mean()), max(float(targets.std(correction=0)), 1e-8))
    return net


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
            "val_mae": _mae(net, loaders.val, config.device),
            "test_mae": _mae(net, loaders.test, config.device),
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


def _mae(net: nn.Module, loader: DataLoader[Any], device: str) -> float:
    if not len(loader.dataset):  # type: ignore[arg-type]
        return float("nan")
    _, targets, predictions = predict(net, loader, device)
    return float((predictions - targets).abs().mean())


def _save(state: Mapping[str, Any], path: Path) -> None:
    write_atomic(path, lambda temporary: torch.save(dict(state), temporary))


def _write_predictions(
    path: Path, ids: Sequence[str], targets: torch.Tensor, predictions: torch.Tensor
) -> None:
    def write(temporary: Path) -> None:
        with temporary.open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle)
            table.writerow(["id", "target", "prediction"])
            table.writerows(zip(ids, targets.tolist(), predictions.tolist()))

    write_atomic(path, write)


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

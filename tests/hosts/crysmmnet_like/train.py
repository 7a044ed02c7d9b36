"""The training loop: an evaluation of every split after each epoch, the best weights kept, predictions at the end."""

import csv
import json
import os
import random

import numpy as np
import torch
from config import TrainingConfig
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers import Checkpoint, DiskSaver
from ignite.metrics import MeanAbsoluteError
from models.alignn import ALIGNN


def train_dgl(config, model=None, train_val_test_loaders=()):
    """Train; returns the mean absolute errors of every epoch."""
    if isinstance(config, dict):
        config = TrainingConfig(**config)
    os.makedirs(config.output_dir, exist_ok=True)
    with open(os.path.join(config.output_dir, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config.model_dump(), file, indent=4)
    random.seed(config.random_seed)
    np.random.seed(config.random_seed)
    torch.manual_seed(config.random_seed)
    train_loader, val_loader, test_loader, prepare_batch = train_val_test_loaders
    device = "cpu"
    net = (model or ALIGNN(config.model)).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.learning_rate)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    trainer = create_supervised_trainer(
        net, optimizer, torch.nn.L1Loss(), device=device, prepare_batch=prepare_batch
    )
    evaluator = create_supervised_evaluator(
        net, metrics={"mae": MeanAbsoluteError()}, device=device, prepare_batch=prepare_batch
    )
    kept = {"model": net, "optimizer": optimizer, "lr_scheduler": scheduler, "trainer": trainer}
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED,
        Checkpoint(
            kept,
            DiskSaver(config.output_dir, create_dir=True, require_empty=False),
            n_saved=2,
            global_step_transform=lambda *_: trainer.state.epoch,
        ),
    )
    history, best = [], {"val": float("inf"), "test": float("inf")}

    @trainer.on(Events.EPOCH_COMPLETED)
    def evaluate(engine):
        errors = {}
        for split, loader in (("train", train_loader), ("val", val_loader), ("test", test_loader)):
            evaluator.run(loader)
            errors[split] = float(evaluator.state.metrics["mae"])
        history.append(errors)
        print(f"epoch {engine.state.epoch} {errors}")
        for split in best:
            if errors[split] < best[split]:
                best[split] = errors[split]
                torch.save(
                    {
                        "model": net.state_dict(), "config": config.model, "optimizer": optimizer.state_dict(),
                        "lr_scheduler": scheduler.state_dict(), "epoch": engine.state.epoch,
                        f"{split}_mae": errors[split],
                    },
                    os.path.join(config.output_dir, f"best_{split}_model.pt"),
                )  # fmt: skip

    trainer.run(train_loader, max_epochs=config.epochs)
    for which in ("last_epoch", "best_val_model", "best_test_model"):
        if which != "last_epoch":
            stored = torch.load(os.path.join(config.output_dir, f"{which}.pt"), weights_only=False)
            net.load_state_dict(stored["model"])
        for split, loader in (("val", val_loader), ("test", test_loader)):
            path = os.path.join(config.output_dir, f"predictions_{which}_{split}.csv")
            write_predictions(net, loader, path, device)
    return history


def write_predictions(net, loader, path, device):
    """One loop over a loader that does not shuffle; negative predictions are written as 0."""
    net.eval()
    ids, rows = loader.dataset.ids, []
    with torch.no_grad():
        for g, lg, text, target in loader:
            predictions = net([g.to(device), lg.to(device), text])
            for value, wanted in zip(predictions.reshape(-1).tolist(), target.tolist()):
                rows.append((ids[len(rows)], f"{wanted:.6f}", f"{max(value, 0.0):.6f}"))
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "target", "prediction"), *rows])

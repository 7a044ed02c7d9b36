"""The ignite handler and the Lightning callback: real engines and trainers, whose results stay their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from host_kit import CrystalTextNet, OwnDropout, hooks_on, make_loader, test_loop
from torch import nn

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.errors import CaptureError

IDS = [f"JVASP-{100 + i}" for i in range(12)]


def net() -> CrystalTextNet:
    torch.manual_seed(7)
    return CrystalTextNet(OwnDropout).eval()


@pytest.mark.parametrize("name", ["ignite", "lightning"])
def test_frameworks_are_imported_by_their_own_file_alone(name: str) -> None:
    code = f"import sys, crysmm_attn_plugin.plugin, crysmm_attn_plugin.hooks.integrations; print({name!r} in sys.modules)"
    root = str(Path(attn.__file__).resolve().parent.parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- pytorch-ignite ----------------------------------------------------------------------------------------------


def evaluator(model: nn.Module, fail_at: int | None = None) -> Any:
    engine = pytest.importorskip("ignite.engine")

    def step(engine: Any, batch: Any) -> Any:
        if engine.state.iteration == fail_at:
            raise ZeroDivisionError("the host's own")
        with torch.no_grad():
            return model(batch), batch[4]

    made = engine.Engine(step)
    metrics = pytest.importorskip("ignite.metrics")
    metrics.MeanAbsoluteError().attach(made, "mae")
    return made


def ignite_capture(*args: Any, **options: Any) -> Any:
    pytest.importorskip("ignite")
    from crysmm_attn_plugin.hooks.integrations.ignite import AttentionCapture

    return AttentionCapture(*args, **options)


@pytest.mark.parametrize("named", [True, False], ids=["model_named", "model_found"])
def test_every_run_of_an_evaluator_is_a_pass(tmp_path: Path, named: bool) -> None:
    model, loader = net(), make_loader(12, 5)
    plain = evaluator(model).run(loader).metrics
    engine = evaluator(model)
    handler = ignite_capture(
        model if named else None, out_dir=tmp_path, arm="full", checkpoint="best_val_model.pt", strict=True
    )
    assert handler.attach(engine) is handler
    assert engine.run(loader).metrics == plain
    assert hooks_on(model) == 0
    assert handler.attached.modules == ("fusions.0",) if named else True
    run = attn.open_run(tmp_path / "full")
    assert run.samples["id"].tolist() == IDS
    assert run.run_id == handler.run_id
    assert run.checkpoint().role == "best_val"


def test_runs_between_epochs_of_training_share_a_run_and_carry_their_epoch(tmp_path: Path) -> None:
    ignite = pytest.importorskip("ignite.engine")
    model, test_loader = net(), make_loader(12, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)

    def train_step(engine: Any, batch: Any) -> float:
        model.train()
        optimizer.zero_grad()
        loss = (model(batch) - batch[4]).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    trainer, tester = ignite.Engine(train_step), evaluator(model)
    ignite_capture(model, out_dir=tmp_path, arm="full", trainer=trainer).attach(tester)

    @trainer.on(ignite.Events.EPOCH_COMPLETED)
    def test() -> None:
        model.eval()
        tester.run(test_loader)

    trainer.run(make_loader(8, 4), max_epochs=3)
    run = attn.open_run(tmp_path / "full")
    assert [c.epoch for c in run.checkpoints] == [1, 2, 3]
    assert run.samples.groupby("checkpoint").size().tolist() == [12, 12, 12]


def test_a_checkpoint_may_be_named_when_the_pass_begins(tmp_path: Path) -> None:
    model, loader, engine = net(), make_loader(12, 4), None
    names = iter(["best_val_model.pt", "best_test_model.pt"])
    engine = evaluator(model)
    ignite_capture(model, out_dir=tmp_path, arm="full", checkpoint=lambda: next(names)).attach(engine)
    engine.run(loader)
    with torch.no_grad():
        model.out.bias.add_(1)
    engine.run(loader)
    assert {c.role for c in attn.open_run(tmp_path / "full").checkpoints} == {"best_val", "best_test"}


def test_an_engines_own_exception_is_raised_and_the_pass_is_partial(tmp_path: Path) -> None:
    model, loader = net(), make_loader(12, 4)
    engine = evaluator(model, fail_at=3)
    ignite_capture(model, out_dir=tmp_path, arm="full").attach(engine)
    with pytest.raises(ZeroDivisionError, match="the host's own"):
        engine.run(loader)
    assert hooks_on(model) == 0
    run = attn.open_run(tmp_path / "full", allow_partial=True)
    assert run.samples["id"].tolist() == IDS[:8]
    assert run.state == "partial"


def test_an_exception_the_host_handles_stays_handled(tmp_path: Path) -> None:
    ignite = pytest.importorskip("ignite.engine")
    model, loader = net(), make_loader(12, 4)
    engine = evaluator(model, fail_at=3)
    ignite_capture(model, out_dir=tmp_path, arm="full").attach(engine)
    handled: list[BaseException] = []
    engine.add_event_handler(ignite.Events.EXCEPTION_RAISED, lambda engine, error: handled.append(error))
    engine.run(loader)
    assert [type(e) for e in handled] == [ZeroDivisionError]
    assert hooks_on(model) == 0


@pytest.mark.parametrize("skip", [False, True])
def test_a_terminated_engine_leaves_a_partial_pass(tmp_path: Path, skip: bool) -> None:
    ignite = pytest.importorskip("ignite.engine")
    model, loader = net(), make_loader(12, 4)
    engine = evaluator(model)
    ignite_capture(model, out_dir=tmp_path, arm="full").attach(engine)
    engine.add_event_handler(
        ignite.Events.ITERATION_COMPLETED(once=2), lambda engine: engine.terminate(skip_completed=skip)
    )
    engine.run(loader)
    assert hooks_on(model) == 0
    run = attn.open_run(tmp_path / "full", allow_partial=True)
    assert run.samples["id"].tolist() == IDS[:8]
    assert run.state == "partial"


# -- Lightning ---------------------------------------------------------------------------------------------------


def lightning_module(model: nn.Module, fail_at: int | None = None) -> Any:
    lightning = pytest.importorskip("lightning.pytorch")

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = model
            self.predictions: list[torch.Tensor] = []

        def test_step(self, batch: Any, number: int) -> None:
            if number == fail_at:
                raise ZeroDivisionError("the host's own")
            self.predictions.append(self.net(batch))
            self.log("test_mae", (self.predictions[-1] - batch[4]).abs().mean(), batch_size=len(batch[4]))

        validation_step = test_step

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            return (self.net(batch) - batch[4]).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    return Module()


def lightning_trainer(folder: Path, *callbacks: Any, **options: Any) -> Any:
    lightning = pytest.importorskip("lightning.pytorch")
    return lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=folder, callbacks=list(callbacks), **{"enable_checkpointing": False, **options},
    )  # fmt: skip


def lightning_capture(*args: Any, **options: Any) -> Any:
    pytest.importorskip("lightning.pytorch")
    from crysmm_attn_plugin.hooks.integrations.lightning import AttentionCapture

    return AttentionCapture(*args, **options)


@pytest.mark.parametrize("name", ["net", ""], ids=["model_named", "model_found"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_trainers_test_pass_is_captured_and_its_numbers_are_its_own(
    tmp_path: Path, name: str, shuffle: bool
) -> None:
    model = net()
    in_order = dict(zip(IDS, test_loop(model, make_loader(12, 1)).tolist()))
    results, predictions = [], []
    for callbacks in ([], [lightning_capture(name, out_dir=tmp_path, arm="full", strict=True)]):
        module, loader = lightning_module(model), make_loader(12, 5, shuffle=shuffle)
        torch.manual_seed(1)
        results.append(
            lightning_trainer(tmp_path, *callbacks).test(module, dataloaders=loader, verbose=False)
        )
        predictions.append(torch.cat(module.predictions))
    assert results[0] == results[1]
    assert torch.equal(*predictions)
    assert hooks_on(model) == 0
    samples = attn.open_run(tmp_path / "full").samples
    assert sorted(samples["id"]) == IDS
    assert (samples["id"].tolist() == IDS) is not shuffle
    assert dict(zip(samples["id"], samples["prediction"])) == pytest.approx(in_order, abs=1e-6)


def test_training_and_its_validation_are_left_alone(tmp_path: Path) -> None:
    model = net()
    callback = lightning_capture("net", out_dir=tmp_path, arm="full")
    trainer = lightning_trainer(tmp_path, callback, max_epochs=2)
    trainer.fit(lightning_module(model), make_loader(8, 4), make_loader(8, 4))
    assert callback.attached is None
    trainer.test(lightning_module(model), dataloaders=make_loader(12, 4), verbose=False)
    run = attn.open_run(tmp_path / "full")
    assert run.samples["split"].unique().tolist() == ["test"]
    assert len(run.samples) == 12


def test_validation_is_captured_when_asked_into_the_same_run(tmp_path: Path) -> None:
    model = net()
    callback = lightning_capture("net", out_dir=tmp_path, arm="full", stages=("test", "validate"))
    trainer = lightning_trainer(tmp_path, callback)
    module = lightning_module(model)
    trainer.validate(module, dataloaders=make_loader(8, 4), verbose=False)
    trainer.test(module, dataloaders=make_loader(12, 4), verbose=False)
    run = attn.open_run(tmp_path / "full")
    assert run.samples.groupby("split").size().to_dict() == {"test": 12, "val": 8}
    assert run.run_id == callback.run_id


def test_the_tested_checkpoint_names_the_weights(tmp_path: Path) -> None:
    model = net()
    callback = lightning_capture("net", out_dir=tmp_path, arm="full")
    trainer = lightning_trainer(tmp_path, callback, max_epochs=1, enable_checkpointing=True)
    module = lightning_module(model)
    trainer.fit(module, make_loader(8, 4))
    trainer.save_checkpoint(tmp_path / "best_val.ckpt")
    trainer.test(module, make_loader(12, 4), ckpt_path=str(tmp_path / "best_val.ckpt"), verbose=False)
    (checkpoint,) = attn.open_run(tmp_path / "full").checkpoints
    assert checkpoint.role == "best_val"
    assert Path(checkpoint.files[0]).name == "best_val.ckpt"


def test_a_trainers_own_exception_is_raised_and_the_pass_is_partial(tmp_path: Path) -> None:
    model = net()
    trainer = lightning_trainer(tmp_path, lightning_capture("net", out_dir=tmp_path, arm="full"))
    with pytest.raises(ZeroDivisionError, match="the host's own"):
        trainer.test(lightning_module(model, fail_at=2), dataloaders=make_loader(12, 4), verbose=False)
    assert hooks_on(model) == 0
    run = attn.open_run(tmp_path / "full", allow_partial=True)
    assert run.samples["id"].tolist() == IDS[:8]
    assert run.state == "partial"


def test_strict_callback_raises_what_cannot_be_captured(tmp_path: Path) -> None:
    callback = lightning_capture("out", out_dir=tmp_path, arm="full", strict=True)
    module = lightning_module(nn.ModuleDict({"only": nn.Linear(1, 1)}))
    module.out = nn.Linear(1, 1)
    with pytest.raises(CaptureError, match="nothing captured: "):
        lightning_trainer(tmp_path, callback).test(module, dataloaders=make_loader(4, 4), verbose=False)

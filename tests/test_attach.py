"""Three lines in a host's own code: what they write, what they never do, and what they warn of."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from host_kit import (
    HEADS,
    WIDTH,
    Crystals,
    CrystalTextNet,
    FunctionalDropout,
    Fused,
    Multihead,
    OnRequestDict,
    OnRequestTuple,
    OwnDropout,
    Projections,
    collate,
    first_tensor,
    hooks_on,
    join_heads,
    make_loader,
    split_heads,
    test_loop,
)
from torch import nn
from torch.utils.data import DataLoader

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.capture.session import Capture
from crysmm_attn_plugin.errors import CaptureError, UsageError
from crysmm_attn_plugin.hooks import hookimpl
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.records import TokenLabels

KINDS: dict[str, Callable[[], nn.Module]] = {
    "own_dropout": OwnDropout,
    "functional": FunctionalDropout,
    "tuple_on_request": OnRequestTuple,
    "dict_on_request": OnRequestDict,
    "fused": Fused,
    "multihead": Multihead,
    "multihead_batch_last": lambda: Multihead(batch_first=False),
}


def net(block: Callable[[], nn.Module] = OwnDropout, **options: Any) -> CrystalTextNet:
    torch.manual_seed(7)
    return CrystalTextNet(block, **options).eval()


def codes(attached: Any) -> set[str]:
    return {a.code for a in attached.outcome.alarms}


def model_rows(run: Any) -> Any:
    """Rows per head of the model's own weights, special tokens included."""
    rows = run.attention
    return rows[
        (rows["head"] >= 0)
        & rows["with_special_tokens"]
        & ~rows["stopwords_removed"]
        & (rows["weights"] == "model")
    ]


@pytest.fixture
def plugin():
    """Registers a third party's hooks for one test."""
    manager, names = get_plugin_manager(), []

    def register(**hooks: Any) -> None:
        name = f"third_party_{len(names)}"
        module = type("ThirdParty", (), {k: staticmethod(hookimpl(f)) for k, f in hooks.items()})
        manager.register(module, name)
        names.append(name)

    yield register
    for name in names:
        manager.pm.unregister(name=name)


# -- the surface -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_three_lines_write_a_run_and_move_no_bit(tmp_path: Path, kind: str) -> None:
    model, loader = net(KINDS[kind]), make_loader(12, 5)
    torch.manual_seed(1)  # a loader draws a seed for its workers
    plain = test_loop(model, loader)
    state = torch.get_rng_state()
    torch.manual_seed(1)
    with attn.attach(
        model, loader=loader, out_dir=tmp_path, arm="full", checkpoint="best_val_model.pt"
    ) as now:
        captured = test_loop(model, loader)
    assert torch.equal(captured, plain)
    assert torch.equal(torch.get_rng_state(), state)
    assert hooks_on(model) == 0
    assert now.outcome.state == "complete"
    assert now.reasons == ()
    run = attn.open_run(now.run_dir)
    assert run.samples["id"].tolist() == loader.dataset.ids
    np.testing.assert_array_equal(run.samples["prediction"], plain.double())
    assert [c.role for c in run.checkpoints] == ["best_val"]
    assert len(model_rows(run)) == 12 * HEADS
    assert run.maps("JVASP-103").weights.shape == (
        HEADS,
        loader.dataset.n_atoms[3],
        loader.dataset.n_tokens[3],
    )
    assert now.outcome.actual_calls == now.outcome.expected_calls == 3


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_over_real_atoms_and_tokens_whatever_the_batch(tmp_path: Path, kind: str) -> None:
    model = net(KINDS[kind])
    found = {}
    for batch_size in (1, 12):
        loader = make_loader(12, batch_size)
        with attn.attach(model, loader=loader, out_dir=tmp_path / str(batch_size), arm="full") as now:
            test_loop(model, loader)
        rows = model_rows(attn.open_run(now.run_dir)).set_index(["crystal", "head"]).sort_index()
        found[batch_size] = rows
        assert rows.loc[("JVASP-100", 0), "n_queries"] == loader.dataset.n_atoms[0]
        assert rows.loc[("JVASP-100", 0), "n_keys"] == loader.dataset.n_tokens[0]
    for metric in ("entropy", "max_weight", "gini", "effective_tokens_hill"):
        np.testing.assert_allclose(found[1][metric], found[12][metric], rtol=2e-5, atol=2e-5, err_msg=metric)


def test_rows_equal_the_definition_on_unpadded_weights(tmp_path: Path) -> None:
    model, loader = net(), make_loader(6, 6)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    rows = model_rows(attn.open_run(now.run_dir)).set_index(["crystal", "head"])
    fusion = model.fusions[0]
    for i, crystal in enumerate(loader.dataset.ids):
        atoms, tokens, _ = loader.dataset[i]
        q = split_heads(fusion.query(model.atom(atoms))[None])
        k = split_heads(fusion.key(model.token(tokens))[None])
        weights = (q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)).softmax(-1)[0].double()
        entropy = -(weights * weights.log()).sum(-1).mean(-1)
        for head in range(HEADS):
            assert rows.loc[(crystal, head), "entropy"] == pytest.approx(entropy[head].item(), abs=1e-5)


def test_runs_of_several_checkpoints_share_a_run_id(tmp_path: Path) -> None:
    loader = make_loader(6, 3)
    for seed, name in enumerate(("best_val_model.pt", "last_model.pt")):
        model = net()
        nn.init.normal_(model.out.weight, seed)
        with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full", run_id="one", checkpoint=name):
            test_loop(model, loader)
    run = attn.open_run(tmp_path / "full")
    assert {c.role for c in run.checkpoints} == {"best_val", "last"}
    assert run.samples.groupby("checkpoint").size().tolist() == [6, 6]


def test_passes_within_one_second_are_all_kept(tmp_path: Path) -> None:
    """Each ``attach`` is a capture of its own; their passes do not write over one another in the run they share."""
    loader = make_loader(4, 4)
    for seed in range(6):
        model = net()
        nn.init.normal_(model.out.weight, seed)
        with attn.attach(
            model, loader=loader, out_dir=tmp_path, arm="full", run_id="one", checkpoint=f"epoch_{seed}.pt"
        ):
            test_loop(model, loader)
    run = attn.open_run(tmp_path / "full")
    assert len({w.window.window_id for w in run.windows}) == 6
    assert {Path(f).name for c in run.checkpoints for f in c.files} == {
        f"epoch_{seed}.pt" for seed in range(6)
    }
    assert run.samples.groupby("checkpoint").size().tolist() == [4] * 6


def test_wrapped_models_name_their_modules_as_the_bare_ones_do(tmp_path: Path) -> None:
    loader = make_loader(6, 3)
    digests = []
    for wrap in (lambda m: m, nn.DataParallel):
        model = wrap(net())
        with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
            test_loop(model, loader)
        digests.append(now.outcome.window.checkpoint)
        assert now.modules == ("fusions.0",)
    assert digests[0] == digests[1]


def test_several_modules_and_several_calls_are_told_apart(tmp_path: Path) -> None:
    model, loader = net(blocks=2, calls=3), make_loader(6, 3)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    rows = model_rows(attn.open_run(now.run_dir))
    assert set(zip(rows["module"], rows["call"])) == {(f"fusions.{i}", c) for i in (0, 1) for c in (0, 1, 2)}
    assert rows.groupby(["module", "call"])["crystal"].nunique().tolist() == [6] * 6


def test_only_the_loop_over_the_named_loader_is_captured(tmp_path: Path) -> None:
    model, loader, other = net(), make_loader(6, 3), make_loader(9, 3)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, other)
        test_loop(model, loader)
        test_loop(model, other)
    assert len(attn.open_run(now.run_dir).samples) == 6


def test_shuffled_loops_keep_ids_and_predictions_together(tmp_path: Path) -> None:
    model = net()
    in_order = dict(zip(Crystals(12).ids, test_loop(model, make_loader(12, 1)).tolist()))
    loader = make_loader(12, 5, shuffle=True, num_workers=2)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    samples = attn.open_run(now.run_dir).samples
    assert samples["id"].tolist() != Crystals(12).ids
    for crystal, prediction in zip(samples["id"], samples["prediction"]):
        assert prediction == pytest.approx(in_order[crystal], abs=1e-6)


def test_a_loop_that_fetches_ahead_of_its_model_keeps_its_ids(tmp_path: Path) -> None:
    model, loader = net(), make_loader(12, 4)
    in_order = dict(zip(Crystals(12).ids, test_loop(model, loader).tolist()))

    def fetched_ahead() -> Any:
        waiting = None
        for batch in loader:
            if waiting is not None:
                yield waiting
            waiting = batch
        yield waiting

    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now, torch.no_grad():
        for batch in fetched_ahead():
            model([t.clone() for t in batch])
    samples = attn.open_run(now.run_dir).samples
    assert len(samples) == 12
    assert dict(zip(samples["id"], samples["prediction"])) == pytest.approx(in_order, abs=1e-6)


def test_a_model_called_twice_on_a_batch_is_captured_once(tmp_path: Path) -> None:
    model, loader = net(), make_loader(6, 3)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now, torch.no_grad():
        for batch in loader:
            model(batch), model(batch)
    run = attn.open_run(now.run_dir)
    assert len(run.samples) == 6
    assert set(run.attention["call"]) == {0}


def test_gradients_of_training_are_not_touched(tmp_path: Path) -> None:
    def gradients(capture: bool) -> torch.Tensor:
        model, loader = net(), make_loader(8, 4)
        torch.manual_seed(3)
        if capture:
            with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full"):
                test_loop(model, loader)
        else:
            test_loop(model, loader)
        model.train()
        for batch in loader:
            (model(batch) - batch[4]).square().mean().backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    assert torch.equal(gradients(False), gradients(True))


# -- failures are ours, never the host's -------------------------------------------------------------------------


class Relabelled(Crystals):
    """Its list of targets is not what its items say, from a batch on."""

    def __init__(self, n: int, first: int) -> None:
        super().__init__(n)
        self.true = list(self.labels)
        self.labels = [t + (i >= first) for i, t in enumerate(self.true)]

    def __getitem__(self, i: int) -> Any:
        return (*super().__getitem__(i)[:2], self.true[i])


def contradicted_loader(where: int = 0) -> DataLoader:
    """Targets of the data set and of the batch disagree from the batch ``where`` on."""
    return make_loader(dataset=Relabelled(12, 4 * where), batch_size=4)


@pytest.mark.parametrize("where", [0, 1, 2])
def test_what_cannot_be_true_fails_the_window_and_the_loop_goes_on(tmp_path: Path, where: int) -> None:
    model = net()
    plain = test_loop(model, contradicted_loader(where))
    with attn.attach(
        model, loader=(loader := contradicted_loader(where)), out_dir=tmp_path, arm="full"
    ) as now:
        assert torch.equal(test_loop(model, loader), plain)
    assert now.outcome is None or now.outcome.state == "failed"
    assert "in the data set but" in now.reasons[0]
    assert hooks_on(model) == 0
    if now.outcome is not None:
        run = attn.open_run(now.run_dir, allow_partial=True)
        assert run.state == "partial"
        assert "in the data set but" in run.reason


def test_strict_raises_what_else_is_told(tmp_path: Path) -> None:
    model = net()
    with (
        pytest.raises(CaptureError, match="in the data set but"),
        attn.attach(
            model, loader=(loader := contradicted_loader()), out_dir=tmp_path, arm="full", strict=True
        ),
    ):
        test_loop(model, loader)
    assert hooks_on(model) == 0


def test_a_failure_is_one_line_on_stderr(tmp_path: Path, caplog: Any) -> None:
    model = net()
    with attn.attach(model, loader=(loader := contradicted_loader()), out_dir=tmp_path, arm="full"):
        test_loop(model, loader)
    (line,) = [r.getMessage() for r in caplog.records if r.name == "crysmm_attn"]
    assert line.startswith("nothing captured in a pass: crystal 'JVASP-100' has target")


def test_plugins_hear_of_the_failure(tmp_path: Path, plugin: Any) -> None:
    heard: list[tuple[str, str]] = []
    plugin(attn_capture_failed=lambda window, reason: heard.append((window.split, reason)))
    model = net()
    with attn.attach(model, loader=(loader := contradicted_loader(1)), out_dir=tmp_path, arm="full"):
        test_loop(model, loader)
    ((split, reason),) = heard
    assert split == "test"
    assert "in the data set but" in reason


def test_without_ids_crystals_are_named_by_their_place_and_unnamed_sides_stay_undirected(
    tmp_path: Path,
) -> None:
    items = [
        Crystals(12)[i] for i in range(12)
    ]  # a plain list has no ids, and nobody knows what its numbers mean
    loader = DataLoader(items, batch_size=4, collate_fn=collate)
    model = net()
    plain = test_loop(model, loader)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        assert torch.equal(test_loop(model, loader), plain)
    assert now.outcome.state == "complete"
    assert {"ids_from_order", "elements_unknown", "tokens_unknown", "undirected"} <= codes(now)
    run = attn.open_run(now.run_dir)
    assert run.samples["id"].tolist() == [f"#{i}" for i in range(12)]
    rows = run.attention
    assert set(rows["direction"]) == {""}
    dataset = Crystals(12)
    counts = rows.groupby("crystal")[["n_queries", "n_keys"]].first()
    assert counts.loc["#7"].tolist() == [dataset.n_atoms[7], dataset.n_tokens[7]]


def test_an_exception_of_the_hosts_passes_through_and_what_was_captured_stays(tmp_path: Path) -> None:
    model, loader = net(), make_loader(12, 4)
    fault = ZeroDivisionError("the host's own")

    def host() -> None:
        with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full"), torch.no_grad():
            for number, batch in enumerate(loader):
                if number == 2:
                    raise fault
                model(batch)

    with pytest.raises(ZeroDivisionError) as raised:
        host()
    assert raised.value is fault
    assert hooks_on(model) == 0
    run = attn.open_run(tmp_path / "full", allow_partial=True)
    assert [o.state for o in run.windows] == ["partial"]
    assert len(run.samples) == 8
    assert "ZeroDivisionError: the host's own" in run.reason


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_forward_that_raises_and_is_retried_leaves_the_batch_out(tmp_path: Path, error: type) -> None:
    class Fails(CrystalTextNet):
        failures = 1

        def forward(self, inputs: Any) -> torch.Tensor:
            output = super().forward(inputs)
            if self.failures:
                Fails.failures -= 1
                raise error("out of memory, say")
            return output

    torch.manual_seed(7)
    model, loader = Fails().eval(), make_loader(12, 4)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now, torch.no_grad():
        for batch in loader:
            try:
                model(batch)
            except error:
                continue
    run = attn.open_run(now.run_dir, allow_partial=True)
    assert run.samples["id"].tolist() == loader.dataset.ids[4:]
    assert now.outcome.state == "partial"
    assert now.outcome.reason == "the model saw 2 of 3 batches"


def test_a_broken_metric_of_a_plugin_costs_that_metric_alone(tmp_path: Path, plugin: Any) -> None:
    def attn_batch_metrics(weights: Any, query_mask: Any, key_mask: Any, context: Any) -> Any:
        raise RuntimeError("a metric of a third party")

    plugin(attn_batch_metrics=attn_batch_metrics)
    model, loader = net(), make_loader(6, 3)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert now.outcome.state == "complete"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mine", lambda w: w.sum(), r"'mine' must be a tensor of shape (3, 3), got ()"),
        ("mine", lambda w: w.mean((2, 3)).tolist(), "'mine' must be a tensor of shape (3, 3), got list"),
        ("mine", lambda w: w.mean((2, 3)) * 1j, "'mine' must hold real numbers, got torch.complex64"),
        ("entropy", lambda w: w.mean((2, 3)), "'entropy' has the name of one that is there already"),
        (7, lambda w: w.mean((2, 3)), "name of a plugin's metric must be text, got 7"),
    ],
)
def test_a_faulty_metric_of_a_plugin_costs_itself_alone_and_says_why(
    tmp_path: Path, plugin: Any, name: Any, value: Any, why: str
) -> None:
    def attn_batch_metrics(weights: Any, query_mask: Any, key_mask: Any, context: Any) -> Any:
        return {name: value(weights), "good": weights.mean((2, 3))}

    plugin(attn_batch_metrics=attn_batch_metrics)
    model, loader = net(), make_loader(6, 3)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert now.outcome.state == "complete"
    (alarm,) = [a for a in now.outcome.alarms if a.code == "metric_left_out"]
    assert why in alarm.message
    rows = attn.open_run(tmp_path / "full").attention
    assert rows[rows["weights"] == "model"]["good"].notna().all()
    assert rows["entropy"].notna().all()
    assert "mine" not in rows.columns


def test_a_full_disk_or_unwritable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be", encoding="utf-8")
    model, loader = net(), make_loader(6, 3)
    plain = test_loop(model, loader)
    with attn.attach(model, loader=loader, out_dir=tmp_path / "runs", arm="full") as now:
        assert torch.equal(test_loop(model, loader), plain)
    assert now.run_dir is None
    assert len(now.reasons) == 1
    assert hooks_on(model) == 0


def test_an_unknown_setting_is_said_before_the_loop() -> None:
    model, loader = net(), make_loader(6, 3)
    with pytest.raises(UsageError, match=r"unknown setting 'mapz'.*'maps'"):
        attn.attach(model, loader=loader, mapz="all").__enter__()
    assert hooks_on(model) == 0


@pytest.mark.parametrize("where", ["variable", "file"])
def test_a_wrong_setting_from_outside_the_script_keeps_capture_off(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    if where == "variable":
        monkeypatch.setenv("CRYSMM_ATTN_MAPS", "plenty")
    else:
        (tmp_path / "crysmm_attn.toml").write_text("maps = 'plenty'\n", encoding="utf-8")
    model, loader = net(), make_loader(6, 3)
    before = test_loop(model, make_loader(6, 3))
    with attn.attach(model, loader=loader, out_dir=tmp_path / "runs") as attached:
        after = test_loop(model, loader)
    assert torch.equal(before, after)
    assert (attached.outcome, attached.run_dir, attached.modules) == (None, None, ())
    assert "cannot read maps = 'plenty'" in attached.reasons[0]
    assert not (tmp_path / "runs").exists()
    with pytest.raises(UsageError, match="plenty"):
        attn.attach(model, loader=loader, strict=True).__enter__()
    with pytest.raises(UsageError, match="mapz"):
        attn.attach(model, loader=loader, mapz=3).__enter__()


def test_a_loader_that_cannot_be_followed_is_said_before_the_loop() -> None:
    model = net()
    with pytest.raises(UsageError, match="use a torch DataLoader"):
        attn.attach(model, loader=[1, 2]).__enter__()
    assert hooks_on(model) == 0


def test_a_model_without_attention_is_told_and_strict_refuses_it(tmp_path: Path) -> None:
    class Plain(nn.Module):
        def forward(self, inputs: Any) -> torch.Tensor:
            return inputs[0].sum((1, 2))

    loader = make_loader(6, 3)
    with attn.attach(Plain(), loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(Plain(), loader)
    assert now.modules == ()
    assert now.reasons[0].startswith(
        "no attention was seen in Plain: it has none, or forms it where it cannot be seen"
    )
    with (
        pytest.raises(CaptureError, match="no attention was seen in Plain"),
        attn.attach(Plain(), loader=loader, out_dir=tmp_path, strict=True),
    ):
        test_loop(Plain(), loader)


# -- alarms ------------------------------------------------------------------------------------------------------


class BothWays(nn.Module):
    """Atoms read tokens and tokens read atoms; only the first is used."""

    def __init__(self) -> None:
        super().__init__()
        self.q1, self.k1, self.q2, self.k2 = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.dropout = nn.Dropout(0.0)

    def forward(self, atoms: Any, tokens: Any, key_mask: Any = None) -> Any:
        def read(q: Any, k: Any, v: Any, mask: Any) -> Any:
            scores = split_heads(q) @ split_heads(k).transpose(-1, -2) / 2.0
            scores = scores if mask is None else scores.masked_fill(~mask[:, None, None, :], float("-inf"))
            return join_heads(self.dropout(scores.softmax(-1)) @ split_heads(v))

        new_atoms = read(self.q1(atoms), self.k1(tokens), tokens, key_mask)
        read(self.q2(tokens), self.k2(atoms), atoms, None)  # thrown away
        return new_atoms


def test_a_direction_no_gradient_reaches_is_untrained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, loader = CrystalTextNet(BothWays), make_loader(12, 4)
    capture = Capture(attn.settings.Settings(enabled=True, out_dir=str(tmp_path), arm="full"))
    capture.watch_model(model)
    capture.watch_loader(loader, "test")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model.train()
    for batch in make_loader(8, 4):
        optimizer.zero_grad()
        (model(batch) - batch[4]).square().mean().backward()
        optimizer.step()
        capture.training_step()
    test_loop(model, loader)
    run_dir = capture.finish()
    run = attn.open_run(run_dir)
    (alarm,) = [a for a in run.alarms if a.code == "untrained_direction"]
    assert (alarm.module, alarm.direction) == ("fusions.0", "text_to_atom")
    assert "keeps its random initial weights" in alarm.message
    assert run.checkpoints[0].untrained == ("text_to_atom",)


def test_an_untrained_module_is_named_with_its_own_direction(tmp_path: Path) -> None:
    class Discards(CrystalTextNet):
        """Tokens read atoms in a module of their own, and nobody uses what they read."""

        def __init__(self) -> None:
            super().__init__(OwnDropout)
            self.token_reader = OwnDropout()

        def forward(self, inputs: Any) -> torch.Tensor:
            self.token_reader(self.token(inputs[2]), self.atom(inputs[0]), inputs[1])
            return super().forward(inputs)

    torch.manual_seed(0)
    model, loader = Discards().eval(), make_loader(12, 4)
    batch = next(iter(loader))
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        now.probe_gradients(lambda: model(batch))
        test_loop(model, loader)
    (alarm,) = [a for a in now.outcome.alarms if a.code == "untrained_direction"]
    assert (alarm.module, alarm.direction) == ("token_reader", "text_to_atom")


def test_probing_gradients_finds_it_without_training(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, loader = CrystalTextNet(BothWays).eval(), make_loader(12, 4)
    batch = next(iter(loader))
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        now.probe_gradients(lambda: model(batch))
        assert all(p.grad is None for p in model.parameters())
        test_loop(model, loader)
    assert "untrained_direction" in codes(now)
    assert attn.open_run(now.run_dir).checkpoints[0].untrained == ("text_to_atom",)


def test_attention_over_a_single_key_is_left_out(tmp_path: Path) -> None:
    class Pooled(CrystalTextNet):
        """A second attention between one vector per crystal and one per text: always exactly 1."""

        def __init__(self) -> None:
            super().__init__(OwnDropout)
            self.pooled_attention = OwnDropout()

        def forward(self, inputs: Any) -> torch.Tensor:
            atoms, _, tokens, _ = inputs[:4]
            x, t = self.atom(atoms).mean(1, keepdim=True), self.token(tokens).mean(1, keepdim=True)
            return super().forward(inputs) + self.pooled_attention(x, t).mean((1, 2))

    torch.manual_seed(0)
    model, loader = Pooled().eval(), make_loader(12, 4)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert now.outcome.state == "complete"
    (alarm,) = [a for a in now.outcome.alarms if a.code == "single_key"]
    assert alarm.module == "pooled_attention"
    assert set(attn.open_run(now.run_dir).attention["module"]) == {"fusions.0"}


def test_attention_that_reads_the_same_from_every_atom_is_collapsed(tmp_path: Path) -> None:
    model, loader = net(), make_loader(12, 4)
    nn.init.zeros_(model.fusions[0].query.weight)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    (alarm,) = [a for a in now.outcome.alarms if a.code == "collapsed_attention"]
    assert (alarm.module, alarm.direction) == ("fusions.0", "atom_to_text")
    assert alarm.detail["between_atom_tv"] < 1e-6
    model = net()
    nn.init.normal_(model.fusions[0].query.weight)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="other") as now:
        test_loop(model, loader)
    assert "collapsed_attention" not in codes(now)


@pytest.mark.parametrize("kind", ["own_dropout", "fused", "multihead"])
def test_masks_that_are_missing_where_there_is_padding_are_told(tmp_path: Path, kind: str) -> None:
    loader = make_loader(12, 12)
    model = net(KINDS[kind], masked=False)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="unmasked") as now:
        test_loop(model, loader)
    assert {"missing_mask", "padding_mass"} <= codes(now)
    model = net(KINDS[kind], masked=True)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="masked") as now:
        test_loop(model, loader)
    assert not {"missing_mask", "padding_mass"} & codes(now)


def test_no_masks_where_nothing_is_padded_are_no_alarm(tmp_path: Path) -> None:
    model, loader = net(masked=False), make_loader(6, 1)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert not {"missing_mask", "padding_mass"} & codes(now)


def test_rows_over_real_tokens_are_renormalised_when_the_host_forgot_its_mask(tmp_path: Path) -> None:
    model, loader = net(masked=False), make_loader(12, 12)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    run = attn.open_run(now.run_dir)
    for crystal in loader.dataset.ids:
        rows = run.maps(crystal).weights.astype(np.float64)
        assert (rows.sum(-1) < 1.001).all()
    assert (model_rows(run)["max_weight"] <= 1 + 1e-6).all()
    assert (model_rows(run)["entropy"] <= np.log(model_rows(run)["n_keys"]) + 1e-5).all()


def test_a_module_called_by_its_forward_is_read(tmp_path: Path) -> None:
    class Bypasses(CrystalTextNet):
        def forward(self, inputs: Any) -> torch.Tensor:
            atoms, atom_mask, tokens, token_mask = inputs[:4]
            x, t = self.atom(atoms), self.token(tokens)
            x = x + self.fusions[0](x, t, token_mask)
            x = x + self.fusions[1].forward(x, t, token_mask)
            return self.out((x * atom_mask[..., None]).sum(1)).squeeze(-1)

    torch.manual_seed(0)
    model, loader = Bypasses(OwnDropout, blocks=2).eval(), make_loader(12, 4)
    plain = test_loop(model, loader)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        assert torch.equal(test_loop(model, loader), plain)
    assert now.modules == ("fusions.0", "fusions.1")
    assert now.outcome.actual_calls == now.outcome.expected_calls == 6


@pytest.mark.parametrize("before", [False, True], ids=["compiled_inside", "compiled_before"])
def test_a_compiled_model_is_left_alone_and_told(tmp_path: Path, before: bool) -> None:
    torch._dynamo.reset()
    model, loader = torch.compile(net(), backend="eager"), make_loader(12, 4)
    if before:
        test_loop(model, loader)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        captured = test_loop(model, loader)
    assert torch.equal(captured, test_loop(net(), loader))
    assert now.modules == ()
    assert now.reasons[0].startswith("CrystalTextNet is compiled by torch.compile")
    assert "run the test loop on the uncompiled model" in now.reasons[0]


def test_a_compiled_part_does_not_keep_the_rest_from_being_read(tmp_path: Path) -> None:
    torch._dynamo.reset()
    model, loader = net(blocks=2), make_loader(12, 4)
    plain = test_loop(model, loader)
    model.fusions[1].compile(backend="eager")
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        assert torch.allclose(test_loop(model, loader), plain)
    assert now.modules == ("fusions.0",)
    (alarm,) = [a for a in now.outcome.alarms if a.code == "compiled_region"]
    assert "compiled" in alarm.message


def test_a_text_models_own_attention_is_left_out_without_an_alarm(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")

    class WithText(CrystalTextNet):
        def __init__(self) -> None:
            super().__init__(OwnDropout)
            config = transformers.BertConfig(
                vocab_size=30, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=HEADS, intermediate_size=24
            )  # fmt: skip
            self.text_model = transformers.BertModel(config)

        def forward(self, inputs: Any) -> torch.Tensor:
            atoms, atom_mask, tokens, token_mask = inputs[:4]
            text = self.text_model(inputs_embeds=self.token(tokens), attention_mask=token_mask.long())
            x = self.atom(atoms)
            x = x + self.fusions[0](x, text.last_hidden_state, token_mask)
            return self.out((x * atom_mask[..., None]).sum(1)).squeeze(-1)

    torch.manual_seed(0)
    model, loader = WithText().eval(), make_loader(12, 3)
    plain = test_loop(model, loader)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        assert torch.equal(test_loop(model, loader), plain)
    assert now.outcome.state == "complete"
    assert now.outcome.actual_calls == now.outcome.expected_calls == 4
    assert set(attn.open_run(now.run_dir).attention["module"]) == {"fusions.0"}


def test_text_that_was_cut_is_told_with_how_many(tmp_path: Path) -> None:
    class Cut(Crystals):
        def token_labels(self, i: int) -> TokenLabels:
            whole = super().token_labels(i)
            return TokenLabels(whole.tokens, whole.word_ids, whole.special, whole.text, truncated=i % 4 == 0)

    model, loader = net(), make_loader(dataset=Cut(12), batch_size=4)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    (alarm,) = [a for a in now.outcome.alarms if a.code == "text_truncated"]
    assert alarm.message.startswith("3 of 12 descriptions were cut")
    samples = attn.open_run(now.run_dir).samples
    assert samples["text_truncated"].sum() == 3


def test_tokens_nobody_knows_are_told_and_rows_are_still_there(tmp_path: Path) -> None:
    class Wordless(Crystals):
        token_labels = None  # type: ignore[assignment]

    model, loader = net(), make_loader(dataset=Wordless(12), batch_size=4)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert "tokens_unknown" in codes(now)
    rows = attn.open_run(now.run_dir).attention
    assert rows["with_special_tokens"].all()
    assert rows["crystal"].nunique() == 12


def test_a_pass_in_training_mode_is_told(tmp_path: Path) -> None:
    model, loader = net().train(), make_loader(12, 4)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now, torch.no_grad():
        for batch in loader:
            model(batch)
    assert "training_mode" in codes(now)
    assert now.outcome.window.training_mode


def test_a_clean_pass_has_no_alarm(tmp_path: Path) -> None:
    model, loader = net(), make_loader(12, 4)
    nn.init.normal_(model.fusions[0].query.weight)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert now.outcome.alarms == ()


def test_a_baseline_that_cannot_be_made_is_left_out_and_the_rows_stay(tmp_path: Path) -> None:
    class OtherArithmetic(OwnDropout):
        def logits(self, q: torch.Tensor, k: torch.Tensor, key_mask: torch.Tensor | None) -> torch.Tensor:
            return super().logits(q.tanh(), k.square(), key_mask)

    model, loader = net(OtherArithmetic), make_loader(6, 3)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
        test_loop(model, loader)
    assert now.outcome.state == "complete"
    assert set(attn.open_run(now.run_dir).attention["weights"]) == {"model"}


def test_the_baseline_draws_no_number_of_the_hosts_and_writes_to_nothing_of_it(tmp_path: Path) -> None:
    class DrawsAndWrites(Projections):
        def forward(self, queries: Any, keys: Any, key_mask: Any = None) -> Any:
            q, k, v = self.projected(queries, keys)
            out = join_heads(F.dropout(torch.softmax(self.logits(q, k, key_mask), -1), 0.3) @ v)
            keys.mul_(0.5)
            return out

    def loop(capture: bool) -> tuple[torch.Tensor, torch.Tensor]:
        model, loader = net(DrawsAndWrites, blocks=2), make_loader(6, 3)
        torch.manual_seed(1)
        if not capture:
            return test_loop(model, loader), torch.get_rng_state()
        with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now:
            found = test_loop(model, loader), torch.get_rng_state()
        assert set(attn.open_run(now.run_dir).attention["weights"]) == {"model", "reinitialised"}
        return found

    assert all(torch.equal(a, b) for a, b in zip(loop(False), loop(True)))


def test_output_of_any_shape_keeps_a_prediction_per_crystal(tmp_path: Path) -> None:
    class Returns(CrystalTextNet):
        shape: str = ""

        def forward(self, inputs: Any) -> Any:
            value = super().forward(inputs)
            return {
                "column": lambda: value[:, None],
                "tuple": lambda: (value, None),
                "dict": lambda: {"features": value.repeat(3), "predictions": value},
                "scalar": lambda: value.squeeze(),
            }[self.shape]()

    for shape, batch_size in (("column", 4), ("tuple", 4), ("dict", 4), ("scalar", 1)):
        torch.manual_seed(7)
        model, loader = Returns(OwnDropout).eval(), make_loader(8, batch_size)
        Returns.shape = shape
        with attn.attach(model, loader=loader, out_dir=tmp_path, arm=shape) as now, torch.no_grad():
            for batch in loader:
                first_tensor(model(batch)) if shape != "dict" else model(batch)
        predictions = attn.open_run(now.run_dir).samples["prediction"]
        np.testing.assert_allclose(predictions, test_loop(net(), loader), rtol=1e-5, err_msg=shape)

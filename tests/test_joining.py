"""Small batches are reduced together, and nothing of what is stored shows it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from host_kit import CrystalTextNet, Multihead, OwnDropout, make_loader, test_loop
from hypothesis import given
from hypothesis import strategies as st

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.capture import window
from crysmm_attn_plugin.capture.joining import TOGETHER, Joining, joined
from crysmm_attn_plugin.capture.rows import reduce_call
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, TokenLabels


def captured(out: Path, loader: Any, *blocks: Any, **settings: Any) -> tuple[Any, Any, torch.Tensor]:
    torch.manual_seed(0)
    model = CrystalTextNet(*blocks, blocks=2).eval()
    plain = test_loop(model, loader)
    with attn.attach(model, loader=loader, out_dir=out, arm="full", maps="all", **settings) as now:
        assert torch.equal(test_loop(model, loader), plain)
    return attn.open_run(now.run_dir, allow_partial=True), now, plain


def same(ours: Any, theirs: Any) -> None:
    mine, other = (
        run.attention.drop(columns=["run_id", "window"], errors="ignore") for run in (ours, theirs)
    )
    keys = [c for c in mine if mine[c].dtype.kind != "f" and not c.startswith("n_")]
    a, b = (frame.sort_values(keys).reset_index(drop=True) for frame in (mine, other))
    assert not a.duplicated(keys).any()
    pd.testing.assert_frame_equal(a, b, check_exact=False, rtol=2e-5, atol=2e-6)
    a, b = (run.samples.drop(columns="window") for run in (ours, theirs))
    pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert len(a) > 0


@pytest.mark.parametrize("block", [OwnDropout, Multihead])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_what_is_stored_is_that_of_batches_reduced_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: Any, batch_size: int
) -> None:
    loader = make_loader(TOGETHER + 9, batch_size)
    together, now, _ = captured(tmp_path / "together", loader, block)
    monkeypatch.setattr(window, "TOGETHER", 1)
    alone, _, _ = captured(tmp_path / "alone", loader, block)
    same(together, alone)
    assert now.outcome.actual_calls == now.outcome.expected_calls == 2 * len(loader)
    assert together.map_ids() == alone.map_ids()
    assert len(together.map_ids()) == TOGETHER + 9
    for crystal in loader.dataset.ids[::5]:
        np.testing.assert_array_equal(together.maps(crystal).weights, alone.maps(crystal).weights)


def test_a_fault_in_one_batch_costs_what_it_costs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(call: AttentionCall, identity: BatchIdentity, **more: Any) -> Any:
        if "JVASP-107" in identity.ids:
            raise ValueError("tokens do not fit their mask")
        return reduce_call(call, identity, **more)

    monkeypatch.setattr(window, "reduce_call", faulty)
    loader = make_loader(12, 1)
    together, now, _ = captured(tmp_path / "together", loader)
    monkeypatch.setattr(window, "TOGETHER", 1)
    alone, then, _ = captured(tmp_path / "alone", loader)
    same(together, alone)
    assert together.samples["id"].tolist() == loader.dataset.ids[:7]
    assert (now.outcome.state, now.outcome.reason) == (then.outcome.state, then.outcome.reason)
    assert now.outcome.state == "partial"
    assert "tokens do not fit their mask" in now.outcome.reason


def test_what_waits_is_kept_when_the_host_leaves_its_loop(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, loader = CrystalTextNet().eval(), make_loader(12, 1)
    with attn.attach(model, loader=loader, out_dir=tmp_path, arm="full") as now, torch.no_grad():
        for number, batch in enumerate(loader):
            model(batch)
            if number == 6:
                break
    run = attn.open_run(now.run_dir, allow_partial=True)
    assert run.samples["id"].tolist() == loader.dataset.ids[:7]
    assert now.outcome.state == "partial"


def batch(n: int, atoms: int, tokens: int, *, masked: bool, named: bool, direction: str) -> Any:
    generator = torch.Generator().manual_seed(17 * n + atoms)
    sides = (atoms, tokens) if direction != "text_to_atom" else (tokens, atoms)
    weights = torch.rand(n, 2, *sides, generator=generator).softmax(-1)
    labels = TokenLabels(("Fe",) * tokens, tuple(range(tokens)), (False,) * tokens, "Fe " * tokens)
    identity = BatchIdentity(
        tuple(f"{n}-{atoms}-{tokens}-{i}" for i in range(n)),
        tuple(("Fe",) * atoms if named else None for _ in range(n)),
        (labels,) * n if named else None,
    )
    masks = (
        (torch.ones(n, sides[0], dtype=torch.bool), torch.ones(n, sides[1], dtype=torch.bool))
        if masked
        else (None, None)
    )
    call = AttentionCall("fusion", 0, direction, weights, *masks)  # type: ignore[arg-type]
    return SimpleNamespace(
        identity=identity, calls=[call], baseline=[], prediction=torch.arange(n, dtype=torch.float32), without_mask=set()
    )  # fmt: skip


def as_read(found: Any) -> Any:
    from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch

    return ReadBatch(found.identity, found.calls, found.prediction)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(2, 5)), min_size=2, max_size=4, unique=True),
    st.booleans(), st.booleans(), st.sampled_from(["atom_to_text", "text_to_atom", ""]),
)  # fmt: skip
def test_numbers_do_not_depend_on_company(
    shapes: list[tuple[int, int, int]], masked: bool, named: bool, direction: str
) -> None:
    reads = [as_read(batch(*s, masked=masked, named=named, direction=direction)) for s in shapes]
    joining = Joining(sum(s[0] for s in shapes))
    groups = [group for read in reads for group in joining.put(read)] + joining.rest()
    assert [r for group in groups for r in group] == reads
    assert len(groups) == 1
    whole = joined(groups[0])
    ours = reduce_call(whole.calls[0], whole.identity).block
    theirs = [reduce_call(r.calls[0], r.identity).block for r in reads]
    assert ours.ids == tuple(i for one in theirs for i in one.ids)
    np.testing.assert_allclose(ours.values, np.concatenate([t.values for t in theirs]), 2e-5, 2e-6)
    np.testing.assert_array_equal(ours.n_keys, np.concatenate([t.n_keys for t in theirs]))
    assert whole.prediction.tolist() == [float(v) for s in shapes for v in range(s[0])]


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=30))
def test_every_batch_comes_out_once_in_order_and_with_its_kind(sizes: list[tuple[int, bool]]) -> None:
    reads = [
        as_read(batch(n, 1, 2, masked=True, named=named, direction="atom_to_text")) for n, named in sizes
    ]
    joining = Joining(32)
    groups = [group for read in reads for group in joining.put(read)] + joining.rest()
    assert [id(r) for group in groups for r in group] == [id(r) for r in reads]
    for group in groups:
        assert len({r.identity.tokens is None for r in group}) == 1
        assert len(group) == 1 or sum(len(r.identity) for r in group) <= 32

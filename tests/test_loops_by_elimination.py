"""Loops that nobody named: which are taken for test passes, which are dropped, and that it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from process_kit import command_line, our_lines, run_host, write_host

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.errors import UsageError

pytestmark = pytest.mark.slow

LOOPS = """
net = CrystalTextNet(OwnDropout)
optimizer = torch.optim.SGD(net.parameters(), 1e-3)
class Shifted(Crystals):
    def __init__(self, n):
        super().__init__(n, seed=5)
        self.ids = [f"other-{i}" for i in range(n)]
a, b, c = make_loader(8, 4), make_loader(12, 4), make_loader(8, 4, dataset=Shifted(8))
def train(loader):
    for batch in loader:
        net(batch).sum().backward()
        optimizer.step()
def run(loader):
    return [net(batch) for batch in loader]
"""


def samples(folder: Path) -> list[str]:
    return sorted(attn.open_run(folder / "runs" / "full").samples["id"])


def names(n: int) -> list[str]:
    return sorted(f"JVASP-{100 + i}" for i in range(n))


@pytest.mark.parametrize(
    ("code", "ids"),
    [
        ("train(a); net.eval(); run(b)", names(12)),
        ("train(a); net.eval(); run(b); net.train(); train(a); net.eval(); run(b), run(a)", names(12)),
        ("net.eval()\nwith torch.no_grad(): run(b), run(make_loader(12, 4))", names(12)),
        ("net.eval()\nwith torch.no_grad(): run(c); test_loader = b; test_loop(net, test_loader)", names(12)),
        ("net.eval()\nwith torch.no_grad(): run(b), run(b)", names(12)),
    ],
    ids=[
        "gradients left on",
        "the one trained with, too",
        "the same crystals from another loader",
        "one is named later",
        "the same twice",
    ],
)
def test_loops_without_a_training_step_are_taken(tmp_path: Path, code: str, ids: list[str]) -> None:
    write_host(tmp_path, LOOPS + code + "\n")
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    assert samples(tmp_path) == ids
    codes = {alarm.code for alarm in attn.open_run(tmp_path / "runs" / "full").alarms}
    assert ("split_by_elimination" in codes) == ("test_loader" not in code)


TWICE = "net.eval()\nwith torch.no_grad(): run(b), run(c)"
OTHERS = [f"other-{i}" for i in range(8)]


def test_two_loops_are_kept_apart_and_none_is_taken_for_the_test_pass(tmp_path: Path) -> None:
    write_host(tmp_path, LOOPS + TWICE + "\n")
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "which of them is the test pass is not known" in done.stderr
    run = attn.open_run(tmp_path / "runs" / "full")
    assert {o.window.split: o.n_crystals for o in run.windows} == {"loop_1": 12, "loop_2": 8}
    frame = run.samples
    assert sorted(frame[frame["split"] == "loop_1"]["id"]) == names(12)
    assert sorted(frame[frame["split"] == "loop_2"]["id"]) == OTHERS
    assert len(run.attention) == len(set(map(tuple, run.attention[["crystal", "module", "direction", "head", "weights",
        "with_special_tokens", "stopwords_removed", "call"]].to_numpy())))  # fmt: skip
    (alarm,) = (a for a in run.alarms if a.code == "loops_unnamed")
    assert alarm.detail["loops"] == ["loop_1 (12 crystals)", "loop_2 (8 crystals)"]
    with pytest.raises(UsageError, match="--split loop_2"):
        attn.compare_runs(full=[run.path], baseline=[run.path])
    told = command_line(tmp_path, "report", str(run.path), "--out", "report", "--lang", "en")
    assert told.returncode == 2
    assert "nobody named its loops, loop_1 (12 crystals), loop_2 (8 crystals)" in told.stderr
    told = command_line(
        tmp_path, "report", str(run.path), "--out", "report", "--lang", "en", "--split", "loop_1"
    )
    assert told.returncode == 0, told.stderr
    paragraphs = (tmp_path / "report" / "paragraphs.en.md").read_text(encoding="utf-8")
    assert "the host's own loop_1 loop" in paragraphs
    assert "12 loop_1 crystals" in paragraphs


def test_the_loop_that_runs_after_training_alone_is_the_test_pass(tmp_path: Path) -> None:
    code = "\n".join(
        ["for _ in range(2):", " net.train(); train(a); net.eval()", " with torch.no_grad(): run(c)",
         "torch.save(net.state_dict(), 'model.pt')", "with torch.no_grad(): run(b)"]
    )  # fmt: skip
    write_host(tmp_path, LOOPS + code + "\n")
    done = run_host(tmp_path, flags=("--windows", "all"))
    assert done.returncode == 0, done.stderr
    run = attn.open_run(tmp_path / "runs" / "full")
    found = {(o.window.split, o.window.kind, o.n_crystals) for o in run.windows}
    assert {("test", "final", 12), ("loop_2", "epoch", 8)} <= found
    assert sorted(run.samples[run.samples["split"] == "test"]["id"]) == names(12)
    assert "split_by_training" in {a.code for a in run.alarms}
    assert "loops_unnamed" not in {a.code for a in run.alarms}


def test_crystals_that_only_their_place_names_are_not_mixed_up_between_loops(tmp_path: Path) -> None:
    nameless = """
class Nameless(Crystals):
    def __init__(self, n, seed):
        super().__init__(n, seed=seed)
        self.n = n
        del self.ids
    def __len__(self):
        return self.n
b, c = (make_loader(8, 4, dataset=Nameless(8, seed)) for seed in (1, 2))
"""
    write_host(tmp_path, LOOPS + nameless + TWICE + "\n")
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    run = attn.open_run(tmp_path / "runs" / "full")
    one, other = (run.samples[run.samples["split"] == f"loop_{i}"] for i in (1, 2))
    assert sorted(one["id"]) == [f"#{i}" for i in range(8)]
    assert sorted(other["id"]) == [f"loop_2#{i}" for i in range(8)]
    assert len(run.crystals) == 16
    assert "ids_from_order" in {a.code for a in run.alarms}


def test_training_alone_is_no_test_pass(tmp_path: Path) -> None:
    write_host(tmp_path, LOOPS + "train(a); train(a); train(b)\n")
    done = run_host(tmp_path)
    assert done.returncode == 3
    (line,) = our_lines(done)
    assert "none of the loops was recognised as a test pass" in line
    assert "--loader" in line
    assert not list((tmp_path / "runs").glob("*/*/run.json"))


def test_an_unnamed_loop_with_nothing_to_read_says_why(tmp_path: Path) -> None:
    code = "nn.init.constant_(net.token.weight, float('nan'))\nnet.eval()\nwith torch.no_grad(): run(b)\n"
    write_host(tmp_path, LOOPS + code)
    done = run_host(tmp_path)
    assert done.returncode == 3
    (line,) = our_lines(done)
    assert "has diverged" in line

"""Loops that nobody named: which are taken for test passes, which are dropped, and that it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from process_kit import our_lines, run_host, write_host

import crysmm_attn_plugin as attn

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
        ("net.eval()\nwith torch.no_grad(): run(b), run(c)", names(12) + [f"other-{i}" for i in range(8)]),
        ("net.eval()\nwith torch.no_grad(): run(c); test_loader = b; test_loop(net, test_loader)", names(12)),
        ("net.eval()\nwith torch.no_grad(): run(b), run(b)", names(12)),
    ],
    ids=["gradients left on", "two of them", "one is named later", "the same twice"],
)
def test_loops_without_a_training_step_are_taken(tmp_path: Path, code: str, ids: list[str]) -> None:
    write_host(tmp_path, LOOPS + code + "\n")
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    assert samples(tmp_path) == ids
    codes = {alarm.code for alarm in attn.open_run(tmp_path / "runs" / "full").alarms}
    assert ("split_by_elimination" in codes) == ("test_loader" not in code)


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

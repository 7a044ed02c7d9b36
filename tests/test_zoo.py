"""Foreign hosts, unedited, as real processes: what is stored of each is what the host itself knows, or it is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
from zoo.judge import judge
from zoo.runner import Pair, every_host, run_pairs

pytestmark = pytest.mark.slow

HOSTS = every_host()
#: Hosts that get the launcher's own processes here too; `python -m tests.zoo` gives them to all.
REAL = ("crysmm_family", "harm_spawn", "mha_no_weights")


@pytest.fixture(scope="module")
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Every host that this session asks for, and one to test the judge with; see ``run_pairs`` for forks."""
    hosts = HOSTS
    asked = {"crysmm_family"}
    for item in request.session.items:
        if getattr(item, "module", None) is request.module:
            asked |= {
                v for k, v in getattr(getattr(item, "callspec", None), "params", {}).items() if k == "name"
            }
    pairs = {}
    for forked in (True, False):
        chosen = [hosts[name] for name in sorted(asked) if (name in REAL) is not forked]
        pairs |= run_pairs(chosen, tmp_path_factory.mktemp("zoo"), forked=forked)
    return pairs


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_read_truly_and_left_as_it_was(name: str, pairs: dict[str, Pair]) -> None:
    verdict = judge(pairs[name])
    assert verdict.status == "ok", verdict.reason


def _move_weight(truth: dict) -> None:
    truth["maps"][5]["weights"][0, 0, :2] += (0.01, -0.01)


def _padding(truth: dict) -> None:
    truth["maps"][0]["weights"] = np.pad(truth["maps"][0]["weights"], ((0, 0), (0, 0), (0, 1)))


def _other_side(truth: dict) -> None:
    for one in truth["maps"]:
        one["direction"] = {"atom_to_text": "text_to_atom", "text_to_atom": "atom_to_text"}[one["direction"]]


def _swap_crystals(truth: dict) -> None:
    a, b = truth["crystals"][1], truth["crystals"][4]
    a["id"], b["id"] = b["id"], a["id"]


def _swap_tokens(truth: dict) -> None:
    truth["crystals"][3]["tokens"][2:4] = truth["crystals"][3]["tokens"][3:1:-1]


def _elements(truth: dict) -> None:
    truth["crystals"][0]["elements"][0] = "Og"


def _prediction(truth: dict) -> None:
    truth["predictions"] = truth["predictions"][:-1] + bytes([truth["predictions"][-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (_move_weight, "wrong"), (_padding, "wrong"), (_other_side, "wrong"), (_swap_crystals, "wrong"),
        (_swap_tokens, "wrong"), (_elements, "wrong"), (_prediction, "harmed"),
        (lambda truth: truth.update(state="another"), "harmed"),
        (lambda truth: truth["crystals"].pop(), "wrong"),
        (lambda truth: truth["maps"].append({**truth["maps"][0], "module": "another"}), "refused"),
    ],
)  # fmt: skip
def test_the_judge_sees_one_thing_that_is_not_so(
    change: Callable[[dict], object], status: str, pairs: dict[str, Pair]
) -> None:
    pair = copy.copy(pairs["crysmm_family"])
    assert judge(pair).status == "ok"
    pair.plain = copy.deepcopy(pair.plain)
    assert pair.plain.truth is not None
    change(pair.plain.truth)
    assert judge(pair).status == status


def test_what_a_module_makes_once_is_made_by_one_process(
    request: pytest.FixtureRequest, pairs: object
) -> None:
    """Versions of pytest and pytest-xdist that do not go together run every host in each process, in silence."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@test_zoo")

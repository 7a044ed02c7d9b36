"""What fuzzing kept, and some inputs drawn at random: every promise of the fuzzed readers holds on them.

``python -m tests.proofs.fuzz`` runs the same targets guided by coverage; see docs/reliability.md.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from crysmm_attn_plugin.reports import escape, numbers

sys.path.append(str(Path(__file__).resolve().parent.parent))
from tests.proofs.fuzz.targets import SHARES, TARGETS

CORPUS = Path(__file__).parent / "proofs" / "fuzz" / "corpus"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_fuzzing_kept_breaks_no_promise(name: str) -> None:
    for path in sorted((CORPUS / name).glob("*")):
        TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_inputs_drawn_at_random_break_no_promise(name: str) -> None:
    draw = random.Random(0)
    for _ in range(2 + 2 * SHARES[TARGETS[name]]):
        TARGETS[name](draw.randbytes(draw.randrange(200)))


@pytest.mark.parametrize("name", ["number", "markup"])
def test_the_targets_notice_a_broken_promise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MINUS", "-")
    monkeypatch.setattr(escape, "_LATEX", {})

    def run() -> None:
        for seed in range(300):
            TARGETS[name](random.Random(seed).randbytes(60))

    with pytest.raises(AssertionError):
        run()

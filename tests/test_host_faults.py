"""A host in a bad place runs as it does alone; ``python -m tests.proofs.host_faults`` goes through all such places."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))
from tests.proofs.host_faults import SAMPLE, survives

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", SAMPLE)
def test_a_host_in_a_bad_place_runs_as_it_does_alone(name: str, tmp_path: Path) -> None:
    assert not survives(name, tmp_path)

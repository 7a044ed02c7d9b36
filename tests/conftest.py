"""What holds for all tests: where ``benchmarks`` is found, and which tests one process of several should run together."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what their module makes once go to one process (``--dist loadgroup``): it would be made in each."""
    for item in items:
        fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
        if any(made.scope == "module" for found in fixtures for made in found):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))

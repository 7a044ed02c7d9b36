"""Examples in docstrings are true, and the reference of the Python interface holds every public name."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import crysmm_attn_plugin as attn

ROOT = Path(__file__).resolve().parent.parent
#: Modules that their packages name as places of public numbers.
WITH_EXAMPLES = ("metrics.attention", "stats.paired", "stats.multiplicity", "stats.power")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_give_what_they_say(name: str) -> None:
    module = importlib.import_module(f"crysmm_attn_plugin.{name}")
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert not found.failed


def test_every_module_with_examples_is_tried() -> None:
    folders = [ROOT / "crysmm_attn_plugin", ROOT / "hooks", ROOT / "reports"]
    held = {
        str(p.relative_to(f))
        for f in folders
        for p in f.rglob("*.py")
        if ">>> " in p.read_text(encoding="utf-8")
    }
    assert held == {f"{name.replace('.', '/')}.py" for name in WITH_EXAMPLES}


def test_the_reference_holds_what_the_package_offers() -> None:
    said = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.M)
    offered = {f"{module}.{attribute}" for module, attribute in attn._LAZY.values()}
    assert offered - {"crysmm_attn_plugin.store.writer.new_run_id"} <= set(said)
    for place in said:
        found = pkgutil.resolve_name(place)
        assert found.__doc__, f"{place} has no docstring"

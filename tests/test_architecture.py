"""The three rooms stay apart: imports point one way, in no circle, and light entries stay light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import PACKAGE, ROOT, imports, inside, modules, unjustified

import crysmm_attn_plugin

#: room -> rooms it may import, at any depth of nesting, lazily or not. What is not a room is a noun: nouns know only
#: nouns and what text consists of.
MAY_IMPORT = {
    "errors": set(),
    "text": {"errors"},
    "nouns": {"text", "errors"},
    "metrics": {"nouns", "text"},
    "contract": {"nouns"},
    "hooks": {"nouns", "text", "contract"},
    "builtin": {"nouns", "contract"},
    "store": {"nouns", "text"},
    "stats": {"nouns", "text", "store"},
    "reports": {"nouns", "text", "contract", "store", "stats"},
    "probing": {"nouns", "text", "contract", "hooks", "store", "stats"},
    "capture": {"nouns", "text", "metrics", "contract", "hooks", "store", "probing"},
    "plugin": {"nouns", "text", "metrics", "contract", "hooks", "store", "capture"},
    "demo": {"nouns", "text", "contract", "hooks", "store", "capture", "plugin", "metrics", "probing"},
}
ROOMS = {
    f"{PACKAGE}.hooks.contract": "contract",
    f"{PACKAGE}.hooks": "hooks",
    f"{PACKAGE}.reports": "reports",
    f"{PACKAGE}.builtin.plugin": "builtin",
    f"{PACKAGE}.errors": "errors",
    f"{PACKAGE}.text": "text",
    f"{PACKAGE}.metrics": "metrics",
    f"{PACKAGE}.store": "store",
    f"{PACKAGE}.stats": "stats",
    f"{PACKAGE}.probing": "probing",
    f"{PACKAGE}.capture": "capture",
    f"{PACKAGE}.plugin": "plugin",
    f"{PACKAGE}.demo": "demo",
    f"{PACKAGE}": "nouns",
}
#: The two entries, which may import anything: the command line, and what runs in a host's process for it.
ENTRIES = (
    f"{PACKAGE}.cli",
    f"{PACKAGE}.commands",
    f"{PACKAGE}.startup",
    f"{PACKAGE}.hooks.bootstrap",
    f"{PACKAGE}.hooks.integrations",
)


def room_of(module: str) -> str:
    """The room a module lies in; empty for an entry."""
    if module == PACKAGE or any(inside(module, entry) for entry in ENTRIES):
        return ""
    return next(room for prefix, room in ROOMS.items() if inside(module, prefix))


def _own(module: str) -> set[str]:
    """Modules of the project that a module imports, inside functions or not."""
    return {i.target for i in imports(module) if i.own and i.target != module}


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    mine = room_of(module)
    if not mine:
        return
    for target in _own(module):
        theirs = room_of(target)
        assert target == PACKAGE or theirs, f"{module} imports {target}, an entry"
        if theirs and theirs != mine:
            assert theirs in MAY_IMPORT[mine] | {"errors"}, f"{module} ({mine}) imports {target} ({theirs})"


def test_there_is_no_circle_functions_included() -> None:
    graph = {m: _own(m) - {PACKAGE} for m in modules()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        for target in sorted(graph[module]):
            # a package's __init__ that hands on its own members is no circle among them
            if not inside(module, target):
                visit(target, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("module", modules())
def test_an_import_inside_a_function_spares_something_heavy(module: str) -> None:
    found = [f"line {i.line}: {i.name}" for i in unjustified(module)]
    assert not found, f"{module} imports inside functions what would cost nothing above: {found}"


@pytest.mark.parametrize("module", modules())
def test_names_are_taken_from_the_module_they_lie_in(module: str) -> None:
    lazy = {f"{PACKAGE}.{name}" for name in crysmm_attn_plugin._LAZY}
    assert not [i.name for i in imports(module) if i.name in lazy]


def test_the_rule_tells_what_spares_nothing_from_what_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "made.py"
    source.write_text(
        "import numpy\n"
        "def f():\n"
        f"    import json, numpy, torch\n"
        f"    from {PACKAGE} import errors\n"
        f"    from {PACKAGE}.metrics import legacy\n"
        f"    from {PACKAGE}.stats import checks\n"
    )
    monkeypatch.setitem(modules(), f"{PACKAGE}.made", source)
    names = [i.name for i in unjustified(f"{PACKAGE}.made")]
    assert names == ["json", "numpy", f"{PACKAGE}.errors", f"{PACKAGE}.stats.checks"]


@pytest.mark.parametrize(
    "module",
    ["crysmm_attn_plugin", "crysmm_attn_plugin.cli", "crysmm_attn_plugin.stats.compare",
     "crysmm_attn_plugin.store.reader", "crysmm_attn_plugin.reports.comparison",
     "crysmm_attn_plugin.reports.page", "crysmm_attn_plugin.reports.figures"],
)  # fmt: skip
def test_torch_is_not_imported_by(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules, 'dgl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    "words", [["plugins"], ["status", "nothing"], ["report", "nothing"]], ids=lambda w: w[0]
)
def test_commands_that_read_start_without_torch(words: list[str]) -> None:
    code = (
        "import sys; from crysmm_attn_plugin.cli import main\n"
        f"code = main({words!r})\n"
        "import crysmm_attn_plugin.reports.write, crysmm_attn_plugin.store.reader\n"
        "print(code, [m for m in ('torch', 'dgl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == f"{0 if words == ['plugins'] else 2} []"


def test_help_with_plugins_imports_neither_torch_nor_matplotlib_nor_pandas() -> None:
    code = (
        "import sys; from crysmm_attn_plugin.cli import build_parser;"
        "build_parser('*').format_help(); build_parser().format_help();"
        "print([m for m in ('torch', 'dgl', 'matplotlib', 'numpy', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_has_no_side_effects_on_warnings_random_state_or_output() -> None:
    code = (
        "import random, warnings, numpy as np\n"
        "before = (random.getstate(), np.random.get_state()[1].tolist(), list(warnings.filters))\n"
        "import crysmm_attn_plugin, crysmm_attn_plugin.hooks.contract.manager as m\n"
        "m.get_plugin_manager()\n"
        "after = (random.getstate(), np.random.get_state()[1].tolist(), list(warnings.filters))\n"
        "assert before[:2] == after[:2], 'random state'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""

"""The three rooms stay apart: imports point one way, in no circle, and light entries stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "crysmm_attn_plugin"
FOLDERS = {
    PACKAGE: ROOT / PACKAGE,
    f"{PACKAGE}.hooks": ROOT / "hooks",
    f"{PACKAGE}.reports": ROOT / "reports",
}
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


def inside(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by name."""
    found = {}
    for prefix, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([prefix, *parts]).removesuffix(".__init__")] = path
    return found


@cache
def imports(module: str) -> tuple[tuple[str, bool], ...]:
    """Modules of the project that a module imports outside TYPE_CHECKING, and whether it does so inside a function."""
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    found: dict[tuple[str, bool], None] = {}
    for node, nested in _nodes(tree, False):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            target = name if name in modules() else name.rpartition(".")[0]
            if target in modules() and target != module:
                found[target, nested] = None
    return tuple(found)


def _nodes(tree: ast.AST, nested: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Nodes that run, and whether they run inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node, nested
        yield from _nodes(node, nested or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize("module", modules())
def test_imports_point_one_way(module: str) -> None:
    mine = room_of(module)
    if not mine:
        return
    for target, _ in imports(module):
        theirs = room_of(target)
        assert target == PACKAGE or theirs, f"{module} imports {target}, an entry"
        if theirs and theirs != mine:
            assert theirs in MAY_IMPORT[mine] | {"errors"}, f"{module} ({mine}) imports {target} ({theirs})"


def test_there_is_no_circle_functions_included() -> None:
    graph = {m: {t for t, _ in imports(m) if t != PACKAGE} for m in modules()}
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

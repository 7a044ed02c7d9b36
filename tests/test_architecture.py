"""The three rooms stay apart: imports point one way, and light entries stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "crysmm_attn_plugin"
FOLDERS = {
    PACKAGE: ROOT / PACKAGE,
    f"{PACKAGE}.hooks": ROOT / "hooks",
    f"{PACKAGE}.reports": ROOT / "reports",
}

#: module prefix -> prefixes it may never import (at any depth of nesting, lazily or not)
FORBIDDEN = {
    f"{PACKAGE}.hooks": ("metrics", "store", "stats", "reports", "capture", "plugin", "demo"),
    f"{PACKAGE}.metrics": ("hooks", "store", "stats", "reports", "capture", "plugin", "demo"),
    f"{PACKAGE}.store": ("hooks", "metrics", "stats", "reports", "capture", "plugin", "demo"),
    f"{PACKAGE}.stats": ("hooks", "metrics", "reports", "capture", "plugin", "demo"),
    f"{PACKAGE}.capture": ("stats", "reports", "demo"),
    f"{PACKAGE}.plugin": ("stats", "reports", "demo"),
    f"{PACKAGE}.records": ("hooks", "metrics", "store", "stats", "reports", "capture", "plugin", "demo"),
    f"{PACKAGE}.reports": ("metrics", "capture", "plugin", "demo"),
}
#: entries that may import anything
ENTRIES = (f"{PACKAGE}.cli", f"{PACKAGE}.commands", f"{PACKAGE}.hooks.bootstrap")
#: hooks/integrations is the thin use of attach() inside a host's framework: an entry for hosts
ENTRIES += (f"{PACKAGE}.hooks.integrations",)


def _modules() -> list[tuple[str, Path]]:
    found = []
    for prefix, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([prefix, *parts]).removesuffix(".__init__")
            found.append((name, path))
    return found


def _imports(path: Path, *, outside_type_checking: bool = True) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded: set[ast.AST] = set()
    if outside_type_checking:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                guarded.update(n for child in node.body for n in ast.walk(child))
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize(("name", "path"), _modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_imports_point_one_way(name: str, path: Path) -> None:
    if name.startswith(ENTRIES):
        return
    rules = [forbidden for prefix, forbidden in FORBIDDEN.items() if (name + ".").startswith(prefix + ".")]
    for imported in _imports(path):
        for forbidden in rules:
            for room in forbidden:
                target = f"{PACKAGE}.{room}"
                # the manager names built-in plugins by text, which is how anyone's are named
                assert not (imported + ".").startswith(target + "."), f"{name} imports {imported}"


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


def test_help_imports_neither_numpy_nor_torch_nor_matplotlib() -> None:
    code = (
        "import sys; from crysmm_attn_plugin.cli import build_parser; build_parser('*').format_help();"
        "print([m for m in ('torch', 'dgl', 'matplotlib', 'pandas', 'scipy') if m in sys.modules])"
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

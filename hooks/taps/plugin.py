"""The built-in choice of tap, by what a module can do; registered like anyone else's plugin."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType

from torch import nn

from crysmm_attn_plugin.hooks.contract.specs import hookimpl
from crysmm_attn_plugin.hooks.taps.base import Tap
from crysmm_attn_plugin.hooks.taps.observe import FusedTap, ObserveTap
from crysmm_attn_plugin.hooks.taps.second_call import SecondCallTap, request
from crysmm_attn_plugin.settings import Settings

#: Names in code -> what the code does. The last two: how Hugging Face modules choose a kernel.
OPERATIONS = {
    "matmul": "matmul", "bmm": "matmul", "baddbmm": "matmul", "einsum": "matmul",
    "scaled_dot_product_attention": "fused", "attention_interface": "fused", "ALL_ATTENTION_FUNCTIONS": "fused",
}  # fmt: skip


@hookimpl
def attn_make_tap(module: nn.Module, name: str, settings: Settings) -> Tap | None:
    """Observe where the module softmaxes or calls a fused kernel; ask a second time where it only can be asked."""
    if isinstance(module, nn.MultiheadAttention):
        return SecondCallTap(name, module)
    does = set(_what_code_does(type(module)))  # type: ignore[arg-type]
    if any(isinstance(child, nn.Softmax) for child in module.children()):
        does.add("softmax")
    if {"softmax", "matmul"} <= does:
        return ObserveTap(name, module)
    if "fused" in does:
        return FusedTap(name, module)
    if request(module) and "softmax" in does:
        return SecondCallTap(name, module)
    return None


@lru_cache(maxsize=4096)
def _what_code_does(cls: type[nn.Module]) -> frozenset[str]:
    """Operations that a module class's forward comes to by its own methods and its file's functions.

    Other methods count for nothing: Hugging Face's base class names its attention kernels where it chooses them.
    """
    found: set[str] = set()
    waiting, met = [getattr(cls, "forward", None)], set()
    while waiting:
        function = waiting.pop()
        function = inspect.unwrap(function) if callable(function) else function
        if (
            not isinstance(function, FunctionType)
            or function in met
            or function.__module__.startswith("torch.")
        ):
            continue
        met.add(function)
        found |= _operations(function.__code__)
        for name in _names(function.__code__):
            waiting += [vars(owner).get(name) for owner in cls.__mro__ if name in vars(owner)][:1]
            waiting.append(function.__globals__.get(name))  # as in attention(query, key, value)
    return frozenset(found)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _operations(code: CodeType) -> set[str]:
    found = set()
    for step in dis.get_instructions(code):
        if step.opname == "BINARY_MATRIX_MULTIPLY" or (step.opname == "BINARY_OP" and step.argrepr == "@"):
            found.add("matmul")
        elif isinstance(step.argval, str) and step.opname.startswith("LOAD"):
            if "softmax" in step.argval.lower():
                found.add("softmax")
            elif step.argval in OPERATIONS:
                found.add(OPERATIONS[step.argval])
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _operations(constant)
    return found

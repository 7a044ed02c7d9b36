"""The built-in choice of tap, by what a module can do; registered like anyone else's plugin."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import lru_cache

from torch import nn

from crysmm_attn_plugin.hooks.specs import hookimpl
from crysmm_attn_plugin.hooks.taps.base import Tap
from crysmm_attn_plugin.hooks.taps.observe import ObserveTap, attention_dropouts
from crysmm_attn_plugin.hooks.taps.recompute import RecomputeTap
from crysmm_attn_plugin.hooks.taps.second_call import SecondCallTap, request
from crysmm_attn_plugin.settings import Settings


@hookimpl
def attn_make_tap(module: nn.Module, name: str, settings: Settings) -> Tap | None:
    """Observe where the module softmaxes and then drops out; else ask a second time; else recompute."""
    if isinstance(module, nn.MultiheadAttention):
        return SecondCallTap(name, module)
    does = _what_forward_does(type(module))
    if attention_dropouts(module) and "softmax" in does and "matmul" in does:
        return ObserveTap(name, module)
    if request(module) and does & {"softmax", "scaled_dot_product_attention"}:
        return SecondCallTap(name, module)
    if "scaled_dot_product_attention" in does:
        return RecomputeTap(name, module)
    return None


@lru_cache(maxsize=4096)
def _what_forward_does(cls: type[nn.Module]) -> frozenset[str]:
    """Operations named in a module class's own methods: softmax, matmul, scaled_dot_product_attention.

    Methods of torch's own base class are left out, and so are containers, which name none of these themselves.
    """
    found: set[str] = set()
    for owner in cls.__mro__:
        if owner.__module__.startswith("torch.nn.modules.module"):
            break
        for method in vars(owner).values():
            if inspect.isfunction(method):
                found |= _operations(method)
    return frozenset(found)


def _operations(method: object) -> set[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            found.add("matmul")
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if "softmax" in name.lower():
            found.add("softmax")
        elif name in {"matmul", "bmm", "einsum"}:
            found.add("matmul")
        elif name in {"scaled_dot_product_attention", "attention_interface", "ALL_ATTENTION_FUNCTIONS"}:
            # the latter two: how Hugging Face modules choose a kernel
            found.add("scaled_dot_product_attention")
    return found

"""Which module is at work, read from the calling frames without keeping anything of theirs alive."""

from __future__ import annotations

import inspect
import sys
from types import CodeType, FrameType
from typing import Any

from torch import nn

#: Frames looked at on the way out, at most.
DEPTH = 400
#: See ``mark_of``.
Mark = tuple[int, CodeType | None]
_SNAPSHOTS = sys.version_info < (3, 13)


def first_argument(frame: FrameType) -> Any:
    """The value of a frame's ``self`` (its first argument, when it has that name), or None."""
    code = frame.f_code
    if not code.co_argcount or code.co_varnames[0] != "self":
        return None
    return local(frame, "self")


def local(frame: FrameType, name: str) -> Any:
    """One local variable of a frame, or None.

    Before Python 3.13 asking for a function's locals leaves a snapshot of them on its frame, which would keep the host's
    objects alive until the function returns. It is emptied again unless somebody else (the host's own ``locals()``)
    holds it too.
    """
    found = frame.f_locals
    value = found.get(name)
    _let_go(frame, found)
    return value


def modules_in(frame: FrameType) -> dict[str, nn.Module]:
    """Modules that a frame's locals name, or that its ``self`` names as attributes: name -> module."""
    found = frame.f_locals
    modules = {k: v for k, v in list(found.items()) if isinstance(v, nn.Module)}
    holder = found.get("self")
    _let_go(frame, found)
    if holder is not None and not isinstance(holder, nn.Module):
        members = getattr(holder, "__dict__", {})
        if isinstance(members, dict):
            modules |= {k: v for k, v in list(members.items()) if isinstance(v, nn.Module)}
    return modules


def _let_go(frame: FrameType, found: Any) -> None:
    if not _SNAPSHOTS or not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return  # a module's or class's own names, not a snapshot
    # held by the frame, the caller's variable, this argument and getrefcount's own
    if isinstance(found, dict) and sys.getrefcount(found) <= 4:
        found.clear()


def owner_of(frame: FrameType | None) -> tuple[nn.Module | None, tuple[tuple[str, int], ...], bool]:
    """The module whose code runs in or above ``frame``, and the lines from there down to ``frame``.

    Modules without any parameter of their own or below (``nn.Softmax``, a mask helper) stand for the module that calls
    them.

    Returns:
        The module or None; ((function, line), ...) innermost first, without torch's own frames and ours; and whether the code is
        generated (a compiled region, in which modules can no longer be told apart).
    """
    lines: list[tuple[str, int]] = []
    generated = False
    owner: nn.Module | None = None
    for _ in range(DEPTH):
        if frame is None:
            break
        generated |= frame.f_code.co_filename.startswith("<eval_with_key>")
        module = first_argument(frame)
        if owner is not None and module is not owner:
            break  # whoever called it
        calling = frame.f_code.co_name in _CALLS
        if owner is None and isinstance(module, nn.Module) and not calling and has_parameters(module):
            owner = module
        if owner is not None and calling:
            break
        if not frame.f_globals.get("__name__", "").startswith(_BETWEEN):
            lines.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return owner, tuple(lines), generated


def mark_of(frame: FrameType | None) -> Mark:
    """What tells a frame from others later on: the memory of one that has ended is soon another's, of other code."""
    return (0, None) if frame is None else (id(frame), frame.f_code)


def root_of(frame: FrameType | None, stop: Mark) -> nn.Module | None:
    """The outermost module whose code runs at or above ``frame``.

    Args:
        frame: Where to begin.
        stop: Mark of the frame that asked the loader for the batch: nothing above it is the host's forward.
    """
    found = None
    for _ in range(DEPTH):
        if frame is None:
            break
        module = first_argument(frame)
        if isinstance(module, nn.Module):
            found = module
        if id(frame) == stop[0] and frame.f_code is stop[1]:
            break
        frame = frame.f_back
    return found


def has_parameters(module: nn.Module) -> bool:
    """Whether a module or one below it has a parameter."""
    return next(module.parameters(), None) is not None


#: Frames that stand between a module's code and what it calls: torch's, and ours where module calls are followed.
_BETWEEN = ("torch.nn.", "crysmm_attn_plugin.hooks.reading.")
_CALLS = frozenset({"_call_impl", "_wrapped_call_impl", "__call__"})

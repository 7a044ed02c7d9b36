"""A tap's own failure never reaches the host: whatever its hooks raise is kept and told afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.taps.base import Emit, Tap


def install_guarded(tap: Tap, emit: Emit, failed: Callable[[Tap, Exception], None]) -> None:
    """Install ``tap``; every hook that it placed on its module and below is wrapped.

    Args:
        tap: Built in or a plugin's.
        emit: Called with each map.
        failed: Called with what a hook of the tap raised; the host's forward goes on.
    """
    before = [set(table) for table in _tables(tap.module)]
    tap.install(emit)
    for known, table in zip(before, _tables(tap.module)):
        for key in table.keys() - known:
            table[key] = _guarded(table[key], tap, failed)


def _tables(module: nn.Module) -> Iterator[Any]:
    for part in module.modules():
        yield part._forward_pre_hooks
        yield part._forward_hooks


def _guarded(
    hook: Callable[..., Any], tap: Tap, failed: Callable[[Tap, Exception], None]
) -> Callable[..., Any]:
    @functools.wraps(hook)
    def call(*args: Any) -> Any:
        if busy.compiling():
            return None
        try:
            with busy.working():
                return hook(*args)
        except Exception as error:
            failed(tap, error)
            return None

    return call

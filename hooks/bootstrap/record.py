"""Digests of what a host's models put out, pass by pass: the evidence that ``verify`` compares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from crysmm_attn_plugin.hooks import busy


class OutputRecord:
    """Digests every output of an outermost module call while ``listening``, bit by bit, in order."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self._depth = 0
        self._undo: list[Callable[[], None]] = []
        self.n_outputs = 0
        self.listening = False

    def start(self) -> None:
        """Hook every module call of the process; once."""
        if self._undo:
            return
        from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

        self._undo = [
            register_module_forward_pre_hook(self._enter).remove,
            register_module_forward_hook(self._leave, always_call=True).remove,
        ]

    def stop(self) -> None:
        for undo in self._undo:
            undo()
        self._undo.clear()

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def _enter(self, module: Any, args: Any) -> None:
        if not (busy.compiling() or busy.ours()):
            self._depth += 1

    def _leave(self, module: Any, args: Any, output: Any) -> None:
        if busy.compiling() or busy.ours():
            return
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0 and self.listening:
            self._add(output)

    def _add(self, value: Any) -> None:
        import torch

        if isinstance(value, torch.Tensor):
            data = value.detach().cpu().contiguous()
            self._digest.update(f"{data.dtype}{tuple(data.shape)}".encode())
            self._digest.update(data.reshape(-1).view(torch.uint8).numpy().tobytes() if data.numel() else b"")
            self.n_outputs += 1
        elif isinstance(value, Mapping):
            for item in value.values():
                self._add(item)
        elif isinstance(value, (tuple, list)):
            for item in value:
                self._add(item)

"""Digests of what a host's models put out, pass by pass: the evidence that ``verify`` compares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from crysmm_attn_plugin.hooks.reading import calls


class OutputRecord:
    """Digests every output of an outermost module call while ``listening``, bit by bit, in order.

    Nothing is laid on a module: a hook would switch off fast paths in all of the runs that are compared.
    """

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=16)
        self.n_outputs = 0

    def listen(self, on: bool) -> None:
        """Take what is put out from now on, or no more."""
        if on:
            calls.start(self)
        else:
            calls.stop(self)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def call_begins(self, module: Any, inputs: Any) -> None:
        return None

    def call_raised(self, module: Any) -> None:
        return None

    def call_ended(self, module: Any, output: Any) -> None:
        self._add(output)

    def _add(self, value: Any) -> None:
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

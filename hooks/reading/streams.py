"""Streams of an accelerator: what the host made on one is waited for before another reads it."""

from __future__ import annotations

from collections.abc import Iterable

import torch


def recording() -> bool:
    """Whether a CUDA graph is being recorded: nothing holds numbers then, and whatever runs becomes a part of the graph."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()


class Streams:
    """The streams on which copies were made."""

    def __init__(self) -> None:
        self._noted: dict[tuple[int, int], torch.cuda.Stream] = {}

    def note(self, tensor: torch.Tensor) -> None:
        """A copy is being made on the stream that is current for its device."""
        if tensor.is_cuda:
            stream = torch.cuda.current_stream(tensor.device)
            self._noted.setdefault((stream.device_index, stream.cuda_stream), stream)

    def settle(self, tensors: Iterable[torch.Tensor | None] = ()) -> None:
        """Wait for every stream that is not the current one; ``tensors`` made there stay until this one has read them."""
        for (index, number), stream in list(self._noted.items()):
            current = torch.cuda.current_stream(index)
            if current.cuda_stream == number:
                continue
            stream.synchronize()
            for tensor in tensors:
                if tensor is not None and tensor.is_cuda and tensor.device.index == index:
                    tensor.record_stream(current)

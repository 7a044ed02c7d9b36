"""What the host's outermost calls put out: the model's prediction, and whether a call was made on a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.hooks.reading.batch import first_graph, graph_counts, tensors_in, texts_in

#: Keys under which hosts put predictions.
PREDICTION_KEYS = ("predictions", "prediction", "out", "output", "logits", "y")


@dataclass
class OuterCall:
    """An outermost module call.

    Attributes:
        module: ``id`` of the module.
        number: Of the call in the pass.
        loss: Whether the module is a loss or metric.
        tensor: The predictions in what it returned, a copy (the host may go on to write to it); None when there are none.
    """

    module: int
    number: int
    loss: bool
    tensor: torch.Tensor | None


@dataclass(frozen=True)
class ModuleCall:
    """A whole outermost call, kept until its batch is over and only while a plugin asks for it."""

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


#: Numbers in an output beyond which it is no prediction worth a copy.
LARGEST = 2**20


def outer_call(module: nn.Module, number: int, output: Any) -> OuterCall:
    """What is kept of an outermost call."""
    tensor = tensor_of(output)
    kept = tensor.clone() if tensor is not None and 0 < tensor.numel() <= LARGEST else None
    return OuterCall(id(module), number, is_loss(module), kept)


def is_loss(module: nn.Module) -> bool:
    """A loss or a metric, whose output is no prediction."""
    return isinstance(module, nn.modules.loss._Loss) or type(module).__module__.startswith("torchmetrics")


def tensor_of(output: Any) -> torch.Tensor | None:
    """The tensor of predictions in a model's output: itself, a mapping's, the first of a tuple; or None."""
    if isinstance(output, Mapping) or (hasattr(output, "keys") and hasattr(output, "__getitem__")):
        found = next((output[k] for k in PREDICTION_KEYS if k in output and output[k] is not None), None)
        return None if found is None else tensor_of(found)
    if isinstance(output, (tuple, list)):
        return tensor_of(output[0]) if len(output) else None
    return output.detach() if isinstance(output, torch.Tensor) else None


def prediction_of(outer: list[OuterCall], roots: set[int], n: int) -> torch.Tensor | None:
    """The raw prediction for each of ``n`` crystals, (n,): the model's output, in one call or in several that add up.

    Where the host calls no model but its parts, it is the last part that puts out one number a crystal; with one crystal
    that could be anything, so it is left unknown.
    """
    of_roots = [c for c in outer if c.module in roots]
    chosen = of_roots or [c for c in outer if not c.loss and n > 1]
    if of_roots:
        parts: list[torch.Tensor] = []
        for call in chosen:
            if call.tensor is None:
                return None
            parts.append(call.tensor.reshape(-1))
            total = sum(p.numel() for p in parts)
            if total == n:
                return torch.cat(parts)
            if total > n:
                return None
        return None
    for call in reversed(chosen):
        if call.tensor is not None and call.tensor.numel() == n and call.tensor.is_floating_point():
            return call.tensor.reshape(n)
    return None


def belongs(batch: Any, inputs: Any) -> bool:
    """Whether a model's inputs were made from this batch: they share an object, or say the same texts or numbers.

    Masks and counts do not tell batches apart, so numbers are compared in floating-point tensors and long integers.
    """
    given, own = list(tensors_in(inputs)), list(tensors_in(batch))
    if any(a is b or (a.numel() and a.data_ptr() == b.data_ptr()) for a in given for b in own):
        return True
    graphs = first_graph(inputs), first_graph(batch)
    if None not in graphs and graphs[0] is graphs[1]:
        return True
    texts = texts_in(inputs), texts_in(batch)
    if None not in texts:
        return texts[0] == texts[1]
    if None not in graphs:
        return graph_counts(graphs[0]) == graph_counts(graphs[1])
    return any(
        (a.is_floating_point() or a.dtype == torch.int64)
        and a.numel() > 1
        and a.shape == b.shape
        and a.dtype == b.dtype
        and torch.equal(a, b.to(a.device))
        for a in given
        for b in own
    )

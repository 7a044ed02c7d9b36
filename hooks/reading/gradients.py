"""Which attention a training loss reaches: seen on the weights themselves during the first steps, never on a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.hooks.digests import unwrapped_name
from crysmm_attn_plugin.hooks.reading.batch import tensors_in
from crysmm_attn_plugin.hooks.reading.frames import mark_of
from crysmm_attn_plugin.hooks.reading.naming import Naming
from crysmm_attn_plugin.hooks.reading.sites import Site
from crysmm_attn_plugin.hooks.reading.watch import Hidden, Lines, Seen, Watch, watched

Key = tuple[str, Lines]


class GradientWatch:
    """Notes which attention weights get a gradient. Its hooks return nothing, so gradients are what they were.

    The watch ends with the first step after one it saw, and after ``STEPS`` in any case.
    """

    STEPS = 20
    copies = False

    def __init__(self) -> None:
        self._watch = Watch(self)
        self._steps = 0
        self._stop_frame = mark_of(None)
        self._naming = Naming(None)
        self.seen_keys: set[Key] = set()
        self.reached: set[Key] = set()

    @property
    def done(self) -> bool:
        return bool(self.reached) or self._steps >= self.STEPS

    def begin(self, frame: Any = None) -> None:
        """A training batch is handed out."""
        self._stop_frame = mark_of(frame)
        if not self.done:
            self._watch.start()

    def end(self) -> None:
        """It is over."""
        self._watch.stop()

    def stepped(self) -> None:
        """An optimizer made a step."""
        self._steps += 1

    def wants(self, owner: nn.Module | None, lines: Lines, shape: torch.Size) -> bool:
        return torch.is_grad_enabled() and len(shape) > 2

    def seen(self, item: Seen) -> None:
        if item.live is None:
            return
        key = (self._naming.name(item.owner, self._stop_frame), item.lines)
        self.seen_keys.add(key)
        if key not in self.reached:
            item.live.register_hook(lambda gradient: self.reached.add(key))

    def hidden(self, how: Hidden) -> None:
        return None

    def fault(self, error: Exception) -> None:
        self._steps = self.STEPS

    def told(self, reached: set[Key], missed: set[Key]) -> None:
        """What a probe found."""
        self.reached |= reached
        self.seen_keys |= reached | missed

    def untrained(self, directions: Mapping[Site, str]) -> list[tuple[str, str]]:
        """(module, direction) of attention that training formed and no gradient reached; none when no backward was seen."""
        if not self.reached:
            return []
        missed = self.seen_keys - self.reached
        return sorted({(s.module, d) for s, d in directions.items() if d and (s.module, s.lines) in missed})


def without_gradient(forward: Callable[[], Any], model: nn.Module) -> tuple[set[Key], set[Key]]:
    """Attention that a model's output depends on, by one backward pass of a sum; no gradient is left on a parameter.

    Args:
        forward: Runs the model once.
        model: Names its modules.

    Returns:
        Attention that the gradient reached, and attention that it did not; both empty when there is no gradient.
    """
    look = _Look(model)
    with torch.enable_grad(), watched(look):
        output = forward()
    prediction = next(iter(tensors_in(output)), None)
    if prediction is None or not prediction.requires_grad or not look.lives:
        return set(), set()
    gradients = torch.autograd.grad(prediction.float().sum(), [t for _, t in look.lives], allow_unused=True)
    reached = {key for (key, _), g in zip(look.lives, gradients) if g is not None}
    return reached, {key for key, _ in look.lives} - reached if reached else set()


class _Look:
    """Keeps the live tensors of one forward."""

    copies = False

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(m): unwrapped_name(n) or type(m).__name__ for n, m in model.named_modules()}
        self.lives: list[tuple[Key, torch.Tensor]] = []

    def wants(self, owner: nn.Module | None, lines: Lines, shape: torch.Size) -> bool:
        return id(owner) in self._names

    def seen(self, item: Seen) -> None:
        if item.live is not None:
            self.lives.append(((self._names[id(item.owner)], item.lines), item.live))

    def hidden(self, how: Hidden) -> None:
        return None

    def fault(self, error: Exception) -> None:
        return None

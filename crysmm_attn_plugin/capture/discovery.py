"""Finding the model of a host that names none: the outermost module with attention called while a batch waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from crysmm_attn_plugin.hooks import busy


def look_at_calls(waiting: Callable[[], bool], found: Callable[[nn.Module, Any], None]) -> Callable[[], None]:
    """Call ``found(module, args)`` before each module's first forward while ``waiting()`` is true.

    Text encoders called on their own are left out: their attention is within the text.

    Returns:
        A function that stops it.
    """
    from torch.nn.modules.module import register_module_forward_pre_hook

    seen: set[int] = set()

    def before(module: nn.Module, args: Any) -> None:
        if busy.compiling() or busy.ours() or not waiting() or id(module) in seen:
            return
        seen.add(id(module))
        if not is_text_encoder(module):
            found(module, args)

    return register_module_forward_pre_hook(before).remove


def is_text_encoder(module: nn.Module) -> bool:
    """A Hugging Face model called on its own: its attention is within the text."""
    return any(c.__name__ == "PreTrainedModel" for c in type(module).__mro__)

"""One watched model: its taps, the forward that belongs to a batch, gradients that reach its attention."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.contract.manager import PluginManager
from crysmm_attn_plugin.hooks.digests import unwrapped_name
from crysmm_attn_plugin.hooks.taps.base import ALWAYS, RawAttention, Tap
from crysmm_attn_plugin.hooks.taps.guard import install_guarded
from crysmm_attn_plugin.settings import Settings

log = logging.getLogger("crysmm_attn")


class ModelWatch:
    """Hooks on one model. Taps are installed only while ``arm_taps`` is in force.

    Args:
        model: The model whose forward takes a batch.
        manager: Asked for taps.
        settings: The run's settings.
        before: Called with (watch, args, kwargs) at the outermost forward.
        after: Called with (watch, output, raised) when that forward ended.

    Attributes:
        taps: What reads the model's attention.
        compiled: Names of attention modules that ``torch.compile`` has taken over; nothing is attached to them, because
            hooks there are skipped or compiled into what the model computes.
        directions: (module, order of the map in a call) -> direction, of the cross-modal maps seen so far.
    """

    def __init__(
        self,
        model: nn.Module,
        manager: PluginManager,
        settings: Settings,
        before: Callable[[ModelWatch, tuple[Any, ...], dict[str, Any]], None],
        after: Callable[[ModelWatch, Any, bool], None],
    ) -> None:
        self.model = model
        found = _taps(model, manager, settings)
        self.taps = [tap for tap, compiled in found if not compiled]
        self.compiled = [tap.name for tap, compiled in found if compiled]
        self._before, self._after = before, after
        self._armed = False
        self._depth = 0
        self._handling: BaseException | None = None
        self._handles = [
            model.register_forward_pre_hook(self._enter, with_kwargs=True, prepend=True),
            model.register_forward_hook(self._leave, **ALWAYS),
        ]
        self._gradients = GradientWatch(self.taps)
        self.directions: dict[tuple[str, int], str] = {}

    def arm_taps(
        self, emit: Callable[[RawAttention], None], failed: Callable[[Tap, Exception], None]
    ) -> None:
        """Install every tap; ``failed`` hears of what one of them raises, the model does not."""
        if not self._armed:
            self._armed = True
            for tap in self.taps:
                install_guarded(tap, emit, failed)

    def rest(self, names: set[str]) -> None:
        """Take the taps of these modules off until taps are armed again."""
        for tap in self.taps:
            if tap.name in names:
                tap.remove()

    def disarm_taps(self) -> None:
        self._armed = False
        for tap in self.taps:
            tap.remove()

    def watch_gradients(self) -> None:
        """From now on note which attention weights a training loss reaches."""
        self._gradients.start()

    def untrained(self) -> list[tuple[str, str]]:
        """(module, direction) pairs that training forwards produced and no gradient reached."""
        return self._gradients.untrained(self.directions)

    def remove(self) -> None:
        """Take everything off the model."""
        self.disarm_taps()
        self._gradients.stop()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def enter_late(self, args: tuple[Any, ...]) -> None:
        """Count a call of the model that began before its hooks were placed."""
        self._enter(self.model, args, {})

    def interrupted(self) -> None:
        """A new batch begins: a forward that never ended (an interrupt) is over."""
        self._depth = 0

    def _enter(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if busy.compiling():
            return
        self._depth += 1
        if self._depth == 1:
            self._handling = sys.exc_info()[1]
            self._before(self, args, kwargs)

    def _leave(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if busy.compiling():
            return
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0:
            error, earlier, self._handling = sys.exc_info()[1], self._handling, None
            self._after(self, output, error is not None and error is not earlier)


def find_taps(model: nn.Module, manager: PluginManager, settings: Settings) -> list[Tap]:
    """A tap for every submodule that some plugin can read; inner modules of a tapped one are left alone."""
    return [tap for tap, compiled in _taps(model, manager, settings) if not compiled]


def _taps(model: nn.Module, manager: PluginManager, settings: Settings) -> list[tuple[Tap, bool]]:
    """Taps of a model, and whether torch.compile has taken their module over."""
    taps: list[tuple[Tap, bool]] = []
    taken: list[str] = []
    inside = compiled_modules(model)
    for full_name, module in model.named_modules():
        name = unwrapped_name(full_name)
        if any(name.startswith(f"{t}.") for t in taken if t):
            continue
        tap = manager.call_first("attn_make_tap", module=module, name=name, settings=settings)
        if tap is not None:
            compiled = any(not c or full_name == c or full_name.startswith(f"{c}.") for c in inside)
            taps.append((tap, compiled))
            taken.append(name)
    return taps


def compiled_modules(model: nn.Module) -> list[str]:
    """Names of the submodules (empty: the model itself) that were compiled, outermost only."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    wrapper = getattr(dynamo, "OptimizedModule", ())
    found: list[str] = []
    for name, module in model.named_modules():
        if any(not f or name.startswith(f"{f}.") for f in found):
            continue
        if isinstance(module, wrapper) or getattr(module, "_compiled_call_impl", None) is not None:
            found.append(name)
    return found


def nothing_to_read(model: nn.Module) -> str:
    """Why no tap was found in a model, as a clause."""
    compiled = compiled_modules(model)
    if compiled:
        inner = getattr(model, "_orig_mod", model)
        where = compiled[0] or type(inner).__name__
        return (
            f"{where} is compiled by torch.compile, which skips hooks or compiles them in, so nothing is attached; run the "
            "test loop on the uncompiled model"
        )
    return f"{type(model).__name__} holds no attention module whose weights can be read"


class GradientWatch:
    """Which attention maps a loss reaches: a hook on the weights tensor itself, during training forwards.

    The hook returns nothing, so gradients are what they were. The watch ends with the first step after one it saw, and
    after ``STEPS`` in any case.
    """

    STEPS = 20

    def __init__(self, taps: list[Tap]) -> None:
        self._taps = taps
        self._handles: list[Any] = []
        self._steps = 0
        self.seen: set[tuple[str, int]] = set()
        self.reached: set[tuple[str, int]] = set()

    def start(self) -> None:
        """A step was made, or a backward pass is about to be: watch the next forwards unless enough is known."""
        from crysmm_attn_plugin.hooks.taps.observe import ObserveTap

        self._steps += 1
        if self.reached or self._steps > self.STEPS:
            self.stop()
            return
        if not self._handles:
            for tap in self._taps:
                if isinstance(tap, ObserveTap):
                    self._watch(tap)

    def _watch(self, tap: Tap) -> None:
        from crysmm_attn_plugin.hooks.taps.base import looks_like_attention
        from crysmm_attn_plugin.hooks.taps.observe import attention_dropouts

        order = 0

        def begin(module: nn.Module, args: Any) -> None:
            nonlocal order
            if not busy.compiling():
                order = 0

        def see(module: nn.Module, args: Any) -> None:
            nonlocal order
            if busy.compiling() or busy.ours():
                return
            value = args[0] if args else None
            if isinstance(value, torch.Tensor) and value.requires_grad and looks_like_attention(value):
                key, order = (tap.name, order), order + 1
                self.seen.add(key)
                value.register_hook(lambda gradient: self.reached.add(key))

        self._handles.append(tap.module.register_forward_pre_hook(begin))
        self._handles += [d.register_forward_pre_hook(see) for d in attention_dropouts(tap.module)]

    def stop(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def untrained(self, directions: Mapping[tuple[str, int], str]) -> list[tuple[str, str]]:
        """(module, direction) that no gradient reached.

        Args:
            directions: (module, order of the map in a call) -> direction, of cross-modal maps; empty before a pass, when
                maps are taken to come in pairs.
        """
        if not self.reached:  # no backward pass was seen, so nothing is known
            return []
        names = ("atom_to_text", "text_to_atom")
        return [
            (module, directions.get((module, order), names[order % 2]))
            for module, order in sorted(self.seen - self.reached)
            if not directions or (module, order) in directions
        ]


def reinitialised_twin(module: nn.Module, seed: int = 0) -> nn.Module | None:
    """The same module with fresh random weights, in evaluation mode; None when it has nothing to draw.

    The global generators are left as they were.
    """
    try:
        twin = copy.deepcopy(module)
    except Exception as error:
        log.info(
            "%s cannot be copied, so its re-initialised baseline is left out: %s",
            type(module).__name__,
            error,
        )
        return None
    drawn = False
    devices = [p.device.index or 0 for p in module.parameters() if p.is_cuda][:1]
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for child in twin.modules():
            reset = getattr(child, "reset_parameters", None) or getattr(child, "_reset_parameters", None)
            if callable(reset):
                reset()
                drawn = True
    for hooked in twin.modules():
        hooked._forward_hooks.clear()
        hooked._forward_pre_hooks.clear()
    return twin.eval() if drawn else None

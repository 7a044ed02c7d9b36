"""One open window: batches come in, maps are gathered, and at the end an outcome with its tables."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from crysmm_attn_plugin.capture.accumulator import Accumulator, prediction_tensor
from crysmm_attn_plugin.capture.alarms import PADDING_ABOVE, window_alarms
from crysmm_attn_plugin.capture.batch_words import BatchWords
from crysmm_attn_plugin.capture.directions import NotCrossModal, resolve
from crysmm_attn_plugin.capture.maps import MapKeeper
from crysmm_attn_plugin.capture.models import ModelWatch, nothing_to_read, reinitialised_twin
from crysmm_attn_plugin.capture.rows import reduce_call
from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.contract.manager import PluginManager
from crysmm_attn_plugin.hooks.identity import BatchInputs, identify
from crysmm_attn_plugin.hooks.taps.base import RawAttention, Tap
from crysmm_attn_plugin.hooks.taps.second_call import copied
from crysmm_attn_plugin.hooks.tokens import TokenizerWatch
from crysmm_attn_plugin.records import AttentionCall, BatchIdentity, Window, WindowOutcome, WindowState
from crysmm_attn_plugin.settings import Settings

log = logging.getLogger("crysmm_attn")

#: Batches after which a module whose maps were never cross-modal (a text encoder's own attention) is left in peace.
LOOKS = 2


class OpenWindow:
    """A pass in progress over one loader with one model.

    Args:
        window: What is known of it (digest, split, kind).
        watch: The model.
        loader: The loader being iterated.
        settings: The run's settings.
        manager: For plugins' identities and metrics.
        on_raw: Called with each map as the tap saw it and the batch's identity.
    """

    def __init__(
        self,
        window: Window,
        watch: ModelWatch,
        loader: Any,
        settings: Settings,
        manager: PluginManager,
        on_raw: Callable[[Any, Any], None] | None = None,
    ) -> None:
        self.window = window
        self.watch = watch
        self.loader = loader
        self.dataset = getattr(loader, "dataset", None)
        self.gathered = Accumulator(MapKeeper(settings.maps, settings.memory_mb))
        self._asks_plugins = manager.hooks.reads_batches
        self._settings, self._manager, self._on_raw = settings, manager, on_raw
        self._tokenizers = TokenizerWatch()
        self._raw: list[RawAttention] = []
        self._inputs: BatchInputs | None = None
        self._left_out: list[NotCrossModal] = []
        self._unmasked: dict[str, list[torch.Tensor]] = {}
        self._useful: set[str] = set()
        self._called: set[str] = set()
        self._fault: tuple[str, Exception] | None = None
        self._twins: dict[str, tuple[nn.Module, Tap] | None] = {}
        self._calls: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {}
        self._call_handles: list[Any] = []
        self._started = time.perf_counter()
        self._forwards = 0
        self._module_calls = 0
        self.n_batches = 0

    # -- one batch ---------------------------------------------------------------------------------------

    def before_forward(
        self, batch: Any, positions: tuple[int, ...] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """The model is about to see ``batch``."""
        self._raw.clear()
        self._calls.clear()
        self._tokenizers.clear()
        self._tokenizers.start()
        self._inputs = BatchInputs(batch, positions, args, dict(kwargs), self.dataset)
        self.watch.arm_taps(self._raw.append, self._tap_failed)
        if not self._call_handles:
            for tap in self.watch.taps:
                self._call_handles.append(
                    tap.module.register_forward_pre_hook(self._keep_call(tap.name), with_kwargs=True)
                )

    def _tap_failed(self, tap: Tap, error: Exception) -> None:
        self._fault = self._fault or (tap.name, error)

    def forward_raised(self) -> None:
        """The host's own forward raised: this batch is not part of the window."""
        self._tokenizers.stop()
        self._raw.clear()
        self._inputs = None

    @torch.no_grad()
    def after_forward(self, output: Any) -> None:
        """The model returned ``output``; reduce what the taps saw and let it go.

        Raises:
            IdentityError: When the batch cannot be identified.
            CaptureError: When a tap failed during the forward.
        """
        self._tokenizers.stop()
        if self._fault is not None:
            name, error = self._fault
            raise CaptureError(f"the tap on {name} failed ({type(error).__name__}: {error})") from error
        inputs, raw = self._inputs, list(self._raw)
        self._raw.clear()
        self._inputs = None
        if inputs is None:
            return
        inputs.tokenizer_calls = list(self._tokenizers.calls)
        self.n_batches += 1
        self._forwards += 1
        identity = self._manager.hooks.identify_batch(inputs=inputs, window=self)
        if identity is None:
            identity = identify(inputs)
        if self._on_raw is not None:
            for item in raw:
                self._on_raw(item, identity)
        blocks, padding = [], []
        words = BatchWords(identity)
        for call, masked in self._resolved(raw, identity):
            reduced = reduce_call(
                call,
                identity,
                words=words,
                plugin_metrics=self._plugin_metrics if self._asks_plugins else None,
                wanted=frozenset(self._settings.metrics),
                on_fault=self._metric_left_out,
            )
            blocks += reduced.blocks
            padding.append(reduced.padding)
            if not masked:
                self._unmasked.setdefault(call.module, []).append(reduced.padding)
            self.gathered.keeper.add(call, identity.ids, reduced.query_mask, reduced.key_mask)
        if self._settings.reinitialised:
            blocks += self._baseline_blocks(identity, words)
        if self._forwards == LOOKS:
            self.watch.rest({x.module for x in self._left_out} - self._useful)
        self._module_calls += len({r.module for r in raw} & self._useful)
        self.gathered.add(identity, blocks, prediction_tensor(output, len(identity)), padding)

    def _metric_left_out(self, name: str, why: str) -> None:
        self.gathered.metric_faults.setdefault(name, why)
        self._manager.fault(name, "attn_batch_metrics", why)

    def _plugin_metrics(self, **arguments: Any) -> list[Mapping[str, torch.Tensor]]:
        return self._manager.hooks.batch_metrics(**arguments)

    def _resolved(self, raw: list[RawAttention], identity: BatchIdentity) -> list[Any]:
        """Cross-modal calls in wanted directions, and whether each was given masks; the rest is kept with its reason."""
        calls: list[tuple[AttentionCall, bool]] = []
        numbers: dict[tuple[str, int], int] = {}
        for item in raw:
            number = numbers.setdefault((item.module, item.order), 0)
            numbers[item.module, item.order] += 1
            found = resolve(item, identity, number)
            if isinstance(found, NotCrossModal):
                self._left_out.append(found)
                continue
            self._useful.add(item.module)
            self.watch.directions[item.module, item.order] = found.direction
            if found.direction in self._settings.directions:
                calls.append((found, bool(item.masks)))
        return calls

    # -- the same module with fresh weights ----------------------------------------------------------------

    def _keep_call(self, name: str) -> Callable[..., None]:
        def keep(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if busy.compiling():
                return
            self._called.add(name)
            wanted = name in self._useful or not self._forwards
            if wanted and self._inputs is not None and self._settings.reinitialised:
                self._calls.setdefault(name, []).append((copied(args), copied(kwargs)))

        return keep

    def _baseline_blocks(self, identity: BatchIdentity, words: BatchWords) -> list[Any]:
        blocks = []
        for tap in self.watch.taps:
            calls = self._calls.pop(tap.name, [])
            if tap.name not in self._useful or not calls:
                continue
            if tap.name not in self._twins:
                twin = reinitialised_twin(tap.module)
                self._twins[tap.name] = None if twin is None else (twin, type(tap)(tap.name, twin))  # type: ignore[call-arg]
            pair = self._twins[tap.name]
            if pair is None:
                continue
            twin, twin_tap = pair
            seen: list[RawAttention] = []
            twin_tap.install(seen.append)
            devices = sorted({p.device.index or 0 for p in tap.module.parameters() if p.is_cuda})
            try:
                with torch.random.fork_rng(devices=devices):
                    for args, kwargs in calls:
                        twin(*args, **kwargs)
            except Exception as error:
                log.warning("the re-initialised baseline of %s is left out: %s", tap.name, error)
                self._twins[tap.name] = None
                continue
            finally:
                twin_tap.remove()
            for call, _ in self._resolved(seen, identity):
                blocks += reduce_call(
                    call,
                    identity,
                    words=words,
                    weights_name="reinitialised",
                    wanted=frozenset(self._settings.metrics),
                    head_mean=False,
                ).blocks
        return blocks

    # -- the end -------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Take taps and tokenizer watch off; safe to call twice."""
        self._tokenizers.stop()
        self.watch.disarm_taps()
        for handle in self._call_handles:
            handle.remove()
        self._call_handles.clear()
        self._twins.clear()

    def outcome(self, state: WindowState, reason: str = "", loader_batches: int = 0) -> WindowOutcome:
        """How the window ended; a complete pass without rows is ``empty``, one with unseen batches ``partial``."""
        untrained = self.watch.untrained()
        unseen = [t.name for t in self.watch.taps if t.name not in self._called]
        silent = [*unseen, *self.watch.compiled] if self._forwards else []
        expected = self._forwards * (len(self._useful) + len(silent))
        actual = self._module_calls
        if state == "complete" and not self.gathered.n_blocks:
            state, reason = "empty", self._why_empty(loader_batches)
        elif state == "complete" and self.n_batches < loader_batches:
            state = "partial"
            reason = f"the model saw {self.n_batches} of {loader_batches} batches"
        return WindowOutcome(
            self.window,
            state,
            reason,
            self.n_batches,
            self.gathered.n_crystals if self.gathered.n_blocks else 0,
            expected,
            actual,
            time.perf_counter() - self._started,
            window_alarms(
                self.gathered,
                training_mode=self.window.training_mode,
                expected_calls=expected,
                actual_calls=actual,
                left_out=self._left_out,
                masks_missing=[m for m, lost in self._unmasked.items() if float(max(lost)) > PADDING_ABOVE],
                silent=silent,
                untrained=untrained,
            ),
        )

    def _why_empty(self, loader_batches: int) -> str:
        if not self.watch.taps:
            return nothing_to_read(self.watch.model)
        if self._left_out:
            first = self._left_out[0]
            return f"no atom-token attention: {first.module} maps {first.detail}"
        if loader_batches and not self.n_batches:
            return "the loader was iterated but the model's forward was never seen"
        if not self._called:
            names = ", ".join(t.name for t in self.watch.taps[:3])
            return f"no call of {names} was seen: unused in this pass, or called past its hooks (compiled, scripted, .forward)"
        return f"no attention weights were seen in {', '.join(sorted(self._called)[:3])}"

"""One typed method a hook, through pluggy's own dispatch: what the rest of the project calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from crysmm_attn_plugin.catalogue import ALARMS, BY_NAME, HOSTS, LANGUAGES, PARTS, TRACKERS
from crysmm_attn_plugin.hooks.contract import handed

if TYPE_CHECKING:
    import torch

    from crysmm_attn_plugin.descriptors import (
        AlarmKind,
        BatchContext,
        CommandParsers,
        Language,
        Metric,
        ReportPart,
    )
    from crysmm_attn_plugin.hooks.contract.protocols import (
        BatchFacts,
        HostAdapter,
        ModuleCall,
        OpenPass,
        Report,
        ReportSection,
        Tracker,
    )
    from crysmm_attn_plugin.records import BatchIdentity, Window, WindowOutcome

#: Calls a descriptor's function on a plugin's account: (owner, where, function) -> its value or None.
OnAccount = Callable[[str, str, Callable[[], Any]], Any]


class Hooks:
    """Typed calls. None raises on a plugin's behalf.

    Args:
        relay: pluggy's hooks, whose implementations are isolated.
        on_account: Runs a function of a descriptor as its plugin's code.
    """

    def __init__(self, relay: pluggy.HookRelay, on_account: OnAccount) -> None:
        self._relay, self._on_account = relay, on_account

    def host_adapters(self) -> tuple[HostAdapter, ...]:
        """Adapters of plugins, then the built-in ones, so that a plugin may know a descendant better."""
        return (*HOSTS.added(), *HOSTS.built_in())

    def metrics(self) -> tuple[Metric, ...]:
        return tuple(BY_NAME.values())

    def languages(self) -> tuple[Language, ...]:
        return tuple(LANGUAGES.values())

    def alarms(self) -> tuple[AlarmKind, ...]:
        return tuple(ALARMS.values())

    def report_parts(self) -> tuple[ReportPart, ...]:
        return tuple(PARTS.values())

    def trackers(self) -> tuple[Tracker, ...]:
        return tuple(TRACKERS.values())

    def read_attention(self, *, call: ModuleCall, window: OpenPass) -> torch.Tensor | None:
        return self._relay.attn_read_attention(call=call, window=window)  # type: ignore[no-any-return]

    def identify_batch(self, *, inputs: BatchFacts, window: OpenPass) -> BatchIdentity | None:
        return self._relay.attn_identify_batch(inputs=inputs, window=window)  # type: ignore[no-any-return]

    @property
    def reads_batches(self) -> bool:
        """Whether anyone computes metrics of a batch; where nobody does, no batch need be laid out for it."""
        hooked = bool(self._relay.attn_batch_metrics.get_hookimpls())
        return hooked or any(m.compute is not None for m in BY_NAME.added())

    def batch_metrics(
        self,
        *,
        weights: torch.Tensor,
        query_mask: torch.Tensor,
        key_mask: torch.Tensor,
        context: BatchContext,
    ) -> list[Mapping[str, torch.Tensor]]:
        """Values of the hook, one mapping a plugin, and of each registered metric that the batch has what it needs for."""
        found: list[Mapping[str, torch.Tensor]] = list(
            self._relay.attn_batch_metrics(
                weights=weights, query_mask=query_mask, key_mask=key_mask, context=context
            )
        )
        for metric in BY_NAME.added():
            compute, owner = metric.compute, BY_NAME.owner(metric.name)
            if compute is None or owner is None or not _fits(metric, context):
                continue

            def made(compute: Any = compute) -> Any:
                return compute(*map(handed.copied, (weights, query_mask, key_mask, context)))

            value = self._on_account(owner, f"metric {metric.name}", made)
            if value is not None:
                found.append({metric.name: value})
        return found

    def window_opened(self, *, window: Window) -> None:
        self._relay.attn_window_opened(window=window)

    def window_closed(self, *, window: Window, outcome: WindowOutcome) -> None:
        self._relay.attn_window_closed(window=window, outcome=outcome)

    def capture_failed(self, *, window: Window, reason: str) -> None:
        self._relay.attn_capture_failed(window=window, reason=reason)

    def run_finished(self, *, run_dir: str | Path) -> None:
        self._relay.attn_run_finished(run_dir=str(run_dir))

    def report_sections(self, *, comparison: Report) -> list[ReportSection]:
        return _flat(self._relay.attn_report_sections(comparison=comparison))

    def report_written(self, *, comparison: Report, report_dir: str | Path) -> None:
        self._relay.attn_report_written(comparison=comparison, report_dir=str(report_dir))

    def add_commands(self, *, cli: CommandParsers) -> None:
        self._relay.attn_add_commands(cli=cli)


def _fits(metric: Metric, context: BatchContext) -> bool:
    """Whether a batch holds what a metric needs."""
    if metric.directions and context.direction not in metric.directions:
        return False
    identity = context.identity
    known = {"tokens": identity.tokens is not None, "elements": all(e is not None for e in identity.elements)}
    return all(known[need] for need in metric.needs)


def _flat(groups: Sequence[Sequence[Any]]) -> list[Any]:
    return [item for group in groups for item in group]

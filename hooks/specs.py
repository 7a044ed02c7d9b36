"""Hook specifications: the contract of the project, typed, each saying who calls it and when.

A plugin implements any of these with ``@crysmm_attn_plugin.hooks.hookimpl`` and is found through the
entry-point group ``crysmm_attn``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from crysmm_attn_plugin.records import BatchIdentity, Window, WindowOutcome

if TYPE_CHECKING:
    import torch

    from crysmm_attn_plugin.settings import Settings

GROUP = "crysmm_attn"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class AttnSpecs:
    """Every hook. Signatures are fixed; new hooks may be added, arguments never removed."""

    @hookspec
    def attn_host_adapters(self) -> Sequence[Any]:  # type: ignore[empty-body]
        """Called once in a host's process, before its first import of a model.

        Returns:
            Adapters (see ``hooks.hosts.base.HostAdapter``) that know one host codebase each.
        """

    @hookspec(firstresult=True)
    def attn_make_tap(self, module: torch.nn.Module, name: str, settings: Settings) -> Any:
        """Called for each submodule of a model that is about to be captured.

        Args:
            module: The submodule.
            name: Its qualified name, wrapper prefixes removed.
            settings: The run's settings.

        Returns:
            A tap (see ``hooks.taps.base.Tap``) that reads this module's weights, or None to pass.
        """

    @hookspec(firstresult=True)
    def attn_identify_batch(self, inputs: Any, window: Any) -> BatchIdentity | None:  # type: ignore[empty-body]
        """Called for each batch of a window, after its forward.

        Args:
            inputs: A ``hooks.identity.BatchInputs``: the batch as yielded by the loader, the model's call
                arguments, the data-set positions in it, and the tokenizer calls seen during the forward.
            window: The open ``hooks.windows.OpenWindow``: loader, data set, split, checkpoint.

        Returns:
            Ids, elements, tokens and targets in batch order, or None to pass.
        """

    @hookspec
    def attn_batch_metrics(  # type: ignore[empty-body]
        self,
        weights: torch.Tensor,
        query_mask: torch.Tensor,
        key_mask: torch.Tensor,
        context: Any,
    ) -> Mapping[str, torch.Tensor]:
        """Called for each attention call of each batch, on the model's device, without gradients.

        Args:
            weights: (B, heads, queries, keys) float32, padding zeroed, rows summing to one.
            query_mask: (B, queries) bool, True where real.
            key_mask: (B, keys) bool, True where real (and, in the scope without special tokens, not special).
            context: ``metrics.MetricContext``: direction, module, identity, key categories.

        Returns:
            Metric name -> (B, heads) tensor. Names are prefixed by nothing; a clash with a built-in is refused.
        """

    @hookspec
    def attn_window_opened(self, window: Window) -> None:
        """Called when a captured pass over a loader begins."""

    @hookspec
    def attn_window_closed(self, window: Window, outcome: WindowOutcome) -> None:
        """Called when a captured pass has ended and its rows are on disk."""

    @hookspec
    def attn_capture_failed(self, window: Window, reason: str) -> None:
        """Called when a window is given up; the host goes on."""

    @hookspec
    def attn_run_finished(self, run_dir: str) -> None:
        """Called after the host's training or evaluation returned and the run's manifest is written."""

    @hookspec
    def attn_report_sections(self, comparison: Any) -> Sequence[Any]:  # type: ignore[empty-body]
        """Called while a report is written.

        Args:
            comparison: ``reports.comparison.Comparison``.

        Returns:
            ``reports.sections.Section`` objects, shown after the built-in ones in page and Markdown.
        """

    @hookspec
    def attn_report_written(self, comparison: Any, report_dir: str) -> None:
        """Called when a report's folder is complete: the automatic one, ``crysmm-attn report``, ``Comparison.write``.

        Args:
            comparison: ``reports.comparison.Comparison``.
            report_dir: The folder, absolute.
        """

    @hookspec
    def attn_add_commands(self, cli: Any) -> None:
        """Called when the command line meets a word it does not know.

        Args:
            cli: The argparse sub-parsers object; add a parser and ``set_defaults(handler=function)``.
        """

"""Hook specifications: the contract of the project, typed, each saying who calls it and when.

A plugin implements any of these with ``@crysmm_attn_plugin.hooks.hookimpl`` and is found through the entry-point group
``crysmm_attn``. Signatures are fixed: new hooks may be added, arguments never removed. An implementation names the
arguments it wants; ``wrapper=True``, ``tryfirst`` and ``trylast`` work as pluggy has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

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

GROUP = "crysmm_attn"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class AttnSpecs:
    """Every hook, by the noun it is about."""

    # -- hosts ---------------------------------------------------------------------------------------------

    @hookspec
    def attn_host_adapters(self) -> Sequence[HostAdapter]:  # type: ignore[empty-body]
        """Called once in a host's process, before its first import of a model; and by ``compare`` and ``doctor``.

        .. versionadded:: 0.1

        Returns:
            Adapters that know one host codebase each: its seams, and how its checkpoints are tested.
        """

    # -- capture -------------------------------------------------------------------------------------------

    @hookspec(firstresult=True)
    def attn_read_attention(self, call: ModuleCall, window: OpenPass) -> torch.Tensor | None:
        """Called for each outermost module call of a batch in which neither softmax nor
        ``scaled_dot_product_attention`` was seen: for an attention that passes through neither.

        .. versionadded:: 0.2

        Args:
            call: The module call, as ``hooks.reading.calls`` keeps it: ``name``, ``module``, ``args``, ``kwargs``,
                ``output``.
            window: The open pass.

        Returns:
            Weights (B, heads, queries, keys), rows summing to one over real keys, or None to pass.
        """

    @hookspec(firstresult=True)
    def attn_identify_batch(self, inputs: BatchFacts, window: OpenPass) -> BatchIdentity | None:  # type: ignore[empty-body]
        """Called for each batch of a window, after its forward.

        .. versionadded:: 0.1

        Args:
            inputs: The batch as yielded by the loader, the model's call arguments, the data-set positions in it, and
                the tokenizer calls that were seen.
            window: The open pass: loader, data set, split, checkpoint.

        Returns:
            Ids, elements, tokens and targets in batch order, or None to pass.
        """

    @hookspec
    def attn_metrics(self) -> Sequence[Metric]:  # type: ignore[empty-body]
        """Called once when the plugins are loaded.

        .. versionadded:: 0.2

        Returns:
            Metrics with labels, direction and, for a plugin's own, ``compute``.
        """

    @hookspec
    def attn_batch_metrics(  # type: ignore[empty-body]
        self,
        weights: torch.Tensor,
        query_mask: torch.Tensor,
        key_mask: torch.Tensor,
        context: BatchContext,
    ) -> Mapping[str, torch.Tensor]:
        """Called for each attention call of each batch, on the model's device, without gradients.

        .. versionadded:: 0.1

        Args:
            weights: (B, heads, queries, keys) float32, padding zeroed, rows summing to one.
            query_mask: (B, queries) bool, True where real.
            key_mask: (B, keys) bool, True where real (and, in the scope without special tokens, not special).
            context: ``metrics.MetricContext``: direction, module, identity, key categories.

        Returns:
            Metric name -> (B, heads) tensor. Names are prefixed by nothing; a clash with a built-in is refused. For a
            metric with a label, unit and direction, see ``attn_metrics``.
        """

    @hookspec
    def attn_window_opened(self, window: Window) -> None:
        """Called when a captured pass over a loader begins.

        .. versionadded:: 0.1
        """

    @hookspec
    def attn_window_closed(self, window: Window, outcome: WindowOutcome) -> None:
        """Called when a captured pass has ended and its rows are on disk.

        .. versionadded:: 0.1
        """

    @hookspec
    def attn_capture_failed(self, window: Window, reason: str) -> None:
        """Called when a window is given up; the host goes on.

        .. versionadded:: 0.1
        """

    @hookspec
    def attn_run_finished(self, run_dir: str) -> None:
        """Called after the host's training or evaluation returned and the run's manifest is written.

        .. versionadded:: 0.1
        """

    # -- reports -------------------------------------------------------------------------------------------

    @hookspec
    def attn_languages(self) -> Sequence[Language]:  # type: ignore[empty-body]
        """Called once when the plugins are loaded.

        .. versionadded:: 0.2

        Returns:
            Languages that reports can be written in.
        """

    @hookspec
    def attn_alarms(self) -> Sequence[AlarmKind]:  # type: ignore[empty-body]
        """Called once when the plugins are loaded.

        .. versionadded:: 0.2

        Returns:
            Kinds of alarms; one with ``check`` is asked of every comparison.
        """

    @hookspec
    def attn_report_parts(self) -> Sequence[ReportPart]:  # type: ignore[empty-body]
        """Called once when the plugins are loaded.

        .. versionadded:: 0.2

        Returns:
            Parts that every report gets, and that ``report --format`` can ask for by name.
        """

    @hookspec
    def attn_report_sections(self, comparison: Report) -> Sequence[ReportSection]:  # type: ignore[empty-body]
        """Called while a report is written.

        .. versionadded:: 0.1

        Args:
            comparison: ``reports.comparison.Comparison``.

        Returns:
            ``reports.sections.Section`` objects, shown after the built-in ones in page and Markdown.
        """

    @hookspec
    def attn_report_written(self, comparison: Report, report_dir: str) -> None:
        """Called when a report's folder is complete: the automatic one, ``crysmm-attn report``, ``Comparison.write``.

        .. versionadded:: 0.1

        Args:
            comparison: ``reports.comparison.Comparison``.
            report_dir: The folder, absolute.
        """

    @hookspec
    def attn_trackers(self) -> Sequence[Tracker]:  # type: ignore[empty-body]
        """Called once when the plugins are loaded.

        .. versionadded:: 0.2

        Returns:
            Experiment trackers that a written report is logged to when the host uses them.
        """

    # -- command line --------------------------------------------------------------------------------------

    @hookspec
    def attn_add_commands(self, cli: CommandParsers) -> None:
        """Called when the command line starts, for ``--help`` and for a word that is no built-in command.

        .. versionadded:: 0.1

        Args:
            cli: The argparse sub-parsers; ``descriptors.Command(...).add_to(cli)``, or ``cli.add_parser`` and
                ``set_defaults(handler=function)``.
        """

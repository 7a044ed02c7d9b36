"""What hook functions are handed and what they hand back, as far as a plugin may rely on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from crysmm_attn_plugin.descriptors import HostSeams
    from crysmm_attn_plugin.hooks.hosts.base import HostRequest, HostTest
    from crysmm_attn_plugin.stats.results import ComparisonResult


class BatchFacts(Protocol):
    """What is known of one batch. ``batch`` is what the loader yielded; ``positions`` where in the data set it comes from."""

    @property
    def batch(self) -> Any: ...
    @property
    def positions(self) -> tuple[int, ...] | None: ...
    @property
    def dataset(self) -> Any: ...


class OpenPass(Protocol):
    """A pass in progress: which split it is of; ``loader`` and ``dataset`` are the host's own."""

    @property
    def split(self) -> str: ...
    @property
    def loader(self) -> Any: ...
    @property
    def dataset(self) -> Any: ...


class ModuleCall(Protocol):
    """An outermost module call of the host: the module, its arguments and what it returned, all the host's own."""

    @property
    def name(self) -> str: ...
    @property
    def module(self) -> Any: ...
    @property
    def args(self) -> tuple[Any, ...]: ...
    @property
    def kwargs(self) -> Mapping[str, Any]: ...
    @property
    def output(self) -> Any: ...


class HostAdapter(Protocol):
    """Knows one host codebase."""

    @property
    def name(self) -> str: ...
    @property
    def seams(self) -> HostSeams:
        """Where a process of this host is entered."""
        ...

    def matches(self, host_dir: Path) -> bool:
        """True when ``host_dir`` holds this host."""
        ...

    def load(self, request: HostRequest) -> HostTest:
        """Model, test loader and forward for one checkpoint.

        Raises:
            UsageError: When the checkpoint, its configuration or the data cannot be used.
        """
        ...


class Report(Protocol):
    """A comparison as plugins see it (``reports.comparison.Comparison``)."""

    @property
    def result(self) -> ComparisonResult: ...
    @property
    def samples(self) -> pd.DataFrame: ...
    @property
    def arms(self) -> Sequence[str]: ...


class ReportSection(Protocol):
    """A section of page and Markdown (``reports.sections.Section``), texts by language code."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> Mapping[str, str]: ...
    @property
    def html(self) -> Mapping[str, str]: ...
    @property
    def markdown(self) -> Mapping[str, str]: ...


class TrackerPlace(Protocol):
    """A tracker's run."""

    @property
    def id(self) -> str: ...


class Tracker(Protocol):
    """One kind of experiment tracker (see ``reports.trackers``)."""

    @property
    def name(self) -> str: ...

    def active(self) -> TrackerPlace | None:
        """The host's run at this moment, or None."""
        ...

    def named_by_environment(self) -> TrackerPlace | None:
        """The run that the tracker's own environment variable asks to go on with, or None."""
        ...

    def log(self, place: Any, entry: Any) -> None:
        """Log a ``reports.trackers.Entry`` into ``place``, whether or not its run has ended.

        Raises:
            Exception: Whatever the tracker raises.
        """
        ...

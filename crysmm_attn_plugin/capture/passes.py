"""One loop over a loader: what reads it, and its window once there is something to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.hooks.reading.tokenizers import TokenizerWatch
from crysmm_attn_plugin.records import WindowKind

if TYPE_CHECKING:
    from crysmm_attn_plugin.capture.window import OpenWindow
    from crysmm_attn_plugin.hooks.reading.reader import PassReader
    from crysmm_attn_plugin.probing.in_host import HostProbe


@dataclass
class Pass:
    """A pass in progress.

    Attributes:
        split, kind, epoch: What is iterated, and when.
        provisional: Nobody named the loop.
        reader: Reads the host, batch by batch.
        open: The window, once attention was seen.
        skipped: Nothing of this pass is kept.
        probe: Makes interventions, where they are asked for.
    """

    _loader: Callable[[], Any]
    split: str
    kind: WindowKind
    epoch: int | None
    provisional: bool = False
    open: OpenWindow | None = None
    skipped: bool = False
    probe: HostProbe | None = None
    tokenizers: TokenizerWatch = field(default_factory=TokenizerWatch)
    reader: PassReader = field(init=False)

    @property
    def loader(self) -> Any:
        """The loader, while it exists."""
        return self._loader()

    @property
    def dataset(self) -> Any:
        """The loader's data set."""
        return getattr(self.loader, "dataset", None)

    @property
    def took_all(self) -> bool:
        """The host has taken as many batches as there are; some loops never ask for the end."""
        try:
            return self.reader.n_yielded >= len(self.loader) > 0
        except TypeError:
            return False

    def skip(self) -> None:
        """Keep nothing of this pass and stop watching."""
        self.skipped = True
        self.reader.abandon()
        self.let_go()

    def let_go(self) -> None:
        """Stop watching."""
        self.tokenizers.stop()
        if self.probe is not None:
            self.probe.close()

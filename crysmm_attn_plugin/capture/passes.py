"""One loop over a loader: the batches that wait for the model, before and after the model is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crysmm_attn_plugin.capture.window import OpenWindow
from crysmm_attn_plugin.errors import IdentityError
from crysmm_attn_plugin.hooks.identity import belongs
from crysmm_attn_plugin.records import WindowKind

#: Batches remembered for loops that fetch ahead of the model.
KEPT_AHEAD = 8
Waiting = tuple[Any, "tuple[int, ...] | None"]


@dataclass
class Pass:
    """A pass in progress.

    Attributes:
        loader, split, kind, epoch: What is iterated, and when.
        batches: Batches yielded.
        pending: Batches the model has not seen, with their positions in the data set.
        ahead: The loop fetches batches before it calls the model.
        ended: The loop is over; the model has yet to see the last batches.
        open: The window, once a watched model was called.
        skipped: Nothing of this pass is kept.
    """

    loader: Any
    split: str
    kind: WindowKind
    epoch: int | None
    batches: int = 0
    pending: list[Waiting] = field(default_factory=list)
    ahead: bool = False
    ended: bool = False
    open: OpenWindow | None = None
    skipped: bool = False

    def yielded(self, batch: Any, positions: tuple[int, ...] | None) -> None:
        """Remember a batch until the model is called on it."""
        self.batches += 1
        self.pending.append((batch, positions))
        self.ahead |= len(self.pending) > 1
        del self.pending[:-KEPT_AHEAD]

    def end(self) -> bool:
        """The loop is over; False when the model has yet to see batches that were fetched ahead."""
        if self.ahead and self.pending and self.open and not self.skipped:
            self.ended = True
            return False
        return True

    @property
    def all_seen(self) -> bool:
        """Nothing is left to come: some loops take exactly as many batches as there are and never ask for the end."""
        try:
            taken_all = self.batches >= len(self.loader)
        except TypeError:
            taken_all = False
        return (taken_all or self.ended) and not self.pending

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Waiting | None:
        """The waiting batch that a forward is of; None when the host calls its model again on one that was taken.

        A loop that fetches ahead has several waiting: then the model's inputs say which.

        Raises:
            IdentityError: When they fit several.
        """
        if not self.ahead:
            return self.pending.pop()
        fits = [i for i, (batch, _) in enumerate(self.pending) if belongs(batch, (args, kwargs))]
        if len(fits) > 1:
            raise IdentityError(
                f"the host fetched {len(self.pending)} batches before it called the model, and the inputs fit several "
                "of them; iterate the loader without fetching ahead."
            )
        if not fits:
            return None
        taken = self.pending[fits[0]]
        del self.pending[: fits[0] + 1]
        return taken

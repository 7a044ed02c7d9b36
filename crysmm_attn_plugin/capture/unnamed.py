"""Loops that nobody named: told apart by loader, data and crystals, never merged, never chosen among without evidence.

A lone one is taken for the test pass. Of two, the one that was never followed by training is, where the other was: hosts
validate while they train and test afterwards. Otherwise each keeps a split of its own, named by its place (``loop_2``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.hooks.reading.loops import weakly
from crysmm_attn_plugin.records import Alarm, WindowOutcome

#: Alarms that say what an unnamed loop was taken for; one of them at a time.
CODES = ("split_by_elimination", "split_by_training", "loops_unnamed")


@dataclass
class UnnamedLoop:
    """What was seen of one loop, however many loader objects it came from.

    Attributes:
        name: The split it has where it is not the test pass.
        trained_after: A training step came after one of its passes.
        n: Crystals of its latest pass.
    """

    name: str
    keys: list[Key]
    trained_after: bool = False
    n: int = 0
    contents: set[int] = field(default_factory=set)
    windows: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Key:
    """A loader, or the data that a loader goes through as a whole."""

    alive: Callable[[], Any]

    def stands_for(self, loader: Any) -> bool:
        """Whether ``loader`` is this one, or goes through the same data."""
        value = self.alive()
        return value is not None and any(value is x for x in (loader, whole_data(loader)))


def whole_data(loader: Any) -> Any:
    """The data set that a loader goes through from end to end; None where a sampler takes a part of it."""
    plain = type(getattr(loader, "batch_sampler", None)) is BatchSampler and type(
        getattr(loader, "sampler", None)
    ) in (SequentialSampler, RandomSampler)
    return getattr(loader, "dataset", None) if plain else None


def keys_of(loader: Any) -> list[Key]:
    """What a loader is known by."""
    return [Key(weakly(x)) for x in (loader, whole_data(loader)) if x is not None]


class UnnamedLoops:
    """The unnamed loops of one process.

    Args:
        place_of: Place of a loader among all, from 1; by order of these loops when None.
    """

    def __init__(self, place_of: Callable[[Any], int] | None = None) -> None:
        self._place_of = place_of
        self._loops: list[UnnamedLoop] = []

    def split_for(self, loader: Any) -> str:
        """The split of a pass that begins now, as far as it can be told."""
        loop = self._of_loader(loader)
        return (
            "test" if self._loops in ([], [loop]) else loop.name if loop is not None else self._name(loader)
        )

    def began(self, window_id: str, loader: Any) -> None:
        """A window over this loader was opened."""
        loop = self._of_loader(loader)
        if loop is None:
            loop = UnnamedLoop(self._name(loader), keys_of(loader))
            self._loops.append(loop)
        elif not any(k.alive() is loader for k in loop.keys):
            loop.keys += keys_of(loader)
        loop.windows.add(window_id)

    def drop(self, loader: Any) -> None:
        """The loop over this loader trains."""
        self._loops = [x for x in self._loops if x is not self._of_loader(loader)]

    def closed(self, window_id: str, content: int | None, n: int) -> None:
        """A window ended well; ``content`` is alike for the same crystals, None where nothing tells them."""
        loop = self._of_window(window_id)
        if loop is None:
            return
        loop.n = n
        if content is None:
            return
        loop.contents.add(content)
        for other in [x for x in self._loops if x is not loop and content in x.contents]:
            other.windows |= loop.windows
            other.keys += loop.keys
            other.trained_after |= loop.trained_after
            self._loops.remove(loop)
            loop = other

    def trained(self) -> None:
        """A training step is made after every pass so far."""
        for loop in self._loops:
            loop.trained_after = True

    def same(self, one: str, loader: Any) -> bool:
        """Whether a window is of the loop over this loader."""
        loop = self._of_loader(loader)
        return loop is not None and one in loop.windows

    def __contains__(self, window_id: str) -> bool:
        return self._of_window(window_id) is not None

    def twins(self, window_id: str) -> set[str]:
        """Windows of the same loop."""
        loop = self._of_window(window_id)
        return loop.windows - {window_id} if loop is not None else set()

    def settled(self, outcomes: Sequence[WindowOutcome]) -> Iterator[tuple[WindowOutcome, WindowOutcome]]:
        """Outcomes that are to be called otherwise than they are: (as it is, as it is to be)."""
        test, alarm = self._decision()
        for outcome in outcomes:
            loop = self._of_window(outcome.window.window_id)
            if loop is None:
                continue
            split = "test" if loop is test else loop.name
            alarms = tuple(a for a in outcome.alarms if a.code not in CODES)
            if loop is test or test is None:
                alarms += (alarm,)
            changed = replace(outcome, window=replace(outcome.window, split=split), alarms=alarms)
            if changed != outcome:
                yield outcome, changed

    def told(self) -> str:
        """What a reader must know, once, where more than one loop was read and none is known to be the test pass."""
        test, alarm = self._decision()
        return "" if test is not None or not self._loops else str(alarm)

    def _decision(self) -> tuple[UnnamedLoop | None, Alarm]:
        loops = self._loops
        if len(loops) <= 1:
            return next(iter(loops), None), raised("split_by_elimination")
        after = [x for x in loops if not x.trained_after]
        if len(loops) == 2 and len(after) == 1:
            other = next(x for x in loops if x is not after[0])
            return after[0], raised("split_by_training", other=other.name)
        described = [f"{x.name} ({x.n} crystals)" for x in loops]
        return None, raised("loops_unnamed", loops=described, n=len(loops), last=loops[-1].name)

    def _of_window(self, window_id: str) -> UnnamedLoop | None:
        return next((x for x in self._loops if window_id in x.windows), None)

    def _of_loader(self, loader: Any) -> UnnamedLoop | None:
        return next((x for x in self._loops if any(k.stands_for(loader) for k in x.keys)), None)

    def _name(self, loader: Any) -> str:
        return f"loop_{self._place_of(loader) if self._place_of is not None else len(self._loops) + 1}"

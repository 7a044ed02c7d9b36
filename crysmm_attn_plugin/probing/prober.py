"""Interventions over a pass, batch by batch: the batch is read, called again with its attention changed, and let go."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from crysmm_attn_plugin.errors import CaptureError
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.hooks.reading.placing import Placed
from crysmm_attn_plugin.hooks.reading.replace import Aliases, aliases, replacing
from crysmm_attn_plugin.hooks.reading.sites import Reading, Site
from crysmm_attn_plugin.probing.interventions import Donor, Intervention, donors_of, planned
from crysmm_attn_plugin.probing.replay import Replay, random_states_kept, same_predictions
from crysmm_attn_plugin.probing.units import Units, units_of
from crysmm_attn_plugin.records import AttentionCall
from crysmm_attn_plugin.settings import INTERVENTIONS
from crysmm_attn_plugin.store.schema import INTERVENTIONS as COLUMNS

#: Why an intervention has no numbers.
WHY_NOT = {
    "own_element": "the descriptions' words, or the atoms' elements, are not known, or no atom's element is mentioned",
    "swap": "there is no crystal before another in the pass",
    "knock_out": "no description has more words than were to be knocked out",
    "keep_only": "no description has more words than were to be kept",
}


@dataclass(frozen=True)
class ProbeOptions:
    """What is asked for.

    Attributes:
        interventions: Of ``INTERVENTIONS``.
        sizes: Words that are knocked out or kept.
        draws: Random choices each is set against.
        direction: The direction whose attention is changed.
        seed: Of the random choices.
    """

    interventions: tuple[str, ...] = INTERVENTIONS
    sizes: tuple[int, ...] = (1, 2, 4, 8)
    draws: int = 2
    direction: str = "atom_to_text"
    seed: int = 0


class Prober:
    """Makes the interventions of one pass.

    Args:
        options: What is asked for.

    Attributes:
        n_crystals: Crystals probed so far.
    """

    def __init__(self, options: ProbeOptions) -> None:
        self.options = options
        self.n_crystals = 0
        self._before: Donor | None = None
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS.names}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._checked = False
        self._aliases: Aliases | None = None

    def add(
        self,
        read: ReadBatch,
        chosen: Mapping[Site, Reading | str],
        call: Callable[[nn.Module], Any],
        model: nn.Module,
        why_nothing: Callable[[], str],
    ) -> None:
        """Probe one batch.

        Args:
            read: The batch as it was read.
            chosen: What each of its attentions was taken for.
            call: Calls a model on the batch.
            model: The copy that is called.
            why_nothing: Says why a batch has no attention that was read.

        Raises:
            CaptureError: When the batch cannot be called again, or not with the same predictions.
        """
        calls = [(i, c) for i, c in enumerate(read.calls) if c.direction == self.options.direction]
        if not calls:
            raise CaptureError(nothing_to_change(read, self.options.direction, why_nothing))
        with random_states_kept(), torch.no_grad():
            self._add(read, chosen, call, model, calls)
        self.n_crystals += len(read.identity)

    def _add(
        self,
        read: ReadBatch,
        chosen: Mapping[Site, Reading | str],
        call: Callable[[nn.Module], Any],
        model: nn.Module,
        calls: list[tuple[int, AttentionCall]],
    ) -> None:
        n = len(read.identity)
        replay = Replay(call, model, n)
        plain = replay()
        self._seconds["plain"].append(replay.seconds)
        self._check(read, plain, calls[0][1].weights.dtype, "was called again")
        units = units_of([c for _, c in calls], read.identity)
        placed = Placed(read, chosen, model)
        if self._aliases is None:
            self._aliases = aliases()
        if not self._checked:
            with replacing(placed.exchange(lambda number, first, scores, weights: weights), self._aliases):
                again = replay()
            self._check_changed(placed, {i for i, _ in calls})
            self._check(
                read, again, calls[0][1].weights.dtype, "was called again with its own attention handed back"
            )
            self._checked = True
        donors, self._before = donors_of(calls, units, self._before)
        options = self.options
        numbers = {i for i, _ in calls}
        for intervention in planned(
            options.interventions, calls, units, read.identity.ids, donors,
            sizes=options.sizes, draws=options.draws, seed=options.seed,
        ):  # fmt: skip
            if all(e is None for e in intervention.edits):
                continue
            started = time.perf_counter()
            with replacing(placed.exchange(change_of(intervention, numbers)), self._aliases):
                changed = replay()
            self._check_changed(placed, numbers)
            self._seconds[intervention.name].append(time.perf_counter() - started)
            self._keep(read, intervention, calls, units, plain, changed)

    def _check(self, read: ReadBatch, plain: np.ndarray, dtype: torch.dtype, what: str) -> None:
        if read.prediction is None:
            raise CaptureError(
                "interventions are measured on predictions, and the host's pass shows none for each crystal."
            )
        own = read.prediction.double().cpu().numpy().reshape(-1)
        if not same_predictions(own, plain, dtype):
            worst = int(np.nanargmax(np.abs(own - plain)))
            raise CaptureError(
                f"the model gave {own[worst]:.6g} for crystal {read.identity.ids[worst]!r} and {plain[worst]:.6g} when it "
                f"{what}: its passes cannot be repeated (dropout, a state of its own, other weights, inputs that it changes), so "
                "interventions would measure that."
            )

    def _check_changed(self, placed: Placed, wanted: set[int]) -> None:
        if not wanted <= placed.changed:
            raise CaptureError(
                "the attention that was read was not formed again when the model was called again on the same batch; no "
                "interventions are made."
            )

    def _keep(
        self,
        read: ReadBatch,
        made: Intervention,
        calls: Sequence[tuple[int, AttentionCall]],
        units: Sequence[Units | None],
        plain: np.ndarray,
        changed: np.ndarray,
    ) -> None:
        of = dict(calls)
        modules = list(dict.fromkeys(c.module for _, c in calls))
        module = of[made.call].module if made.call >= 0 else modules[0] if len(modules) == 1 else "*"
        targets = read.identity.targets or [None] * len(read.identity)
        for b, (crystal, edit) in enumerate(zip(read.identity.ids, made.edits)):
            unit = units[b]
            if edit is None or unit is None:
                continue
            target = targets[b]
            truth = float("nan") if target is None else float(target)
            row = {
                "id": crystal, "module": module, "call": of[made.call].call if made.call >= 0 else -1,
                "direction": self.options.direction, "intervention": made.name, "size": made.size, "draw": made.draw,
                "head": made.head, "n_units": len(unit.members), "target": truth, "prediction": plain[b],
                "changed": changed[b], "shift": abs(changed[b] - plain[b]),
                "error_change": abs(changed[b] - truth) - abs(plain[b] - truth),
            }  # fmt: skip
            for name, column in self._columns.items():
                column.append(row[name])

    def taken(self) -> dict[str, list[Any]]:
        """Rows since the last time, as columns of the table ``interventions``."""
        found, self._columns = self._columns, {name: [] for name in self._columns}
        return found

    @property
    def costs(self) -> dict[str, float]:
        """Time of one pass of each intervention as a multiple of a plain pass of the model."""
        plain = float(np.median(self._seconds["plain"])) if self._seconds["plain"] else float("nan")
        return {k: float(np.median(v)) / plain for k, v in self._seconds.items() if k != "plain"}

    def missing(self, made: Sequence[str]) -> dict[str, str]:
        """Asked interventions that gave no number, and why."""
        starts = {"knock_out": "knock_out_most", "keep_only": "keep_most", "heads": "head"}
        return {
            name: WHY_NOT.get(name, "no crystal's real words and atoms could be told")
            for name in self.options.interventions
            if starts.get(name, name) not in made
        }


def change_of(intervention: Intervention, numbers: set[int]) -> Callable[..., torch.Tensor | None]:
    """An intervention as ``Placed.exchange`` wants it."""

    def change(number: int, first: int, scores: torch.Tensor, weights: torch.Tensor) -> torch.Tensor | None:
        if number not in numbers:
            return None
        parts = []
        for b in range(weights.shape[0]):
            edit = intervention.edits[first + b]
            parts.append(weights[b] if edit is None else edit(number, weights[b], scores[b]))
        return torch.stack(parts)

    return change


def nothing_to_change(read: ReadBatch, direction: str, why_nothing: Callable[[], str]) -> str:
    """Why there is no attention to intervene on."""
    there = sorted({c.direction or "undirected" for c in read.calls})
    if not there:
        return f"interventions are not made: {why_nothing()}."
    return (
        f"interventions are not made: no {direction} attention was seen that could be changed; there is {', '.join(there)} "
        "attention only."
    )

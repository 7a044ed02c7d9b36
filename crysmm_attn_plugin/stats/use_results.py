"""Parts of a result that say whether attention is used: effects of interventions, contrasts with random words, words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crysmm_attn_plugin.stats.result_parts import Claim, PairedResult

Use = Literal["used", "not_used", "unclear"]


@dataclass(frozen=True)
class Effect:
    """Mean over crystals of one measure under one intervention.

    Attributes:
        intervention, size, measure: Which.
        module, call, head: Of one ablated head; "", -1, -1 otherwise.
        n: Crystals.
        mean, ci_low, ci_high: In the target's unit; with several runs the interval holds their spread.
    """

    intervention: str
    size: int
    measure: str
    module: str
    call: int
    head: int
    n: int
    mean: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Contrast:
    """What an intervention does beyond the same done to random words.

    Attributes:
        name: Of ``stats.interventions.CONTRASTS``.
        intervention, control: What is compared.
        measure: ``shift`` or ``error_change``.
        size: Words that were hidden or kept.
        paired: intervention - control over the same crystals; random draws are averaged within a crystal first.
    """

    name: str
    intervention: str
    control: str
    measure: str
    size: int
    paired: PairedResult


@dataclass(frozen=True)
class Faithfulness:
    """What interventions say of one arm's runs.

    Attributes:
        effects: Every intervention's mean effects, heads apart.
        heads: Effects of each ablated head, of the first run: a head's number means nothing in another.
        contrasts: Against random words.
        n_crystals: Crystals with any intervention in every run.
        spread: Standard deviation of the predictions, which shifts are measured against.
        use: ``used``: hiding the most attended words shifts predictions more than hiding random ones. ``not_used``: neither
            that, nor even or swapped attention, shifts them by as much as ``stats.interventions.NEGLIGIBLE`` of their spread.
            Else ``unclear``.
        tested_size: Size at which ``use`` was decided: the middle one of those probed.
    """

    effects: tuple[Effect, ...]
    heads: tuple[Effect, ...]
    contrasts: tuple[Contrast, ...]
    n_crystals: int
    spread: float
    use: Use
    tested_size: int

    def contrast(self, name: str, measure: str = "shift", size: int | None = None) -> Contrast | None:
        """One contrast; at the tested size where none is given. None where it was not probed."""
        at = self.tested_size if size is None else size
        return next((c for c in self.contrasts if (c.name, c.measure, c.size) == (name, measure, at)), None)


@dataclass(frozen=True)
class ArmUse:
    """Interventions on one arm.

    Attributes:
        arm: Its name.
        n_runs: Runs that were probed.
        claim: What a sentence about this arm alone may claim.
        direction: Of the attention that was changed.
        found: What was found.
    """

    arm: str
    n_runs: int
    claim: Claim
    direction: str
    found: Faithfulness

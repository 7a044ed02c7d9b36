"""How an arm looks and what it is called: one colour, one shape and one name in every figure and on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crysmm_attn_plugin.reports.arm_names import arm_label
from crysmm_attn_plugin.reports.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    one_line,
)

#: The baseline first, then the other arms in their order. Source: Wong, Nature Methods 8, 441 (2011).
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
#: Marker of each arm in the same order, so that no arm is told by its hue alone.
SHAPES = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Arm:
    """One arm as figures show it."""

    name: str
    label: str
    colour: str
    shape: str
    is_baseline: bool


def arms_of(result: Any, lang: str) -> tuple[Arm, ...]:
    """The arms of a comparison, the baseline first.

    Args:
        result: A ``ComparisonResult``.
        lang: Language of the labels.
    """
    names = ordered(result.baseline, [a.name for a in result.arms])
    return tuple(
        Arm(n, label(n, lang), COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)], n == result.baseline)
        for i, n in enumerate(names)
    )


def ordered(baseline: str, names: Sequence[str]) -> list[str]:
    """Arm names, the baseline first."""
    return [n for n in names if n == baseline] + [n for n in names if n != baseline]


def label(name: str, lang: str) -> str:
    """The arm's name on one line, as prose and tables call it."""
    return one_line(arm_label(name, lang))


def colours_of(baseline: str, names: Sequence[str]) -> dict[str, str]:
    """Colour of each arm, the baseline's first."""
    return {n: COLOURS[i % len(COLOURS)] for i, n in enumerate(ordered(baseline, names))}

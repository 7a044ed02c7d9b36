"""Which figures a comparison has, as data: what draws each, from what, and with which caption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.reports.figures import (
    categories,
    coupling,
    epochs,
    heatmaps,
    performance,
    specification,
    statistics,
)
from crysmm_attn_plugin.reports.figures.arms import ordered
from crysmm_attn_plugin.store.files import safe_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple["Figure", dict[str, float]]

#: kind -> (result, samples, what the plan names, language) -> figure, and numbers in its labels that the result lacks.
DRAWERS: dict[str, Callable[[Any, Any, Mapping[str, Any], str], Drawn]] = {
    "statistics": lambda result, samples, about, lang: (statistics.draw(result, samples, lang), {}),
    "heatmap": lambda result, samples, about, lang: heatmaps.draw(
        result, about["example"], about["maps"], lang
    ),
    "categories": lambda result, samples, about, lang: (categories.draw(result, lang), {}),
    "coupling": lambda result, samples, about, lang: (coupling.draw(result, samples, lang), {}),
    "epochs": lambda result, samples, about, lang: (epochs.draw(result, lang), {}),
    "specification": lambda result, samples, about, lang: (
        specification.draw(result, about["pair"], lang),
        {},
    ),
    "performance": lambda result, samples, about, lang: (performance.draw(result, samples, lang), {}),
}


@dataclass(frozen=True)
class Plan:
    """One figure to be drawn.

    Attributes:
        name: File stem.
        kind: Key of ``DRAWERS`` and of the captions.
        about: What drawing and caption need beside the result, such as the pair of arms or the example's maps.
        at_top: Its PNG also lies in the report's own folder, where the original tool put it.
    """

    name: str
    kind: str
    about: Mapping[str, Any] = field(default_factory=dict)
    at_top: bool = False


def plans(comparison: Any) -> Iterator[Plan]:
    """Which figures this comparison can have, in order."""
    result, samples = comparison.result, comparison.samples
    if any(f"{m}.{a.name}" in samples for m in PRIMARY for a in result.arms):
        yield Plan("attention_statistics_comparison", "statistics", at_top=True)
    for number, (example, maps) in enumerate(_examples(comparison), start=1):
        about = {"example": example, "maps": maps}
        yield Plan(f"attention_heatmap_example_{number}", "heatmap", about, at_top=True)
    if result.categories:
        yield Plan("attention_by_word_category", "categories")
    if coupling.available(result):
        yield Plan("attention_and_error", "coupling")
    if result.epochs:
        yield Plan("attention_over_training", "epochs")
    several = specification.available(result)
    for pair in several:
        name = "specification_curve" + (f"_{safe_name(pair.arm)[:40]}" if len(several) > 1 else "")
        yield Plan(name, "specification", {"pair": pair})
    if performance.available(result, samples):
        yield Plan("prediction_performance", "performance")


def _examples(comparison: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The chosen crystals with their maps, the baseline's first; arms without a map of it are left out."""
    result = comparison.result
    for example in result.examples:
        maps = {}
        for arm in ordered(result.baseline, [a.name for a in result.arms]):
            try:
                maps[arm] = comparison.maps(example.id, arm)
            except AttnError:
                continue
        maps = {arm: m for arm, m in maps.items() if m is not None}
        shapes = {m.weights.shape[1:] for m in maps.values()}
        if maps and len(shapes) == 1 and (not result.baseline or result.baseline in maps):
            yield example, maps

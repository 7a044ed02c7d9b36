"""No text leaves the page, lies over another or in another panel, whatever the data and whatever the font."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from figure_fixtures import drawn_comparison
from layout_kit import faults
from matplotlib.figure import Figure

from crysmm_attn_plugin.reports.figures import (
    categories,
    coupling,
    epochs,
    heatmaps,
    measure,
    performance,
    specification,
    statistics,
    style,
    typefaces,
)

LONG = ("baseline_without_any_fusion_but_a_long_name", "full_with_middle_fine_grained_and_global_fusion")
WORDS = " ".join(
    f"Na({i}) is bonded to six equivalent Cl(1) atoms at 2.8{i % 10} Å distance." for i in range(40)
)
CHINESE = ("无中期融合的后期融合基线模型", "全模态融合", "仅图编码器")

HARD: dict[str, dict[str, Any]] = {
    "two arms": {
        "epochs": 4,
        "cells": (("Na", "Cl"), ("Al",) * 4 + ("O",) * 6, ("K", "Mg", "F", "F", "F") * 6),
    },
    "three arms": {"n": 30, "arms": ("no_middle", "full", "no_global"), "epochs": 3},
    "five arms": {
        "n": 30,
        "arms": ("no_middle", "full", "no_global", "graph_only", "text_only"),
        "epochs": 3,
    },
    "one arm": {"n": 30, "arms": ("full",), "epochs": 2},
    "long names": {"n": 30, "arms": LONG, "epochs": 3, "runs": 3},
    "five long names": {
        "n": 30,
        "arms": tuple(f"{LONG[1]}_variant_{k}_of_the_ablation" for k in range(5)),
        "epochs": 2,
    },
    "Chinese names": {"n": 30, "arms": CHINESE, "epochs": 3},
    "10 crystals": {"n": 10},
    "1,000 crystals": {"n": 1000},
    "1 head": {"n": 20, "heads": 1},
    "16 heads": {"n": 20, "heads": 16},
    "200 atoms": {"n": 20, "cells": (("Ca",) * 20 + ("Ti",) * 2 + ("V",) * 1 + ("O",) * 177,)},
    "200 atoms, five arms": {
        "n": 20,
        "arms": ("no_middle", "full", "no_global", "graph_only", "text_only"),
        "cells": (("Ca",) * 20 + ("Ti",) * 2 + ("V",) * 1 + ("O",) * 177,),
    },
    "400 words": {"n": 20, "text": WORDS},
    "400 words, one atom": {"n": 20, "text": WORDS, "cells": (("Cu",),)},
    "one endless word": {"n": 20, "text": "poly" * 60 + " NaCl", "arms": LONG},
    "a Chinese description": {"n": 20, "text": "氯化钠为立方晶系，空间群 Fm-3m。" * 6, "arms": CHINESE},
    "tiny values": {"n": 20, "effect": -1e-7},
    "seeds": {"n": 30, "runs": 5},
}


#: Cases that are about the maps and change nothing else.
MAPS_ONLY = {
    "1 head",
    "16 heads",
    "200 atoms",
    "200 atoms, five arms",
    "400 words",
    "400 words, one atom",
    "one endless word",
    "a Chinese description",
}
ONE_CELL = (("Sr", "Ti", "O", "O", "O"),)


def drawn(comparison: Any, lang: str, case: str) -> Iterator[tuple[str, Figure]]:
    result, samples = comparison.result, comparison.samples
    for k, example in enumerate(result.examples):
        maps = {a.name: comparison.maps(example.id, a.name) for a in result.arms}
        yield f"map {k + 1}", heatmaps.draw(result, example, maps, lang)[0]
    if case in MAPS_ONLY:
        return
    yield "statistics", statistics.draw(result, samples, lang)
    yield "categories", categories.draw(result, lang)
    if coupling.available(result):
        yield "coupling", coupling.draw(result, samples, lang)
    if result.epochs:
        yield "epochs", epochs.draw(result, lang)
    for pair in specification.available(result):
        yield "specification", specification.draw(result, pair, lang)
    yield "performance", performance.draw(result, samples, lang)


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_collides(case: str, lang: str) -> None:
    comparison = drawn_comparison(**{"cells": ONE_CELL, **HARD[case]})
    with style.context():
        found = [
            f"{name}: {fault}" for name, figure in drawn(comparison, lang, case) for fault in faults(figure)
        ]
    assert found == []


@pytest.mark.parametrize("case", ["two arms", "five long names", "Chinese names", "200 atoms", "400 words"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_collides_in_the_wider_fallback_font(
    case: str, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typefaces, "FAMILIES", ("DejaVu Sans", typefaces.CHINESE))
    measured = measure.width_mm("model without middle fusion")
    comparison = drawn_comparison(**{"cells": ONE_CELL, **HARD[case]})
    with style.context():
        found = [
            f"{name}: {fault}" for name, figure in drawn(comparison, lang, case) for fault in faults(figure)
        ]
    assert found == []
    monkeypatch.undo()
    assert measured > 1.05 * measure.width_mm("model without middle fusion")


def test_a_collision_would_be_found() -> None:
    with style.context():
        figure = style.new_figure(60, 20)
        style.write_text(figure, 5, 5, "one text")
        style.write_text(figure, 6, 5.5, "another text")
        style.write_text(figure, 55, 15, "beyond the page")
        axes = style.add_axes(figure, 10, 10, 20, 8)
        axes.set_xticks([])
        style.write_text(figure, 12, 12, "in a panel")
        found = faults(figure)
    assert any("over" in f for f in found)
    assert any(f.startswith("beyond the page") for f in found)
    assert any(f.startswith("inside another panel") for f in found)


@pytest.mark.parametrize("width", [8.0, 20.0, 60.0])
@pytest.mark.parametrize(
    "text", ["a b c d e f", LONG[0], CHINESE[0] * 4, "NaCl (JVASP-1)，全部 62 个词。", "", "x" * 200]
)
def test_lines_are_no_wider_than_asked_and_lose_nothing(text: str, width: float) -> None:
    lines = measure.lines_of(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    # closing punctuation may hang over, as Chinese typesetting lets it
    assert all(measure.width_mm(line) <= width + 2.2 for line in lines)


@pytest.mark.parametrize("width", [4.0, 12.0, 40.0])
@pytest.mark.parametrize("text", [LONG[1], CHINESE[0], "abc"])
def test_a_shortened_name_fits_and_keeps_both_ends(text: str, width: float) -> None:
    short = measure.shortened(text, width)
    assert measure.width_mm(short) <= width
    if short != text and len(short) > 4:
        assert short[0] == text[0]
        assert short[-1] == text[-1]
        assert "…" in short


@pytest.mark.parametrize("size", [style.SMALL_PT, style.FONT_PT])
@pytest.mark.parametrize(
    "text", [WORDS, *LONG, *CHINESE, "AVAToWAVeLTYAWA" * 4, "ffi. fl, ii|ll" * 6, "iiiillll''..", "MWMWMW @@"]
)
def test_what_is_said_to_fit_is_what_measures_so(text: str, size: float) -> None:
    for length in range(1, min(len(text), 60), 7):
        part = text[:length]
        exact = measure.width_mm(part, size)
        for width in (0.5 * exact, 0.9 * exact, exact - 0.01, exact, 1.03 * exact, 1.1 * exact):
            assert measure.fits(part, width, size) == (exact <= width)

"""The figure of several data sets: nothing collides, nothing is left out, every number is one of the pooled results."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from layout_kit import faults

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports.figures import forest, style, write_forest
from crysmm_attn_plugin.stats.pooling import PooledResult, pool

NAMES = [
    "dft_3d mbj_bandgap",
    "形成能",
    "a_data_set_with_a_very_long_name_that_has_to_be_shortened_somewhere",
    "MP",
    "OQMD",
]


def pooled(k: int = 5) -> list[PooledResult]:
    rng = np.random.default_rng(k)
    return [
        pool(centre + rng.normal(0, 4, k), rng.uniform(1, 6, k), labels=NAMES[:k], what=what)
        for what, centre in (
            ("entropy", -12),
            ("max_weight", 20),
            ("effective_tokens_hill", -25),
            ("gini", 9),
            ("error", -3),
        )
    ]


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_collides_and_every_data_set_has_its_square(k: int, lang: str) -> None:
    with style.context():
        figure = forest.draw(pooled(k), lang)
        assert faults(figure) == []
    for axes in figure.axes:
        assert sum(line.get_marker() == "s" for line in axes.lines) == k


def test_intervals_and_the_mean_stand_where_the_numbers_say() -> None:
    results = pooled(3)
    with style.context():
        figure = forest.draw(results)
    axes = figure.axes[0]
    segments = [
        line.get_xdata()
        for line in axes.lines
        if line.get_color() == style.BLUE and len(line.get_xdata()) == 2
    ]
    np.testing.assert_allclose(segments, [(r.ci_low, r.ci_high) for r in results[0].rows])
    diamond = axes.patches[0].get_xy()[:4, 0]
    np.testing.assert_allclose(
        diamond, [results[0].ci_low, results[0].estimate, results[0].ci_high, results[0].estimate]
    )


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_files_captions_and_their_numbers(tmp_path: Path, lang: str) -> None:
    results = pooled(3)
    record = write_forest(results, tmp_path, langs=(lang,), formats=("svg",))
    assert record.path("svg", lang) is not None
    known = [
        3.0,
        0.001,
        *(v for r in results for v in (r.estimate, r.ci_low, r.ci_high, r.p_value, 100 * r.i_squared)),
    ]
    for text in re.findall(r"[−+]?\d+(?:\.\d+)?", record.captions[lang]):
        decimals = len(text.partition(".")[2])
        value = abs(float(text.replace("−", "-")))
        assert min(abs(abs(k) - value) for k in known) <= 0.51 * 10**-decimals, text


def test_nothing_pooled_and_different_data_sets_are_refused(tmp_path: Path) -> None:
    for wrong in ([], [pooled(2)[0], pooled(3)[0]]):
        with pytest.raises(UsageError, match="same data sets"):
            write_forest(wrong, tmp_path)

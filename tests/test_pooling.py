"""Several data sets pooled: published numbers, orders, refusals, and how often the interval holds the truth."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_kit import entropies, from_entropy, write_run
from synthetic_results import synthetic_result

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.cli import main
from crysmm_attn_plugin.errors import StatisticsError
from crysmm_attn_plugin.reports.pooled import sentences
from crysmm_attn_plugin.stats import ComparisonResult, holm, pool, pool_results

#: Thirteen trials of the BCG vaccine: log risk ratios and their variances (Colditz et al. 1994).
BCG = np.array([-.8893, -1.5854, -1.3481, -1.4416, -.2175, -.7861, -1.6209, .0120, -.4694, -1.3713, -.3394, .4459, -.0173])  # fmt: skip
BCG_VARIANCE = np.array([.3256, .1946, .4154, .0200, .0512, .0069, .2230, .0040, .0564, .0730, .0124, .5325, .0714])  # fmt: skip


def test_the_vaccine_trials_have_the_published_heterogeneity_and_mean() -> None:
    found = pool(BCG, np.sqrt(BCG_VARIANCE))
    assert found.q == pytest.approx(152.23, abs=1)  # the variances are rounded
    assert found.tau**2 == pytest.approx(0.318, abs=0.004)
    assert found.estimate == pytest.approx(-0.715, abs=0.004)
    assert (found.ci_low, found.ci_high) == (pytest.approx(-1.11, abs=0.015), pytest.approx(-0.32, abs=0.015))
    assert found.p_heterogeneity < 1e-10
    assert found.prediction_low < found.ci_low < found.ci_high < found.prediction_high


def test_statsmodels_finds_the_same_mean_where_it_uses_the_same_variance() -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    theirs = combine_effects(BCG, BCG_VARIANCE, method_re="pm", use_t=True)
    mine = pool(BCG, np.sqrt(BCG_VARIANCE))
    assert mine.tau**2 == pytest.approx(theirs.tau2, rel=1e-4)
    assert mine.estimate == pytest.approx(theirs.mean_effect_re, rel=1e-6)
    half = (mine.ci_high - mine.ci_low) / 2
    assert half == pytest.approx(
        theirs.sd_eff_w_re_hksj * 2.178812829667229 if theirs.scale_hksj_re >= 1 else half, rel=1e-3
    )


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 10)), min_size=2, max_size=8), st.floats(-20, 20)
)
def test_the_mean_lies_among_the_data_sets_and_moves_with_them(
    sets: list[tuple[float, float]], shift: float
) -> None:
    y, s = np.array(sets).T
    found, moved = pool(y, s), pool(y + shift, s)
    assert y.min() - 1e-9 <= found.estimate <= y.max() + 1e-9
    assert moved.estimate == pytest.approx(found.estimate + shift, abs=1e-6)
    assert (moved.ci_high - moved.ci_low) == pytest.approx(found.ci_high - found.ci_low, rel=1e-5)
    assert sum(r.weight for r in found.rows) == pytest.approx(1)
    assert 0 <= found.i_squared < 1
    assert (found.prediction_low is None) == (len(y) < 3)
    assert (found.p_value < 0.05) == (found.ci_low > 0 or found.ci_high < 0)
    order = np.argsort(s)
    assert pool(y[order], s[order]).estimate == pytest.approx(found.estimate, abs=1e-6)


@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(k: int, tau: float) -> None:
    rng = np.random.default_rng([k, int(tau)])
    errors = rng.uniform(0.3, 1.5, (1500, k))
    y = tau * rng.standard_normal((1500, k)) + errors * rng.standard_normal((1500, k))
    found = [pool(a, b) for a, b in zip(y, errors)]
    covered = np.mean([f.ci_low <= 0 <= f.ci_high for f in found])
    assert covered >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 1500)
    if k > 2:
        new = tau * rng.standard_normal(1500)
        inside = np.mean([f.prediction_low <= x <= f.prediction_high for f, x in zip(found, new)])
        assert inside >= 0.95 - 5 * math.sqrt(0.05 * 0.95 / 1500)


def results(count: int = 3, **options: object) -> list[ComparisonResult]:
    """Comparisons of as many properties, with checkpoints of their own."""
    changes = ({}, {"entropy": -10.0}, {"entropy": -14.0, "gini": 4.0}, {"max_weight": 12.0})
    found = []
    for name, percents in zip(
        ("mbj_bandgap", "formation_energy", "bulk_modulus", "shear_modulus")[:count], changes
    ):
        one = synthetic_result(None, "better", **{"seeds": 5, "percents": percents or None, **options})
        arms = tuple(replace(a, checkpoints=tuple(f"{name}-{c}" for c in a.checkpoints)) for a in one.arms)
        found.append(replace(one, property=name, arms=arms))
    return found


@pytest.mark.parametrize("k", [2, 3, 5])
def test_one_precise_data_set_does_not_decide_alone(k: int) -> None:
    """One of ten times the others' precision: the factor of Hartung and Knapp alone leaves .19 false positives at three."""
    rng = np.random.default_rng(k)
    errors = np.r_[0.1, np.ones(k - 1)]
    y = rng.standard_normal((800, k)) + errors * rng.standard_normal((800, k))
    found = [pool(row, errors) for row in y]
    positive = [f.p_value < 0.05 for f in found]
    assert np.mean(positive) <= 0.06 + 3 * math.sqrt(0.05 * 0.95 / 800)
    assert positive == [f.ci_low > 0 or f.ci_high < 0 for f in found]
    assert all(f.ci_low <= f.estimate <= f.ci_high for f in found)


def test_results_of_several_properties_are_pooled_metric_by_metric() -> None:
    several = results()
    found = pool_results(several)
    assert [f.what for f in found.pooled] == [*PRIMARY, "error"]
    assert {f.k for f in found.pooled} == {3}
    assert (found.arm, found.baseline, found.left_out) == ("full", "no_middle", {})
    entropy = found.pooled[0]
    assert [r.label for r in entropy.rows] == ["mbj_bandgap", "formation_energy", "bulk_modulus"]
    assert [r.estimate for r in entropy.rows] == pytest.approx(
        [r.pairs[0].metric("entropy").paired.percent_change for r in several]
    )
    assert entropy.tau > 0
    assert entropy.ci_low < entropy.estimate < entropy.ci_high
    # four metrics are asked at once; the error is a question of its own
    primary = found.pooled[:-1]
    assert [f.p_adjusted for f in primary] == pytest.approx(list(holm([f.p_value for f in primary])))
    assert found.pooled[-1].p_adjusted == found.pooled[-1].p_value
    assert [(d.label, d.runs_arm, d.claim) for d in found.data_sets] == [
        (r.property, 5, "verdict") for r in several
    ]


def test_a_change_that_one_data_set_does_not_define_is_left_out_and_named() -> None:
    one, two, three = results()
    metrics = tuple(
        replace(m, paired=replace(m.paired, percent_change=math.nan, percent_ci_low=math.nan, percent_ci_high=math.nan))
        if m.metric == "gini" else m
        for m in two.pairs[0].metrics
    )  # fmt: skip
    found = pool_results([one, replace(two, pairs=(replace(two.pairs[0], metrics=metrics),)), three])
    assert found.left_out == {"gini": ("formation_energy",)}
    assert "gini" not in [f.what for f in found.pooled]
    for lang, words in (("en", "Not pooled"), ("zh", "未合并")):
        assert any(words in s and "formation_energy" in s for s in sentences(found, lang))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: replace(r, property="mbj_bandgap"), "count twice"),
        (lambda r: replace(r, alpha=0.01), "different levels"),
        (lambda r: replace(r, directions=("text_to_atom",)), "different directions"),
        (lambda r: replace(r, pairs=()), "no tested pair"),
        (lambda r: replace(r, pairs=(replace(r.pairs[0], claim="none"),)), "no tested pair"),
        (lambda r: replace(r, pairs=(replace(r.pairs[0], arm="no_fine"),)), "share no pair"),
        (lambda r: replace(r, pairs=(replace(r.pairs[0], baseline="other"),)), "share no pair"),
        (lambda r: replace(r, arms=results(1)[0].arms), "checkpoint in common"),
    ],
)
def test_results_that_do_not_belong_together_are_refused(change: Callable, words: str) -> None:
    one, two = results(2)
    with pytest.raises(StatisticsError, match=words):
        pool_results([one, change(two)])


def test_several_pairs_of_arms_need_a_name() -> None:
    both = [replace(r, pairs=(r.pairs[0], replace(r.pairs[0], arm="no_fine"))) for r in results(2)]
    with pytest.raises(StatisticsError, match="share 2 pairs"):
        pool_results(both)
    assert pool_results(both, arm="no_fine").arm == "no_fine"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("count", [2, 3])
def test_every_number_of_the_sentences_is_one_of_the_pooled_ones(lang: str, count: int) -> None:
    found = pool_results(results(count))
    said = sentences(found, lang)
    assert str(count) in said[0]
    assert ("another one" in said[0] or "其他数据集" in said[0]) == (count == 2)
    known = [float(count), 95.0, 0.001]
    for p in found.pooled:
        known += [p.estimate, p.ci_low, p.ci_high, 100 * p.i_squared, p.p_adjusted]
        known += [x for x in (p.prediction_low, p.prediction_high) if x is not None]
    for text in re.findall(r"\d+(?:\.\d+)?", " ".join(said)):
        decimals = len(text.partition(".")[2])
        assert min(abs(abs(k) - float(text)) for k in known) <= 0.51 * 10**-decimals, text


def test_a_pooled_change_that_is_not_shown_is_not_called_a_change() -> None:
    changes = iter(({"entropy": -20.0}, {"entropy": 18.0}, {"entropy": -3.0}))
    found = pool_results([
        replace(r, pairs=synthetic_result(None, "better", seeds=5, percents=next(changes)).pairs) for r in results()
    ])  # fmt: skip
    entropy = found.pooled[0]
    assert entropy.p_adjusted > 0.05
    assert "no change of attention entropy is shown" in sentences(found, "en")[0].lower()
    assert "未显示变化" in sentences(found, "zh")[0]


def test_data_sets_of_one_training_are_said_to_be_of_single_checkpoints() -> None:
    one, two, three = results()
    single = replace(two.pairs[0], claim="checkpoints")
    found = pool_results([one, replace(two, pairs=(single,)), three])
    assert any("single checkpoints" in s and "formation_energy" in s for s in sentences(found, "en"))
    assert any("检查点" in s for s in sentences(found, "zh"))
    assert not any("single checkpoints" in s for s in sentences(pool_results(results()), "en"))


# -- the command ---------------------------------------------------------------------------------------------


def written(folder: Path, several: list[ComparisonResult]) -> list[str]:
    places = []
    for result in several:
        place = folder / f"report_{result.property}"
        place.mkdir()
        (place / "result.json").write_text(json.dumps(result.to_dict()), encoding="utf-8")
        places.append(str(place))
    return places


def test_the_command_writes_sentence_table_and_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = written(tmp_path, results())
    places[1] += "/result.json"
    out = tmp_path / "several"
    assert main(["pool", *places, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Across 3 data sets (mbj_bandgap, formation_energy, bulk_modulus)")
    names = {p.name for p in out.iterdir()}
    assert {
        "pooled.json",
        "pooled.csv",
        "pooled.md",
        "several_data_sets.svg",
        "several_data_sets.zh.pdf",
    } <= names
    numbers = json.loads((out / "pooled.json").read_text())
    expected = pool_results(results())
    assert numbers["pooled"][0]["estimate"] == pytest.approx(expected.pooled[0].estimate)
    rows = list(csv.DictReader((out / "pooled.csv").open()))
    assert len(rows) == len(expected.pooled) * 4
    assert float(rows[3]["p_adjusted"]) == pytest.approx(expected.pooled[0].p_adjusted)
    text = (out / "pooled.md").read_text()
    assert "在 3 个数据集" in text
    assert text.count("| mbj\\_bandgap |") + text.count("| mbj_bandgap |") == 2 * len(expected.pooled)
    # again into the same folder, and not into one of other things
    assert main(["pool", *places, "--out", str(out), "--lang", "zh"]) == 0
    assert main(["pool", *places, "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err


def test_runs_without_a_report_are_compared_on_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for seed, (name, shift) in enumerate((("bandgap", -0.6), ("energy", -0.4))):
        e = entropies(30)
        for arm, moved in (("full", shift), ("no_middle", 0.0)):
            values = from_entropy(e + moved + 0.05 * rng.standard_normal(30))
            write_run(tmp_path / name, arm, values, seed=seed)
    places = [str(tmp_path / n) for n in ("bandgap", "energy")]
    assert (
        main(["pool", *places, "--labels", "bandgap,energy", "--lang", "en", "--out", str(tmp_path / "out")])
        == 0
    )
    said = capsys.readouterr().out
    assert said.startswith("Across 2 data sets (bandgap, energy)")
    assert "single checkpoints" in said


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: (f / "a.json").write_text("{"), "is no result"),
        (lambda f: (f / "a.json").write_text('{"schema_version": 0}'), "another version"),
        (lambda f: (f / "a.json").write_text("[1, 2]"), "is no result"),
        (lambda f: (f / "a.json").mkdir(), "a.json"),
        (lambda f: None, "is not there"),
    ],
)
def test_what_is_no_result_is_refused_in_one_sentence(
    make: Callable, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (good,) = written(tmp_path, results(1))
    make(tmp_path)
    assert main(["pool", good, str(tmp_path / "a.json"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_result_and_one_named_twice_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place,) = written(tmp_path, results(1))
    for words, why in (([place], "two data sets"), ([place, f"{place}/../{Path(place).name}"], "twice")):
        assert main(["pool", *words, "--out", str(tmp_path / "out")]) == 2
        assert why in capsys.readouterr().err


def test_what_cannot_be_pooled_is_refused_in_a_sentence() -> None:
    for y, s in (
        ([1.0], [1.0]),
        ([1.0, 2.0], [1.0]),
        ([1.0, math.nan], [1.0, 1.0]),
        ([1.0, 2.0], [1.0, 0.0]),
    ):
        with pytest.raises(StatisticsError):
            pool(y, s)
    with pytest.raises(StatisticsError, match="labels"):
        pool([1.0, 2.0], [1.0, 1.0], labels=["a"])
    with pytest.raises(StatisticsError, match="two data sets"):
        pool_results([synthetic_result("supported", "better", seeds=5)])
    with pytest.raises(StatisticsError, match="no tested pair"):
        pool_results(results(2), arm="other")
    with pytest.raises(StatisticsError, match="labels"):
        pool_results(results(2), labels=["a", "a"])

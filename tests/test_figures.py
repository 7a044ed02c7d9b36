"""Figures: files, sizes, fonts, one colour scale, numbers that resolve, text that is drawn as it is."""

from __future__ import annotations

import dataclasses
import math
import re
import struct

import matplotlib
import numpy as np
import pytest
from figure_fixtures import drawn_comparison
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from synthetic_results import AXES, SEEDS, VERDICTS, synthetic_result

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports.figures import (
    captions,
    categories,
    coupling,
    epochs,
    estimates,
    heatmaps,
    marks,
    performance,
    specification,
    statistics,
    style,
    together,
    write_figures,
)
from crysmm_attn_plugin.reports.figures.wording import decimals_for, fixed, p_text, with_interval
from crysmm_attn_plugin.store.files import plain

LONG = " ".join(f"Na({i}) is bonded to six equivalent Cl atoms at 2.8{i % 10} Å." for i in range(66))
HOSTILE = "Na $x_1$ \\frac <script>alert(1)</script> =SUM(A1) 化学 a_b \x07 ^{2}"


@pytest.fixture
def two_arms():
    return drawn_comparison(40, epochs=4)


def texts(figure) -> list[str]:
    """Every string of a figure except tick labels."""
    ticks = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    return [t.get_text() for t in figure.findobj(Text) if t.get_text() and id(t) not in ticks]


def heatmap(comparison, index: int = 0, lang: str = "en"):
    example = comparison.result.examples[index]
    maps = {a.name: comparison.maps(example.id, a.name) for a in comparison.result.arms}
    return heatmaps.draw(comparison.result, example, maps, lang)


def every_figure(comparison, lang: str = "en"):
    result, samples = comparison.result, comparison.samples
    yield statistics.draw(result, samples, lang), {}
    yield heatmap(comparison, 0, lang)
    yield categories.draw(result, lang), {}
    yield coupling.draw(result, samples, lang), {}
    yield epochs.draw(result, lang), {}
    yield specification.draw(result, result.pairs[0], lang), {}
    yield performance.draw(result, samples, lang), {}


def numbers_of(value) -> list[float]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in numbers_of(v)]
    if isinstance(value, list):
        return [x for v in value for x in numbers_of(v)]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [float(value)]
    return []


def unresolved(strings: list[str], result, extra: dict[str, float]) -> list[tuple[str, str]]:
    """Numbers in texts that are no field of the result (nor 100 times one), rounded as they are printed."""
    known = numbers_of(plain(result)) + list(extra.values())
    pool = np.array([*known, *(100 * k for k in known), 100 * (1 - result.alpha), 0.001])
    names = sorted(
        {a.name for a in result.arms}
        | {e.id for e in result.examples}
        | {e.formula for e in result.examples},
        key=len,
        reverse=True,
    )
    missing = []
    for text in strings:
        rest = text
        for name in names:
            rest = rest.replace(name, " ")
        for found in re.findall(r"[−+]?\d+(?:\.\d+)?", rest):
            value = float(found.replace("−", "-"))
            decimals = len(found.partition(".")[2])
            if not (np.abs(np.abs(pool) - abs(value)) <= 0.5000001 * 10**-decimals).any():
                missing.append((text, found))
    return missing


@pytest.mark.slow
def test_every_format_is_written_for_both_languages_and_the_old_names_stay(two_arms, tmp_path):
    records = write_figures(two_arms, tmp_path, formats=("png", "svg"))
    names = [r.name for r in records]
    assert names == [
        "attention_statistics_comparison",
        "attention_heatmap_example_1",
        "attention_heatmap_example_2",
        "attention_heatmap_example_3",
        "attention_by_word_category",
        "attention_and_error",
        "attention_over_training",
        "specification_curve",
        "prediction_performance",
    ]
    for record in records:
        for file in record.files:
            assert file.stat().st_size > 1000
        for lang in ("en", "zh"):
            assert record.path("png", lang).is_file()
            assert record.path("svg", lang).is_file()
            assert record.path("pdf", lang) is None
            assert record.captions[lang]
            assert record.alts[lang]
    for name in names[:4]:
        assert (tmp_path / f"{name}.png").is_file()
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith(".tmp")]


def test_widths_are_those_of_a_journal_column_and_fonts_are_embedded_as_text(two_arms, tmp_path):
    with style.context():
        for name, figure, width in (
            ("wide", statistics.draw(two_arms.result, two_arms.samples, "zh"), 183.0),
            ("narrow", categories.draw(two_arms.result, "zh"), 89.0),
        ):
            png, pdf, svg = style.save(figure, tmp_path, name, ["png", "pdf", "svg"])
            pixels = struct.unpack(">I", png.read_bytes()[16:20])[0]
            assert pixels / 300 * 25.4 == pytest.approx(width, abs=0.1)
            raw = pdf.read_bytes()
            box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", raw)
            assert float(box.group(1)) / 72 * 25.4 == pytest.approx(width, abs=0.1)
            assert b"/Type3" not in raw
            assert b"/FontFile" in raw
            drawing = svg.read_text(encoding="utf-8")
            assert "<text" in drawing
            assert "Arial" in drawing
            assert {"wide": "无中期融合模型", "narrow": "无中期融合模型"}[name] in drawing
            assert f"<title>{name}</title>" in drawing


@pytest.mark.parametrize("gone", ["PdfFile", "RendererSVG", "Vectors.draw_text"])
def test_without_matplotlibs_inner_parts_each_file_is_saved_by_itself(two_arms, tmp_path, monkeypatch, gone):
    *owner, name = gone.split(".")
    monkeypatch.delattr(together.Vectors if owner else together, name)
    sizes = []
    for k in range(2):
        with style.context():
            figure = categories.draw(two_arms.result)
            files = style.save(figure, tmp_path / str(k), "plain", ["png", "pdf", "svg"], title="Sentences")
        sizes.append([f.read_bytes() for f in files])
    png, pdf, svg = sizes[0]
    assert sizes[0] == sizes[1]
    wide, tall = (int(v) for v in figure.bbox.size)
    assert struct.unpack(">II", png[16:24]) == (wide, tall)
    assert pdf.startswith(b"%PDF")
    assert b"Sentences" in pdf
    assert b"<title>Sentences</title>" in svg


def test_equal_comparisons_give_equal_files(two_arms, tmp_path):
    with style.context():
        files = [
            style.save(categories.draw(two_arms.result), tmp_path / str(k), "same", ["pdf", "svg", "png"])
            for k in range(2)
        ]
    for first, second in zip(*files):
        assert first.read_bytes() == second.read_bytes()


def test_text_is_between_five_and_eight_points_and_never_a_bold_title(two_arms):
    with style.context():
        for figure, _ in every_figure(two_arms):
            for text in figure.findobj(Text):
                if text.get_text():
                    assert 5.0 <= text.get_fontsize() <= 8.0
                    if text.get_fontweight() == "bold":
                        assert len(text.get_text()) == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_number_in_a_label_or_caption_is_a_field_of_the_result(two_arms, lang):
    with style.context():
        for figure, extra in every_figure(two_arms, lang):
            assert unresolved(texts(figure), two_arms.result, extra) == []
    for kind in ("statistics", "categories", "coupling", "epochs", "performance"):
        written = [captions.caption(kind, two_arms.result, lang), captions.alt(kind, two_arms.result, lang)]
        known = {"panels": 4.0}
        assert unresolved(written, two_arms.result, known) == []
    about = {"example": two_arms.result.examples[0]}
    assert (
        unresolved([captions.caption("heatmap", two_arms.result, lang, **about)], two_arms.result, {}) == []
    )


@pytest.mark.parametrize("verdict", VERDICTS)
def test_captions_of_every_case_are_whole_and_keep_to_the_result(verdict):
    for axis in AXES:
        for seeds in SEEDS:
            result = synthetic_result(verdict, axis, seeds=seeds)
            for lang in ("en", "zh"):
                kinds = ("statistics", "categories", "coupling", "epochs", "performance")
                written = [captions.caption(kind, result, lang) for kind in kinds]
                written += [captions.caption("heatmap", result, lang, example=e) for e in result.examples]
                written += [captions.caption("specification", result, lang, pair=p) for p in result.pairs]
                assert unresolved(written, result, {}) == []
                for text in written:
                    assert not re.search(r"[{}]|nan|None|prove|证明|p = 0\.000", text)
                    assert text[-1] in ".。"


def test_a_changed_result_changes_the_label(two_arms):
    result = two_arms.result
    pair = result.pairs[0]
    item = pair.metrics[0]
    planted = dataclasses.replace(item.paired, mean_difference=-7.77, ci_low=-8.88, ci_high=-6.66, n=4321)
    metrics = (dataclasses.replace(item, paired=planted, p_adjusted=0.0123), *pair.metrics[1:])
    changed = dataclasses.replace(result, pairs=(dataclasses.replace(pair, metrics=metrics),))
    with style.context():
        drawn = " ".join(texts(statistics.draw(changed, two_arms.samples)))
    for words in (
        drawn,
        captions.caption("statistics", changed, "en"),
        captions.caption("statistics", changed, "zh"),
    ):
        assert any(f"−7.8{interval}" in words for interval in (" (−8.9 to −6.7)", "（−8.9～−6.7）"))
        assert "p = 0.012" in words
        assert "N = 4321" in words


def test_both_arms_share_one_colour_scale_one_word_order_and_start_at_zero(two_arms):
    with style.context():
        figure, _ = heatmap(two_arms)
    images = [
        ax.images[0] for ax in figure.axes if ax.images and ax.images[0].get_cmap().name == heatmaps.ATTENTION
    ]
    assert len(images) == 2
    assert images[0].norm is images[1].norm
    assert images[0].norm.vmin == 0
    change = [
        ax.images[0] for ax in figure.axes if ax.images and ax.images[0].get_cmap().name == heatmaps.CHANGE
    ]
    assert change[0].norm.vmin == -change[0].norm.vmax
    np.testing.assert_allclose(
        change[0].get_array(), images[1].get_array() - images[0].get_array(), atol=1e-6
    )
    ticks = [[t.get_text() for t in i.axes.get_xticklabels()] for i in (images[0], change[0])]
    assert ticks[0] == ticks[1]
    assert [t.get_text() for t in images[0].axes.get_yticklabels()] == ["Na1", "Cl2"]


def test_words_are_summed_over_their_pieces_and_shares_stay_whole(two_arms):
    example = two_arms.result.examples[1]
    one = two_arms.maps(example.id, "full")
    merged = heatmaps.merge({"full": one})
    assert any(w.text == "Fm-3m" for w in merged.words)
    np.testing.assert_allclose(merged.values["full"].sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(merged.values["full"].sum(), one.weights.mean(0).sum(), rtol=1e-5)


def test_long_texts_are_cropped_by_attention_and_the_crop_is_stated():
    comparison = drawn_comparison(20, cells=(("Na", "Cl"),), text=LONG)
    assert len(LONG) > 3000
    with style.context():
        figure, numbers = heatmap(comparison)
    merged = heatmaps.merge({a: comparison.maps("JVASP-1000", a) for a in ("no_middle", "full")})
    kept = heatmaps.crop(merged, int(numbers["words_shown"])).kept
    height = np.max([v.mean(0) for v in merged.values.values()], axis=0)
    left_out = np.delete(height, list(kept))
    assert height[list(kept)].min() >= left_out.max()
    assert list(kept) == sorted(kept)
    stated = " ".join(texts(figure))
    assert f"{len(kept)} of {len(merged.words)} words shown" in stated
    assert f"{100 * merged.values['full'][:, list(kept)].sum(1).mean():.0f}% in the full model" in stated


def test_one_atom_and_two_hundred_atoms_fit():
    comparison = drawn_comparison(20, cells=(("Na",), ("Ca",) * 20 + ("Ti",) * 2 + ("O",) * 178))
    with style.context():
        small, _ = heatmap(comparison, 0)
        large, _ = heatmap(comparison, 1)
    assert style.size_mm(large)[1] < 120
    assert style.size_mm(small)[1] > 30
    labels = [t.get_text() for t in large.axes[0].get_yticklabels()]
    assert labels == ["Ca (20)", "Ti (2)", "O (178)"]
    assert any("200 atoms" in t for t in texts(large))


def test_towering_special_tokens_do_not_hide_the_words():
    comparison = drawn_comparison(20)
    for weights in comparison.weights.values():
        weights *= 0.1
        weights[..., 0] += 0.9
    with style.context():
        figure, numbers = heatmap(comparison)
    scale = next(ax.images[0].norm for ax in figure.axes if ax.images)
    assert scale.vmax < 0.5
    assert numbers["scale_top"] == scale.vmax
    assert any("special tokens" in t for t in texts(figure))


def test_hostile_text_is_drawn_as_it_is(tmp_path):
    comparison = drawn_comparison(20, cells=(("Na",),), text=HOSTILE, arms=("$base_1$ <b>", "=cmd_{2}"))
    records = write_figures(comparison, tmp_path, langs=("en",), formats=("svg",))
    drawing = next(r for r in records if "heatmap" in r.name).path("svg").read_text(encoding="utf-8")
    assert "<script" not in drawing
    shown = re.findall(r">([^<>]+)</text>", drawing)
    assert "$base_1$ &lt;b&gt; model" in " ".join(shown)
    assert "化学" in shown
    assert "x_1" in shown
    assert all(p.resolve().is_relative_to(tmp_path.resolve()) for r in records for p in r.files)


def test_global_settings_of_matplotlib_stay_as_they_were(two_arms, tmp_path):
    before = dict(matplotlib.rcParams)
    write_figures(two_arms, tmp_path, langs=("en",), formats=("png",))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("n", [15, 60, 5000])
def test_estimation_panels_show_every_crystal_and_stay_small(n, tmp_path):
    comparison = drawn_comparison(n)
    with style.context():
        figure = statistics.draw(comparison.result, comparison.samples)
        files = style.save(figure, tmp_path, "panels", ["svg"])
    raw = figure.axes[0]
    assert [len(c.get_offsets()) for c in raw.collections if c.get_gid() == marks.CRYSTALS] == [n, n]
    lines = [c for c in raw.collections if isinstance(c, LineCollection)]
    assert sum(len(c.get_segments()) for c in lines) == (n if n <= marks.MANY else 0)
    assert files[0].stat().st_size < 1_500_000


def test_one_arm_alone_is_described_and_not_compared(tmp_path):
    comparison = drawn_comparison(30, arms=("full",))
    records = write_figures(comparison, tmp_path, formats=("png",))
    names = [r.name for r in records]
    assert "specification_curve" not in names
    assert "nothing is compared" in records[0].captions["en"]
    with style.context():
        figure = statistics.draw(comparison.result, comparison.samples)
    assert len(figure.axes) == 4
    assert not any("difference" in t for t in texts(figure))


def test_no_pair_of_arms_is_left_out():
    comparison = drawn_comparison(30, arms=("no_middle", "full", "no_global"))
    with style.context():
        strings = texts(statistics.draw(comparison.result, comparison.samples))
    for arm in ("full model", "no_global model", "model without middle fusion (baseline)"):
        assert strings.count(arm) == 1
    for k, pair in enumerate(comparison.result.pairs):
        for item in pair.primary():
            assert any(t == estimates.short(item, "en") for t in strings), k
    assert any(t.startswith("relative to the baseline") for t in strings)


def test_unknown_formats_and_languages_are_refused(two_arms, tmp_path):
    with pytest.raises(UsageError, match="gif"):
        write_figures(two_arms, tmp_path, formats=("gif",))
    with pytest.raises(UsageError, match="'fr'"):
        write_figures(two_arms, tmp_path, langs=("fr",))


def test_numbers_carry_a_true_minus_and_p_is_never_zero():
    assert fixed(-0.0004, 2) == "0.00"
    assert fixed(-1.25, 1, sign=True) in ("−1.2", "−1.3")
    assert fixed(math.nan, 2) == "–"
    assert p_text(0.0) == "p < 0.001"
    assert p_text(0.0123) == "p = 0.012"
    assert p_text(None) == "p –"
    assert decimals_for(0.2) == 2
    assert with_interval(-0.12, -0.2, -0.04) == "−0.12 (−0.20 to −0.04)"
    assert with_interval(-0.12, -0.2, -0.04, "zh") == "−0.12（−0.20～−0.04）"

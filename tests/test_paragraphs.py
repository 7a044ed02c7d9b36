"""Paragraphs: one synthetic comparison per verdict x error axis x number of seeds, read as a referee would."""

from __future__ import annotations

import itertools
import re

import pytest
import write_golden
from resolve_numbers import unresolved
from synthetic_results import AXES, SEEDS, VERDICTS, synthetic_result

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports import paragraphs, summary
from crysmm_attn_plugin.reports.headline import headline
from crysmm_attn_plugin.reports.numbers import fixed
from crysmm_attn_plugin.reports.prose_facts import metric_label

CASES = list(itertools.product(VERDICTS, AXES, SEEDS))
LANGS = ("en", "zh")
STYLES = ("nature", "apa", "gbt")
#: Words that are never generated: they claim what statistics cannot.
FORBIDDEN = re.compile(
    r"\bprove[sd]?\b|explain(?:s|ed)? why|证明|\bp = 0\.000|nan|None|\{\{|\}\}|undefined", re.I
)
CLOSING = {
    "supported": ("consistent with the hypothesis", "与假设一致"),
    "partial": ("supported by only", "假设仅得到部分支持"),
    "contradicted": ("in the direction opposite to the hypothesis", "方向与假设相反"),
    "inconclusive": (
        "neither a difference nor equivalence was established",
        "既未检出差异，也未通过等效性检验",
    ),
}


def every_text(result, lang, style):
    rendered = paragraphs.render(result, lang=lang, style=style)
    return {**dict(rendered.items()), "summary": summary.reporting_summary(result, lang)}


@pytest.mark.parametrize(("word", "axis", "seeds"), CASES)
def test_every_case_reads_whole_and_claims_no_more_than_its_seeds_allow(word, axis, seeds):
    result = synthetic_result(word, axis, seeds=seeds)
    for lang, style in itertools.product(LANGS, STYLES):
        texts = every_text(result, lang, style)
        for name, text in texts.items():
            assert text, (name, lang)
            assert not FORBIDDEN.search(text), (name, FORBIDDEN.search(text))
            assert not re.search(r" [,;:)]| \.(?!\d)|\( |\.\.|，，|。。|；；|  ", text), (name, text)
            assert text.count("(") == text.count(")"), (name, text)
            assert text.count("（") == text.count("）"), (name, text)
        results = texts["results"]
        if word in CLOSING:
            assert CLOSING[word][lang == "zh"] in results
        if seeds == 1:
            assert not re.search(r"middle fusion (?:improves|causes|concentrates|sharpens)", results)
            assert "architectures as trained" not in results
        if seeds < 4 and word != "not_tested":
            assert ("架构，每组" if lang == "zh" else "architectures as trained here") not in results
        if word == "contradicted" and axis == "better":
            assert (
                "该指标不足以解释性能提升" if lang == "zh" else "does not account for the gain"
            ) in results
        assert not re.search(r"-\d", results), "a hyphen stands where a true minus belongs"


@pytest.mark.parametrize(("word", "axis", "seeds"), CASES)
def test_every_number_of_every_sentence_is_a_field_of_the_result(word, axis, seeds):
    result = synthetic_result(word, axis, seeds=seeds, truncated=3, duplicates=2, untrained=True)
    fields = result.to_dict()
    for lang, style in itertools.product(LANGS, STYLES):
        for name, text in every_text(result, lang, style).items():
            assert not unresolved(text, fields), (name, lang, style, unresolved(text, fields), text)


def test_a_number_that_is_no_field_is_found():
    result = synthetic_result("supported")
    fields = result.to_dict()
    text = paragraphs.render(result).results
    assert not unresolved(text, fields)
    assert unresolved(text.replace("23.6%", "23.9%"), fields) == ["23.9"]
    assert unresolved(text + " 98.76 of them", fields) == ["98.76"]


METRIC_EN = (
    r"{label} was (?P<percent>[\d.]+)% (?P<word>lower|higher) \((?:difference )?(?P<difference>−?[\d.]+)"
)
METRIC_ZH = (
    r"{label}(?P<word>降低|升高|提高|减少|增加)(?P<percent>[\d.]+)%（(?:差值)?(?P<difference>−?[\d.]+)"
)


@pytest.mark.parametrize("word", ["supported", "partial", "contradicted", "conflicting", "inconclusive"])
@pytest.mark.parametrize("lang", LANGS)
def test_each_metric_is_given_its_own_numbers_and_direction(word, lang):
    result = synthetic_result(word)
    text = paragraphs.render(result, lang=lang).results.replace("差值 ", "差值")
    found = 0
    for m in result.pairs[0].primary():
        label = re.escape(metric_label(m.metric, lang).replace(" ", "" if lang == "zh" else " "))
        pattern = (METRIC_EN if lang == "en" else METRIC_ZH).format(label=label)
        hit = re.search(pattern, text.replace(" token", "token") if lang == "zh" else text)
        if hit is None:
            continue
        found += 1
        decimals = len(hit["percent"].partition(".")[2])
        assert hit["percent"] == fixed(abs(m.paired.percent_change), decimals)
        decimals = len(hit["difference"].partition(".")[2])
        assert hit["difference"] == fixed(m.paired.mean_difference, decimals)
        assert (hit["word"] in ("higher", "升高", "提高", "增加")) == (m.paired.mean_difference > 0)
    assert found >= 2
    assert {m.metric for m in result.pairs[0].primary()} <= set(BY_NAME)


@pytest.mark.parametrize("lang", LANGS)
def test_the_relative_gain_names_its_denominator(lang):
    result = synthetic_result("supported", "better")
    text = paragraphs.render(result, lang=lang).results
    gain = f"{result.pairs[0].performance.relative_gain:.1f}%"
    assert gain == "6.9%"
    assert (
        f"{gain} lower relative to the model without" if lang == "en" else f"相对无中期融合模型降低{gain}"
    ) in text


def test_untrained_directions_truncation_duplicates_and_other_differences_are_said():
    result = synthetic_result("supported", untrained=True, truncated=7, duplicates=2, differing=("epochs",))
    english = paragraphs.render(result, lang="en").limitations
    chinese = paragraphs.render(result, lang="zh").limitations
    assert "text-to-atom direction never received a gradient" in english
    assert "7 of 412 texts were cut" in english
    assert "4 crystals in 2 groups" in english
    assert "also differ in epochs" in english
    assert "文本到原子方向的权重从未得到梯度" in chinese
    assert "7条超过分词器的最大长度" in chinese
    assert "epochs上也不相同" in chinese


def test_a_checkpoint_chosen_on_the_test_error_is_called_optimistic():
    text = paragraphs.render(synthetic_result("supported", checkpoint_role="best_test")).limitations
    assert "selected by its error on the test set itself" in text


def test_one_arm_alone_is_described_and_nothing_is_compared():
    result = synthetic_result(arms=())
    for lang in LANGS:
        texts = every_text(result, lang, "nature")
        assert ("Nothing is compared" if lang == "en" else "此处不作比较") in texts["results"]
        assert not unresolved(" ".join(texts.values()), result.to_dict())


def test_several_arms_each_have_their_own_paragraphs(tmp_path):
    result = synthetic_result("supported", arms=("full", "early"))
    written = paragraphs.write(result, tmp_path)
    assert [p.name for p in written] == ["paragraphs.en.md", "paragraphs.zh.md", "paragraphs.tex"]
    english = written[0].read_text(encoding="utf-8")
    assert english.count("### Results") == 2
    assert english.count("## Methods") == 1
    assert "Early model against model without middle fusion" in english


def test_data_in_the_text_is_escaped_where_it_goes():
    result = synthetic_result("supported", baseline="<b>50%_x</b> & \\input{y}")
    markdown = paragraphs.markdown(result, lang="en")
    latex = paragraphs.latex(result, langs=("en", "zh"))
    assert "<b>" not in markdown
    assert "&lt;b&gt;" in markdown
    assert "\\input{y}" not in latex
    assert r"\textbackslash{}input\{y\}" in latex


@pytest.mark.parametrize("lang", LANGS)
def test_italic_symbols_in_apa_and_gbt(lang):
    result = synthetic_result("supported")
    assert "*p* <" in paragraphs.render(result, lang=lang, style="apa").results
    assert "*p* < 0.001" in paragraphs.render(result, lang=lang, style="gbt").results
    assert "*" not in paragraphs.render(result, lang=lang, style="nature").results
    assert "p < .001" in paragraphs.render(result, lang="en", style="apa").results.replace("*", "")


def test_chinese_prose_has_full_width_punctuation_and_wave_dashes_between_ends_of_ranges():
    text = paragraphs.render(synthetic_result("supported"), lang="zh", style="gbt").results
    assert not re.search(r"[\u4e00-\u9fff][,;:()]", text)
    assert re.search(r"−0\.\d+~−0\.\d+", text)


@pytest.mark.parametrize(("word", "axis", "seeds"), CASES)
def test_the_headline_is_made_of_fields_too(word, axis, seeds):
    result = synthetic_result(word, axis, seeds=seeds)
    for lang in LANGS:
        text = headline(result, result.pairs[0], lang)
        assert not unresolved(text, result.to_dict()), text
        assert not FORBIDDEN.search(text)


def test_unknown_language_style_and_pair_are_refused():
    result = synthetic_result("supported")
    for wrong in ({"lang": "fr"}, {"style": "mla"}, {"pair": 3}):
        with pytest.raises(UsageError):
            paragraphs.render(result, **wrong)


@pytest.mark.parametrize(("word", "axis"), write_golden.cases())
def test_paragraphs_are_the_ones_that_were_read_and_approved(word, axis):
    approved = write_golden.path(word, axis).read_text(encoding="utf-8")
    assert write_golden.text(word, axis) == approved, (
        "run python tests/write_golden.py and read the difference"
    )


@pytest.mark.parametrize(("lang", "word"), [("en", "middle fusion"), ("zh", "中期融合")])
def test_arms_of_another_ablation_are_not_said_to_be_about_middle_fusion(lang, word):
    result = synthetic_result("supported", arms=("late",), baseline="none")
    assert word not in paragraphs.render(result, lang=lang).results
    assert word in paragraphs.render(synthetic_result("supported"), lang=lang).results

"""Paragraphs: one synthetic comparison per verdict x error axis x number of runs, read as a referee would."""

from __future__ import annotations

import itertools
import re

import pytest
import write_golden
from resolve_numbers import unresolved
from synthetic_results import AXES, SEEDS, VERDICTS, synthetic_result

from crysmm_attn_plugin.alarms import UNCODED, raised
from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports.guide import ranges_text
from crysmm_attn_plugin.reports.numbers import fixed
from crysmm_attn_plugin.reports.prose import paragraphs, summary
from crysmm_attn_plugin.reports.prose.facts import metric_phrase
from crysmm_attn_plugin.reports.prose.headline import headline
from crysmm_attn_plugin.stats.results import DeclarationRecord

# two and three runs are one rung of the ladder: the pages of cases need one of them
CASES = list(itertools.product(VERDICTS, AXES, (1, 3, 5)))
LANGS = ("en", "zh")
STYLES = ("nature", "apa", "gbt")
#: Words that are never generated: they claim what statistics cannot.
FORBIDDEN = re.compile(
    r"\bprove[sd]?\b|explain(?:s|ed)? why|证明|\bp = 0\.000|(?-i:\bnan\b|\bNone\b)|\{\{|\}\}|undefined", re.I
)
#: Words that speak of the hypothesis or of architectures: four runs in each arm or none of them.
HYPOTHESIS = re.compile(
    r"hypothesis|consistent with|as trained here|trained as here|middle fusion (?:improves|causes|concentrates|sharpens)|假设|按本文方式"
)
CLOSING = {
    "supported": ("consistent with the hypothesis", "与假设一致"),
    "partial": ("supported by only", "假设仅得到部分支持"),
    "contradicted": ("in the direction opposite to the hypothesis", "方向与假设相反"),
    "partly_contradicted": ("opposite to the hypothesis and none as predicted", "没有一项符合预期"),
    "inconclusive": (
        "neither a difference nor equivalence was established",
        "既未检出差异，也未通过等效性检验",
    ),
}


def every_text(result, lang, style):
    rendered = paragraphs.render(result, lang=lang, style=style)
    return {**dict(rendered.items()), "summary": summary.reporting_summary(result, lang)}


def style_of(number):
    """Styles differ in numbers and symbols alone, so that each case needs one: neighbours have others."""
    return STYLES[number % len(STYLES)]


@pytest.mark.parametrize(("number", "word", "axis", "seeds"), [(i, *case) for i, case in enumerate(CASES)])
def test_every_case_reads_whole_with_every_number_a_field_and_claims_no_more_than_its_runs_allow(
    number, word, axis, seeds
):
    result = synthetic_result(word, axis, seeds=seeds, truncated=3, duplicates=2, untrained=True)
    fields = result.to_dict()
    # the number of runs is the case's last part: its styles go on with every other part
    first = number + number // 3
    for lang, style in zip(LANGS, (style_of(first), style_of(first + 1))):
        texts = every_text(result, lang, style)
        for name, text in texts.items():
            assert text, (name, lang)
            assert not FORBIDDEN.search(text), (name, FORBIDDEN.search(text))
            assert not re.search(r" [,;:)]| \.(?!\d)|\( |\.\.|，，|。。|；；|  ", text), (name, text)
            assert text.count("(") == text.count(")"), (name, text)
            assert text.count("（") == text.count("）"), (name, text)
            assert not unresolved(text, fields), (name, lang, style, unresolved(text, fields), text)
        results = texts["results"]
        assert not re.search(r"-\d", results), "a hyphen stands where a true minus belongs"
        if lang == "en":
            assert len(texts["methods_short"].split()) <= 80
        shown = headline(result, result.pairs[0], lang)
        assert not unresolved(shown, fields), shown
        assert not FORBIDDEN.search(shown)
        if seeds < 4:
            told = results + texts["alignment"] + texts.get("robustness", "") + texts["caption"] + shown
            assert not HYPOTHESIS.search(told), HYPOTHESIS.search(told)
            continue
        if word in CLOSING:
            assert CLOSING[word][lang == "zh"] in results
        if word in ("contradicted", "partly_contradicted") and axis == "better":
            assert (
                "该指标不足以解释性能提升" if lang == "zh" else "does not account for the gain"
            ) in results


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


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("word", ["supported", "partial", "contradicted", "conflicting", "inconclusive"])
@pytest.mark.parametrize("lang", LANGS)
def test_each_metric_is_given_its_own_numbers_and_direction(word, lang, seeds):
    result = synthetic_result(word, seeds=seeds)
    text = paragraphs.render(result, lang=lang).results.replace("差值 ", "差值")
    for m in result.pairs[0].primary():
        label = re.escape(metric_phrase(m.metric, lang).replace(" ", "" if lang == "zh" else " "))
        pattern = (METRIC_EN if lang == "en" else METRIC_ZH).format(label=label)
        hit = re.search(pattern, text.replace(" token", "token") if lang == "zh" else text)
        assert hit, (m.metric, text)
        decimals = len(hit["percent"].partition(".")[2])
        assert hit["percent"] == fixed(abs(m.paired.percent_change), decimals)
        decimals = len(hit["difference"].partition(".")[2])
        assert hit["difference"] == fixed(m.paired.mean_difference, decimals)
        assert (hit["word"] in ("higher", "升高", "提高", "增加")) == (m.paired.mean_difference > 0)
    assert {m.metric for m in result.pairs[0].primary()} <= set(BY_NAME)


# -- the claim ladder ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
def test_one_run_each_speaks_of_two_checkpoints_with_the_run_sd_that_would_make_it_noise(lang):
    result = synthetic_result("supported", seeds=1)
    text = paragraphs.render(result, lang=lang).results
    entropy = result.pairs[0].metric("entropy")
    assert ("these two checkpoints" if lang == "en" else "只涉及这两个检查点") in text
    assert f"{entropy.break_even_run_sd:.3g}" in text
    assert f"{entropy.break_even_run_percent:.1f}%" in text


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("lang", LANGS)
def test_two_or_three_runs_are_estimates_with_every_run_shown(seeds, lang):
    result = synthetic_result("supported", seeds=seeds)
    rendered = paragraphs.render(result, lang=lang)
    assert ("without a verdict" if lang == "en" else "不作判定") in rendered.results
    assert ("an estimate" if lang == "en" else "估计区间") in rendered.results
    assert "p <" not in rendered.results
    for value in result.pairs[0].metric("entropy").per_seed_arm:
        assert fixed(value, 2) in rendered.robustness


def test_a_verdict_stands_beside_the_permutation_of_runs_and_its_smallest_p():
    text = paragraphs.render(synthetic_result("supported", seeds=5)).results
    assert (
        "Permuting training runs between the arms, which takes both to scatter alike, gave p = 0.008" in text
    )
    assert "cannot be below 0.008" in text


@pytest.mark.parametrize("lang", LANGS)
def test_limitations_fit_unequal_numbers_of_runs(lang):
    result = synthetic_result("supported", seeds=4, seeds_baseline=1)
    text = paragraphs.render(result, lang=lang).limitations
    assert ("Each arm was trained once" if lang == "en" else "每组仅训练一次") not in text
    assert (
        "model without middle fusion was trained once and the full model four times"
        if lang == "en"
        else "无中期融合模型仅训练一次，全模态模型训练4次"
    ) in text
    assert "training run per arm" not in " ".join(t for _, t in paragraphs.render(result, lang="en").items())


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("seeds", [1, 5])
def test_a_guessed_baseline_gives_higher_and_lower_but_no_direction_and_no_verdict(lang, seeds):
    result = synthetic_result("supported", seeds=seeds, arms=("b",), baseline="a", baseline_known=False)
    texts = dict(paragraphs.render(result, lang=lang).items())
    assert ("lower" if lang == "en" else "降低") in texts["results"]
    assert not re.search(r"concentrated on|predicted|更集中：|更分散", texts["results"])
    assert ("baseline was not known" if lang == "en" else "基线组未知") in texts["limitations"]
    assert not HYPOTHESIS.search(" ".join(texts.values()))


def declaration(**changes):
    values = {
        "date": "2026-01-02T09:00:00Z", "digest": "ab" * 32, "path": "declaration.toml", "hypothesis": "h",
        "directions": {"entropy": -1}, "smallest_effects": {"entropy": 5.0}, "primary_metrics": ("entropy",),
        "seeds": (), "paired_seeds": False, "clusters": "none", "before_first_capture": True,
        "first_capture": "2026-01-05T09:00:00Z", "changed": (),
    }  # fmt: skip
    return DeclarationRecord(**{**values, **changes})


@pytest.mark.parametrize("seeds", [1, 5])
def test_declared_beforehand_is_said_of_a_declaration_alone(seeds):
    def said(**case):
        result = synthetic_result("supported", seeds=seeds, **case)
        return {
            lang: " ".join(t for _, t in paragraphs.render(result, lang=lang).items())
            + summary.reporting_summary(result, lang)
            for lang in LANGS
        }

    nobody = said()
    assert "before the first capture" not in nobody["en"]
    assert "首次记录之前声明" not in nobody["zh"]
    assert "default smallest effect of interest of 5%" in nobody["en"]
    declared = said(declaration=declaration(), sesoi_source="declared")
    assert "declared on 2026-01-02, before the first capture" in declared["en"]
    assert "于2026-01-02首次记录之前声明" in declared["zh"]
    late = said(declaration=declaration(before_first_capture=False), sesoi_source="declared")
    assert "before the first capture" not in late["en"]
    assert "written down on 2026-01-02, after the first capture" in late["en"]
    edited = said(declaration=declaration(changed=("digest",)), sesoi_source="declared")
    for words in (late["en"], edited["en"]):
        assert "declared on" not in words
        assert not re.search(r"(?<!not )\bdeclared\b", words), words
    for words in (late["zh"], edited["zh"]):
        assert "声明" not in words.replace("未经事先声明", "").replace("未声明", "")
    changed = said(sesoi_source="changed")
    assert "not declared" in changed["en"]
    assert "未经事先声明" in changed["zh"]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("seeds", [1, 5])
def test_disagreement_of_test_and_interval_is_said_and_no_difference_claimed(lang, seeds):
    result = synthetic_result("supported", seeds=seeds, disagree=("gini",))
    text = paragraphs.render(result, lang=lang).results
    assert (
        "For the Gini coefficient, test and interval disagree (the test alone"
        if lang == "en"
        else "基尼系数的检验与区间不一致"
    ) in text
    assert "on all four" not in text
    assert "全部4项主要指标" not in text


@pytest.mark.parametrize("lang", LANGS)
def test_a_percent_change_that_is_not_defined_is_said_to_be(lang):
    result = synthetic_result("supported", seeds=5, undefined=("max_weight",))
    text = paragraphs.render(result, lang=lang).results
    assert (
        "The percent change of the maximum weight is not defined" if lang == "en" else "百分比变化无定义"
    ) in text


@pytest.mark.parametrize(
    ("lang", "fold"), [("en", "3.21-fold that of the baseline"), ("zh", "为基线组的3.21倍")]
)
def test_a_rise_beyond_twofold_is_told_as_a_ratio(lang, fold):
    result = synthetic_result("supported", seeds=5, percents={"max_weight": 221.0})
    text = paragraphs.render(result, lang=lang).results
    assert fold in text
    assert "221" not in text
    assert not unresolved(text, result.to_dict())


@pytest.mark.parametrize(("lang", "points"), [("en", "−0.019 percentage points"), ("zh", "−0.019个百分点")])
def test_errors_in_percent_differ_by_percentage_points(lang, points):
    text = paragraphs.render(synthetic_result("supported", seeds=5, unit="%"), lang=lang).results
    assert points in text


# -- the guide's scenarios -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            {"word": "supported", "axis": "better"},
            ("already given the atoms information", "使节点带有文本信息"),
        ),
        ({"word": "supported", "axis": "better", "small": True}, ("more varied features", "增加特征多样性")),
        ({"word": "contradicted", "axis": "better"}, ("more distributed alignment", "更为分散的对齐方式")),
    ],
)
@pytest.mark.parametrize("seeds", [1, 5])
def test_each_scenario_of_the_guide_has_its_sentence(case, words, lang, seeds):
    rendered = paragraphs.render(synthetic_result(**case, seeds=seeds), lang=lang)
    assert words[lang == "zh"] in rendered.robustness
    assert ranges_text(lang).replace(" ", "" if lang == "zh" else " ") in rendered.robustness
    if seeds == 1:
        assert (
            "Should further runs confirm it" if lang == "en" else "若更多训练得到同样结果"
        ) in rendered.robustness


def test_the_core_is_the_guides_and_the_rest_is_in_a_paragraph_of_its_own():
    rendered = paragraphs.render(synthetic_result("supported", seeds=5))
    order = [rendered.results.index(w) for w in ("attention entropy", "maximum weight", "effective number", "Gini", "Figure 1",
                                                 "mean absolute error")]  # fmt: skip
    assert order == sorted(order)
    assert "Without special tokens" not in rendered.results
    assert "Without special tokens" in rendered.robustness


# -- wording ---------------------------------------------------------------------------------------------------


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


def test_several_arms_each_have_their_own_paragraphs():
    result = synthetic_result("supported", arms=("full", "early"), seeds=5)
    english = paragraphs.markdown(result, lang="en")
    assert english.count("### Results\n") == 2
    assert english.count("## Methods\n") == 1
    assert "## Early model against model without middle fusion" in english


@pytest.mark.parametrize("lang", LANGS)
def test_an_arm_has_one_name_everywhere(lang):
    result = synthetic_result("supported", arms=("全模态模型",), baseline="无中期融合")
    texts = " ".join(every_text(result, lang, "nature").values()) + headline(result, result.pairs[0], lang)
    assert "模型模型" not in texts
    assert ("full model" if lang == "en" else "全模态模型") in texts
    assert ("model without middle fusion" if lang == "en" else "无中期融合模型") in texts
    if lang == "en":
        assert not re.search(r"[\u4e00-\u9fff]", texts.split("run identifiers")[0])


def test_italic_symbols_in_apa_and_gbt():
    result = synthetic_result("supported")
    for lang in LANGS:
        assert "*p* <" in paragraphs.render(result, lang=lang, style="apa").results
        assert "*p* < 0.001" in paragraphs.render(result, lang=lang, style="gbt").results
        assert "*" not in paragraphs.render(result, lang=lang, style="nature").results
    assert "p < .001" in paragraphs.render(result, lang="en", style="apa").results.replace("*", "")


@pytest.mark.parametrize(("number", "word", "seeds"), [
    (i, *case) for i, case in enumerate(itertools.product(VERDICTS, SEEDS))
])  # fmt: skip
def test_chinese_is_written_as_chinese(number, word, seeds):
    result = synthetic_result(
        word, seeds=seeds, truncated=2, untrained=True, duplicates=1, differing=("epochs",)
    )
    for name, text in every_text(result, "zh", style_of(number + number // 4)).items():
        # half-width marks stand in formulae and between Latin words alone
        assert not re.search(r"[\u4e00-\u9fff][,;:()~]|[,;:(~][\u4e00-\u9fff]", text), (name, text)
        assert not re.search(r"\d, ", text), (name, text)
        assert not re.search(r"(?:[A-Za-z]+ ){4,}", text.replace("max w", "")), (name, text)
    if word == "supported" and seeds == 1:
        assert re.search(r"−0\.\d+～−0\.\d+", paragraphs.render(result, lang="zh").results)


def test_warnings_are_told_in_the_readers_language():
    from dataclasses import replace

    result = replace(
        synthetic_result("supported"),
        warnings=(
            raised("runs_same_weights", arm="full", runs=["a1", "a2"]),
            Alarm(UNCODED, "something nobody foresaw."),
        ),
    )
    chinese = paragraphs.render(result, lang="zh").limitations
    assert "full组的运行a1和a2权重相同" in chinese
    assert "foresaw" not in chinese
    assert "result.json" in chinese
    assert "Something nobody foresaw." in paragraphs.render(result, lang="en").limitations


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
    texts = dict(paragraphs.render(result, lang=lang).items())
    assert word not in texts["results"] + texts["robustness"]
    assert word in paragraphs.render(synthetic_result("supported"), lang=lang).results

"""The page as a file: complete, self-contained, and harmless whatever the data hold."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import page_kit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from page_kit import HOSTILE, capture, crystals, page, two_arms
from synthetic_results import AXES, VERDICTS, synthetic_result

from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.comparison import compare_runs
from crysmm_attn_plugin.reports.figures import vectors
from crysmm_attn_plugin.reports.page import blocks, chart, data, maps, verdict
from crysmm_attn_plugin.reports.page.texts import TEXTS
from crysmm_attn_plugin.reports.sections import Section


class Document(HTMLParser):
    """Elements with their attributes, and the text of scripts by id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script = (dict(attrs).get("id") or "") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    @property
    def payload(self) -> dict[str, Any]:
        return json.loads(self.scripts["data"])


def unpack(block: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A block read back as the page's script reads it."""
    raw = gzip.decompress(base64.b64decode(block))
    length = int.from_bytes(raw[:4], "little")
    header = json.loads(raw[4 : 4 + length])
    place, found = 4 + length, {}
    for arm, heads in header["arms"].items():
        rows = heads * header["atoms"]
        scales = np.frombuffer(raw, "<u2", rows, place).reshape(heads, header["atoms"]) / 65535
        place += 2 * rows
        codes = np.frombuffer(raw, "u1", rows * header["n_words"], place)
        place += rows * header["n_words"]
        found[arm] = scales[..., None] * (codes.reshape(heads, header["atoms"], -1) / 255.0) ** 2
    assert place == len(raw)
    return header, found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    folder = tmp_path_factory.mktemp("page")
    comparison = two_arms(folder / "runs", crystals(), both=True)
    return comparison, page(comparison, folder / "report").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    folder = tmp_path_factory.mktemp("hostile")
    comparison = two_arms(folder / "runs", [*HOSTILE, *crystals(10)])
    return comparison, page(comparison, folder / "report").read_text(encoding="utf-8")


def test_nothing_on_the_page_points_to_a_network(made: tuple[Any, str]) -> None:
    document = Document(made[1])
    for _tag, attributes in document.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:", "#")), address
    assert not re.search(r"url\(\s*['\"]?(?!data:)", made[1].split("</style>")[0])


def test_the_policy_forbids_every_connection_and_every_script_but_the_pages_own(
    made: tuple[Any, str],
) -> None:
    policy = next(a["content"] for t, a in Document(made[1]).elements if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts is not None
    assert re.fullmatch(r"('sha256-[A-Za-z0-9+/=]{44}' ?){2}", scripts.group(1))
    assert "connect-src" not in policy


def test_verdict_numbers_paragraphs_and_sensitivity_stand_in_the_html_without_any_script(
    made: tuple[Any, str],
) -> None:
    comparison, html = made
    body = html.split('<script type="application/json"')[0]
    pair = comparison.result.pairs[0]
    assert verdict.WORDS[pair.verdict][1] in body
    assert verdict.WORDS[pair.verdict][2] in body
    assert f"N = {pair.n}" in body
    assert 'id="p-en-0-results"' in body
    assert 'id="p-zh-0-methods"' in body
    for m in pair.primary():
        assert language.metric_heading(m.metric, "en") in body


def test_maps_come_back_within_the_stated_precision(made: tuple[Any, str]) -> None:
    comparison, html = made
    document = Document(html)
    ids = document.payload["crystals"]["id"]
    for number in (0, 7, 29):
        one = comparison.maps(ids[number], "full")
        words = maps.words_of(one, one.weights.shape[2])
        truth = maps.merge(one, words)
        header, found = unpack(document.scripts[f"map-{number}"])
        assert header["elements"] == list(one.elements)
        assert [w[0] for w in header["words"]] == [w.text for w in words]
        error = np.abs(found["full"] - truth)
        assert (error <= 0.004 * truth.max(-1, keepdims=True) + 2e-5).all()


def test_word_weights_of_text_to_atom_are_means_over_the_words_tokens(made: tuple[Any, str]) -> None:
    comparison, html = made
    document = Document(html)
    one = comparison.maps(document.payload["crystals"]["id"][3], "no_middle", direction="text_to_atom")
    _, found = unpack(document.scripts["back-3"])
    # each word's weights over the atoms still sum to one
    assert np.allclose(found["no_middle"].sum(1), 1, atol=0.02)
    assert found["no_middle"].shape[1] == len(one.elements)


@given(arrays(np.float64, (2, 3, 17), elements=st.floats(0, 1, allow_nan=False)))
def test_quantised_weights_keep_zero_and_order_of_magnitude(weights: np.ndarray) -> None:
    scales, codes = maps.quantise(weights)
    back = scales[..., None] / 65535 * (codes / 255.0) ** 2
    assert (np.abs(back - weights) <= 0.004 * weights.max(-1, keepdims=True) + 2e-5).all()
    assert (back[weights == 0] == 0).all()


#: What can end a script element or a JSON string, between letters of several scripts.
MARKUP = "<>&/!-\\\"'{}scriptSCRIPT\u2028\u2029\x00\n\t aé氯😀\ufeff"


@given(st.text(MARKUP))
def test_no_text_can_leave_its_script_element(text: str) -> None:
    written = data.script_json({"text": text + "</script><!--\u2028&"})
    assert not re.search("[<>&\u2028\u2029]", written)
    assert json.loads(written)["text"] == text + "</script><!--\u2028&"


def test_crystals_are_ordered_by_the_size_of_their_change(made: tuple[Any, str]) -> None:
    comparison, html = made
    crystals = Document(html).payload["crystals"]
    values = crystals["values"]["entropy"]
    change = np.abs(np.array(values["full"]) - np.array(values["no_middle"]))
    examples = len({e.id for e in comparison.result.examples})
    assert (np.diff(change[examples:]) <= 1e-6).all()


def test_when_the_budget_is_short_fewer_crystals_keep_their_maps_and_the_page_says_so(tmp_path: Path) -> None:
    comparison = two_arms(tmp_path / "runs", crystals())
    html = page(comparison, tmp_path / "report", maps_budget=12_000).read_text(encoding="utf-8")
    document = Document(html)
    kept = [s for s in document.scripts if s.startswith("map-")]
    assert 0 < len(kept) < 30
    assert sum(len(document.scripts[s]) for s in kept) <= 12_000
    assert f"Maps of {len(kept)} of 30 crystals are on this page" in html
    assert sum(document.payload["crystals"]["map"]) == len(kept)


def test_a_thousand_crystals_with_eight_heads_stay_below_thirty_megabytes_with_every_map(
    tmp_path: Path,
) -> None:
    """A tenth of them, each with weights of its own: what they take is taken ten times."""
    words = " ".join(f"word{i}" for i in range(58))
    many = [
        page_kit.Crystal(f"JVASP-{i}", ("Ca",) * 2 + ("Al",) * 3 + ("O",) * 5, text=words) for i in range(100)
    ]
    path = page(two_arms(tmp_path / "runs", many, heads=8), tmp_path / "report")
    assert 10 * path.stat().st_size < 30_000_000
    scripts = Document(path.read_text(encoding="utf-8")).scripts
    blocks_of_maps = [len(text) for name, text in scripts.items() if name.startswith("map-")]
    assert len(blocks_of_maps) == 100
    assert 10 * sum(blocks_of_maps) < maps.BUDGET


def test_data_are_text_and_nothing_else(hostile: tuple[Any, str]) -> None:
    document = Document(hostile[1])
    scripts = [attributes.get("id") for tag, attributes in document.elements if tag == "script"]
    ours = re.compile("data|descriptions|result-file|(map|back)-[0-9]+(-run[0-9])?|dots-[0-9]+-(en|zh)")
    assert [s for s in scripts if s is not None and not ours.fullmatch(s)] == []
    assert scripts.count(None) == 2
    assert not [a for _, a in document.elements if any(name.startswith("on") for name in a)]
    assert "<b>id</b>" in document.payload["crystals"]["id"]
    assert "<i>KBr</i>" in document.payload["crystals"]["formula"]
    assert "../../etc/passwd" in document.payload["crystals"]["id"]
    assert "<b>id</b>" not in hostile[1]


def test_a_description_full_of_markup_is_kept_word_for_word(hostile: tuple[Any, str]) -> None:
    document = Document(hostile[1])
    number = document.payload["crystals"]["id"].index("script")
    header, _ = unpack(document.scripts[f"map-{number}"])
    assert "<script>" in "".join(w[0] for w in header["words"])


def test_crystals_without_labels_have_numbered_words(hostile: tuple[Any, str]) -> None:
    document = Document(hostile[1])
    number = document.payload["crystals"]["id"].index("unlabelled")
    header, _ = unpack(document.scripts[f"map-{number}"])
    assert header["labelled"] is False
    assert [w[0] for w in header["words"]] == [str(i) for i in range(1, 13)]


def test_one_arm_alone_is_described_without_a_verdict(tmp_path: Path) -> None:
    run = capture(tmp_path / "runs", "full", crystals())
    html = page(compare_runs(full=[run], n_resamples=200), tmp_path / "report").read_text(encoding="utf-8")
    document = Document(html)
    assert document.payload["pairs"] == []
    assert "verdict-word" not in html.split("</style>")[1].split("<script")[0]
    assert all(document.payload["crystals"]["map"])


def test_three_arms_with_two_seeds_have_a_block_a_pair_and_say_which_run_is_drawn(tmp_path: Path) -> None:
    arms = {
        arm: [capture(tmp_path / "runs", arm, crystals(), sharpness=s, seed=k) for k in (0, 1)]
        for arm, s in (("full", 1.6), ("late", 1.2), ("no_middle", 1.0))
    }
    comparison = compare_runs(baseline="no_middle", n_resamples=200, **arms)
    html = page(comparison, tmp_path / "report").read_text(encoding="utf-8")
    document = Document(html)
    assert [p["arm"] for p in document.payload["pairs"]] == [p.arm for p in comparison.result.pairs]
    assert html.count("data-set-pair=") == 2
    assert "first run of each arm" in html
    header, _ = unpack(document.scripts["map-0"])
    assert set(header["arms"]) == {"full", "late", "no_middle"}


def test_without_maps_the_list_remains_and_the_reason_is_given(tmp_path: Path) -> None:
    comparison = two_arms(tmp_path / "runs", crystals(), maps=False)
    html = page(comparison, tmp_path / "report").read_text(encoding="utf-8")
    document = Document(html)
    assert not any(document.payload["crystals"]["map"])
    assert len(document.payload["crystals"]["id"]) == 30
    assert "No attention maps were captured in every arm" in html


def test_alarms_stand_before_the_explorer(tmp_path: Path) -> None:
    alarm = Alarm("single_key", "Only one key: <every> weight is 1.", "fine", "atom_to_text")
    comparison = two_arms(tmp_path / "runs", crystals(), alarms=(alarm,))
    html = page(comparison, tmp_path / "report").read_text(encoding="utf-8")
    # once, with the arms it was raised in
    assert (
        html.count("full model, model without middle fusion: Only one key: &lt;every&gt; weight is 1.") == 1
    )
    place = html.index("Only one key: &lt;every&gt; weight is 1.")
    assert html.index('id="verdict"') < place < html.index('id="crystals"')


def test_sections_of_plugins_stand_in_the_page_in_both_languages(tmp_path: Path) -> None:
    comparison = two_arms(tmp_path / "runs", crystals(12))
    section = Section("mine", {"en": "Mine", "zh": "我的"}, {"en": "<p>body</p>", "zh": "<p>正文</p>"}, {})
    html = page(comparison, tmp_path / "report", sections=[section]).read_text(encoding="utf-8")
    assert "<p>body</p>" in html
    assert "<p>正文</p>" in html


def test_a_page_in_one_language_has_no_switch_and_no_word_of_the_other(tmp_path: Path) -> None:
    comparison = two_arms(tmp_path / "runs", crystals(12))
    html = page(comparison, tmp_path / "report", langs=("en",)).read_text(encoding="utf-8")
    assert "data-set-lang" not in html.split("<script")[1]
    assert not re.search("[\u4e00-\u9fff]", html.split("</head>")[1].split("</main>")[0])


@pytest.mark.parametrize("word", VERDICTS)
@pytest.mark.parametrize("axis", AXES)
def test_every_verdict_has_a_headline_in_both_languages(word: Any, axis: Any) -> None:
    result = synthetic_result(word, axis, seeds=5)
    view = verdict.verdict_view(result, result.pairs[0])
    for lang in ("en", "zh"):
        assert view.word[lang]
        assert {"en": "full model", "zh": "全模态模型"}[lang] in view.sentence[lang]
        assert "None" not in view.sentence[lang]
        assert "nan" not in str(view.facts)
    assert (view.sentence["en"].count("more concentrated") == 1) == (word in ("supported", "partial"))


def test_one_seed_speaks_of_checkpoints_and_claims_nothing_of_the_architecture() -> None:
    one, many = (synthetic_result("supported", "better", seeds=k) for k in (1, 5))
    views = [verdict.verdict_view(r, r.pairs[0]) for r in (one, many)]
    claims = [{key: small["en"] for key, _, small in v.facts}["fact_claim"] for v in views]
    assert (
        "between the checkpoint of the full model and the checkpoint of the model without middle fusion"
        in views[0].sentence["en"]
    )
    assert "nothing about the architecture" in claims[0]
    assert "checkpoint" not in views[1].sentence["en"]
    assert claims[1].startswith("A claim about the architecture")


def test_arms_that_differ_in_more_than_the_fusion_claim_no_architecture() -> None:
    result = synthetic_result("supported", "better", seeds=5)
    pair = replace(result.pairs[0], claim="estimates", differing_settings=("learning_rate",))
    facts = {key: (big, small) for key, big, small in verdict.verdict_view(result, pair).facts}
    assert facts["fact_claim"][0] == {"en": "5 seeds per arm", "zh": "每组 5 个种子"}
    assert "not enough for a verdict on the architecture" in facts["fact_claim"][1]["en"]


def test_missing_numbers_are_dashes_not_nan() -> None:
    result = synthetic_result("supported", "better")
    pair = result.pairs[0]
    nan = float("nan")
    metrics = tuple(
        replace(m, paired=replace(m.paired, percent_change=nan, percent_ci_low=nan, percent_ci_high=nan))
        for m in pair.metrics
    )
    view = verdict.verdict_view(result, replace(pair, metrics=metrics))
    assert [row.change for row in view.chart.rows] == ["–"] * 4
    assert all(row.centre is None for row in view.chart.rows)


def test_every_text_of_the_interface_exists_in_both_languages() -> None:
    for key, (en, zh) in TEXTS.items():
        assert en, key
        assert zh, key
        assert set(re.findall(r"{\w+}", en)) == set(re.findall(r"{\w+}", zh)), key


def test_scripts_ask_only_for_texts_that_exist() -> None:
    folder = Path(maps.__file__).parent
    asked = set()
    for script in folder.glob("*.js"):
        asked |= set(re.findall(r'app\.t\("(\w+)"', script.read_text(encoding="utf-8")))
    assert asked - set(TEXTS) - {"sort_"} == set()


def test_figures_are_vectors_of_the_page_with_no_id_twice(made: tuple[Any, str]) -> None:
    html = made[1]
    document = Document(html)
    ids = [a["id"] for _, a in document.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    assert [t for t, _ in document.elements if t == "img"] == []
    drawing = html.split('class="plot-in"')[1].split("</svg>")[0]
    assert "<text" in drawing
    assert "entropy &lt;b&gt;" in drawing
    assert "var(--ink)" in drawing
    assert "#000000" not in drawing
    assert "<style" not in drawing


def test_every_reference_inside_a_drawing_stays_inside_it(tmp_path: Path, made: tuple[Any, str]) -> None:
    comparison, _ = made
    record = page_kit.example_figure(comparison, tmp_path, ("en", "zh"))
    for lang in ("en", "zh"):
        path = record.path("svg", lang)
        assert path is not None
        drawing, width, height = vectors.inline(path, f"f1{lang}-")
        ids = set(re.findall(r'\bid="([^"]+)"', drawing))
        used = set(re.findall(r"url\(#([^)]+)\)", drawing)) | set(re.findall(r'href="#([^"]+)"', drawing))
        assert used <= ids
        assert all(i.startswith(f"f1{lang}-") for i in ids)
        assert width / height == pytest.approx(89 / 50, rel=0.01)


def test_dots_of_a_figure_name_the_right_crystals(made: tuple[Any, str]) -> None:
    comparison, html = made
    document = Document(html)
    raw = gzip.decompress(base64.b64decode(document.scripts["dots-1-en"]))
    count = len(raw) // 8
    x = np.frombuffer(raw, "<u2", count)
    rows = np.frombuffer(raw, "<u4", count, 4 * count)
    crystals_of_page = document.payload["crystals"]
    first = comparison.result.arms[0].name
    values = np.array(crystals_of_page["values"]["entropy"][first])[rows]
    assert sorted(rows) == list(range(30))
    # places across follow the values
    assert np.corrcoef(x, values)[0, 1] > 0.9999


def test_the_result_and_the_descriptions_travel_inside_the_page(made: tuple[Any, str]) -> None:
    comparison, html = made
    document = Document(html)
    values = json.loads(gzip.decompress(base64.b64decode(document.scripts["result-file"])))
    assert values["pairs"][0]["arm"] == comparison.result.pairs[0].arm
    texts = json.loads(gzip.decompress(base64.b64decode(document.scripts["descriptions"])))
    ids = document.payload["crystals"]["id"]
    labels = comparison.token_labels(ids[4])
    assert labels is not None
    assert texts[4] == labels.text
    assert set(document.payload["crystals"]["group"]) == {"Fm-3m"}


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("NaCl crystallizes in the cubic Fm-3m space group.", "Fm-3m"),
        ("It is in the space group P2_1/c.", "P2_1/c"),
        ("GaAs crystallizes in the cubic F4\u03053m space group", "F4\u03053m"),
        ("P-1 space group", "P-1"),
        ("no symmetry is named", ""),
        ("the space group of the crystal", ""),
        ("", ""),
    ],
)
def test_the_space_group_is_read_from_the_description(text: str, group: str) -> None:
    assert blocks.space_group(text) == group


def test_every_run_of_an_arm_has_its_maps_on_the_page(tmp_path: Path) -> None:
    arms = {
        arm: [capture(tmp_path / "runs", arm, crystals(12), sharpness=s, seed=k) for k in (0, 1)]
        for arm, s in (("full", 1.6), ("no_middle", 1.0))
    }
    comparison = compare_runs(baseline="no_middle", n_resamples=200, **arms)
    document = Document(page(comparison, tmp_path / "report").read_text(encoding="utf-8"))
    payload = document.payload["crystals"]
    assert payload["runs"] == [2] * 12
    _, second = unpack(document.scripts["map-3-run1"])
    summary = next(a for a in comparison.result.arms if a.name == "full")
    run = next(r for r in comparison.runs["full"] if r.run_id == summary.run_ids[1])
    one = run.maps(payload["id"][3], checkpoint=summary.checkpoints[1], module=comparison.result.module)
    truth = maps.merge(one, maps.words_of(one, one.weights.shape[2]))
    assert (np.abs(second["full"] - truth) <= 0.004 * truth.max(-1, keepdims=True) + 2e-5).all()


def test_the_chart_stands_on_ratios_so_that_halving_and_doubling_are_as_far_from_no_change() -> None:
    result = synthetic_result("supported", "better")
    pair = result.pairs[0]
    metrics = tuple(
        replace(m, paired=replace(m.paired, percent_change=v, percent_ci_low=v - 1, percent_ci_high=v + 1))
        for m, v in zip(pair.primary(), (-50.0, 100.0, 0.0, -99.0))
    )
    drawn = chart.chart(pair, metrics)
    half, double, none, _ = (row.centre for row in drawn.rows)
    assert none == drawn.zero
    assert half is not None
    assert double is not None
    assert drawn.zero - half == pytest.approx(double - drawn.zero, abs=0.02)
    places = [x for x, _ in drawn.ticks]
    assert all(b - a >= chart.TICK_GAP - 0.01 for a, b in itertools.pairwise(places))


def test_a_change_that_leaves_no_positive_ratio_is_not_drawn() -> None:
    assert chart.log_ratio(-100.0) is None
    assert chart.log_ratio(float("nan")) is None
    assert chart.log_ratio(None) is None

"""Alarms go by their code: data in the result, the sentence from the reader's language, English where it has none."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_results import synthetic_result

from crysmm_attn_plugin.alarms import UNCODED, fields, filled, raised
from crysmm_attn_plugin.builtin.alarms import ALARM_KINDS
from crysmm_attn_plugin.catalogue import ALARMS, LANGUAGES
from crysmm_attn_plugin.descriptors import AlarmKind, Language
from crysmm_attn_plugin.language_forms import Marks
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports.alarm_texts import alarm_text
from crysmm_attn_plugin.reports.page import verdict
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.stats.results import ComparisonResult

ROOT = Path(__file__).resolve().parent.parent
#: Always given, and the ones that only older runs hold.
ALWAYS, OLD = {"module", "direction"}, {"hooks_did_not_fire"}


def calls() -> Iterator[tuple[str, str, set[str], bool]]:
    """(place, code, keywords, whether more are passed on) of every alarm that is raised by a code written down."""
    for folder in ("crysmm_attn_plugin", "reports", "hooks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or ast.unparse(node.func) != "raised" or not node.args:
                    continue
                if isinstance(node.args[0], ast.Constant):
                    names = {k.arg for k in node.keywords if k.arg}
                    more = any(k.arg is None for k in node.keywords)
                    yield f"{path.name}:{node.lineno}", node.args[0].value, names, more


def test_every_alarm_is_raised_with_what_its_sentence_asks_for() -> None:
    found = list(calls())
    assert len(found) > 25
    for place, code, names, more in found:
        missing = fields(ALARMS[code].texts["en"]) - names - ALWAYS
        assert more or not missing, f"{place}: {code} lacks {missing}"
    written = {code for _, code, _, _ in found} | {"plugin_failed"} | OLD
    # the reasons why a site is left out are looked up
    written |= {"single_key", "site_left_out", "padding_unknown", "not_finite"}
    assert written == {kind.code for kind in ALARM_KINDS}


@pytest.mark.parametrize("kind", ALARM_KINDS, ids=lambda k: k.code)
def test_chinese_has_every_alarm_and_asks_for_nothing_more(kind: AlarmKind) -> None:
    chinese = LANGUAGES["zh"].alarms[kind.code]
    assert fields(chinese) <= fields(kind.texts["en"]) | ALWAYS
    values = dict.fromkeys(fields(kind.texts["en"]) - ALWAYS, 3)
    text = alarm_text(raised(kind.code, module="fine", direction="atom_to_text", **values), "zh")
    assert "{" not in text
    assert text.endswith("。")


def test_values_are_filled_in_once_and_lists_are_joined_as_the_language_joins_them() -> None:
    assert filled("{a} {b:.0%} {c}", {"a": "{b}", "b": 0.25}) == "{b} 25% {c}"
    assert filled("{runs}", {"runs": ["x", "y", "z"]}) == "x, y and z"
    assert filled("{runs}", {"runs": ["x", "y", "z"]}, Marks(list="、", last="和")) == "x、y和z"
    assert filled("{share:.0%}", {"share": "much"}) == "much"


@pytest.fixture
def languages() -> Iterator[None]:
    LANGUAGES.add(Language("qa", "Own", alarms={"few_crystals": "nur {n}; {least} wären genug."}), "test")
    LANGUAGES.add(Language("qb", "Behind", fallback="qa"), "test")
    yield
    LANGUAGES.remove("test")


@pytest.mark.usefixtures("languages")
def test_a_third_language_says_built_in_alarms_itself_and_shows_english_where_it_has_none() -> None:
    few, other = raised("few_crystals", n=12, least=50), raised("no_variation")
    for lang in ("qa", "qb"):
        assert alarm_text(few, lang) == "Nur 12; 50 wären genug."
        assert alarm_text(other, lang) == other.message[:1].upper() + other.message[1:]
    # an alarm of an older run, without the values that the sentence asks for
    assert alarm_text(Alarm("few_crystals", "there are too few."), "qa") == "There are too few."
    result = replace(synthetic_result("supported"), warnings=(few, other))
    told = dict(verdict.notes(result))
    assert told["warning"]["qa"] == alarm_text(other, "qa")


def test_a_result_keeps_code_values_and_english_sentence_and_older_ones_are_read(tmp_path: Path) -> None:
    alarm = raised("runs_same_weights", arm="full", runs=["a", "b"])
    result = replace(synthetic_result("supported"), warnings=(alarm,))
    values = json.loads(json.dumps(result.to_dict()))
    assert values["warnings"] == [
        {"code": "runs_same_weights", "message": "arm full: runs a and b hold the same weights; they count as one seed.",
         "module": "", "direction": "", "detail": {"arm": "full", "runs": ["a", "b"]}}
    ]  # fmt: skip
    assert ComparisonResult.from_dict(values).warnings == (alarm,)
    values["warnings"] = ["arm full: runs a and b hold the same weights."]
    values["pairs"][0]["warnings"] = ["something an older version said."]
    older = ComparisonResult.from_dict(values)
    assert older.warnings == (Alarm(UNCODED, "arm full: runs a and b hold the same weights."),)
    said = paragraphs.render(older, lang="en").limitations
    assert "Something an older version said." in said
    assert "原文见result.json" in paragraphs.render(older, lang="zh").limitations


def test_readers_never_look_into_a_sentence() -> None:
    """Only the module that says alarms touches their sentence; commands print it as it is."""
    found = []
    for path in sorted((ROOT / "reports").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "message":
                found.append(path.name)
    assert found == ["alarm_texts.py"]

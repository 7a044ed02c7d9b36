"""Alignment in a report: one sentence that claims no more than the runs allow, a part with table and figure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from synthetic_results import synthetic_result

from crysmm_attn_plugin.descriptors import PartRequest
from crysmm_attn_plugin.reports import aligned
from crysmm_attn_plugin.stats.results import ComparisonResult


def with_outcome(result: ComparisonResult, outcome: str, mean: float) -> ComparisonResult:
    """The result with another outcome and mean of the pre-declared metric."""
    pairs = []
    for pair in result.pairs:
        metrics = tuple(
            dataclasses.replace(m, outcome=outcome, paired=dataclasses.replace(m.paired, mean_a=mean))
            if m.metric == "alignment_auc"
            else m
            for m in pair.metrics
        )
        pairs.append(dataclasses.replace(pair, metrics=metrics))
    return dataclasses.replace(result, pairs=tuple(pairs))


@pytest.mark.parametrize("outcome", sorted(aligned.READING))
def test_the_sentence_says_the_outcome_and_no_other(outcome: str) -> None:
    result = with_outcome(synthetic_result("supported", "better", seeds=5), outcome, 0.61)
    for zh, lang in enumerate(("en", "zh")):
        text = aligned.sentence(result, result.pairs[0], lang)
        assert [o for o, words in aligned.READING.items() if words[zh] in text] == [outcome]
        assert "0.5" in text
        assert aligned.NOT_ALIGNED[zh] not in text


def test_an_arm_not_above_one_half_is_not_called_aligned() -> None:
    result = with_outcome(synthetic_result("supported", "better", seeds=5), "inconclusive", 0.5)
    for zh, lang in enumerate(("en", "zh")):
        assert aligned.NOT_ALIGNED[zh] in aligned.sentence(result, result.pairs[0], lang)


def test_the_part_has_every_metric_in_table_figure_and_numbers(tmp_path: Path) -> None:
    result = synthetic_result("supported", "better", seeds=5)
    output = aligned.make(PartRequest(SimpleNamespace(result=result), tmp_path, ("en", "zh")))
    assert output is not None
    assert {path.name for path in output.files} == {"alignment.png", "alignment.zh.png"}
    assert all(path.stat().st_size > 2000 for path in output.files)
    pair = result.pairs[0]
    assert {f"{pair.arm}/{name}" for name in aligned.SHOWN} <= set(output.numbers)
    json.dumps(dict(output.numbers))
    (section,) = output.sections
    for lang in ("en", "zh"):
        assert section.html[lang].count("<tr>") == 1 + len(aligned.SHOWN) * len(result.pairs)
        assert aligned.sentence(result, pair, lang)[:20] in section.markdown[lang]


def test_nothing_is_said_where_nothing_was_captured(tmp_path: Path) -> None:
    result = synthetic_result("supported", "better", seeds=5)
    bare = dataclasses.replace(
        result,
        pairs=tuple(
            dataclasses.replace(p, metrics=tuple(m for m in p.metrics if m.metric not in aligned.SHOWN))
            for p in result.pairs
        ),
    )
    assert aligned.make(PartRequest(SimpleNamespace(result=bare), tmp_path, ("en",))) is None
    assert aligned.sentence(bare, bare.pairs[0], "en") == ""

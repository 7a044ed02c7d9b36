"""Interventions asked for in a host's own pass: its predictions stay, the rows are stored, the report says whether it is used."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from demo_kit import loaders, network, settle
from hypothesis import given, settings
from hypothesis import strategies as st
from resolve_numbers import unresolved

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.demo.testing import predict, to_device
from crysmm_attn_plugin.descriptors import PartRequest
from crysmm_attn_plugin.reports import faithfulness as part
from crysmm_attn_plugin.reports import heads
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.prose.alignment_facts import every_use
from crysmm_attn_plugin.reports.prose.use_line import use_line, use_word
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.interventions import faithfulness

PROBE = ("knock_out", "uniform", "heads")


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """Two arms, captured and probed in their own test loops, with the predictions of the loops and without any capture."""
    out = tmp_path_factory.mktemp("probed")
    predictions = {}
    for arm, seed in (("full", 0), ("no_middle", 1)):
        net, loader = settle(network(seed)), loaders(16).test
        plain = predict(net, loader)[2]
        with attn.attach(
            net, loader=loader, out_dir=out, arm=arm, probe=PROBE, strict=True, reinitialised=False
        ):
            predictions[arm] = (plain, predict(net, loader)[2])
    return out, predictions


def test_predictions_of_the_hosts_own_pass_are_bit_identical(probed) -> None:
    for plain, captured in probed[1].values():
        assert torch.equal(plain, captured)


def test_rows_are_stored_and_are_those_of_the_function(probed) -> None:
    run = attn.open_run(probed[0] / "full")
    rows = run.interventions
    assert set(rows["intervention"]) == {"knock_out_most", "knock_out_random", "uniform", "head"}
    assert rows["checkpoint"].eq(run.checkpoint().digest).all()
    stored = run.samples.set_index("id")["prediction"]
    assert np.allclose(rows["prediction"], stored[rows["id"]], rtol=1e-5)
    again = attn.probe(
        settle(network(0)),
        loaders(16).test,
        forward=lambda n, b: n(to_device(b, "cpu")[0]),
        interventions=PROBE,
    )
    keys = ["id", "intervention", "size", "draw", "head"]
    both = rows.merge(again.effects, on=keys, suffixes=("", "_again"))
    assert len(both) == len(rows) == len(again.effects)
    assert np.allclose(both["changed"], both["changed_again"], rtol=1e-5, atol=1e-6)
    (record,) = run.info["probe"].values()
    assert not record["refused"]
    assert record["costs"]["uniform"] > 0


def test_a_pass_that_cannot_be_probed_says_why_and_is_captured(tmp_path, caplog) -> None:
    net, loader = settle(network(0)), loaders(16).test
    with attn.attach(
        net, loader=loader, out_dir=tmp_path, arm="full", probe=("uniform",), reinitialised=False
    ):
        net.train()
        with torch.no_grad():
            for batch in loader:
                net(to_device(batch, "cpu")[0])
    run = attn.open_run(tmp_path / "full")
    assert len(run.samples)
    assert not len(run.interventions)
    assert "training mode" in next(iter(run.info["probe"].values()))["refused"]
    assert caplog.text.count("interventions are not made") == 1


def test_the_report_says_whether_it_is_used_in_both_languages(probed, tmp_path) -> None:
    comparison = attn.compare_runs(full=[probed[0] / "full"], no_middle=[probed[0] / "no_middle"])
    made = part.make(PartRequest(comparison, tmp_path, ("en", "zh")))
    assert made is not None
    (section,) = made.sections
    assert "weights alone cannot show use" in section.markdown["en"]
    assert "仅凭注意力权重" in section.markdown["zh"]
    result = comparison.result
    again = type(result).from_dict(json.loads(json.dumps(result.to_dict())))
    assert json.dumps(again.to_dict()) == json.dumps(result.to_dict())
    assert [u.arm for u in result.use] == ["full", "no_middle"]
    shown = re.findall(r"shifted predictions by (\d+\.\d+)", section.markdown["en"])
    for use in result.use:
        main = use.found.contrast("most_attended")
        assert main is not None
        assert any(abs(float(s) - main.paired.mean_a) < 10 ** -len(s.split(".")[1]) for s in shown)
        assert use.claim == "checkpoints"
    assert "In the checkpoint of the full model" in section.markdown["en"]
    (pair,) = result.pairs
    mine, other = (u.found.contrast("most_attended").paired.mean_difference for u in result.use)
    assert pair.use.mean_difference == pytest.approx(mine - other, rel=1e-6)
    for lang in ("en", "zh"):
        assert any(
            made_text in section.markdown[lang] for made_text in paragraphs.render_use(result, lang=lang)
        )
        line = use_line(result, pair, lang)
        assert all(use_word(u, lang) in line for u in every_use(result, Wording(lang, "nature")))
        text = paragraphs.render(result, lang=lang).alignment
        assert all(whole in text for whole in paragraphs.render_use(result, lang=lang))
        assert not unresolved(text, result.to_dict())


def test_the_report_shows_what_each_head_reads_and_what_it_is_worth(probed, tmp_path) -> None:
    comparison = attn.compare_runs(full=[probed[0] / "full"], no_middle=[probed[0] / "no_middle"])
    made = heads.make(PartRequest(comparison, tmp_path, ("en", "zh")))
    assert made is not None
    (section,) = made.sections
    for lang, words in (("en", "one training each"), ("zh", "仅一次训练")):
        assert words in section.markdown[lang]
        assert section.html[lang].count("<tr>") == 1 + 2 * 2
    run = attn.open_run(probed[0] / "full")
    rows = run.attention
    mine = rows[
        (rows["direction"] == "atom_to_text") & (rows["head"] >= 0) & rows["with_special_tokens"]
        & ~rows["stopwords_removed"] & (rows["weights"] == "model")
    ]  # fmt: skip
    for head, read in enumerate(made.numbers["full"]["runs"][0]["reads"]):
        assert sum(read.values()) == pytest.approx(1, abs=1e-4)
        for name, share in read.items():
            assert share == pytest.approx(mine[mine["head"] == head][f"mass_{name}"].mean(), abs=1e-5)
    ablated = run.interventions.query("intervention == 'head'").groupby("head")["shift"].mean()
    shown = re.findall(r"\| Full model \| (\d) \|.*\| (\d\.\d+) \(", section.markdown["en"])
    assert [int(head) for head, _ in shown] == [1, 2]  # as the page counts them
    assert "full and" not in section.markdown["en"]
    assert "no_middle" not in section.markdown["en"] + section.markdown["zh"]
    for head, shift in shown:
        assert float(shift) == pytest.approx(
            ablated[int(head) - 1], abs=0.6 * 10 ** -len(shift.split(".")[1])
        )


def test_heads_are_matched_as_sets_whatever_their_numbers(probed) -> None:
    comparison = attn.compare_runs(full=[probed[0] / "full"], no_middle=[probed[0] / "no_middle"])
    full, other = heads.heads_of(comparison)
    turned = dataclasses.replace(full, shares=(full.shares[0][::-1],))
    assert heads.distances(full, turned)[0] == pytest.approx(0, abs=1e-6)
    assert heads.distances(full, other)[0] == pytest.approx(heads.distances(turned, other)[0])
    both = dataclasses.replace(full, shares=(full.shares[0], other.shares[0]))
    between, within = heads.distances(both, other)
    assert within == pytest.approx(heads.distances(full, other)[0])
    assert between < within


def test_no_part_without_interventions(tmp_path) -> None:
    net, loader = settle(network(0)), loaders(16).test
    with attn.attach(net, loader=loader, out_dir=tmp_path, arm="full", reinitialised=False):
        predict(net, loader)
    assert part.make(PartRequest(attn.compare_runs(full=[tmp_path / "full"]), tmp_path, ("en",))) is None


def _rows(rng: np.random.Generator, n: int, most: float, random: float, pattern: float) -> pd.DataFrame:
    prediction = rng.normal(size=n)
    frames = []
    for name, size, scale in (
        ("knock_out_most", 2, most), ("knock_out_random", 2, random), ("uniform", 0, pattern),
    ):  # fmt: skip
        shift = scale * rng.lognormal(sigma=0.5, size=n)
        frames.append(
            pd.DataFrame(
                {"id": [str(i) for i in range(n)], "module": "m", "call": -1, "direction": "atom_to_text",
                 "intervention": name, "size": size, "draw": 0, "head": -1, "n_units": 9, "target": prediction,
                 "prediction": prediction, "changed": prediction + shift, "shift": shift, "error_change": shift}
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_use_is_found_where_it_was_planted_and_denied_where_nothing_moves(seed) -> None:
    rng = np.random.default_rng(seed)
    assert faithfulness(_rows(rng, 40, 1.0, 0.2, 1.0), n_resamples=500).use == "used"
    assert faithfulness(_rows(rng, 40, 1e-5, 1e-5, 1e-5), n_resamples=500).use == "not_used"
    assert faithfulness(_rows(rng, 6, 1.0, 0.2, 1.0), n_resamples=500).use == "unclear"


def test_several_runs_are_samples_too() -> None:
    rng = np.random.default_rng(3)
    runs = [_rows(rng, 40, most, 0.2, 1.0) for most in (0.3, 1.5, 0.4, 2.0)]
    alone = faithfulness(runs[0], n_resamples=500).contrast("most_attended")
    every = faithfulness(runs, n_resamples=500)
    found = every.contrast("most_attended")
    assert alone is not None
    assert found is not None
    means = [faithfulness(r, n_resamples=500).contrast("most_attended").paired.mean_difference for r in runs]
    assert found.paired.mean_difference == pytest.approx(np.mean(means))
    assert found.paired.n_seeds_a == 4
    assert found.paired.ci_high - found.paired.ci_low > np.ptp(means) / 2
    effect = next(e for e in every.effects if (e.intervention, e.measure) == ("knock_out_most", "shift"))
    assert effect.ci_high - effect.ci_low > np.ptp(means) / 2


def test_random_words_that_matter_as_much_are_no_evidence_of_use() -> None:
    found = [
        faithfulness(_rows(np.random.default_rng(s), 40, 0.5, 0.5, 0.5), n_resamples=200).use
        for s in range(200)
    ]
    assert "not_used" not in found
    assert found.count("used") <= 14  # half of .05 of 200, and what chance adds
    assert dataclasses.is_dataclass(
        faithfulness(_rows(np.random.default_rng(0), 40, 1, 1, 1), n_resamples=200)
    )

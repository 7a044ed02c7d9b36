"""``crysmm-attn run`` over a whole training of a CrysMMNet-like host, unedited: both arms, report included."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crysmmnet_kit import (
    ARMS,
    EPOCHS,
    PROPERTY,
    Trained,
    crystals,
    host_python,
    host_words,
    ids_tested,
    once,
    prepared,
    shared_folder,
    trained,
)
from process_kit import command_line, our_lines

from crysmm_attn_plugin.store.reader import Run, find_runs

pytestmark = pytest.mark.slow
#: Role of a checkpoint -> the host's own name of its predictions.
PREDICTIONS = {"best_val": "best_val_model", "best_test": "best_test_model", "last": "last_epoch"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory)


@pytest.fixture(scope="module")
def host(shared: Path) -> Trained:
    found = trained(shared)
    assert [d.code for d in found.done.values()] == [0, 0], [d.err for d in found.done.values()]
    return found


def run_of(host: Trained, arm: str) -> Run:
    (run,) = find_runs(host.runs / arm)
    return run


def predictions_in(path: Path) -> pd.Series:
    return pd.read_csv(path).set_index("id")["prediction"].astype(float)


def files_of(output: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(output.glob("predictions_*.csv"))}


def distinct_weights(output: Path) -> int:
    """How many of the three sets of weights that the host tests at the end are different ones."""
    return len({files_of(output)[f"predictions_{name}_test.csv"] for name in PREDICTIONS.values()})


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("role", PREDICTIONS)
def test_each_checkpoint_is_captured_in_the_hosts_own_final_loop(host: Trained, arm: str, role: str) -> None:
    run = run_of(host, arm)
    (digest,) = [c.digest for c in run.checkpoints if role in c.role.split("+")]
    (outcome,) = [o for o in run.windows if o.window.checkpoint == digest]
    assert (outcome.state, outcome.window.kind, outcome.n_crystals) == ("complete", "final", 24)
    captured = run.samples[run.samples["checkpoint"] == digest].set_index("id")["prediction"]
    written = predictions_in(host.output(arm) / f"predictions_{PREDICTIONS[role]}_test.csv")
    assert list(captured.index) == list(written.index)
    np.testing.assert_allclose(captured.clip(lower=0), written, atol=2e-6)


@pytest.mark.parametrize("arm", ARMS)
def test_the_best_and_the_last_weights_are_not_the_same_here(host: Trained, arm: str) -> None:
    written = files_of(host.output(arm))
    assert written["predictions_best_val_model_test.csv"] != written["predictions_last_epoch_test.csv"]


@pytest.mark.parametrize("arm", ARMS)
def test_every_epoch_is_kept_when_asked_for(host: Trained, arm: str) -> None:
    run = run_of(host, arm)
    assert [c.epoch for c in run.checkpoints] == list(range(1, EPOCHS + 1))
    assert {o.window.kind for o in run.windows} == {"epoch", "final"}
    assert all(o.state == "complete" and o.n_crystals == 24 for o in run.windows)
    assert {o.window.checkpoint for o in run.windows} == {c.digest for c in run.checkpoints}


def test_the_other_arm_is_asked_for_and_then_the_report_makes_itself(host: Trained) -> None:
    first, second = (host.done[arm].lines for arm in ARMS)
    assert first[0] == f"crysmm-attn: 96 crystals in 4 passes captured into {run_of(host, 'full').path}"
    assert "run the other arm too" in first[1]
    assert second[-1] == f"crysmm-attn: report: {host.runs / 'report' / 'report.html'}"
    result = json.loads((host.runs / "report" / "result.json").read_text(encoding="utf-8"))
    (pair,) = result["pairs"]
    assert (pair["arm"], pair["baseline"]) == ARMS
    assert pair["n"] == 24


def test_attention_over_training_is_drawn_for_both_arms(host: Trained) -> None:
    report = host.runs / "report"
    assert (report / "figures" / "attention_over_training.png").stat().st_size > 10_000
    epochs = json.loads((report / "result.json").read_text(encoding="utf-8"))["epochs"]
    for arm in ARMS:
        assert sorted({e["epoch"] for e in epochs if e["arm"] == arm}) == list(range(1, EPOCHS + 1))


@pytest.mark.parametrize("arm", ARMS)
def test_alarms_name_the_untrained_direction_the_single_key_and_the_cut_texts(
    host: Trained, arm: str
) -> None:
    alarms = {(a.code, a.module, a.direction) for a in run_of(host, arm).alarms}
    assert ("untrained_direction", "fine_grained_attention", "text_to_atom") in alarms
    assert ("single_key", "cross_modal_attention", "") in alarms
    assert ("untrained_direction", "fine_grained_attention", "atom_to_text") not in alarms
    cut = sum(len(c.text) > 3000 for c in crystals() if c.id in ids_tested(host.output(arm)))
    (truncated,) = [a for a in run_of(host, arm).alarms if a.code == "text_truncated"]
    assert truncated.detail["n"] == cut > 0
    assert set(run_of(host, arm).attention["module"]) == {"fine_grained_attention"}


def test_the_report_repeats_the_alarms(host: Trained) -> None:
    page = (host.runs / "report" / "report.html").read_text(encoding="utf-8")
    page = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "No gradient ever reached the text_to_atom weights of fine_grained_attention" in page
    assert re.search(r"cross_modal_attention( \([^)]*\))? attends to a single key", page)


TOKENS = """
import json, sys
from models.alignn import normalize, tokenizer
texts = json.loads(open(sys.argv[1], encoding="utf-8").read())
ids = tokenizer([normalize(t) for t in texts], truncation=True, max_length=512)["input_ids"]
print(json.dumps([[normalize(t), tokenizer.convert_ids_to_tokens(i)] for t, i in zip(texts, ids)]))
"""


@pytest.mark.parametrize("arm", ARMS)
def test_ids_elements_targets_and_tokens_are_those_of_the_files(
    host: Trained, arm: str, tmp_path: Path
) -> None:
    run = run_of(host, arm)
    with (host.data / "jarvis" / PROPERTY / "description.csv").open(newline="", encoding="utf-8") as handle:
        rows = {row["id"]: row for row in csv.DictReader(handle)}
    known = {c.id: c for c in crystals()}
    ids = ids_tested(host.output(arm))
    assert list(run.crystals.index) == ids
    (tmp_path / "texts.json").write_text(json.dumps([rows[i]["description"] for i in ids]), encoding="utf-8")
    own = json.loads(host_python(host, TOKENS, tmp_path / "texts.json"))
    samples = run.samples.drop_duplicates("id").set_index("id")
    for id, (text, tokens) in zip(ids, own):
        stored = run.crystals.loc[id]
        assert tuple(stored["elements"]) == known[id].elements
        assert list(stored["tokens"]) == tokens
        assert stored["text"] in (
            text,
            rows[id]["description"],
        )  # after the host's mapping of characters, or before
        assert samples.loc[id, "target"] == pytest.approx(float(rows[id]["target"]), rel=1e-6)
        assert samples.loc[id, "n_atoms"] == len(known[id].elements)
        assert bool(stored["text_truncated"]) == (len(known[id].text) > 3000)


def test_maps_are_labelled_with_the_crystals_own_atoms_and_tokens(host: Trained) -> None:
    run = run_of(host, "full")
    kept = run.map_ids()
    assert len(kept) == 3
    for id in kept:
        found = run.maps(id)
        stored = run.crystals.loc[id]
        assert tuple(found.elements) == tuple(stored["elements"])
        assert found.weights.shape == (2, len(stored["elements"]), len(stored["tokens"]))
        np.testing.assert_allclose(found.weights.astype(float).sum(-1), 1, atol=5e-3)


@pytest.fixture(scope="module")
def again(host: Trained, shared: Path) -> Path:
    """The same training without the plugin, and once more captured with the default settings."""

    def train(folder: Path) -> None:
        plain, captured = (host_words(host, "full", folder / name) for name in ("plain", "captured"))
        host_python(
            host, "import sys, train_with_cross_modal_attention as t; t.main(sys.argv[1:])", *plain[2:]
        )
        done = command_line(host.host, "run", "--out", str(folder / "runs"), "--", *captured)
        assert done.returncode == 0, done.stderr

    return once(shared, "again", train)[0]


def test_predictions_are_byte_identical_with_and_without_the_plugin(host: Trained, again: Path) -> None:
    plain = files_of(again / "plain" / PROPERTY)
    assert len(plain) == 6
    assert files_of(host.output("full")) == plain
    assert files_of(again / "captured" / PROPERTY) == plain


def test_by_default_only_the_weights_that_last_are_kept_and_the_arm_names_itself(again: Path) -> None:
    (run,) = find_runs(again / "runs")
    assert run.arm == "full"
    assert run.info["host"] == "crysmmnet"
    assert run.info["property"] == PROPERTY
    assert run.info["dataset"] == "jarvis"  # the placeholder in the configuration names none
    assert sorted(r for c in run.checkpoints for r in c.role.split("+")) == ["best_test", "best_val", "last"]
    assert {o.window.kind for o in run.windows} == {"final"}
    assert len(run.windows) == distinct_weights(again / "captured" / PROPERTY) < EPOCHS


def test_numbers_of_the_same_weights_are_the_same_in_both_runs(host: Trained, again: Path) -> None:
    keys = ["crystal", "direction", "head", "with_special_tokens", "stopwords_removed", "weights"]
    frames = []
    for run in (run_of(host, "full"), *find_runs(again / "runs")):
        frame = run.attention
        frames.append(
            frame[frame["checkpoint"] == run.checkpoint("best_val").digest].set_index(keys).sort_index()
        )
    assert len(frames[0]) == len(frames[1]) > 24
    pd.testing.assert_series_equal(frames[0]["entropy"], frames[1]["entropy"], check_exact=True)


def test_status_lists_passes_checkpoints_and_alarms(host: Trained) -> None:
    done = command_line(host.host, "status", str(host.runs))
    assert done.returncode == 0
    assert done.stdout.count("complete, 24 crystals, 2 of 2 module calls") == 2 * EPOCHS
    finals = sum(distinct_weights(host.output(arm)) for arm in ARMS)
    assert done.stdout.count("pass test, final") == finals
    for words in ("best_val_model.pt", "best_test_model.pt", "last", "alarm: no gradient ever reached"):
        assert words in done.stdout


def test_doctor_says_what_would_be_attached_and_trains_nothing(shared: Path, tmp_path: Path) -> None:
    host = prepared(shared)
    done = command_line(host.host, "doctor", "--", *host_words(host, "full", tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "model: ALIGNN" in done.stdout
    assert re.search(r"fine_grained_attention \([\d x]+\): atom_to_text", done.stdout)
    assert re.search(r"cross_modal_attention \([\d x]+ x 1 x 1\) attends to a single key", done.stdout)
    assert "DataLoader over StructureTextDataset" in done.stdout
    assert "tokens of the first: [CLS]" in done.stdout
    assert "middle fusion of" not in done.stdout
    assert not list((tmp_path / "out").rglob("*.pt"))


def test_a_host_with_a_single_key_alone_is_one_sentence_and_exit_code_three(
    shared: Path, tmp_path: Path
) -> None:
    host = prepared(shared)
    words = host_words(host, "full", tmp_path / "out", use_fine_grained_attention=False, epochs=1)
    done = command_line(host.host, "run", "--out", str(tmp_path / "runs"), "--", *words)
    assert done.returncode == 3
    assert re.fullmatch(
        r"crysmm-attn: nothing captured: no attention between atoms and tokens was seen in ALIGNN: cross_modal_attention "
        r"\([\d x]+ x 1 x 1\) attends to a single key, so its weights are always exactly 1\.",
        our_lines(done)[-1],
    )
    assert "crystals" not in done.stderr
    (run,) = find_runs(tmp_path / "runs", allow_partial=True)
    assert (run.state, run.reason.split(":")[0]) == ("partial", "nothing captured")
    assert len(files_of(tmp_path / "out" / PROPERTY)) == 6

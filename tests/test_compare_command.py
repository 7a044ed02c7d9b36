"""``crysmm-attn compare`` over checkpoints of a CrysMMNet-like host, with the original script's own command lines."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crysmmnet_kit import (
    ARMS,
    PROPERTY,
    Said,
    Trained,
    changed_host,
    compare_words,
    host_python,
    ids_tested,
    once,
    several,
    shared_folder,
    trained,
)

from crysmm_attn_plugin.store.reader import Run, find_runs

pytestmark = pytest.mark.slow
KEYS = ["crystal", "direction", "head", "with_special_tokens", "stopwords_removed", "weights"]
LEGACY = ("entropy", "max_weight", "effective_tokens", "gini")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory)


@pytest.fixture(scope="module")
def host(shared: Path) -> Trained:
    return trained(shared)


def run_of(save_dir: Path, arm: str) -> Run:
    (run,) = find_runs(save_dir / "runs" / arm)
    return run


def said_by(folder: Path, commands: list[list[str]]) -> list[Said]:
    """What command lines said whose reports are not looked at."""
    return [Said(*result) for result in several(folder, commands, range(len(commands)))]


def result_of(save_dir: Path) -> dict:
    return json.loads((save_dir / "result.json").read_text(encoding="utf-8"))


def attention(run: Run) -> pd.DataFrame:
    """The model's own rows of the checkpoint that stands for a run."""
    frame = run.attention
    frame = frame[(frame["checkpoint"] == run.checkpoint("best_val").digest) & (frame["weights"] == "model")]
    return frame.set_index(KEYS).sort_index()


@pytest.fixture(scope="module")
def compared(host: Trained, shared: Path) -> dict[str, tuple[Said, Path]]:
    """The root of the data set and the property's own folder, as the two command lines give them; small batches."""
    own_folder = {"root_dir": host.data / "jarvis" / PROPERTY, "dataset": "dft_3d"}
    lines: dict[str, dict[str, object]] = {
        "root": {"legacy-metrics": True},
        "own_folder": {**own_folder, "num_samples": 16, "batch_size": 16, "legacy-metrics": True},
        "small_batches": {"batch_size": 4, "legacy-metrics": True},
    }

    def compare(folder: Path) -> list[list]:
        commands = [compare_words(host, folder / name, **v) for name, v in lines.items()]
        return several(host.host, commands, undrawn=[2])

    folder, results = once(shared, "compared", compare)
    said = [Said(*result) for result in results]
    for one in said:
        assert one.code == 0, one.err
    return {name: (one, folder / name) for name, one in zip(lines, said)}


@pytest.mark.parametrize("arm", ARMS)
def test_the_crystals_are_the_trainings_own_test_set_in_its_order(
    host: Trained, compared: dict, arm: str
) -> None:
    run = run_of(compared["root"][1], arm)
    assert list(run.samples["id"]) == ids_tested(host.output(arm))


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("line", ["root", "small_batches"])
def test_numbers_equal_those_captured_during_training(
    host: Trained, compared: dict, arm: str, line: str
) -> None:
    (during,) = find_runs(host.runs / arm)
    ours, theirs = attention(run_of(compared[line][1], arm)), attention(during)
    assert len(ours) == len(theirs) > 24
    metrics = ours.select_dtypes("floating").columns
    assert {"entropy", "max_weight", "gini", "between_atom_tv"} <= set(metrics)
    theirs = theirs.reindex(ours.index)
    # another batch size moves weights by a millionth: of blocks, that is felt by how near each other the rows are
    near = 1e-6 / theirs["between_atom_tv"].fillna(1).clip(lower=1e-4)
    for metric in metrics:
        exact = np.abs(theirs[metric]) * 1e-5 + 1e-5 + (near if metric.endswith("_blocks") else 0)
        assert (ours[metric].isna() == theirs[metric].isna()).all(), metric
        assert not (np.abs(ours[metric] - theirs[metric]) > exact).any(), metric


def test_both_command_lines_name_checkpoints_and_write_the_report(compared: dict) -> None:
    for said, save_dir in (compared["root"], compared["own_folder"]):
        assert said.out.splitlines()[-1] == f"report: {save_dir / 'report.html'}"
        assert "middle fusion of" not in said.out
        (pair,) = result_of(save_dir)["pairs"]
        assert (pair["arm"], pair["baseline"]) == ARMS
        assert {run_of(save_dir, arm).checkpoint().role for arm in ARMS} == {"best_val"}
        for name in (
            "attention_statistics_comparison.png",
            "attention_statistics.csv",
            "attention_heatmap_example_1.png",
        ):
            assert (save_dir / name).stat().st_size > 0


def test_fewer_crystals_than_asked_for_are_told(compared: dict) -> None:
    said = compared["root"][0]
    assert "100 crystals were asked for; the test set has 24, all are analysed" in said.err
    assert "asked for" not in compared["own_folder"][0].err


def test_the_untrained_direction_and_the_single_key_are_told(compared: dict) -> None:
    for said, save_dir in compared.values():
        assert (
            "alarm: no gradient ever reached the text_to_atom weights of fine_grained_attention" in said.out
        )
        assert re.search(
            r"alarm: cross_modal_attention \([\d x]+ x 1 x 1\) attends to a single key", said.out
        )
        assert {a["code"] for a in result_of(save_dir)["alarms"]} >= {"untrained_direction", "single_key"}


#: The four formulas once more, on the head-averaged weights of whole padded batches, with the model asked for them; one
#: process for every checkpoint, batch size and number of crystals.
BY_HAND = """
import contextlib, io, json, random, sys
import numpy as np, torch
sys.path.insert(0, ".")
folder, asked = sys.argv[1], json.loads(sys.argv[2])
with contextlib.redirect_stdout(io.StringIO()):
    import train_with_cross_modal_attention as script
    from models.alignn import ALIGNN


def by_hand(rows, which, batch_size, wanted):
    loaders = script.get_train_val_loaders(
        dataset_array=rows, train_ratio=0.6, val_ratio=0.1, test_ratio=0.3, batch_size=batch_size
    )
    stored = torch.load(which, weights_only=False)
    net = ALIGNN(stored["config"])
    net.load_state_dict(stored["model"])
    net.eval()
    crystals = loaders[2].dataset
    chosen = sorted(random.Random(42).sample(range(len(crystals)), wanted)) if wanted else range(len(crystals))
    kept = {name: [] for name in ("entropy", "max_weight", "effective_tokens", "gini")}
    padded = rows_seen = 0
    for start in range(0, len(chosen), batch_size):
        g, lg, text, _ = crystals.collate_line_graph([crystals[i] for i in chosen[start : start + batch_size]])
        with torch.no_grad():
            weights = net([g, lg, text], return_attention=True)["attention_weights"]["fine_grained"]["atom_to_text"]
        w = weights.numpy().mean(axis=1)
        padded += w.shape[0] * w.shape[1] - g.num_nodes()
        rows_seen += w.shape[0] * w.shape[1]
        for row in w.reshape(-1, w.shape[-1]).astype(np.float64):
            p = row / (row.sum() + 1e-8)
            q = (p + 1e-8) / (p + 1e-8).sum()
            kept["entropy"].append(-(q * np.log(q)).sum())
            kept["max_weight"].append(p.max())
            kept["effective_tokens"].append((p > 0.1).sum())
            n, ordered = len(p), np.sort(p)
            kept["gini"].append(2 * (np.arange(1, n + 1) * ordered).sum() / (n * ordered.sum()) - (n + 1) / n)
    return [{k: float(np.mean(v)) for k, v in kept.items()}, padded / rows_seen]


with contextlib.redirect_stdout(io.StringIO()):
    rows = script.load_dataset(*script.get_dataset_paths(folder, "jarvis", "mbj_bandgap"), "jarvis", "mbj_bandgap")
    found = [by_hand(rows, *one) for one in asked]
print(json.dumps(found))
"""


#: Batch size and number of crystals (0: all) of the command lines.
LINES = {"root": (64, 0), "own_folder": (16, 16), "small_batches": (4, 0)}


@pytest.fixture(scope="module")
def by_hand(host: Trained) -> dict[tuple[str, str], list]:
    asked = [(line, arm) for line in LINES for arm in ARMS]
    words = [[str(host.checkpoint(arm)), *LINES[line]] for line, arm in asked]
    return dict(zip(asked, json.loads(host_python(host, BY_HAND, host.data, json.dumps(words)))))


@pytest.mark.parametrize("line", LINES)
def test_legacy_numbers_are_the_four_formulas_over_padded_batches(
    compared: dict, by_hand: dict, line: str
) -> None:
    (legacy,) = result_of(compared[line][1])["legacy"]
    assert legacy["batch_size"] == LINES[line][0]
    for arm, key in zip(ARMS, ("arm_values", "baseline_values")):
        expected, padding = by_hand[line, arm]
        for metric in LEGACY:
            assert legacy[key][metric] == pytest.approx(expected[metric], rel=2e-5), metric
        if arm == "full":
            assert legacy["padding_share"] == pytest.approx(padding)
            assert padding > 0.1


def test_legacy_numbers_move_with_the_batch_size_and_the_corrected_ones_do_not(compared: dict) -> None:
    whole, small = (result_of(compared[line][1]) for line in ("root", "small_batches"))
    moved = abs(whole["legacy"][0]["arm_values"]["gini"] / small["legacy"][0]["arm_values"]["gini"] - 1)
    assert moved > 0.005
    assert whole["legacy"][0]["padding_share"] > small["legacy"][0]["padding_share"] > 0
    for a, b in zip(whole["pairs"][0]["metrics"], small["pairs"][0]["metrics"]):
        assert (a["metric"], a["scope"]) == (b["metric"], b["scope"])
        assert a["paired"]["mean_difference"] == pytest.approx(
            b["paired"]["mean_difference"], abs=2e-5, rel=1e-4
        )
    assert "padded tokens enter its entropy and Gini" in compared["root"][0].out


def checkpoint_variants(host: Trained, folder: Path) -> None:
    """The same weights as other forks write them, each beside the training's config.json."""
    code = """
import argparse, sys
from pathlib import Path
import torch
out = Path(sys.argv[1])
for arm, path in zip(("full", "no_middle"), sys.argv[2:]):
    stored = torch.load(path, weights_only=False)
    state = stored["model"]
    wrapped = {f"module.{k}": v for k, v in state.items()}
    torch.save({"model_state_dict": state, "epoch": 3}, out / arm / "model_state_dict.pt")
    torch.save({"state_dict": state}, out / arm / "state_dict.pt")
    torch.save({"model_state": state, "best_loss": 1.0}, out / arm / "model_state.pt")
    torch.save(state, out / arm / "bare.pt")
    torch.save(wrapped, out / arm / "module_prefix.pt")
    plain = stored["config"].model_dump()
    torch.save({"model": state, "config": plain}, out / arm / "plain_config.pt")
    torch.save({"model": state, "config": argparse.Namespace(**plain)}, out / arm / "namespace.pt")
    torch.save({"epoch": 3, "optimizer": {}}, out / arm / "no_weights.pt")
    torch.save({"model": {k: v for k, v in state.items() if "fc" not in k}}, out / arm / "incomplete.pt")
print("done")
"""
    for arm in ARMS:
        (folder / arm).mkdir()
        shutil.copy(host.output(arm) / "config.json", folder / arm)
    host_python(host, code, folder, *(host.checkpoint(arm) for arm in ARMS))


def with_checkpoints(full: Path, no_middle: Path, **changes: object) -> dict[str, object]:
    return {"checkpoint_full": full, "checkpoint_no_middle": no_middle, **changes}


@pytest.fixture(scope="module")
def variants(host: Trained, shared: Path) -> dict[str, Path]:
    folder, _ = once(shared, "variants", lambda folder: checkpoint_variants(host, folder))
    return {arm: folder / arm for arm in ARMS}


def test_every_way_to_store_weights_is_read(
    host: Trained, compared: dict, variants: dict[str, Path], tmp_path: Path
) -> None:
    pairs = [("model_state_dict", "state_dict"), ("model_state", "bare"), ("module_prefix", "plain_config")]
    lines = [
        with_checkpoints(variants["full"] / f"{a}.pt", variants["no_middle"] / f"{b}.pt", num_samples=16)
        for a, b in pairs
    ]
    lines.append(
        with_checkpoints(
            variants["full"] / "namespace.pt",
            host.checkpoint("no_middle"),
            num_samples=16,
            **{"unsafe-load": True},
        )
    )
    commands = [compare_words(host, tmp_path / str(i), **line) for i, line in enumerate(lines)]
    for i, one in enumerate(said_by(host.host, commands)):
        assert one.code == 0, one.err
        for arm in ARMS:
            run, reference = run_of(tmp_path / str(i), arm), run_of(compared["own_folder"][1], arm)
            assert list(run.samples["id"]) == list(reference.samples["id"])
            np.testing.assert_allclose(run.samples["prediction"], reference.samples["prediction"], rtol=1e-5)
            assert run.samples["checkpoint"].unique() == reference.samples["checkpoint"].unique()


def refusals(host: Trained, variants: dict[str, Path], folder: Path) -> dict[str, list]:
    """Command lines that cannot be carried out, each for one reason, and what each of them said."""
    other_split, other_data, no_config = (folder / n for n in ("other_split", "other_data", "no_config"))
    for place in (other_split, no_config):
        place.mkdir()
        shutil.copy(host.checkpoint("no_middle"), place)
    config = json.loads((host.output("no_middle") / "config.json").read_text(encoding="utf-8"))
    (other_split / "config.json").write_text(json.dumps({**config, "split_seed": 7}), encoding="utf-8")
    shutil.copy(variants["no_middle"] / "bare.pt", no_config)
    shutil.copytree(host.data, other_data)
    table = other_data / "jarvis" / PROPERTY / "description.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n", encoding="utf-8")
    broken = folder / "broken_data"
    shutil.copytree(host.data / "jarvis" / PROPERTY, broken)
    next(iter(sorted((broken / "cif").glob("*.cif")))).unlink()
    (folder / "text.pt").write_text("this is no checkpoint", encoding="utf-8")
    (folder / "empty").mkdir()
    v = variants["no_middle"]
    reasons: dict[str, dict[str, object]] = {
        "missing checkpoint": {"checkpoint_full": folder / "gone.pt"},
        "missing root": {"root_dir": folder / "nowhere"},
        "root without data": {"root_dir": folder / "empty"},
        "other property": {"property": "formation_energy"},
        "unknown dataset": {"dataset": "qm9", "root_dir": folder},
        "not a host": {"host-dir": folder / "empty"},
        "batch size": {"batch_size": 0},
        "other split": {"checkpoint_no_middle": other_split / "best_val_model.pt"},
        "other data": {"root_dir": other_data},
        "broken data": {"root_dir": broken},
        "no config": {"checkpoint_no_middle": no_config / "bare.pt"},
        "unsafe": {"checkpoint_no_middle": v / "namespace.pt"},
        "not a checkpoint": {"checkpoint_no_middle": folder / "text.pt"},
        "no weights": {"checkpoint_no_middle": v / "no_weights.pt"},
        "incomplete": {"checkpoint_no_middle": v / "incomplete.pt"},
    }
    commands = [compare_words(host, folder / "saved" / name, **change) for name, change in reasons.items()]
    return dict(zip(reasons, several(host.host, commands)))


@pytest.fixture(scope="module")
def refused(host: Trained, variants: dict[str, Path], shared: Path) -> tuple[Path, dict[str, Said]]:
    folder, results = once(shared, "refused", lambda folder: refusals(host, variants, folder))
    return folder, {reason: Said(*result) for reason, result in results.items()}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("missing checkpoint", ("--checkpoint_full", "gone.pt does not exist")),
        ("missing root", ("--root_dir", "nowhere does not exist")),
        ("root without data", ("no cif/ folder with a description.csv", "looked in")),
        ("other property", ("no cif/ folder", "formation_energy")),
        ("unknown dataset", ("--dataset qm9", "unknown dataset qm9")),
        ("not a host", ("--host-dir", "holds no known host", "crysmmnet")),
        ("batch size", ("--batch_size must be 1 or more",)),
        ("other split", ("different splits", "split seeds 123 and 7", "config.json")),
        ("other data", ("test set rebuilt from", "predictions_best_test_model_test.csv")),
        ("broken data", ("the host could not read", "FileNotFoundError", ".cif")),
        ("no config", ("no model configuration", "config.json")),
        ("unsafe", ("argparse.Namespace", "--unsafe-load")),
        ("not a checkpoint", ("text.pt",)),
        ("no weights", ("holds no model weights", "epoch, optimizer", "model_state_dict")),
        ("incomplete", ("does not fit the model", "without fc.weight and 1 more")),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing_behind(
    refused: tuple[Path, dict[str, Said]], reason: str, words: tuple[str, ...]
) -> None:
    folder, said = refused
    one = said[reason]
    assert one.code == 2
    assert one.error.endswith(".")
    assert one.out == ""
    assert "Traceback" not in one.err
    for word in words:
        assert word in one.error
    assert not (folder / "saved").exists()


SMALL_GPU = """

class SmallDevice(ALIGNN):
    def forward(self, inputs, return_attention=False):
        if len(inputs[2]) > 4:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().forward(inputs, return_attention)


SmallDevice.__name__ = "ALIGNN"
ALIGNN = SmallDevice
"""


def test_a_batch_that_memory_does_not_hold_is_halved_for_both_arms_and_told(
    host: Trained, compared: dict, tmp_path: Path
) -> None:
    small = changed_host(tmp_path, "models/alignn.py", SMALL_GPU)
    save_dir = tmp_path / "saved"
    words = compare_words(host, save_dir, batch_size=16, **{"legacy-metrics": True})
    (one,) = said_by(small, [words])
    assert one.code == 0, one.err
    assert [line for line in one.err.splitlines() if "GPU memory" in line] == [
        f"crysmm-attn: GPU memory did not hold the batch; going on with --batch_size {n}" for n in (8, 4)
    ]
    ours, theirs = (result_of(d)["legacy"][0] for d in (save_dir, compared["small_batches"][1]))
    assert ours["batch_size"] == 4
    assert ours["arm_values"] == theirs["arm_values"]
    for arm in ARMS:
        assert run_of(save_dir, arm).state == "complete"


def test_a_crystal_that_memory_does_not_hold_alone_is_one_sentence(host: Trained, tmp_path: Path) -> None:
    small = changed_host(tmp_path, "models/alignn.py", SMALL_GPU.replace("> 4", "> 0"))
    (one,) = said_by(small, [compare_words(host, tmp_path / "saved", batch_size=2)])
    assert one.code == 1
    assert "does not hold a single crystal" in one.error
    assert "Traceback" not in one.err
    assert not list((tmp_path / "saved").rglob("run.json"))

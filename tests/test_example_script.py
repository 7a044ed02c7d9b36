"""The ready-made script for two checkpoints: its checks, and what it hands to the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from process_kit import ROOT

from crysmm_attn_plugin.cli import build_parser

SCRIPT = ROOT / "examples" / "run_attention_comparison.sh"


def command_beside(folder: Path, text: str) -> Path:
    """A folder for PATH that holds a ``crysmm-attn`` command."""
    target = folder / "bin" / "crysmm-attn"
    target.parent.mkdir()
    target.write_text(text, encoding="utf-8")
    target.chmod(0o755)
    return target.parent


def real_command(folder: Path) -> Path:
    return command_beside(
        folder, f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m crysmm_attn_plugin.cli "$@"\n'
    )


def start(
    folder: Path, commands: Path | None, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([*([str(commands)] if commands else []), "/usr/bin", "/bin"])
    return subprocess.run(
        ["bash", str(SCRIPT), *words], cwd=folder, env={"PATH": path, "OMP_NUM_THREADS": "1", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_its_syntax_is_right() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    assert os.access(SCRIPT, os.X_OK)


def test_without_the_command_it_says_so(tmp_path: Path) -> None:
    done = start(tmp_path, None)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "crysmm-attn is not installed" in done.stderr


def test_a_missing_checkpoint_is_one_sentence_that_names_its_variable(tmp_path: Path) -> None:
    commands = real_command(tmp_path)
    done = start(tmp_path, commands)
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("run_attention_comparison.sh: CHECKPOINT_FULL=output_100epochs_42")
    (tmp_path / "full model.pt").touch()
    done = start(tmp_path, commands, CHECKPOINT_FULL="full model.pt")
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "CHECKPOINT_NO_MIDDLE=" in sentence


def test_the_command_itself_is_reached_and_its_error_and_exit_code_come_back(tmp_path: Path) -> None:
    commands = real_command(tmp_path)
    for name in ("full model.pt", "late.pt"):
        (tmp_path / name).touch()
    (tmp_path / "data").mkdir()
    given = {"CHECKPOINT_FULL": "full model.pt", "CHECKPOINT_NO_MIDDLE": "late.pt", "ROOT_DIR": "data"}
    done = start(tmp_path, commands, **given)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "holds no known host" in sentence


def test_every_flag_it_hands_over_is_read_by_the_command(tmp_path: Path) -> None:
    commands = command_beside(tmp_path, '#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    for name in ("full model.pt", "late.pt"):
        (tmp_path / name).touch()
    (tmp_path / "data").mkdir()
    given = {"CHECKPOINT_FULL": "full model.pt", "CHECKPOINT_NO_MIDDLE": "late.pt", "ROOT_DIR": "data"}
    done = start(tmp_path, commands, "--legacy-metrics", NUM_SAMPLES="7", **given)
    assert done.returncode == 0, done.stderr
    args = build_parser("*").parse_args(done.stdout.splitlines())
    assert args.checkpoint_full == "full model.pt"
    assert args.checkpoint_no_middle == "late.pt"
    assert (args.root_dir, args.dataset, args.property) == ("data", "dft_3d", "mbj_bandgap")
    assert (args.save_dir, args.num_samples, args.batch_size) == ("./attention_analysis", 7, 64)
    assert args.legacy_metrics

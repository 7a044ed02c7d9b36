"""The command line: light, clear about errors, exact about exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crysmm_attn_plugin import __version__
from crysmm_attn_plugin.cli import COMMANDS, main
from crysmm_attn_plugin.errors import AttnError, NothingCapturedError, PartialStoreError, UsageError

ROOT = Path(__file__).resolve().parent.parent


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


def test_no_command_prints_help_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "COMMAND" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"crysmm-attn {__version__}"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["frobnicate"])
    assert caught.value.code == 2
    assert "frobnicate" in capsys.readouterr().err


def test_exit_codes_are_those_of_the_contract() -> None:
    assert (AttnError.exit_code, UsageError.exit_code) == (1, 2)
    assert (NothingCapturedError.exit_code, PartialStoreError.exit_code) == (3, 4)


@pytest.mark.parametrize("command", ["run", "doctor", "verify"])
def test_a_missing_host_command_says_how_to_write_one(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([command])
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert "--" in capsys.readouterr().err


def test_report_on_a_missing_folder_is_one_clear_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert "does not exist" in error[0]


def test_errors_go_to_stderr_and_no_traceback_is_shown(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", "status", str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr

"""A real bash completes commands and flags from the script that is printed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on PATH")
def test_bash_completes_commands_and_flags(tmp_path: Path) -> None:
    script = tmp_path / "completion.sh"
    printed = subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", "completion", "bash"],
        check=True,
        capture_output=True,
        text=True,
    )
    script.write_text(printed.stdout, encoding="utf-8")
    asked = f"""source {script}
    name=$(complete -p crysmm-attn | sed -E 's/.*-F ([^ ]+).*/\\1/')
    COMP_WORDS=(crysmm-attn rep); COMP_CWORD=1; $name crysmm-attn rep crysmm-attn; echo "${{COMPREPLY[*]}}"
    COMP_WORDS=(crysmm-attn report --base); COMP_CWORD=2; $name crysmm-attn --base report; echo "${{COMPREPLY[*]}}"
    """
    done = subprocess.run(["bash", "-c", asked], check=True, capture_output=True, text=True)
    commands, flags = done.stdout.splitlines()
    assert set(commands.split()) == {"report", "repair"}
    assert flags.split() == ["--baseline"]

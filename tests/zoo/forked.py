"""Runs hosts, each in a process forked from one that has imported what they import; told what to run on stdin.

A captured host is forked too: ``crysmm-attn run`` is the real command, but the process that it starts is a fork in which
capture is activated as the start-up file does it, and then the host's script runs.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import runpy
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

#: What a captured run imports sooner or later, imported once for all forks.
OURS = (
    "crysmm_attn_plugin.cli", "crysmm_attn_plugin.commands.launch", "crysmm_attn_plugin.hooks.bootstrap.process",
    "crysmm_attn_plugin.capture.session", "crysmm_attn_plugin.store.writer", "crysmm_attn_plugin.store.reader",
    "crysmm_attn_plugin.text.classes", "scipy.stats", "pandas", "pyarrow.parquet",
)  # fmt: skip
PRELOADED = ("transformers.models.bert.modeling_bert", "transformers.tokenization_utils_base")


def run_script(path: str) -> int:
    """Run a host in this process as ``python host.py`` would; returns its exit code."""
    sys.path.insert(0, os.path.dirname(path))
    sys.argv = [path]
    code = 0
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    return code


def launch(command: list[str], *, mode: str, run_id: str, settings: dict[str, str]) -> Any:
    """Stands for the launcher's: the process it starts is a fork of this one."""
    from crysmm_attn_plugin.commands.launch import Launched, host_environment

    status = tempfile.mkdtemp()  # a temporary directory's own end would come in the fork too
    values = {**host_environment(mode, status, settings), "CRYSMM_ATTN_INTERNAL_RUN_ID": run_id}
    pid = os.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(values)
        from crysmm_attn_plugin.hooks.bootstrap.process import activate

        activate(mode)
        os._exit(run_script(command[-1]))
    _, ended = os.waitpid(pid, 0)
    statuses = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(Path(status).glob("status*"))]
    shutil.rmtree(status)
    return Launched(os.waitstatus_to_exitcode(ended), statuses)


def child(job: dict[str, Any]) -> int:
    """One host, with us or without, its output in files."""
    os.chdir(job["cwd"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(os.path.join(job["cwd"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(job["env"])
    if not job["command"]:
        return run_script(job["host"])
    import crysmm_attn_plugin.commands.launch as launcher
    from crysmm_attn_plugin.cli import main as command_line

    launcher.launch = launch
    code = command_line(job["command"])
    sys.stdout.flush(), sys.stderr.flush()
    return code


def main() -> None:
    """Fork for each job, some at a time; prints exit codes."""
    jobs, at_once = json.load(sys.stdin)
    import torch

    torch.set_num_threads(1)
    if any(job["transformers"] for job in jobs):
        for name in PRELOADED:
            importlib.import_module(name)
    if any(job["command"] for job in jobs):
        for name in OURS:
            if importlib.util.find_spec(name) is not None:
                importlib.import_module(name)
    codes: dict[str, int] = {}
    running: dict[int, str] = {}

    def reap() -> None:
        pid, status = os.wait()
        codes[running.pop(pid)] = os.waitstatus_to_exitcode(status)

    for job in jobs:
        if len(running) >= at_once:
            reap()
        pid = os.fork()
        if pid == 0:
            os._exit(child(job))
        running[pid] = job["name"]
    while running:
        reap()
    print(json.dumps(codes))


if __name__ == "__main__":
    main()

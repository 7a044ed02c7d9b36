"""Runs hosts without us, each in a process forked from one that has imported torch; told what to run on stdin."""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback


def child(job: dict) -> int:
    """Run one host in this (forked) process as ``python host.py`` would."""
    os.chdir(job["cwd"])
    out = os.open(job["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    err = os.open(job["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(err, 2)
    os.environ.update(job["env"])
    sys.path.insert(0, os.path.dirname(job["host"]))
    sys.argv = [job["host"]]
    code = 0
    try:
        runpy.run_path(job["host"], run_name="__main__")
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    import atexit

    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    return code


def main() -> None:
    jobs, at_once = json.load(sys.stdin)
    import torch

    torch.set_num_threads(1)
    if any(job["transformers"] for job in jobs):
        pass
    codes, running = {}, {}

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

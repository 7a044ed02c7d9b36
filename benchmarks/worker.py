"""Runs cases with one version of the package: ``python benchmarks/worker.py TREE``, requests and answers as lines of JSON.

A request names a case and its options; the answer holds CPU seconds and, where the case gives one, its number.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def use(tree: str) -> None:
    """Let ``crysmm_attn_plugin`` be the one in ``tree``, whatever is installed."""
    for name in [n for n in sys.modules if n.split(".")[0] == "crysmm_attn_plugin"]:
        del sys.modules[name]
    # an editable installation would fill in what this version does not have
    sys.meta_path[:] = [
        f for f in sys.meta_path if not getattr(f, "__module__", "").startswith("__editable__")
    ]
    sys.path[:0] = [tree, str(HERE)]
    import crysmm_attn_plugin

    found = Path(crysmm_attn_plugin.__file__).resolve()
    if Path(tree).resolve() not in found.parents:
        raise SystemExit(f"{found} is not in {tree}")


def main() -> None:
    """Answer requests until the input ends."""
    use(sys.argv[1])
    # nothing that a case prints may get among the answers
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    import torch
    from cases import CASES

    torch.set_num_threads(1)
    made: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = json.dumps(request, sort_keys=True)
        if key not in made:
            made[key] = CASES[request["case"]](request["options"])
            if request.get("warm", True):
                made[key]()
        started = time.process_time()
        value = made[key]()
        seconds = time.process_time() - started
        answers.write(json.dumps({"seconds": seconds, "value": value}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

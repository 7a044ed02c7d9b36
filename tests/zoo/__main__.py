"""``python -m tests.zoo [NAME ...]``: one line for each host: ok, wrong, harmed or refused, and why."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .judge import Verdict, judge
from .runner import Pair, every_host, run_pairs


def main(words: list[str]) -> int:
    """Run the named hosts (parts of names will do), or all."""
    hosts = [h for h in every_host().values() if not words or any(w in h.name for w in words)]
    root = Path(tempfile.mkdtemp(prefix="zoo-"))
    verdicts: list[Verdict] = []
    began = time.monotonic()

    def told(pair: Pair) -> None:
        verdict = judge(pair)
        verdicts.append(verdict)
        print(
            f"{verdict.status:8} {verdict.name:28} {verdict.seconds:5.1f} s  {verdict.reason[:600]}",
            flush=True,
        )

    run_pairs(hosts, root, told=told)
    counts = Counter(v.status for v in verdicts)
    print(
        f"{len(verdicts)} hosts in {time.monotonic() - began:.0f} s: "
        + ", ".join(f"{n} {s}" for s, n in counts.items())
    )
    if len(hosts) > 3 and counts["ok"] == len(hosts):
        shutil.rmtree(root)
    else:
        print(f"what they left: {root}")
    return 0 if counts["ok"] == len(hosts) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

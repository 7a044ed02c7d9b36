"""``python -m tests.zoo [--public] [--forked] [NAME ...]``: one line a host: ok, wrong, harmed or refused, and why."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .judge import judge
from .runner import HOSTS, PUBLIC, every_host, run_pairs


def main(words: list[str]) -> int:
    """Run the named hosts (parts of names will do), or all.

    ``--forked``: from one process instead of each in its own. ``--public``: hosts made of public packages, which
    ``public/requirements.txt`` names.
    """
    names = [w for w in words if not w.startswith("--")]
    known = every_host(PUBLIC if "--public" in words else HOSTS)
    hosts = [h for h in known.values() if not names or any(w in h.name for w in names)]
    root = Path(tempfile.mkdtemp(prefix="zoo-"))
    began = time.monotonic()
    pairs = run_pairs(hosts, root, forked="--forked" in words)
    verdicts = [judge(pair) for pair in pairs.values()]
    for verdict in verdicts:
        print(f"{verdict.status:8} {verdict.name:28} {verdict.reason[:600]}")
    counts = Counter(v.status for v in verdicts)
    each = ", ".join(f"{n} {s}" for s, n in counts.items())
    print(f"{len(verdicts)} hosts in {time.monotonic() - began:.0f} s: {each}")
    if counts["ok"] == len(hosts):
        shutil.rmtree(root)
    else:
        print(f"what they left: {root}")
    return 0 if counts["ok"] == len(hosts) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

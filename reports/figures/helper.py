"""A process that draws some of a report's figures: work on standard input, results on standard output."""

from __future__ import annotations

import pickle
import sys

from crysmm_attn_plugin.reports.figures.drawing import draw_here


def main() -> None:
    """Draw what was asked for."""
    work = pickle.load(sys.stdin.buffer)
    out = sys.stdout.buffer
    # what a library prints must not mix with the answer
    sys.stdout = sys.stderr
    out.write(pickle.dumps(draw_here(*work)))


if __name__ == "__main__":
    main()

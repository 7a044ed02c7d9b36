"""Writes ``tests/golden``: paragraphs of one synthetic comparison per verdict x error axis, to be read before committing.

Run ``python tests/write_golden.py`` after a template was changed on purpose.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from synthetic_results import AXES, VERDICTS, synthetic_result

from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.prose.headline import headline

GOLDEN = Path(__file__).parent / "golden"
#: Runs per arm, so that every claim occurs with every verdict.
SEEDS_OF_AXIS = {"better": 1, "worse": 5, "indistinguishable": 3, "unknown": 1}
STYLE = {"en": "nature", "zh": "gbt"}


def cases() -> list[tuple[str, str]]:
    """(verdict, error axis) of every golden file."""
    return list(itertools.product(VERDICTS, AXES))


def text(word: str, axis: str) -> str:
    """What a golden file holds."""
    result = synthetic_result(word, axis, seeds=SEEDS_OF_AXIS[axis])
    parts = []
    for lang in ("en", "zh"):
        rendered = paragraphs.render(result, lang=lang, style=STYLE[lang])
        parts += [
            headline(result, result.pairs[0], lang),
            rendered.results,
            rendered.alignment,
            rendered.robustness,
            rendered.caption,
            rendered.limitations,
        ]
    return "\n\n".join(parts) + "\n"


def path(word: str, axis: str) -> Path:
    """Where a golden file lies."""
    return GOLDEN / f"{word}-{axis}.txt"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case in cases():
        path(*case).write_text(text(*case), encoding="utf-8")

"""What is fuzzed: name -> function of bytes that raises when a promise is broken, and its share of a campaign."""

from __future__ import annotations

from collections.abc import Callable

from . import files, words

Target = Callable[[bytes], None]

#: Target -> how many of 1,000 inputs it gets: the slow ones fewer.
SHARES: dict[Target, int] = {
    words.tokens: 150,
    words.cut_text: 100,
    words.number: 300,
    words.markup: 150,
    words.variables: 120,
    words.toml: 60,
    files.journal: 80,
    files.checkpoint: 30,
    files.damaged_run: 4,
    files.forged_run: 3,
    files.forged_manifest: 3,
}
TARGETS: dict[str, Target] = {t.__name__: t for t in SHARES}

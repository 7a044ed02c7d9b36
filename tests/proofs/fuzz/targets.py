"""What is fuzzed: name -> function of bytes that raises when a promise is broken, and its share of a campaign."""

from __future__ import annotations

from collections.abc import Callable

from . import files, words

Target = Callable[[bytes], None]

#: Target -> how many of 1,000 inputs it gets: the slow ones fewer.
SHARES: dict[Target, int] = {
    words.tokens: 110,
    words.cut_text: 80,
    words.number: 200,
    words.markup: 110,
    words.variables: 100,
    words.toml: 50,
    files.journal: 60,
    files.checkpoint: 30,
    files.damaged_run: 100,
    files.forged_run: 80,
    files.forged_manifest: 80,
}
TARGETS: dict[str, Target] = {t.__name__: t for t in SHARES}

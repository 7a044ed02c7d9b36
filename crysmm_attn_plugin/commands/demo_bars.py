"""How far ``crysmm-attn demo`` is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from tqdm import tqdm

from crysmm_attn_plugin.demo.study import Progress


class Bars:
    """Progress bars on a terminal, a line a step elsewhere; all on standard error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._bar: Any = None
        self._what = ""

    def progress(self) -> Progress:
        """What a study calls as it goes on."""
        return Progress(self._prepared, self._started, self._epoch, self._reused)

    def close(self) -> None:
        """End the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _prepared(self, what: str, more: int, total: int) -> None:
        names = {"graphs": "crystal graphs", "text": "descriptions through the text encoder"}
        if self._what != what:
            self._open(what, names[what], total, "crystal")
        if self._bar is not None:
            self._bar.update(more)

    def _started(self, arm: str, seed: int, epochs: int) -> None:
        self._open(f"{arm}/{seed}", f"training {arm}, seed {seed}", epochs, "epoch")

    def _epoch(self, arm: str, seed: int, epoch: int, row: Mapping[str, float]) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"test MAE {row['test_mae']:.2f}")
            self._bar.update(1)

    def _reused(self, arm: str, seed: int) -> None:
        self.close()
        print(f"crysmm-attn: {arm}, seed {seed}: complete on disk, used again", file=self._stream)

    def _open(self, what: str, title: str, total: int, unit: str) -> None:
        self.close()
        self._what = what
        if self._terminal:
            self._bar = tqdm(total=total, desc=title, unit=unit, file=self._stream)
        else:
            print(f"crysmm-attn: {title} ({total} {unit}s)", file=self._stream)

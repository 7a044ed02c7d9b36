"""``doctor``: after the first batches that a host's model has seen, say what would be captured, and stop the process."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.bootstrap.process import HostProcess
    from crysmm_attn_plugin.hooks.reading.reader import PassReader, ReadBatch

PREFIX = "CRYSMM_ATTN_INTERNAL_"
#: Batches looked at.
BATCHES = 2


class Probe:
    """Reads the first batches of a loop as a capture would, and writes nothing but what it found.

    Args:
        process: The host's process.
        loader: The loader that is iterated.
        split: What its loop is taken for, or None.
    """

    def __init__(self, process: HostProcess, loader: Any, split: str | None) -> None:
        from crysmm_attn_plugin.capture.passes import Pass
        from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
        from crysmm_attn_plugin.hooks.reading.facts import facts_of
        from crysmm_attn_plugin.hooks.reading.loops import weakly
        from crysmm_attn_plugin.hooks.reading.reader import PassReader

        self._process = process
        self._pass = Pass(weakly(loader), split or "test", "attached", None, split is None)
        self._pass.reader = PassReader(
            getattr(loader, "dataset", None),
            lambda inputs: facts_of(inputs, get_plugin_manager(), self._pass),
            tokenizer_calls=self._pass.tokenizer_calls,
        )
        self._pass.tokenizers.start()
        self._read: list[ReadBatch] = []

    @property
    def reader(self) -> PassReader:
        return self._pass.reader

    def yielded(self, batch: Any, positions: tuple[int, ...] | None) -> None:
        """A batch is handed to the host."""
        from crysmm_attn_plugin.hooks.reading.loops import asking_frame

        self.reader.yielded(batch, positions, asking_frame())

    def over(self, *, last: bool = False) -> None:
        """The host is done with it: leave once enough was seen of a loop that is no training."""
        self.reader.over()
        if self.reader.gradients and self._pass.provisional:
            return
        seen_enough = self.reader.n_batches >= BATCHES or (last and self.reader.n_batches)
        if not seen_enough or not self.reader.sites:
            return
        write_probe(self._process, self._found())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # nothing of the host's is run to its end, its own exit handlers included

    def _found(self) -> dict[str, Any]:
        from crysmm_attn_plugin.errors import AttnError
        from crysmm_attn_plugin.hooks.reading.explain import left_out, why_nothing

        reader = self.reader
        found: dict[str, Any] = {"model": ", ".join(type(m).__name__ for m in reader.roots), "problems": []}
        try:
            self._read += list(reader.take(last=True))
        except AttnError as error:
            found["problems"].append(str(error))
            return found
        maps = []
        for site, choice in reader.chosen.items():
            if isinstance(choice, str):
                maps.append(f"left out: {left_out(site, choice)}")
            else:
                sides = (
                    choice.direction
                    or f"{choice.queries or 'unnamed'} over {choice.keys or 'unnamed'} (undirected)"
                )
                maps.append(f"{site.module} ({' x '.join(map(str, site.shape))}): {sides}")
        found["maps"] = list(dict.fromkeys(maps))
        if not any(r.calls for r in self._read):
            found["problems"].append(why_nothing(reader, reader.n_yielded))
        if self._read:
            identity = self._read[0].identity
            found["ids"] = list(identity.ids[:3])
            found["tokens"] = list(identity.tokens[0].tokens[:8]) if identity.tokens else None
            found["elements"] = list(identity.elements[0][:8]) if identity.elements[0] else None
            found["predictions"] = self._read[0].prediction is not None
        return found


def write_probe(process: HostProcess, found: dict[str, Any] | None) -> None:
    """Leave what was found where the launcher looks for it; the first process to find something wins."""
    folder = os.environ.get(PREFIX + "STATUS")
    if not folder:
        return
    path = Path(folder) / f"probe-{os.getpid()}.json"
    if found is None and path.exists():
        return
    values = {**(found or {}), "loaders": process.seen_loaders, "torch": "torch" in sys.modules}
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")

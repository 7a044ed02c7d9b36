"""``doctor``: after the first batches that a host's model has seen, say what would be captured, and stop the process."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.capture.passes import Pass
from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.hooks import busy
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.hooks.reading.explain import left_out, why_nothing
from crysmm_attn_plugin.hooks.reading.facts import facts_of
from crysmm_attn_plugin.hooks.reading.loops import asking_frame, weakly
from crysmm_attn_plugin.hooks.reading.reader import PassReader

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.bootstrap.process import HostProcess
    from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch

PREFIX = "CRYSMM_ATTN_INTERNAL_"
#: Batches looked at in each loop.
BATCHES = 2


class Probes:
    """The loops of one process, each read in its first batches; the process is left at the first loop named as a test pass.

    Where others come first, what was seen in them is kept, and the process is left some seconds later, or before it writes
    anything, if no such loop has come by then.

    Args:
        process: The host's process.
    """

    def __init__(self, process: HostProcess) -> None:
        self.process = process
        self.loops: list[Probe] = []
        self._timer: threading.Timer | None = None

    def begin(self, loader: Any, split: str | None, words: str) -> None:
        """A loop begins."""
        settings = self.process.settings
        named = split is not None and settings is not None and split in settings.splits
        if not any(p.words == words and p.found for p in self.loops):
            self.loops.append(Probe(loader, split, words, named))

    def yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        """A batch is handed to the host."""
        probe = self._of(loader)
        if probe is not None:
            probe.yielded(batch, positions)

    def over(self, loader: Any, *, last: bool = False) -> None:
        """A batch is over, or the loop is."""
        probe = self._of(loader)
        if probe is not None:
            probe.over(last=last)
            if probe.reads and probe.named:
                self.leave()
            elif probe.reads and self._timer is None:
                leave_before_writing(self.leave)
                seconds = float(os.environ.get(PREFIX + "GRACE") or 30)
                self._timer = threading.Timer(seconds, self.leave)
                self._timer.daemon = True
                self._timer.start()

    def backward(self) -> None:
        """A gradient is being computed: the loop that runs now trains."""
        if self.loops and self.loops[-1].found is None:
            self.loops[-1].trains = True

    def _of(self, loader: Any) -> Probe | None:
        return next((p for p in reversed(self.loops) if p.found is None and p.loader is loader), None)

    def leave(self) -> None:
        """Nothing of the host's is run to its end, its own exit handlers included."""
        with busy.working():
            self.write(ended=False)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def write(self, *, ended: bool) -> None:
        """Leave what was found where the launcher looks for it; ``ended``: the host came to its own end."""
        folder = os.environ.get(PREFIX + "STATUS")
        if not folder:
            return
        best = max(self.loops, key=lambda p: (p.reads, p.is_test, bool(p.found)), default=None)
        unnamed = [p for p in self.loops if p.reads and p.is_test and not p.named]
        several = len(unnamed) > 1 and not any(p.named for p in self.loops)
        values = {
            **(best.found if best and best.found else {}),
            "loops": [p.described(several) for p in self.loops],
            "ended": ended,
            "undecided": len(unnamed) if several else 0,
            "host": self.process.host.told(),
            "plugins": get_plugin_manager().answers(),
        }
        path = Path(folder) / f"probe-{os.getpid()}.json"
        path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


#: What an interpreter tells of before it is done, and what changes something outside the process.
_CHANGES = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree", "subprocess.Popen", "os.system",
    "socket.connect", "sqlite3.connect",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def leave_before_writing(leave: Callable[[], None]) -> None:
    """From now on ``leave()`` before this process changes a file or reaches out; what its loaders' workers need aside."""
    pid = os.getpid()
    spared = (
        *(os.path.join(tempfile.gettempdir(), n) for n in ("pymp-", "torch")),
        os.path.dirname(os.devnull) + os.sep,
    )

    def told(event: str, values: tuple[Any, ...]) -> None:
        changes = event in _CHANGES or (
            event == "open" and len(values) == 3 and int(values[2] or 0) & _WRITING
        )
        if not changes or os.getpid() != pid or busy.ours():
            return
        where = values[0] if values and isinstance(values[0], (str, bytes)) else ""
        path = os.path.abspath(os.fsdecode(where)) if where else ""
        if "__pycache__" not in path and not (path and path.startswith(spared)):
            with busy.working():
                leave()

    sys.addaudithook(told)


class Probe:
    """Reads the first batches of one loop as a capture would, and writes nothing.

    Args:
        loader: The loader that is iterated.
        split: What its loop is taken for, or None.
        words: The loop in words.
        named: Whether passes of that split are captured.

    Attributes:
        found: What there is to say; None until enough was seen.
        reads: Whether some attention would be stored.
        trains: Whether a gradient was computed in it.
    """

    def __init__(self, loader: Any, split: str | None, words: str, named: bool) -> None:
        self.split, self.words, self.named = split, words, named
        self.found: dict[str, Any] | None = None
        self.reads = self.trains = False
        self._pass = Pass(weakly(loader), split or "test", "attached", None, split is None)
        self._pass.reader = PassReader(
            loader,
            lambda inputs: facts_of(inputs, get_plugin_manager(), self._pass),
            tokenizers=self._pass.tokenizers,
        )

    @property
    def loader(self) -> Any:
        return self._pass.loader

    @property
    def reader(self) -> PassReader:
        return self._pass.reader

    @property
    def is_test(self) -> bool:
        """Named as one, or unnamed and without a backward pass."""
        return self.named or (self.split is None and not self.trains)

    def described(self, several: bool) -> str:
        """The loop, and what becomes of it; ``several`` that nobody named are kept apart."""
        if not self.is_test:
            fate = "not captured" if self.split is not None else "it trains, so it is not captured"
        elif not self.reads:
            fate = "nothing to capture" if self.found else "no model was called on its batches"
        else:
            name = f" as loop_{self.words.partition('.')[0]}" if several else ""
            fate = "captured" if self.named else f"captured{name}, because it does not train"
        return f"{self.words}; {fate}"

    def yielded(self, batch: Any, positions: tuple[int, ...] | None) -> None:
        """A batch is handed to the host."""
        self.reader.yielded(batch, positions, asking_frame())

    def over(self, *, last: bool = False) -> None:
        """The host is done with it."""
        self.reader.over()
        if self.reader.n_batches >= BATCHES or (last and self.reader.n_batches):
            self.found = self._look()
            self.reader.abandon()
            self._pass.let_go()

    def _look(self) -> dict[str, Any]:
        reader = self.reader
        found: dict[str, Any] = {
            "model": ", ".join(type(m).__name__ for m in reader.naming.roots),
            "problems": [],
        }
        try:
            read: list[ReadBatch] = list(reader.take(last=True))
        except AttnError as error:
            found["problems"].append(str(error))
            return found
        maps = []
        for site, choice in reader.decisions.chosen.items():
            if isinstance(choice, str):
                maps.append(f"left out: {left_out(site, choice)}")
                continue
            sides = f"{choice.queries or 'unnamed'} over {choice.keys or 'unnamed'} (undirected)"
            maps.append(f"{site.module} ({' x '.join(map(str, site.shape))}): {choice.direction or sides}")
        found["maps"] = list(dict.fromkeys(maps))
        self.reads = any(r.calls for r in read)
        if not self.reads:
            found["problems"].append(why_nothing(reader, reader.n_yielded))
        elif read:
            identity = read[0].identity
            found["ids"] = list(identity.ids[:3])
            found["tokens"] = list(identity.tokens[0].tokens[:8]) if identity.tokens else None
            found["elements"] = list(identity.elements[0][:8]) if identity.elements[0] else None
            found["prediction"] = read[0].prediction is not None
        return found

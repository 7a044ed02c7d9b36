"""Figures of an earlier report, used again where the digest of their data is the same and their files are whole."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from crysmm_attn_plugin.reports.figures.drawing import Job, Result
from crysmm_attn_plugin.reports.figures.style import Dots
from crysmm_attn_plugin.store.files import plain, write_json

FILE = "figures.json"
#: Fields of a result that change from run to run without changing a figure.
_ASIDE = ("created", "versions")


@dataclass
class Kept:
    """What ``figures.json`` says of drawn figures: ``<name>/<language>`` -> digest, files, numbers, places."""

    entries: dict[str, dict[str, Any]]
    folder: Path | None = None

    @classmethod
    def read(cls, folder: Path) -> Kept:
        """The figures of a folder; none where it has no such file or a damaged one."""
        try:
            entries = json.loads((folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls({})
        whole = isinstance(entries, dict) and all(isinstance(e, dict) for e in entries.values())
        return cls(entries, folder) if whole else cls({})

    def take(self, job: Job, digest: str) -> Result | None:
        """Copy a figure's files to where the job wants them, or None when it has to be drawn."""
        entry = self.entries.get(_key(job), {})
        files = entry.get("files")
        if self.folder is None or entry.get("digest") != digest or not isinstance(files, dict):
            return None
        wanted = {name: kind for name in files if (kind := Path(name).suffix[1:]) in job.formats}
        if set(wanted.values()) != set(job.formats):
            return None
        sources = {name: self.folder / Path(name).name for name in wanted}
        if any(not s.is_file() or _sha(s.read_bytes()) != files[name] for name, s in sources.items()):
            return None
        written = []
        for source in sources.values():
            target = job.folder / source.name
            if target != source:
                shutil.copyfile(source, target)
            written.append(target)
        order = {suffix: k for k, suffix in enumerate(job.formats)}
        written.sort(key=lambda p: order[p.suffix[1:]])
        return Result(tuple(written), entry.get("numbers") or {}, _unpacked(entry.get("dots") or ""))

    def add(self, job: Job, digest: str, drawn: Result) -> None:
        """Note a figure that was drawn."""
        self.entries[_key(job)] = {
            "digest": digest,
            "files": {f.name: _sha(f.read_bytes()) for f in drawn.files},
            "numbers": dict(drawn.numbers),
            "dots": _packed(drawn.dots),
        }

    def write(self, folder: Path, drawn: set[tuple[str, str]]) -> None:
        """Write ``figures.json`` for the figures that the folder holds."""
        names = {f"{name}/{lang}" for name, lang in drawn}
        write_json(folder / FILE, {k: v for k, v in self.entries.items() if k in names})


@dataclass(frozen=True)
class Data:
    """Digests of what the figures of one report share, taken once.

    Attributes:
        result: Of the numbers.
        samples: Of the rows of crystals.
    """

    result: bytes
    samples: bytes

    @classmethod
    def of(cls, result: Any, samples: pd.DataFrame) -> Data:
        """Digests of a comparison's result and of its crystals."""
        values = {k: v for k, v in plain(result).items() if k not in _ASIDE}
        numbers = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
        hashed = pd.util.hash_pandas_object(samples, index=False).to_numpy()
        rows = hashlib.sha256("\0".join(map(str, samples.columns)).encode() + hashed.tobytes())
        return cls(numbers.digest(), rows.digest())


def digest_of(data: Data, job: Job) -> str:
    """Digest of everything a figure depends on: numbers, maps, language, and the program that draws it."""
    about = {k: plain(v) for k, v in job.about.items() if k != "maps"}
    text = json.dumps([job.kind, job.lang, job.title, job.description, about], sort_keys=True)
    digest = hashlib.sha256(text.encode() + data.result)
    if job.kind != "heatmap":
        digest.update(data.samples)
    for arm, one in job.about.get("maps", {}).items():
        weights = np.ascontiguousarray(one.weights)
        digest.update(f"{arm} {weights.shape} {weights.dtype} {one.tokens!r} {one.elements!r}".encode())
        digest.update(weights.tobytes())
    digest.update(_program())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _program() -> bytes:
    """Digest of the code and fonts that draw, and of matplotlib's version."""
    digest = hashlib.sha256(matplotlib.__version__.encode())
    room = Path(__file__).parent
    sources = [*sorted(room.glob("*.py")), *sorted((room / "fonts").glob("*.ttf"))]
    for path in [
        *sources,
        *(room.parent / name for name in ("numbers.py", "arm_names.py", "guide.py", "language.py")),
    ]:
        digest.update(path.read_bytes())
    return digest.digest()


def _key(job: Job) -> str:
    return f"{job.name}/{job.lang}"


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _packed(dots: Dots) -> str:
    """Places with 16 bits and rows with 32, as base64."""
    parts = [np.rint(np.clip(v, 0, 1) * 65535).astype("<u2").tobytes() for v in (dots.x, dots.y)]
    return base64.b64encode(b"".join([*parts, dots.rows.astype("<u4").tobytes()])).decode("ascii")


def _unpacked(text: str) -> Dots:
    raw = base64.b64decode(text)
    count = len(raw) // 8
    x = np.frombuffer(raw, "<u2", count, 0) / 65535
    y = np.frombuffer(raw, "<u2", count, 2 * count) / 65535
    return Dots(x, y, np.frombuffer(raw, "<u4", count, 4 * count).astype(int))

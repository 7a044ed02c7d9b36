"""What is declared before looking: written with its time, hashed, carried into the runs, compared with what was done."""

from __future__ import annotations

import calendar
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.store.files import write_json

#: Beside the arms' folders, in the folder of runs.
FILE_NAME = "crysmm_attn_declaration.json"
FORMAT = 1
CLUSTERS = ("composition", "none")


@dataclass(frozen=True)
class Declaration:
    """Hypothesis and rules of one comparison.

    Attributes:
        date: When it was written, ISO 8601 in UTC; set by ``write_declaration`` alone.
        hypothesis: In words.
        directions: Metric -> -1 or 1, the sign of arm minus baseline.
        smallest_effects: Metric -> smallest effect of interest, percent of the baseline's mean.
        primary_metrics: The family that carries the verdict.
        seeds: Training seeds planned for every arm.
        paired_seeds: Runs of one seed belong together.
        clusters: ``composition`` (crystals of one reduced formula count once) or ``none``.
        runs_before: Runs that the folder held already when this was written.
    """

    date: str
    hypothesis: str
    directions: Mapping[str, int]
    smallest_effects: Mapping[str, float]
    primary_metrics: tuple[str, ...]
    seeds: tuple[int, ...] = ()
    paired_seeds: bool = False
    clusters: str = "composition"
    runs_before: tuple[str, ...] = ()
    format: int = field(default=FORMAT)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, dates included."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


def now() -> str:
    """This second, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def seconds(date: str) -> float:
    """Seconds since 1970 of an ISO 8601 date in UTC; NaN when it is none."""
    try:
        return float(calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%SZ")))
    except (TypeError, ValueError):
        return math.nan


def runs_in(folder: Path) -> tuple[str, ...]:
    """Run folders that a folder of runs holds, relative."""
    found = {p.parent for pattern in ("run.json", "*/run.json", "*/*/run.json") for p in folder.glob(pattern)}
    return tuple(sorted(os.path.relpath(p, folder) for p in found))


def write_declaration(
    folder: str | os.PathLike[str],
    *,
    hypothesis: str,
    directions: Mapping[str, int],
    smallest_effects: Mapping[str, float],
    primary_metrics: Sequence[str],
    seeds: Sequence[int] = (),
    paired_seeds: bool = False,
    clusters: str = "composition",
) -> tuple[Path, Declaration]:
    """Declare now; the date is the clock's and cannot be given.

    Args:
        folder: Folder that the runs go to (``out_dir``).
        hypothesis, directions, smallest_effects, primary_metrics, seeds, paired_seeds, clusters: See ``Declaration``.

    Returns:
        The file and what it says.

    Raises:
        UsageError: When the folder holds a declaration already: it stands, and a second one goes to another folder.
    """
    root = Path(folder).absolute()
    path = root / FILE_NAME
    if path.exists():
        raise UsageError(
            f"{path} is there already; what was declared stands. Declare another study in another folder of runs."
        )
    declared = Declaration(
        now(), hypothesis, dict(directions), {k: float(v) for k, v in smallest_effects.items()},
        tuple(primary_metrics), tuple(int(s) for s in seeds), bool(paired_seeds), clusters,
        runs_in(root) if root.is_dir() else (),
    )  # fmt: skip
    write_json(path, {**asdict(declared), "digest": declared.digest})
    return path, declared


def read_declaration(path: str | os.PathLike[str]) -> tuple[Declaration, bool]:
    """A declaration, and whether it is as it was written (its digest fits its content).

    Raises:
        UsageError: When the file cannot be read as one.
    """
    try:
        values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        said = str(values.pop("digest", ""))
        declared = Declaration(
            date=str(values["date"]),
            hypothesis=str(values["hypothesis"]),
            directions={str(k): int(v) for k, v in values["directions"].items()},
            smallest_effects={str(k): float(v) for k, v in values["smallest_effects"].items()},
            primary_metrics=tuple(str(m) for m in values["primary_metrics"]),
            seeds=tuple(int(s) for s in values["seeds"]),
            paired_seeds=bool(values["paired_seeds"]),
            clusters=str(values["clusters"]),
            runs_before=tuple(str(r) for r in values["runs_before"]),
            format=int(values["format"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a declaration that this version reads ({type(error).__name__}: {error}); restore the file that "
            "`crysmm-attn declare` wrote, or move it away to report without one."
        ) from None
    return declared, declared.digest == said


def stamp(out_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """What a run carries of the declaration in its folder of runs, for ``run.json``; empty without one."""
    path = Path(out_dir) / FILE_NAME
    if not path.is_file():
        return {}
    try:
        declared, intact = read_declaration(path)
    except UsageError:
        return {}
    return {"declaration": {"digest": declared.digest, "date": declared.date, "intact": intact}}

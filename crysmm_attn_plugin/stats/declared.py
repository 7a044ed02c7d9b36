"""A declaration laid over an analysis: what it fixes, whether the runs came after it, what was done otherwise."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.stats.choices import Choices
from crysmm_attn_plugin.stats.results import DeclarationRecord, SesoiSource
from crysmm_attn_plugin.store.declaration import FILE_NAME, Declaration, read_declaration, seconds
from crysmm_attn_plugin.store.reader import Run

#: Level that nobody needs to explain.
DEFAULT_ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Declared:
    """A declaration with its file.

    Attributes:
        intact: Its digest fits its content.
    """

    declaration: Declaration
    path: Path
    intact: bool


def find_declaration(runs: Sequence[Run]) -> Declared | None:
    """The declaration in the runs' folder of runs, None without one.

    Raises:
        UsageError: When the runs' folders hold different ones, or one that cannot be read.
    """
    paths = sorted({p for run in runs for p in [run.path.parent.parent / FILE_NAME] if p.is_file()})
    found = [Declared(*_read(path)) for path in paths]
    if len({d.declaration.digest for d in found}) > 1:
        raise UsageError(
            f"the runs come with different declarations ({', '.join(map(str, paths))}); report the studies one by one."
        )
    return found[0] if found else None


def _read(path: Path) -> tuple[Declaration, Path, bool]:
    declaration, intact = read_declaration(path)
    return declaration, path, intact


def lay_over(choices: Choices, declared: Declared | None, asked: Mapping[str, float]) -> Choices:
    """The choices of an analysis with what was declared; what is asked for on the command line wins, and is shown.

    Args:
        choices: Without either.
        declared: Declaration, or None.
        asked: Metric -> smallest effect in percent that flags or arguments ask for.
    """
    effects: dict[str, float] = {}
    sources: dict[str, SesoiSource] = {}
    if declared is not None:
        d = declared.declaration
        for metric, percent in d.smallest_effects.items():
            effects[metric], sources[metric] = percent, "declared"
        choices = dataclasses.replace(
            choices, primary=d.primary_metrics, directions=d.directions, paired_seeds=d.paired_seeds,
            by_composition=d.clusters == "composition",
        )  # fmt: skip
    for metric, percent in asked.items():
        if effects.get(metric) == percent:
            continue
        usual = BY_NAME[metric].sesoi_percent if metric in BY_NAME else None
        effects[metric] = percent
        sources[metric] = "default" if metric not in sources and percent == usual else "changed"
    return dataclasses.replace(choices, smallest_effects=effects, sources=sources)


def changed_defaults(choices: Choices) -> dict[str, str]:
    """What differs from the package's defaults without having been declared."""
    found = {} if choices.alpha == DEFAULT_ALPHA else {"alpha": f"{choices.alpha:g}"}
    for metric, source in choices.sources.items():
        if source == "changed":
            found[f"smallest effect of {metric}"] = f"{choices.smallest_effects[metric]:g} %"
    return found


def record(
    declared: Declared | None,
    choices: Choices,
    runs: Sequence[Run],
    compared: Mapping[str, Sequence[int | None]],
) -> DeclarationRecord | None:
    """What a report may say of the declaration.

    Declared before the first capture means: the folder held no run when it was written, every compared run started after
    its date and carries its digest, and the file is as it was written.

    Args:
        declared: Declaration, or None.
        choices: As analysed.
        runs: Compared runs.
        compared: Arm -> host seeds of its runs.
    """
    if declared is None:
        return None
    d = declared.declaration
    starts = [_started(run) for run in runs]
    first = min(starts)
    carried = all((run.info.get("declaration") or {}).get("digest") == d.digest for run in runs)
    before = declared.intact and carried and not d.runs_before and first >= seconds(d.date)
    changed = [] if declared.intact else ["digest"]
    for metric, source in choices.sources.items():
        if source == "changed":
            said = d.smallest_effects.get(metric)
            words = "nothing declared" if said is None else f"declared {said:g} %"
            changed.append(f"smallest effect of {metric}: {choices.smallest_effects[metric]:g} % ({words})")
    if choices.alpha != DEFAULT_ALPHA:
        changed.append(f"alpha: {choices.alpha:g}")
    for arm, seeds in compared.items():
        if d.seeds and sorted(s for s in seeds if s is not None) != sorted(d.seeds):
            shown = ", ".join("unknown" if s is None else str(s) for s in seeds)
            changed.append(f"seeds of {arm}: {shown} (declared {', '.join(map(str, d.seeds))})")
    return DeclarationRecord(
        d.date, d.digest, str(declared.path), d.hypothesis, dict(d.directions), dict(d.smallest_effects),
        d.primary_metrics, d.seeds, d.paired_seeds, d.clusters, before,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(first)), tuple(changed),
    )  # fmt: skip


def _started(run: Run) -> float:
    """When a run started: as it says itself, else the time of its oldest file."""
    said = seconds(str(run.info.get("created", "")))
    if said == said:
        return said
    return min(p.stat().st_mtime for p in run.path.rglob("*") if p.is_file())

"""A declaration laid over an analysis: what it fixes, whether the runs came after it, what was done otherwise."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
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


def declared_before(declared: Declared | None, runs: Sequence[Run]) -> bool:
    """Whether the declaration came before the first capture of these runs.

    The folder held no run when it was written, every compared run started after its date and carries its digest, and the
    file is as it was written.
    """
    if declared is None or not declared.intact or declared.declaration.runs_before:
        return False
    d = declared.declaration
    stamps = [run.info.get("declaration") or {} for run in runs]
    carried = all(s.get("digest") == d.digest and s.get("intact", True) for s in stamps)
    return carried and bool(min(_started(run) for run in runs) >= seconds(d.date))


def lay_over(
    choices: Choices, declared: Declared | None, asked: Mapping[str, float], *, before: bool
) -> Choices:
    """The choices of an analysis with what was declared; what is asked for on the command line wins, and is shown.

    Args:
        choices: Without either.
        declared: Declaration, or None.
        asked: Metric -> smallest effect in percent that flags or arguments ask for.
        before: The declaration came before the first capture; a later one is followed, but what it changes of the
            defaults is called changed, not declared.
    """
    effects: dict[str, float] = {}
    sources: dict[str, SesoiSource] = {}
    if declared is not None:
        d = declared.declaration
        for metric, percent in d.smallest_effects.items():
            effects[metric] = percent
            sources[metric] = "declared" if before else _source(metric, percent)
        choices = dataclasses.replace(
            choices, primary=d.primary_metrics, directions=d.directions, paired_seeds=d.paired_seeds,
            by_composition=d.clusters == "composition",
        )  # fmt: skip
    for metric, percent in asked.items():
        if effects.get(metric) == percent:
            continue
        effects[metric] = percent
        sources[metric] = "changed" if sources.get(metric) == "declared" else _source(metric, percent)
    return dataclasses.replace(choices, smallest_effects=effects, sources=sources)


def _source(metric: str, percent: float) -> SesoiSource:
    usual = BY_NAME[metric].sesoi_percent if metric in BY_NAME else None
    return "default" if percent == usual else "changed"


def changed_defaults(choices: Choices, *, before: bool = False) -> dict[str, str]:
    """What differs from the package's defaults without having been declared.

    Args:
        choices: As analysed.
        before: A declaration that came before the first capture fixed all but level and smallest effects.
    """
    found = {} if choices.alpha == DEFAULT_ALPHA else {"alpha": f"{choices.alpha:g}"}
    for metric, source in choices.sources.items():
        if source == "changed":
            found[f"smallest effect of {metric}"] = f"{choices.smallest_effects[metric]:g} %"
    if before:
        return found
    if tuple(choices.primary) != PRIMARY:
        found["primary metrics"] = ", ".join(choices.primary)
    for metric in choices.primary:
        sign = choices.expected_sign(metric)
        if metric in BY_NAME and sign != BY_NAME[metric].expected_sign:
            found[f"direction of {metric}"] = "lower" if sign < 0 else "higher"
    if choices.paired_seeds:
        found["seeds"] = "paired"
    if not choices.by_composition:
        found["clusters"] = "none"
    return found


def record(
    declared: Declared | None,
    choices: Choices,
    runs: Sequence[Run],
    compared: Mapping[str, Sequence[int | None]],
) -> DeclarationRecord | None:
    """What a report may say of the declaration (see ``declared_before``).

    Args:
        declared: Declaration, or None.
        choices: As analysed.
        runs: Compared runs.
        compared: Arm -> host seeds of its runs.
    """
    if declared is None:
        return None
    d = declared.declaration
    first = min(_started(run) for run in runs)
    before = declared_before(declared, runs)
    # what was written afterwards was not declared
    word = "declared" if before else "written"
    changed = [] if declared.intact else ["digest"]
    for metric, percent in choices.smallest_effects.items():
        said = d.smallest_effects.get(metric)
        if said != percent:
            words = f"nothing {word}" if said is None else f"{word} {said:g} %"
            changed.append(f"smallest effect of {metric}: {percent:g} % ({words})")
    if choices.alpha != DEFAULT_ALPHA:
        changed.append(f"alpha: {choices.alpha:g}")
    for arm, seeds in compared.items():
        if d.seeds and sorted(s for s in seeds if s is not None) != sorted(d.seeds):
            shown = ", ".join("unknown" if s is None else str(s) for s in seeds)
            changed.append(f"seeds of {arm}: {shown} ({word} {', '.join(map(str, d.seeds))})")
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

"""The table of a calibration run, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from benchmarks.calibration.families import FamilyRate
from benchmarks.calibration.grid import Rate
from benchmarks.calibration.model import Cell


def word(rate: Rate | FamilyRate) -> str:
    """``pass``, ``FAIL``, ``wide`` (coverage above its band: conservative), or a dash where nothing is promised.

    A method that is in the grid to fail has ``fails, as it should`` or ``PASSES: the harness is blind``.
    """
    if rate.wrong:
        return "fails, as it should" if not rate.passed else "within the band here"
    if rate.passed is None:
        return "-"
    if rate.passed:
        return "pass"
    if (
        isinstance(rate, Rate)
        and rate.kind == "coverage"
        and rate.high is not None
        and rate.value > rate.high
    ):
        return "wide"
    if (
        isinstance(rate, Rate)
        and rate.kind == "false positive"
        and rate.low is not None
        and rate.value < rate.low
    ):
        return "low"
    return "FAIL"


def counts(rates: Sequence[Rate | FamilyRate]) -> dict[str, int]:
    """How many rates of the honest methods got each word."""
    found: dict[str, int] = defaultdict(int)
    for rate in rates:
        if not rate.wrong:
            found[word(rate)] += 1
    return dict(found)


def harness_sees(rates: Sequence[Rate]) -> bool:
    """Whether every test that takes atoms as units was caught where it must be wrong (ICC of 0.1 or more)."""
    wrong = [r for r in rates if r.method == "atoms as units"]
    return bool(wrong) and not any(r.passed for r in wrong)


def markdown(rates: Sequence[Rate], families: Sequence[FamilyRate]) -> str:
    """Summary by method and distribution, every miss, the families, then every cell."""
    return (
        "\n".join([*_summary(rates), *_misses(rates, families), *_families(families), *_every_cell(rates)])
        + "\n"
    )


def _summary(rates: Sequence[Rate]) -> list[str]:
    groups: dict[tuple[str, str, str], list[Rate]] = defaultdict(list)
    for rate in rates:
        groups[rate.method, rate.kind, rate.cell.distribution].append(rate)
    lines = [
        "## By method and distribution",
        "",
        "| method | rate | distribution | cells | lowest | median | highest | pass | wide or low | FAIL |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (method, kind, distribution), members in groups.items():
        values = sorted(r.value for r in members)
        words = [word(r) for r in members]
        passed, safe, failed = (
            words.count("pass"), words.count("wide") + words.count("low"), words.count("FAIL"),
        )  # fmt: skip
        if members[0].wrong:
            passed, failed = words.count("within the band here"), words.count("fails, as it should")
        tallies = [str(passed), str(safe), str(failed)]
        if all(w == "-" for w in words):
            tallies = ["-", "-", "-"]
        name = f"{method} (wrong on purpose)" if members[0].wrong else method
        middle = values[len(values) // 2]
        lines.append(
            f"| {name} | {kind} | {distribution} | {len(members)} | {values[0]:.3f} | {middle:.3f} | {values[-1]:.3f} | "
            + " | ".join(tallies)
            + " |"
        )
    return [*lines, ""]


def _misses(rates: Sequence[Rate], families: Sequence[FamilyRate]) -> list[str]:
    missed = [r for r in [*rates, *families] if not r.wrong and word(r) == "FAIL"]
    lines = ["## Every miss of a method that is offered", ""]
    if not missed:
        return [*lines, "None.", ""]
    for rate in missed:
        where = _cell(rate.cell) if isinstance(rate, Rate) else f"{rate.setting}, {rate.n} crystals"
        kind = rate.kind if isinstance(rate, Rate) else "rate"
        lines.append(f"- {rate.method}, {kind} {rate.value:.4f}: {where}")
    return [*lines, ""]


def _cell(cell: Cell) -> str:
    return (
        f"{cell.distribution}, {cell.n} crystals, ICC {cell.icc:g}, run SD {cell.run_sd:g}, {cell.k} seed"
        + ("s" if cell.k > 1 else "")
    )


def _families(families: Sequence[FamilyRate]) -> list[str]:
    lines = [
        "## Four metrics, correlated 0.8",
        "",
        "| what | crystals | method | rate | at most | |",
        "|---|--:|---|--:|--:|---|",
    ]
    for rate in families:
        band = "-" if rate.high is None else f"{rate.high:g}"
        lines.append(
            f"| {rate.setting} | {rate.n} | {rate.method} | {rate.value:.4f} | {band} | {word(rate)} |"
        )
    return [*lines, ""]


def _every_cell(rates: Sequence[Rate]) -> list[str]:
    lines = [
        "## Every cell",
        "",
        "| distribution | crystals | ICC | run SD | seeds | method | rate | value | |",
        "|---|--:|--:|--:|--:|---|---|--:|---|",
    ]
    for rate in rates:
        c = rate.cell
        lines.append(
            f"| {c.distribution} | {c.n} | {c.icc:g} | {c.run_sd:g} | {c.k} | {rate.method} | {rate.kind} | "
            f"{rate.value:.4f} | {word(rate)} |"
        )
    return [*lines, ""]

"""The calibration as CSV tables and one page."""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.calibration.design import Design
from benchmarks.calibration.pooled import PooledRate
from benchmarks.calibration.rates import Rate
from benchmarks.calibration.words import WordRate

#: Standard errors of simulation that a rate may lie beyond its bound before the cell counts as failing.
ERRORS = 2.0
PAGE = """# Calibration

Simulated comparisons with a known truth, judged by the package's own functions: `python -m benchmarks.calibration`,
{replicates} studies a design ({word_replicates} for verdicts), {n_resamples} sign flips and resamples, seed {seed}; made {when}
in {minutes:.0f} minutes of processor time. A rate counts as failing when it lies more than {errors:g} standard errors of
simulation (at {replicates} studies {error:.4f} each) beyond its bound.

**{failed} failing cells of {cells}.** Every cell: [calibration.csv](calibration.csv) (one metric),
[calibration_words.csv](calibration_words.csv) (verdicts), [calibration_pooled.csv](calibration_pooled.csv) (several data sets).

## One metric

Crystals differ in their true change with SD 0.5, runs and noise are on the same scale; 10 to 300 crystals; 1 to 10 runs an
arm, unequal numbers from 2 on; run variances up to 25-fold apart, and one arm without any; changes normal, heavy-tailed,
rounded, exponential and lognormal; compositions of 3 and 5 crystals with intraclass correlation .2 and .5; paired seeds.

| said | rate | designs | bound | median | worst | worst in |
|---|---|---|--:|--:|--:|---|
{one}
`withheld`: below 20 crystals no equivalence is claimed, and for skewed changes no outcome is promised there, as the rates
show. An outcome needs p and interval; sign flips alone are shown because p is printed: their null hypothesis is symmetry, and
skewed changes break it.

## Verdicts on four metrics, correlated 0.8, 50 crystals

| true | runs | run SDs | said | rate | at most |
|---|---|---|---|--:|--:|
{words}
With fewer than four runs in an arm there is no word to be wrong.

## Several data sets, pooled

Coverage of 95 % intervals; standard errors between 0.3 and 1.5, the data sets' true changes with SD tau.

| data sets | tau | mean | another data set |
|--:|--:|--:|--:|
{pooled}
{misses}"""


def write_tables(
    folder: Path, rates: Sequence[Rate], words: Sequence[WordRate], pooled: Sequence[PooledRate]
) -> None:
    """Every cell as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    _csv(
        folder / "calibration.csv",
        ("crystals", "runs_arm", "runs_baseline", "run_sd_arm", "run_sd_baseline", "noise", "shape", "per_composition",
         "icc", "shared_seed_sd", "said", "rate", "value", "low", "high", "studies", "judged"),
        [(d.n, *d.runs, *d.run_sd, d.noise, d.shape, d.cluster, d.icc, d.shared, r.method, r.kind, f"{r.value:.4f}",
          r.low, r.high, r.replicates, r.word(ERRORS)) for r in rates for d in (r.design,)],
    )  # fmt: skip
    _csv(
        folder / "calibration_words.csv",
        (
            "true",
            "runs_arm",
            "runs_baseline",
            "run_sd_arm",
            "run_sd_baseline",
            "said",
            "value",
            "high",
            "studies",
        ),
        [(w.truth, *w.runs, *w.run_sd, w.word, f"{w.value:.4f}", w.high, w.replicates) for w in words],
    )
    _csv(
        folder / "calibration_pooled.csv",
        ("data_sets", "tau", "mean", "prediction", "studies"),
        [(p.k, p.tau, f"{p.mean:.4f}", f"{p.prediction:.4f}", p.replicates) for p in pooled],
    )


def _csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def write_page(
    folder: Path,
    rates: Sequence[Rate],
    words: Sequence[WordRate],
    pooled: Sequence[PooledRate],
    *,
    replicates: int,
    word_replicates: int,
    n_resamples: int,
    seed: int,
    minutes: float,
) -> int:
    """Write ``calibration.md``; returns the number of failing cells."""
    bad = [r for r in rates if r.word(ERRORS) == "FAIL"]
    bad_words = [w for w in words if not w.passed(ERRORS)]
    bad_pooled = [p for p in pooled if not p.passed(ERRORS)]
    failed = len(bad) + len(bad_words) + len(bad_pooled)
    lines = [f"- {r.method}, {r.kind} {r.value:.4f}: {named(r.design)}" for r in bad]
    lines += [f"- {w.word} {w.value:.4f}: {w.truth}, runs {w.runs}, run SDs {w.run_sd}" for w in bad_words]
    lines += [
        f"- pooled: mean {p.mean:.3f}, prediction {p.prediction:.3f}: {p.k} sets, tau {p.tau:g}"
        for p in bad_pooled
    ]
    text = PAGE.format(
        replicates=replicates,
        word_replicates=word_replicates,
        n_resamples=n_resamples,
        seed=seed,
        when=time.strftime("%Y-%m-%d", time.gmtime()),
        minutes=minutes,
        errors=ERRORS,
        error=(0.05 * 0.95 / replicates) ** 0.5,
        failed=failed,
        cells=sum(not r.wrong and not r.withheld for r in rates) + len(words) + len(pooled),
        one="\n".join(_summary(rates)) + "\n",
        words="\n".join(
            f"| {w.truth} | {w.runs[0]} + {w.runs[1]} | {w.run_sd[0]:g}, {w.run_sd[1]:g} | {w.word} | {w.value:.3f} | "
            f"{w.high:g} |"
            for w in words
        )
        + "\n",
        pooled="\n".join(
            f"| {p.k} | {p.tau:g} | {p.mean:.3f} | "
            + (f"{p.prediction:.3f} |" if p.prediction == p.prediction else "- |")
            for p in pooled
        )
        + "\n",
        misses="\n## Failing cells\n\n" + "\n".join(lines) + "\n" if lines else "",
    )
    (folder / "calibration.md").write_text(text, encoding="utf-8")
    return failed


def _summary(rates: Sequence[Rate]) -> list[str]:
    groups: dict[tuple[str, str, str, float, str], list[Rate]] = defaultdict(list)
    for rate in rates:
        bound = rate.low if rate.kind == "coverage" else rate.high
        groups[rate.method, rate.kind, _kind_of_design(rate), bound, _standing(rate)].append(rate)
    lines = []
    for (method, kind, designs, bound, standing), members in groups.items():
        worst = (min if kind == "coverage" else max)(members, key=lambda r: r.value)
        values = sorted(r.value for r in members)
        word = f"{'at least' if kind == 'coverage' else 'at most'} {bound:g}" if standing == "" else standing
        lines.append(
            f"| {method} | {kind} | {designs} ({len(members)}) | {word} | {values[len(values) // 2]:.3f} | {worst.value:.3f} | "
            f"{named(worst.design)} |"
        )
    return lines


def _standing(rate: Rate) -> str:
    return "shown, not offered" if rate.wrong else "withheld" if rate.withheld else ""


def _kind_of_design(rate: Rate) -> str:
    d = rate.design
    runs = "several runs" if d.several else "one run"
    shape = ", skewed" if d.shape in ("exponential", "lognormal") else ""
    return (
        runs
        + shape
        + (", compositions repeat" if d.cluster > 1 else "")
        + (", seeds paired" if d.shared else "")
    )


def named(design: Design) -> str:
    """A design in words."""
    parts = [f"{design.n} crystals"]
    if max(design.runs) > 1:
        parts.append(
            f"{design.runs[0]} + {design.runs[1]} runs of SD {design.run_sd[0]:g} and {design.run_sd[1]:g}"
        )
    if design.shape != "normal":
        parts.append(design.shape)
    if design.cluster > 1:
        parts.append(f"{design.cluster} a composition, ICC {design.icc:g}")
    return ", ".join(parts)

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
from benchmarks.calibration.verdicts import TRUTHS, WORDS, VerdictRate
from crysmm_attn_plugin.stats.results import Verdict

#: Standard errors of simulation that a rate may lie beyond its bound before the cell counts as failing.
ERRORS = 2.0
PAGE = """# Calibration

Simulated comparisons with a known truth, judged by the package's own functions: `python -m benchmarks.calibration`,
{studies} studies a design (the tables say how many), {n_resamples} sign flips and resamples, seed {seed}; made {when} in {minutes:.0f} minutes of
processor time. A rate counts as failing when it lies more than {errors:g} standard errors of simulation beyond its bound
({error:.4f} each at {replicates} studies, more at fewer).

**{failed} failing cells of {cells}.** Every cell: [calibration.csv](calibration.csv) (one metric),
[calibration_verdicts.csv](calibration_verdicts.csv) (verdicts), [calibration_pooled.csv](calibration_pooled.csv) (several
data sets).

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

## Verdicts

Four metrics correlated 0.8, 50 crystals, smallest effect 0.2 (two fifths of the SD over crystals). Percent of studies that end
in each word; **bold** where the truth forbids the word. `false` is the largest share of one kind of false word (a change
that is not there or too small, the other direction, "negligible"), at most 5 %.

| true | runs | run SDs | supported | partial | contradicted | partly contradicted | conflicting | negligible | not shown | false |
|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
{words}
`not shown`: "inconclusive". With two or three runs in an arm every study ends in "estimates only", so that there is no word to
be wrong. With one run the words are of these checkpoints:

| true | differ | alike | not shown | false |
|---|--:|--:|--:|--:|
{checkpoints}
The rule is symmetric: under "nothing changes" words for and against the prediction are equally rare, and what changes fourfold
either way is found equally often.

## Several data sets, pooled

Random effects with the interval of Hartung and Knapp; true mean change 0. Standard errors: `alike` between 0.3 and 1.5,
`one precise` 0.1 beside ones of 1, `estimated` from simulated comparisons of 50 crystals and 4 + 4 runs. tau: SD of the
true change over data sets, in units of a typical standard error. Bounds: false positives .06, mean .94, another data set .92,
p never against its interval. Exponential true changes are shown for what they do: no interval of few data sets follows them.

| data sets | tau | errors | true changes | false positive | mean | another data set |
|--:|--:|---|---|--:|--:|--:|
{pooled}{misses}"""

METRIC_COLUMNS = (
    "crystals", "runs_arm", "runs_baseline", "run_sd_arm", "run_sd_baseline", "noise", "shape", "per_composition", "icc",
    "shared_seed_sd", "said", "rate", "value", "low", "high", "studies", "judged",
)  # fmt: skip
VERDICT_COLUMNS = (
    "true", "runs_arm", "runs_baseline", "run_sd_arm", "run_sd_baseline", *WORDS, "false", "high", "studies", "judged",
)  # fmt: skip
POOLED_COLUMNS = (
    "data_sets", "tau", "errors", "true_changes", "false_positive", "mean", "another_data_set", "contradiction", "studies",
    "judged",
)  # fmt: skip


def write_tables(
    folder: Path, rates: Sequence[Rate], verdicts: Sequence[VerdictRate], pooled: Sequence[PooledRate]
) -> None:
    """Every cell as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    if rates:
        rows: list[Sequence[object]] = [
            (d.n, *d.runs, *d.run_sd, d.noise, d.shape, d.cluster, d.icc, d.shared, r.method, r.kind, f"{r.value:.4f}",
             r.low, r.high, r.replicates, r.word(ERRORS)) for r in rates for d in (r.design,)
        ]  # fmt: skip
        _csv(folder / "calibration.csv", METRIC_COLUMNS, rows)
    if verdicts:
        rows = [
            (v.truth, *v.runs, *v.run_sd, *(f"{v.shares[w]:.4f}" for w in WORDS), f"{v.wrong:.4f}", v.high, v.replicates,
             "pass" if v.passed(ERRORS) else "FAIL") for v in verdicts
        ]  # fmt: skip
        _csv(folder / "calibration_verdicts.csv", VERDICT_COLUMNS, rows)
    if pooled:
        rows = [
            (p.design.k, p.design.tau, p.design.errors, p.design.shape, f"{p.false_positive:.4f}", f"{p.mean:.4f}",
             f"{p.prediction:.4f}", f"{p.contradiction:.4f}", p.replicates, "shown" if p.shown else "pass" if p.passed(ERRORS) else "FAIL")
            for p in pooled
        ]  # fmt: skip
        _csv(folder / "calibration_pooled.csv", POOLED_COLUMNS, rows)


def _csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def write_page(
    folder: Path,
    rates: Sequence[Rate],
    verdicts: Sequence[VerdictRate],
    pooled: Sequence[PooledRate],
    *,
    n_resamples: int,
    seed: int,
    minutes: float,
) -> int:
    """Write ``calibration.md``; returns the number of failing cells."""
    lines = [
        f"- {r.method}, {r.kind} {r.value:.4f}: {named(r.design)}" for r in rates if r.word(ERRORS) == "FAIL"
    ]
    lines += [
        f"- verdict, false {v.wrong:.4f}: {v.truth}, runs {v.runs}, run SDs {v.run_sd}"
        for v in verdicts
        if not v.passed(ERRORS)
    ]
    lines += [
        f"- pooled: false positive {p.false_positive:.4f}, mean {p.mean:.4f}, another data set {p.prediction:.4f}: {p.design}"
        for p in pooled
        if not p.passed(ERRORS)
    ]
    studies = sorted({x.replicates for part in (rates, verdicts, pooled) for x in part})
    text = PAGE.format(
        studies=" or ".join(f"{n:,}" for n in studies),
        replicates=f"{studies[-1]:,}",
        n_resamples=n_resamples,
        seed=seed,
        when=time.strftime("%Y-%m-%d", time.gmtime()),
        minutes=minutes,
        errors=ERRORS,
        error=(0.05 * 0.95 / studies[-1]) ** 0.5,
        failed=len(lines),
        cells=sum(not r.wrong and not r.withheld for r in rates)
        + len(verdicts)
        + sum(not p.shown for p in pooled),
        one=_table(_summary(rates)),
        words=_table([_verdict_line(v) for v in verdicts if min(v.runs) > 3]),
        checkpoints=_table([_checkpoint_line(v) for v in verdicts if min(v.runs) == 1]),
        pooled=_table([_pooled_line(p) for p in pooled]),
        misses="\n## Failing cells\n\n" + _table(lines) if lines else "",
    )
    (folder / "calibration.md").write_text(text, encoding="utf-8")
    return len(lines)


def _table(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _cells(v: VerdictRate, words: Sequence[Verdict]) -> str:
    truth = next(t for t in TRUTHS if t.words == v.truth)
    shown = []
    for word in words:
        percent = f"{100 * v.shares[word]:.1f}"
        shown.append(f"**{percent}**" if any(word in group for group in truth.false) else percent)
    return " | ".join(shown)


def _verdict_line(v: VerdictRate) -> str:
    words: tuple[Verdict, ...] = WORDS[:7]
    runs, sds = f"{v.runs[0]} + {v.runs[1]}", f"{v.run_sd[0]:g}, {v.run_sd[1]:g}"
    return f"| {v.truth} | {runs} | {sds} | {_cells(v, words)} | {100 * v.wrong:.1f} |"


def _checkpoint_line(v: VerdictRate) -> str:
    words: tuple[Verdict, ...] = ("checkpoints_differ", "checkpoints_alike", "inconclusive")
    return f"| {v.truth} | {_cells(v, words)} | {100 * v.wrong:.1f} |"


def _pooled_line(p: PooledRate) -> str:
    d = p.design
    inside = f"{p.prediction:.3f}" if p.prediction == p.prediction else "-"
    return f"| {d.k} | {d.tau:g} | {d.errors.replace('_', ' ')} | {d.shape} | {p.false_positive:.3f} | {p.mean:.3f} | {inside} |"


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

"""``crysmm-attn report``: captured runs to a report folder."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.commands.colour import painted
from crysmm_attn_plugin.errors import StatisticsError, UsageError
from crysmm_attn_plugin.reports.numbers import fixed, format_interval, format_number, format_p
from crysmm_attn_plugin.reports.request import check_request
from crysmm_attn_plugin.reports.tables import verdict_metrics
from crysmm_attn_plugin.reports.write import write_report

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn report attention_runs",
    "crysmm-attn report attention_runs --baseline no_middle --lang en --style apa --format paragraphs,tables",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn report``."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run folder, an arm's folder, or a folder of arms, or the URL of one; any number",
    )
    parser.add_argument(
        "--baseline",
        metavar="ARM",
        help="arm the others are compared with (default: an arm so named, or without middle fusion)",
    )
    parser.add_argument("--out", default="attention_report", help="report folder (default: %(default)s)")
    parser.add_argument("--lang", default="en,zh", help="languages, en and zh (default: %(default)s)")
    parser.add_argument(
        "--style",
        default="nature",
        choices=("nature", "apa", "gbt"),
        help="number and prose style (default: nature)",
    )
    parser.add_argument("--format", default="", help="some parts only, comma-separated (default: all)")
    parser.add_argument(
        "--checkpoint",
        default="auto",
        help="which checkpoint stands for a run: auto, best_val, best_test, last, a file",
    )
    parser.add_argument("--split", default="test", help="split to compare (default: test)")
    parser.add_argument("--module", help="attention module, when the model has several")
    parser.add_argument("--alpha", type=float, default=0.05, help="two-sided level (default: 0.05)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every resampling (default: 0)")
    parser.add_argument(
        "--resamples", type=int, default=10_000, help="sign flips and resamples (default: 10000)"
    )
    parser.add_argument(
        "--smallest-effect", action="append", default=[], metavar="METRIC=PERCENT",
        help="smallest effect of interest of a metric, percent of the baseline's mean (default: 5)",
    )  # fmt: skip
    parser.add_argument(
        "--posterior",
        action="store_true",
        help="also give the probability of a change below, within and above the smallest effect (flat priors)",
    )
    parser.add_argument("--allow-partial", action="store_true", help="also read runs that did not finish")


def run(args: argparse.Namespace) -> int:
    """Write the report; returns the exit code."""
    from crysmm_attn_plugin.store.reader import Run, find_runs

    sesoi = check_numbers(args)
    check_request(args.out, formats=_words(args.format) or None, langs=_words(args.lang), style=args.style)
    arms: dict[str, list[Run]] = {}
    seen = set()
    for path in args.runs:
        for found in find_runs(path, allow_partial=args.allow_partial):
            if found.path in seen:
                continue
            seen.add(found.path)
            if args.allow_partial and found.state != "complete" and not found.windows:
                print(f"crysmm-attn: left out {found.path}: it ended before any pass", file=sys.stderr)
            else:
                arms.setdefault(found.arm, []).append(found)
    if args.baseline and args.baseline not in arms:
        raise UsageError(f"--baseline {args.baseline}: no such arm; the runs are of {', '.join(arms)}.")
    from crysmm_attn_plugin.reports.comparison import compare_arms

    progress = _progress()
    progress("statistics")
    comparison = compare_arms(
        arms,
        baseline=args.baseline,
        split=args.split,
        checkpoint=args.checkpoint,
        module=args.module,
        alpha=args.alpha,
        seed=args.seed,
        n_resamples=args.resamples,
        sesoi_percent=sesoi,
        posterior=args.posterior,
    )
    out = write_report(
        comparison,
        args.out,
        formats=_words(args.format) or None,
        langs=_words(args.lang),
        style=args.style,
        progress=progress,
    )
    progress("")
    print(painted(summary(comparison), sys.stdout))
    print(f"report: {out / 'report.html' if (out / 'report.html').exists() else out}")
    return 0


def summary(comparison: Comparison) -> str:
    """Verdict and primary metrics of every pair, a line each."""
    result = comparison.result
    lines = []
    for pair in result.pairs:
        lines.append(
            f"{pair.arm} against {pair.baseline}, {pair.n} crystals: {pair.verdict.replace('_', ' ')}"
        )
        for m in verdict_metrics(pair, result):
            p = m.paired
            change = (
                f"{fixed(p.percent_change, 1, sign=True)} %"
                if math.isfinite(p.percent_change)
                else "not defined"
            )
            lines.append(
                f"  {BY_NAME[m.metric].label('en'):<20} {change:>11}  difference "
                f"{format_number(p.mean_difference, p.ci_low, p.ci_high)} ({format_interval(p.ci_low, p.ci_high)})  adjusted "
                f"{format_p(m.p_adjusted)}  {m.outcome}"
            )
            if m.posterior is not None:
                chances = (m.posterior.below, m.posterior.within, m.posterior.above)
                lines.append(
                    f"  {'':<20} probability below, within, above {fixed(m.sesoi_percent, 1)} %: "
                    + ", ".join(fixed(x, 3) for x in chances)
                )
            if m.disagreement:
                lines.append(f"  {'':<20} test and interval disagree: nothing is concluded from this metric")
        e = pair.performance
        if e.mae_arm is not None:
            lines.append(
                f"  {'mean absolute error':<20} {fixed(e.mae_arm, 4)} against {fixed(e.mae_baseline, 4)}: {e.axis}"
            )
    if not result.pairs:
        arm = result.arms[0]
        lines.append(f"{arm.name} alone, {result.n_crystals} crystals (no comparison)")
    lines += [f"  note: {w.message}" for pair in result.pairs for w in pair.warnings]
    lines += [f"  note: {w.message}" for w in result.warnings]
    lines += [f"  alarm: {a.message}" for a in result.alarms]
    return "\n".join(lines)


def check_numbers(args: argparse.Namespace) -> dict[str, float]:
    """Level, seed, resamples and smallest effects, before any run is read.

    Returns:
        Metric -> smallest effect of interest, percent.

    Raises:
        UsageError: When one cannot be used; the sentence says what can.
    """
    from crysmm_attn_plugin.stats.checks import checked_resampling

    try:
        checked_resampling(args.resamples, args.seed, args.alpha)
    except StatisticsError as error:
        words = str(error).replace("n_resamples", "--resamples").replace("the level alpha", "--alpha")
        words = f"--{words}" if words.startswith("seed") else words
        raise UsageError(words) from None
    if args.seed >= 2**32:
        raise UsageError(f"--seed must be below 4294967296, got {args.seed}.")
    return _smallest_effects(args.smallest_effect)


def _words(text: str) -> list[str]:
    return [w.strip() for w in text.split(",") if w.strip()]


def _smallest_effects(items: list[str]) -> dict[str, float]:

    found = {}
    for item in items:
        name, _, value = item.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if name not in BY_NAME or not 0 < number < 1000:
            raise UsageError(
                f"--smallest-effect {item}: write METRIC=PERCENT with a percent above 0 and below 1000 and one of "
                f"{', '.join(BY_NAME)}."
            )
        found[name] = number
    return found


def _progress() -> Callable[[str], None]:
    if not sys.stderr.isatty():
        return lambda part: None

    def show(part: str) -> None:
        sys.stderr.write(f"\r\x1b[K{part + ' ...' if part else ''}")
        sys.stderr.flush()

    return show

"""``crysmm-attn demo``: train both arms of the reference host, capture in their test loops, report."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.commands import arguments, known_words
from crysmm_attn_plugin.demo.requirements import require_demo_packages
from crysmm_attn_plugin.reports.request import check_request

if TYPE_CHECKING:
    from crysmm_attn_plugin.demo.study import StudyRun
    from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult

#: What ``--quick`` changes in the host's configuration.
QUICK = {"max_crystals": 160, "epochs": 10, "max_neighbors": 6, "batch_size": 16}
FULL = {"epochs": 30}

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn demo --quick",
    "crysmm-attn demo --out demo --seeds 4",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn demo``."""
    parser.add_argument(
        "--out",
        type=arguments.output_folder,
        default="crysmm_attn_demo",
        help="folder for everything (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer crystals and epochs; to try the path")
    parser.add_argument(
        "--seeds", type=arguments.whole(1, 1000), default=1, help="trainings of each arm (default: 1)"
    )
    parser.add_argument("--first-seed", type=arguments.seed, default=0, help="seed of the first (default: 0)")
    parser.add_argument("--text-model", help="offline (default), a hub id or a folder")
    parser.add_argument("--epochs", type=arguments.whole(1, 100_000), help="training epochs")
    parser.add_argument(
        "--probe",
        type=known_words.interventions,
        default=(),
        metavar="WORDS",
        help="interventions in extra passes: all, or some of knock_out, uniform, ... (see docs)",
    )
    parser.add_argument(
        "--lang", type=known_words.languages, default="en,zh", help="languages of the report (default: en,zh)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; returns the exit code."""
    require_demo_packages()
    langs = [word.strip() for word in args.lang.split(",") if word.strip()]
    check_request(args.out, langs=langs)
    # DGL's kernels are small here: more threads gain little alone and lose fourfold beside other work.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from crysmm_attn_plugin.commands.demo_bars import Bars
    from crysmm_attn_plugin.demo.config import config_from
    from crysmm_attn_plugin.demo.study import REPORT, claim_folder, run_study

    started = time.perf_counter()
    out = claim_folder(args.out)
    values: dict[str, Any] = dict(QUICK if args.quick else FULL)
    chosen = {"text_model": args.text_model, "epochs": args.epochs}
    values |= {k: v for k, v in chosen.items() if v is not None}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    bars = Bars(sys.stderr)
    try:
        runs = run_study(out, config_from(values), seeds=seeds, progress=bars.progress(), probe=args.probe)
    finally:
        bars.close()
    trained = time.perf_counter() - started
    report = _write_report(runs, out / REPORT, langs)
    print(_summary(runs, report, out / REPORT, quick=args.quick))
    print(
        f"crysmm-attn: trained and captured in {trained:.0f} s, reported in "
        f"{time.perf_counter() - started - trained:.0f} s",
        file=sys.stderr,
    )
    return 0


def _write_report(runs: Sequence[StudyRun], folder: Path, langs: Sequence[str]) -> ComparisonResult:
    """Compare the arms; an older report in the folder is replaced when the new one is whole."""
    from crysmm_attn_plugin.demo.study import BASELINE
    from crysmm_attn_plugin.reports.comparison import compare_runs

    by_arm: dict[str, list[str]] = defaultdict(list)
    for one in runs:
        by_arm[one.arm].append(one.run_dir)
    arms: dict[str, Any] = dict(by_arm)
    comparison = compare_runs(**arms, baseline=BASELINE)
    comparison.write(folder, lang=langs)
    return comparison.result


def _summary(runs: Sequence[StudyRun], result: ComparisonResult, folder: Path, *, quick: bool) -> str:
    """Verdict, errors, the four metrics and where to look."""
    pair = result.pairs[0]
    seeds = min(arm.n_seeds for arm in result.arms)
    unit = result.unit
    lines = [
        f"Verdict: {pair.verdict}. Does middle fusion concentrate atom-to-text attention?",
        f"Compared: {pair.arm} against {pair.baseline} on {pair.n} test crystals, {seeds} training"
        f"{'s' if seeds > 1 else ''} of each. {_CLAIMS[pair.claim]}",
        f"Test error (MAE): {pair.arm} {_number(pair.performance.mae_arm)} {unit}, {pair.baseline} "
        f"{_number(pair.performance.mae_baseline)} {unit} ({pair.performance.axis}, p "
        f"{_p(pair.performance.p_value)}); predicting the mean gives {_number(runs[0].mean_predictor_mae)} "
        f"{unit}.",
        "",
        f"{'metric':20}{pair.arm:>11}{pair.baseline:>12}{'difference':>12}  {'95% interval':19}{'change':>8}"
        f"{'adjusted p':>12}",
        *(_metric_line(metric) for metric in pair.primary()),
        "",
    ]
    if quick:
        lines.append("This was --quick: fewer crystals and epochs. Draw no conclusion from it.")
    notes = dict.fromkeys(alarm.message for alarm in (*result.warnings, *pair.warnings))
    lines += [f"Note: {note}" for note in notes]
    return "\n".join([*lines, f"Report: {folder / 'report.html'}"])


_CLAIMS = {
    "none": "No inference is made.",
    "checkpoints": "One training each: this is about these two checkpoints, not about the architecture.",
    "estimates": "Estimates, no verdict: a verdict needs four trainings of each arm.",
    "verdict": "Four or more trainings each: this is about the architecture.",
}


def _metric_line(metric: MetricResult) -> str:
    paired = metric.paired
    interval = f"[{paired.ci_low:+.3f}, {paired.ci_high:+.3f}]"
    change = f"{paired.percent_change:+.1f}%" if math.isfinite(paired.percent_change) else "none"
    return (
        f"{metric.metric:22}{paired.mean_a:9.3f}{paired.mean_b:12.3f}{paired.mean_difference:+12.3f}  "
        f"{interval:19}{change:>8}{_p(metric.p_adjusted):>12}"
    )


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.2f}"


def _p(value: float | None) -> str:
    if value is None:
        return "none"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"

"""``crysmm-attn plan``: how many crystals and seeds a comparison needs, and what a finished one could have detected."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.stats.verdict import claim_of

if TYPE_CHECKING:
    from crysmm_attn_plugin.stats.panel import Panel
    from crysmm_attn_plugin.stats.planning import Variation

#: What is assumed without a pilot, in percent of the baseline's mean: SD over crystals of the change between arms, SD of
#: a crystal's value between training runs, SD of a run's mean.
DEFAULTS = {"crystals": 10.0, "noise": 15.0, "runs": 10.0}
#: Change to detect, percent: the least that the guide's first scenario expects of entropy.
PERCENT = 20.0
#: Change beyond which a number to detect is a slip of the keyboard.
LARGEST_CHANGE = 10_000
#: Numbers of crystals for which the detectable change is printed.
SIZES = (50, 100, 200, 500, 1000, 5000)
#: What a sentence may claim, by ``stats.verdict.claim_of``.
CLAIMS = {
    "checkpoints": "these two checkpoints",
    "estimates": "estimates",
    "verdict": "a verdict",
    "none": "nothing",
}

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn plan",
    "crysmm-attn plan attention_runs --metric gini --percent 10",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn plan``."""
    parser.add_argument(
        "runs", nargs="*", metavar="RUN",
        help="pilot or finished runs of two arms (run folders, arms' folders, folders of arms); none: assumed variation",
    )  # fmt: skip
    parser.add_argument(
        "--metric", default="entropy", help="attention metric to plan for (default: %(default)s)"
    )
    parser.add_argument(
        "--percent",
        type=float,
        help=f"change to detect, percent of the baseline's mean (default: {PERCENT:g})",
    )
    parser.add_argument(
        "--dz",
        type=float,
        help="change to detect in SDs of the change over crystals, one run an arm; instead of --percent",
    )
    parser.add_argument("--power", type=float, default=0.8, help="chance to detect it (default: %(default)s)")
    parser.add_argument("--alpha", type=float, default=0.05, help="two-sided level (default: %(default)s)")
    parser.add_argument(
        "--max-seeds", type=int, default=8, help="most seeds per arm to consider (default: %(default)s)"
    )
    for part, text in (
        ("crystals", "SD over crystals of the change between arms"),
        ("noise", "SD of one crystal's value between training runs"),
        ("runs", "SD of a training run's mean"),
    ):
        parser.add_argument(
            f"--sd-{part}", type=float, metavar="PERCENT",
            help=f"{text}, percent of the baseline's mean (default: the pilot's, else {DEFAULTS[part]:g})",
        )  # fmt: skip
    parser.add_argument("--baseline", metavar="ARM", help="arm the other is compared with (default: by rule)")
    parser.add_argument("--arm", metavar="ARM", help="the other arm, when the pilot holds more than two")
    parser.add_argument(
        "--checkpoint",
        default="auto",
        help="which checkpoint stands for a run: auto, best_val, best_test, last, a file",
    )
    parser.add_argument("--split", default="test", help="split to read (default: test)")
    parser.add_argument("--module", help="attention module, when the model has several")
    parser.add_argument("--allow-partial", action="store_true", help="also read runs that did not finish")


def run(args: argparse.Namespace) -> int:
    """Print the plan; returns the exit code."""
    _check(args)
    found = None
    if args.runs:
        panel, arm, baseline = _pilot(args)
        found = _percent_variation(panel, arm, baseline, args.metric)
        print("\n".join(_finished(panel, arm, baseline, args)))
        print()
    print("\n".join(_plan(args, found)))
    return 0


def _check(args: argparse.Namespace) -> None:

    if args.metric not in BY_NAME:
        raise UsageError(f"--metric {args.metric}: no such metric; choose one of {', '.join(BY_NAME)}.")
    if args.percent is not None and args.dz is not None:
        raise UsageError("--percent and --dz both say which change to detect; give one of them.")
    for flag, value in (("--percent", args.percent), ("--dz", args.dz)):
        if value is not None and not 0 < abs(value) <= LARGEST_CHANGE:
            raise UsageError(
                f"{flag} must be other than zero and at most {LARGEST_CHANGE:,} either way, got {value:g}."
            )
    if not 0 < args.alpha < 0.5:
        raise UsageError(f"--alpha must lie between 0 and 0.5, got {args.alpha:g}.")
    if not args.alpha < args.power < 1:
        raise UsageError(f"--power must lie between --alpha ({args.alpha:g}) and 1, got {args.power:g}.")
    if not 1 <= args.max_seeds <= 50:
        raise UsageError(f"--max-seeds must lie between 1 and 50, got {args.max_seeds}.")
    for part in DEFAULTS:
        value = getattr(args, f"sd_{part}")
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"--sd-{part} must be a percentage of 0 or more, got {value:g}.")


def _pilot(args: argparse.Namespace) -> tuple[Panel, str, str]:
    """The pilot's two arms on the crystals they share."""
    from crysmm_attn_plugin.reports.baseline import name_baseline
    from crysmm_attn_plugin.stats.checks import SMALLEST_N
    from crysmm_attn_plugin.stats.panel import build_panel
    from crysmm_attn_plugin.store.reader import Run, find_runs

    arms: dict[str, list[Run]] = {}
    seen = set()
    for path in args.runs:
        for found in find_runs(path, allow_partial=args.allow_partial):
            if found.path not in seen:
                seen.add(found.path)
                arms.setdefault(found.arm, []).append(found)
    for flag, name in (("--baseline", args.baseline), ("--arm", args.arm)):
        if name and name not in arms:
            raise UsageError(f"{flag} {name}: no such arm; the runs are of {', '.join(sorted(arms))}.")
    if len(arms) < 2:
        raise UsageError(
            f"the runs are all of arm {next(iter(arms))!r}; how much a change between arms varies shows only in runs of two "
            "arms: add a run of the other, or leave the runs out and give --sd-crystals, --sd-noise and --sd-runs."
        )
    baseline = name_baseline(arms, args.baseline or None)
    others = sorted(a for a in arms if a != baseline)
    arm = args.arm or others[0]
    if arm == baseline or (len(others) > 1 and not args.arm):
        raise UsageError(
            f"the runs are of {len(arms)} arms ({', '.join(sorted(arms))}); name one beside the baseline {baseline} with "
            "--arm."
        )
    panel = build_panel(
        {arm: arms[arm], str(baseline): arms[str(baseline)]},
        split=args.split,
        checkpoint=args.checkpoint,
        module=args.module,
    )
    if len(panel.ids) < SMALLEST_N:
        raise UsageError(
            f"the pilot's runs share {len(panel.ids)} crystals; a variance needs at least {SMALLEST_N}: leave the runs out "
            "and give --sd-crystals, --sd-noise and --sd-runs."
        )
    return panel, arm, str(baseline)


def _percent_variation(panel: Panel, arm: str, baseline: str, metric: str) -> Variation:
    """The pilot's variation of one metric in percent of the baseline's mean."""

    found = _values(panel, arm, baseline, metric)
    if found is None:
        raise UsageError(
            f"--metric {metric}: the runs hold no usable values of it; they hold {', '.join(panel.metrics)}."
        )
    return found[0]


def _values(panel: Panel, arm: str, baseline: str, metric: str) -> tuple[Variation, float, int] | None:
    """Variation and change in percent of the baseline's mean, and the number of crystals; None where not captured."""
    import numpy as np

    from crysmm_attn_plugin.stats.checks import SMALLEST_N
    from crysmm_attn_plugin.stats.panel import Cell
    from crysmm_attn_plugin.stats.planning import variation

    cell = Cell(metric, panel.directions[0])
    a, b = panel.get(arm, cell), panel.get(baseline, cell)
    if a is None or b is None:
        return None
    known = np.isfinite(a).all(0) & np.isfinite(b).all(0)
    a, b = a[:, known], b[:, known]
    if a.shape[1] < SMALLEST_N or not b.mean():
        return None
    factor = 100 / abs(float(b.mean()))
    return variation(a, b).scaled(factor), factor * float(a.mean() - b.mean()), a.shape[1]


def _finished(panel: Panel, arm: str, baseline: str, args: argparse.Namespace) -> Iterator[str]:
    """What the runs on disk could have detected, a line a metric."""
    from crysmm_attn_plugin.stats.planning import detectable

    seeds = (len(panel.arms[arm]), len(panel.arms[baseline]))
    yield (
        f"{arm} against {baseline}: {len(panel.ids)} crystals, {_seeds(seeds[0])} against {_seeds(seeds[1])}; claim: "
        + CLAIMS[claim_of(min(seeds))]
    )
    yield f"could have detected with {100 * args.power:g} % power at two-sided {args.alpha:g}:"
    rows = [("metric", "observed", "detectable", "in SDs of the change")]
    for metric in dict.fromkeys([*PRIMARY, args.metric]):
        values = _values(panel, arm, baseline, metric)
        if values is None:
            continue
        found, change, n = values
        smallest = detectable(found, n, seeds, power=args.power, alpha=args.alpha)
        spread = found.spread(seeds)
        standardised = f"{smallest / spread:.2f}" if spread else "-"
        rows.append((metric, f"{change:+.1f} %", f"{_short(smallest)} %", standardised))
    yield from _table(rows)
    yield from (f"note: {w.message}" for w in panel.warnings)
    for reason, count in panel.excluded.items():
        yield f"note: {count} crystals left out, {reason}"


def _plan(args: argparse.Namespace, pilot: Variation | None) -> Iterator[str]:
    """Crystals needed by seeds per arm, then the change that sizes and seeds detect."""
    from crysmm_attn_plugin.stats.planning import crystals_for, detectable, detectable_at_any_n

    found, source = _variation(args, pilot)
    target = abs(args.dz) * found.single_run if args.dz is not None else abs(args.percent or PERCENT)
    what = f"{abs(args.dz):g} SD = {_short(target)} %" if args.dz is not None else f"{target:g} %"
    level = f"{100 * args.power:g} % power at two-sided {args.alpha:g}"
    yield f"to detect a change of {what} in {args.metric} with {level}:"
    yield (
        f"variation ({source}), percent of the baseline's mean: change over crystals SD {_short(found.crystals)}, a crystal "
        f"between runs SD {_short(found.noise)}, run means SD "
        + ("unknown (one run an arm)" if found.runs is None else _short(found.runs))
    )
    most = args.max_seeds if found.runs is not None else 1
    rows = [("seeds per arm", "crystals", "with endless crystals", "claim")]
    for k in range(1, most + 1):
        needed = crystals_for(target, found, k, power=args.power, alpha=args.alpha)
        floor = detectable_at_any_n(found, k, power=args.power, alpha=args.alpha) if k > 1 else 0.0
        rows.append(
            (str(k), f"{needed:,}" if needed else "no number", f"{_short(floor)} %" if k > 1 else "-",
             CLAIMS[claim_of(k)])
        )  # fmt: skip
    yield from _table(rows)
    yield ""
    columns = [k for k in (1, 2, 4, 8, 16, 32) if k < most] + [most]
    yield f"smallest change detected with {level}, percent, by crystals and seeds per arm:"
    sizes: list[tuple[str, ...]] = [("crystals", *(str(k) for k in columns))]
    for n in SIZES:
        cells = (detectable(found, n, (k, k), power=args.power, alpha=args.alpha) for k in columns)
        sizes.append((f"{n:,}", *(_short(c) for c in cells)))
    yield from _table(sizes)
    yield "1 seed says nothing about the architecture, 2 and 3 give estimates, 4 or more a verdict; 6 to 8 are recommended."
    if pilot is not None and found.pilot is not None:
        yield "the pilot's own uncertainty is counted in: few runs show the variation between trainings only roughly."
    if "assumed" in source:
        yield "assumed variation is a guess: trainings of one arm can differ by far more; a pilot of 2 runs an arm tells."
    if found.runs is None:
        yield "for plans with several seeds, give a pilot with two runs of an arm, or --sd-runs and --sd-noise."
    yield f"Four metrics judged together need at most what one needs at --alpha {args.alpha / 4:g}."


def _variation(args: argparse.Namespace, pilot: Variation | None) -> tuple[Variation, str]:
    """The pilot's or the assumed variation with what the flags say laid over it, and where it comes from."""

    from crysmm_attn_plugin.stats.planning import Variation

    base = pilot or Variation(DEFAULTS["crystals"], DEFAULTS["noise"], DEFAULTS["runs"])
    given = {
        part: getattr(args, f"sd_{part}") for part in DEFAULTS if getattr(args, f"sd_{part}") is not None
    }
    scatter = base.pilot if len(given) < len(DEFAULTS) else None
    if scatter is not None:
        scatter = replace(scatter, known=tuple(given))
    found = replace(base, pilot=scatter, **given)
    if not found.single_run and not found.runs:
        raise UsageError("nothing varies (every SD is 0): any change would be detected; give --sd-crystals.")
    source = "of the pilot" if pilot else "assumed; give runs of a pilot for yours"
    flags = ", ".join(f"--sd-{part}" for part in given)
    if len(given) == len(DEFAULTS):
        return found, f"from {flags}"
    return found, f"{source}, with {flags}" if flags else source


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, rest = row[0].ljust(widths[0]), (c.rjust(w) for c, w in zip(row[1:], widths[1:]))
        yield "  " + "  ".join([first, *rest])


def _seeds(k: int) -> str:
    return f"{k} seed" + ("" if k == 1 else "s")


def _short(value: float) -> str:
    """Three significant figures, no more than two decimals."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"

"""What ``crysmm-attn plan`` prints: the pilot's variation, what finished runs could have detected, what is needed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports.baseline import name_baseline
from crysmm_attn_plugin.stats.checks import SMALLEST_N
from crysmm_attn_plugin.stats.panel import Cell, Panel, build_panel
from crysmm_attn_plugin.stats.planning import (
    Variation,
    crystals_for,
    detectable,
    detectable_at_any_n,
    variation,
)
from crysmm_attn_plugin.stats.verdict import claim_of
from crysmm_attn_plugin.store.reader import Run, find_runs

#: Numbers of crystals for which the detectable change is printed.
SIZES = (50, 100, 200, 500, 1000, 5000)
#: What a sentence may claim, by ``stats.verdict.claim_of``.
CLAIMS = {
    "checkpoints": "these two checkpoints",
    "estimates": "estimates",
    "verdict": "a verdict",
    "none": "nothing",
}


def pilot_of(args: argparse.Namespace) -> tuple[Panel, str, str]:
    """The pilot's two arms on the crystals they share."""
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


def percent_variation(panel: Panel, arm: str, baseline: str, metric: str) -> Variation:
    """The pilot's variation of one metric in percent of the baseline's mean."""

    found = _values(panel, arm, baseline, metric)
    if found is None:
        raise UsageError(
            f"--metric {metric}: the runs hold no usable values of it; they hold {', '.join(panel.metrics)}."
        )
    return found[0]


def _values(panel: Panel, arm: str, baseline: str, metric: str) -> tuple[Variation, float, int] | None:
    """Variation and change in percent of the baseline's mean, and the number of crystals; None where not captured."""
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


def finished(panel: Panel, arm: str, baseline: str, args: argparse.Namespace) -> Iterator[str]:
    """What the runs on disk could have detected, a line a metric."""
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


def planned(
    args: argparse.Namespace, pilot: Variation | None, assumed: Mapping[str, float], percent: float
) -> Iterator[str]:
    """Crystals needed by seeds per arm, then the change that sizes and seeds detect, a line at a time.

    Args:
        args: What was asked for.
        pilot: Variation of a pilot, where there is one.
        assumed: Standard deviations taken without one, percent of the baseline's mean.
        percent: Change to detect where none is asked for.
    """
    found, source = _variation(args, pilot, assumed)
    target = abs(args.dz) * found.single_run if args.dz is not None else abs(args.percent or percent)
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


def _variation(
    args: argparse.Namespace, pilot: Variation | None, assumed: Mapping[str, float]
) -> tuple[Variation, str]:
    """The pilot's or the assumed variation with what the flags say laid over it, and where it comes from."""

    base = pilot or Variation(assumed["crystals"], assumed["noise"], assumed["runs"])
    given = {part: getattr(args, f"sd_{part}") for part in assumed if getattr(args, f"sd_{part}") is not None}
    scatter = base.pilot if len(given) < len(assumed) else None
    if scatter is not None:
        scatter = replace(scatter, known=tuple(given))
    found = replace(base, pilot=scatter, **given)
    if not found.single_run and not found.runs:
        raise UsageError("nothing varies (every SD is 0): any change would be detected; give --sd-crystals.")
    source = "of the pilot" if pilot else "assumed; give runs of a pilot for yours"
    flags = ", ".join(f"--sd-{part}" for part in given)
    if len(given) == len(assumed):
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

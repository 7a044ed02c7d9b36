"""Runs to one result: the comparison every report reads from."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from crysmm_attn_plugin import __version__
from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.stats.checks import SMALLEST_N, checked_resampling, size_warnings
from crysmm_attn_plugin.stats.choices import PLAIN, Choices, Question
from crysmm_attn_plugin.stats.clusters import FEWEST_CLUSTERS, repeats
from crysmm_attn_plugin.stats.coupling import couple
from crysmm_attn_plugin.stats.declared import (
    changed_defaults,
    declared_before,
    find_declaration,
    lay_over,
    record,
)
from crysmm_attn_plugin.stats.describe import category_masses, choose_examples, epoch_points, find_duplicates
from crysmm_attn_plugin.stats.ladder import Standing, host_seed, standing
from crysmm_attn_plugin.stats.metric_results import metric_results
from crysmm_attn_plugin.stats.panel import Cell, Panel, build_panel, known_metrics
from crysmm_attn_plugin.stats.performance import compare_errors
from crysmm_attn_plugin.stats.results import (
    RESULT_SCHEMA_VERSION,
    ArmSummary,
    ComparisonResult,
    CouplingResult,
    MetricResult,
    PairComparison,
    PerformanceResult,
)
from crysmm_attn_plugin.stats.specification import specification_curve
from crysmm_attn_plugin.stats.use import arm_uses, pair_use, probed_tables
from crysmm_attn_plugin.stats.verdict import scenario, verdict
from crysmm_attn_plugin.store.reader import Run


def compare(
    arms: Mapping[str, Sequence[Run]],
    question: Question = PLAIN,
    *,
    baseline: str | None,
    baseline_known: bool = True,
    **changes: Any,
) -> tuple[ComparisonResult, pd.DataFrame]:
    """Compare arms on the same test crystals.

    Args:
        arms: Arm name -> runs, one a seed.
        question: What is asked of them.
        baseline: Arm the others are compared with; None with a single arm describes it alone.
        baseline_known: The baseline was named, by the user or by a known name; a guess carries no verdict.
        **changes: Fields of ``Question`` that are asked otherwise.

    Returns:
        The result, and one row per crystal: id, formula, n_atoms, n_tokens, text_truncated, target,
        ``prediction.<arm>``, ``abs_error.<arm>`` and ``<metric>.<arm>``, seed-averaged.

    Raises:
        UsageError: When the baseline is not an arm, or a declaration cannot be read.
        NothingCapturedError, StatisticsError: See ``build_panel``.
    """
    if baseline is not None and baseline not in arms:
        raise UsageError(
            f"baseline {baseline!r} is not among the arms ({', '.join(arms)}); name one with --baseline."
        )
    asked = dataclasses.replace(question, **changes)
    n_resamples, seed, alpha = checked_resampling(asked.n_resamples, asked.seed, asked.alpha)
    panel = build_panel(arms, split=asked.split, checkpoint=asked.checkpoint, module=asked.module)
    others = [a for a in arms if a != baseline] if baseline is not None else []
    compared = [run for runs in panel.arms.values() for run in runs]
    declared = find_declaration(compared) if others else None
    before = declared_before(declared, compared)
    choices = lay_over(
        Choices(n_resamples, seed, alpha, posterior=asked.posterior),
        declared,
        dict(asked.sesoi_percent or {}),
        before=before,
    )
    n = len(panel.ids)
    warnings = list(panel.warnings) + size_warnings(n)
    places = [standing(panel, arm, str(baseline), choices, baseline_known=baseline_known) for arm in others]
    results: dict[str, tuple[MetricResult, ...]] = dict.fromkeys(others, ())
    if others and baseline is not None and n >= SMALLEST_N:
        tested = [p.match for p in places if "same_weights" not in p.reasons]
        results |= metric_results(panel, tested, baseline, choices) if tested else {}
    probed = probed_tables(panel, asked.split)
    uses = arm_uses(panel, probed, places, choices)
    pairs = tuple(
        dataclasses.replace(
            _pair(panel, place, str(baseline), results[place.match.arm], choices),
            use=pair_use(probed, place.match.arm, str(baseline), uses, choices),
        )
        for place in places
    )
    samples = _samples_frame(panel)
    first = next(iter(panel.arms.values()))[0]
    lead = others[0] if others else next(iter(arms))
    result = ComparisonResult(
        schema_version=RESULT_SCHEMA_VERSION,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        property=_host_word(first, "property", "target"),
        dataset=str(first.info["dataset"]) if "dataset" in first.info else _host_word(first, "", "dataset"),
        unit=_host_word(first, "unit", ""),
        split=asked.split,
        checkpoint_rule=asked.checkpoint,
        baseline=baseline or "",
        arms=tuple(_arm_summary(panel, arm) for arm in arms),
        pairs=pairs,
        n_crystals=n,
        excluded=panel.excluded,
        examples=choose_examples(panel, lead, baseline if others else None),
        categories=category_masses(panel, alpha),
        epochs=epoch_points(panel, asked.split, alpha),
        legacy=tuple(asked.legacy),
        alarms=_alarms(panel),
        warnings=tuple({w.message: w for w in warnings}.values()),
        duplicates=find_duplicates(panel),
        module=panel.module,
        directions=panel.directions,
        n_heads=panel.n_heads,
        median_tokens=float(panel.crystals["n_tokens"].median()),
        median_atoms=float(panel.crystals["n_atoms"].median()),
        n_truncated=int(panel.crystals["text_truncated"].fillna(False).astype(bool).sum()),
        alpha=alpha,
        seed=seed,
        n_resamples=n_resamples,
        versions=_versions(),
        declaration=record(
            declared, choices, compared, {a: [host_seed(r) for r in runs] for a, runs in panel.arms.items()}
        ),
        changed_defaults=changed_defaults(choices, before=before),
        baseline_known=baseline_known,
        use=uses,
    )
    return result, samples


def _pair(
    panel: Panel, place: Standing, baseline: str, metrics: tuple[MetricResult, ...], choices: Choices
) -> PairComparison:
    match = place.match
    direction = panel.directions[0]
    primary = [
        m
        for m in metrics
        if (m.family, m.direction, m.scope, m.aggregation)
        == ("primary", direction, "with_special", "metric_then_heads")
    ]
    targets = panel.crystals["target"].to_numpy(float)
    first, second = list(match.runs_arm), list(match.runs_baseline)
    performance = compare_errors(
        panel.predictions[match.arm][first],
        panel.predictions[baseline][second],
        targets,
        n_resamples=choices.n_resamples,
        seed=choices.seed,
        alpha=choices.alpha,
        members=_members(panel) if choices.by_composition else None,
        paired_seeds=match.paired,
    )
    claim = match.claim if primary else "none"
    word = verdict([m.outcome for m in primary], claim)
    dz, percent = _detectable(primary)
    specifications, joint = specification_curve(panel, match, baseline, choices) if primary else ((), None)
    return PairComparison(
        arm=match.arm,
        baseline=baseline,
        n=primary[0].paired.n if primary else len(panel.ids),
        claim=claim,
        verdict=word,
        scenario=scenario(primary, word, performance.axis),
        metrics=metrics,
        performance=performance,
        coupling=_coupling(panel, place, baseline, targets, choices, performance),
        specifications=specifications,
        detectable_dz=dz,
        detectable_percent=percent,
        differing_settings=place.differing,
        warnings=place.warnings,
        claim_reasons=place.reasons,
        collapsed_runs=place.collapsed,
        specification_test=joint,
        paired_seeds=match.paired,
    )


def _members(panel: Panel) -> np.ndarray | None:
    """(N,) index of each crystal's composition where compositions repeat and there are enough of them."""
    labels = panel.crystals["formula"].to_numpy(str)
    repeated, groups = repeats(labels)
    if not repeated or groups < FEWEST_CLUSTERS:
        return None
    return np.asarray(np.unique(labels, return_inverse=True)[1])


def _detectable(primary: list[MetricResult]) -> tuple[float | None, dict[str, float]]:
    """What 80 % power would have detected: in SDs of the change (every primary metric), in percent (each)."""
    standardised = [
        m.detectable / m.paired.sd_difference
        for m in primary
        if m.detectable is not None and m.paired.sd_difference
    ]
    percent = {m.metric: m.detectable_percent for m in primary if m.detectable_percent is not None}
    return max(standardised, default=None), percent


def _coupling(
    panel: Panel,
    place: Standing,
    baseline: str,
    targets: np.ndarray,
    choices: Choices,
    performance: PerformanceResult,
) -> tuple[CouplingResult, ...]:
    if performance.axis == "unknown" or place.match.claim == "none":
        return ()
    match = place.match
    first, second = list(match.runs_arm), list(match.runs_baseline)
    errors_arm = np.abs(panel.predictions[match.arm][first] - targets)
    errors_base = np.abs(panel.predictions[baseline][second] - targets)
    found = []
    for metric in choices.primary:
        cell = Cell(metric, panel.directions[0])
        a, b = panel.get(match.arm, cell), panel.get(baseline, cell)
        if a is None or b is None:
            continue
        coupled = couple(
            metric, a[first], b[second], errors_arm, errors_base, panel.crystals,
            n_resamples=choices.n_resamples, seed=choices.seed, alpha=choices.alpha,
        )  # fmt: skip
        if coupled is not None:
            found.append(coupled)
    return tuple(found)


def _arm_summary(panel: Panel, arm: str) -> ArmSummary:
    runs, checkpoints = panel.arms[arm], panel.checkpoints[arm]
    errors = np.abs(panel.predictions[arm] - panel.crystals["target"].to_numpy(float))
    known = np.isfinite(errors).all(0)
    per_seed = errors[:, known].mean(1) if known.any() else np.array([])
    means = {}
    for metric in known_metrics(panel):
        values = panel.get(arm, Cell(metric, panel.directions[0]))
        if values is not None and np.isfinite(values).any():
            means[metric] = float(np.nanmean(values))
    return ArmSummary(
        name=arm,
        n_seeds=len(runs),
        run_ids=tuple(r.run_id for r in runs),
        checkpoints=tuple(c.digest for c in checkpoints),
        checkpoint_roles=tuple(c.role for c in checkpoints),
        checkpoint_files=tuple(c.files[0] if c.files else "" for c in checkpoints),
        seeds=tuple(host_seed(r) for r in runs),
        mae=float(per_seed.mean()) if len(per_seed) else None,
        mae_sd=float(per_seed.std(ddof=1)) if len(per_seed) > 1 else None,
        means=means,
        untrained=tuple(sorted({d for c in checkpoints for d in c.untrained})),
        alarms=_unique(a for r in runs for a in r.alarms),
    )


def _alarms(panel: Panel) -> tuple[Alarm, ...]:
    return _unique(a for runs in panel.arms.values() for r in runs for a in r.alarms)


def _unique(alarms: object) -> tuple[Alarm, ...]:
    seen: dict[tuple[str, str, str], Alarm] = {}
    for alarm in alarms:  # type: ignore[attr-defined]
        seen.setdefault((alarm.code, alarm.module, alarm.direction), alarm)
    return tuple(seen.values())


def _samples_frame(panel: Panel) -> pd.DataFrame:
    frame = panel.crystals.drop(columns=["tokens_hash"]).reset_index(names="id")
    targets = frame["target"].to_numpy(float)
    columns: dict[str, np.ndarray] = {}
    masses = [f"mass_{c}" for c in TOKEN_CATEGORIES if f"mass_{c}" in panel.metrics]
    for arm in panel.arms:
        predictions = panel.predictions[arm]
        columns[f"prediction.{arm}"] = predictions.mean(0)
        columns[f"abs_error.{arm}"] = np.abs(predictions - targets).mean(0)
        for metric in [*known_metrics(panel), *masses]:
            values = panel.get(arm, Cell(metric, panel.directions[0]))
            if values is not None:
                columns[f"{metric}.{arm}"] = values.mean(0)
    return pd.concat([frame, pd.DataFrame(columns)], axis=1)


def _host_word(run: Run, key: str, config_key: str) -> str:
    value = run.info.get(key) or (run.info.get("host_config") or {}).get(config_key) or ""
    return str(value)


def _versions() -> dict[str, str]:
    found = {}
    for name in ("crysmm-attn", "numpy", "scipy", "pandas", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if "crysmm-attn" not in found:
        found["crysmm-attn"] = __version__
    return found

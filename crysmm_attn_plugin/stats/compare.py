"""Runs to one result: the comparison every report reads from."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from importlib import metadata

import numpy as np
import pandas as pd

from crysmm_attn_plugin.catalogue import PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.stats.checks import SMALLEST_N, WARN_N
from crysmm_attn_plugin.stats.coupling import couple
from crysmm_attn_plugin.stats.describe import (
    category_masses,
    choose_examples,
    differing_settings,
    epoch_points,
    find_duplicates,
)
from crysmm_attn_plugin.stats.metric_results import Resampling, metric_results
from crysmm_attn_plugin.stats.panel import Cell, Panel, build_panel, known_metrics
from crysmm_attn_plugin.stats.performance import compare_errors
from crysmm_attn_plugin.stats.planning import detectable, variation
from crysmm_attn_plugin.stats.results import (
    RESULT_SCHEMA_VERSION,
    ArmSummary,
    Claim,
    ComparisonResult,
    CouplingResult,
    LegacyResult,
    MetricResult,
    PairComparison,
    PerformanceResult,
)
from crysmm_attn_plugin.stats.specification import specification_curve
from crysmm_attn_plugin.stats.verdict import scenario, verdict
from crysmm_attn_plugin.store.reader import Run


def compare(
    arms: Mapping[str, Sequence[Run]],
    *,
    baseline: str | None,
    split: str = "test",
    checkpoint: str = "auto",
    module: str | None = None,
    alpha: float = 0.05,
    seed: int = 0,
    n_resamples: int = 10_000,
    sesoi_percent: Mapping[str, float] | None = None,
    legacy: Sequence[LegacyResult] = (),
) -> tuple[ComparisonResult, pd.DataFrame]:
    """Compare arms on the same test crystals.

    Args:
        arms: Arm name -> runs, one a seed.
        baseline: Arm the others are compared with; None with a single arm describes it alone.
        split: Split whose passes are compared.
        checkpoint: Which checkpoint stands for a run: ``auto``, a role, a file name, a digest prefix.
        module: Attention module, when the model has several.
        alpha: Two-sided level.
        seed: Seed of every resampling.
        n_resamples: Sign flips and bootstrap resamples.
        sesoi_percent: Metric -> smallest effect of interest in percent of the baseline's mean.
        legacy: The original script's numbers, carried into the result.

    Returns:
        The result, and one row per crystal: id, formula, n_atoms, n_tokens, text_truncated, target,
        ``prediction.<arm>``, ``abs_error.<arm>`` and ``<metric>.<arm>``, seed-averaged.

    Raises:
        UsageError: When the baseline is not an arm.
        NothingCapturedError, StatisticsError: See ``build_panel``.
    """
    if baseline is not None and baseline not in arms:
        raise UsageError(
            f"baseline {baseline!r} is not among the arms ({', '.join(arms)}); name one with --baseline."
        )
    panel = build_panel(arms, split=split, checkpoint=checkpoint, module=module)
    others = [a for a in arms if a != baseline] if baseline is not None else []
    resampling = Resampling(n_resamples, seed, alpha)
    n = len(panel.ids)
    warnings = list(panel.warnings) + _size_warnings(n)
    results: dict[str, tuple[MetricResult, ...]] = dict.fromkeys(others, ())
    if others and baseline is not None and n >= SMALLEST_N:
        results = metric_results(panel, others, baseline, resampling, sesoi_percent=dict(sesoi_percent or {}))
    pairs = tuple(_pair(panel, arm, str(baseline), results[arm], resampling) for arm in others)
    samples = _samples_frame(panel)
    first = next(iter(panel.arms.values()))[0]
    lead = others[0] if others else next(iter(arms))
    result = ComparisonResult(
        schema_version=RESULT_SCHEMA_VERSION,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        property=_host_word(first, "property", "target"),
        dataset=_host_word(first, "dataset", "dataset"),
        unit=_host_word(first, "unit", ""),
        split=split,
        checkpoint_rule=checkpoint,
        baseline=baseline or "",
        arms=tuple(_arm_summary(panel, arm) for arm in arms),
        pairs=pairs,
        n_crystals=n,
        excluded=panel.excluded,
        examples=choose_examples(panel, lead, baseline if others else None),
        categories=category_masses(panel, alpha),
        epochs=epoch_points(panel, split, alpha),
        legacy=tuple(legacy),
        alarms=_alarms(panel),
        warnings=tuple(dict.fromkeys(warnings)),
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
    )
    return result, samples


def _size_warnings(n: int) -> list[str]:
    if n < SMALLEST_N:
        return [f"only {n} crystals are in every run; no inference is made below {SMALLEST_N}."]
    if n < WARN_N:
        return [f"{n} crystals are fewer than {WARN_N}: intervals are wide and small effects go unseen."]
    return []


def _pair(
    panel: Panel, arm: str, baseline: str, metrics: tuple[MetricResult, ...], resampling: Resampling
) -> PairComparison:
    n = len(panel.ids)
    direction = panel.directions[0]
    primary = [
        m
        for m in metrics
        if (m.family, m.direction, m.scope, m.aggregation)
        == ("primary", direction, "with_special", "metric_then_heads")
    ]
    targets = panel.crystals["target"].to_numpy(float)
    performance = compare_errors(
        panel.predictions[arm],
        panel.predictions[baseline],
        targets,
        n_resamples=resampling.n_resamples,
        seed=resampling.seed,
        alpha=resampling.alpha,
    )
    word = verdict([m.outcome for m in primary])
    differing = differing_settings(panel.arms[arm], panel.arms[baseline])
    claim, warnings = _claim(panel, arm, baseline, differing, bool(primary))
    dz, percent = _detectable(panel, arm, baseline, primary, resampling.alpha)
    return PairComparison(
        arm=arm,
        baseline=baseline,
        n=primary[0].paired.n if primary else n,
        claim=claim,
        verdict=word,
        scenario=scenario(primary, word, performance.axis),
        metrics=metrics,
        performance=performance,
        coupling=_coupling(panel, arm, baseline, targets, resampling, performance),
        specifications=specification_curve(panel, arm, baseline, alpha=resampling.alpha) if primary else (),
        detectable_dz=dz,
        detectable_percent=percent,
        differing_settings=differing,
        warnings=warnings,
    )


def _detectable(
    panel: Panel, arm: str, baseline: str, primary: list[MetricResult], alpha: float
) -> tuple[float | None, dict[str, float]]:
    """What 80 % power would have detected: in SDs of the change (every primary metric), in percent (each)."""
    standardised, percent = [], {}
    for m in primary:
        cell = Cell(m.metric, m.direction, m.scope, m.aggregation)
        a, b = panel.values[arm, cell], panel.values[baseline, cell]
        known = np.isfinite(a).all(0) & np.isfinite(b).all(0)
        found = variation(a[:, known], b[:, known])
        smallest = detectable(found, int(known.sum()), (len(a), len(b)), alpha=alpha)
        if m.paired.sd_difference:
            standardised.append(smallest / m.paired.sd_difference)
        if m.paired.mean_b:
            percent[m.metric] = 100 * smallest / abs(m.paired.mean_b)
    return max(standardised, default=None), percent


def _claim(
    panel: Panel, arm: str, baseline: str, differing: tuple[str, ...], tested: bool
) -> tuple[Claim, tuple[str, ...]]:
    """What the number of seeds allows, lowered when the arms differ in more than the fusion."""
    if not tested:
        return "none", ()
    seeds = min(len(panel.arms[arm]), len(panel.arms[baseline]))
    warnings = []
    others = [key for key in differing if "fusion" not in key.lower()]
    if others:
        warnings.append(
            f"the arms {arm} and {baseline} also differ in {', '.join(others)}: a difference between them cannot be "
            "put down to the fusion alone."
        )
    if seeds == 1:
        return "checkpoints", tuple(warnings)
    if seeds < 4 or others:
        return "preliminary", tuple(warnings)
    return "architecture", tuple(warnings)


def _coupling(
    panel: Panel,
    arm: str,
    baseline: str,
    targets: np.ndarray,
    resampling: Resampling,
    performance: PerformanceResult,
) -> tuple[CouplingResult, ...]:
    if performance.axis == "unknown":
        return ()
    errors_arm = np.abs(panel.predictions[arm] - targets)
    errors_base = np.abs(panel.predictions[baseline] - targets)
    found = []
    for metric in PRIMARY:
        cell = Cell(metric, panel.directions[0])
        a, b = panel.get(arm, cell), panel.get(baseline, cell)
        if a is None or b is None:
            continue
        coupled = couple(
            metric, a, b, errors_arm, errors_base, panel.crystals,
            n_resamples=resampling.n_resamples, seed=resampling.seed, alpha=resampling.alpha,
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
        seeds=tuple(_host_seed(r) for r in runs),
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


def _host_seed(run: Run) -> int | None:
    value = run.info.get("host_seed", (run.info.get("host_config") or {}).get("random_seed"))
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _versions() -> dict[str, str]:
    found = {}
    for name in ("crysmm-attn", "numpy", "scipy", "pandas", "statsmodels", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if "crysmm-attn" not in found:
        from crysmm_attn_plugin import __version__

        found["crysmm-attn"] = __version__
    return found

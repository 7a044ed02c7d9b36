"""The values that templates see: one pair of arms, or one arm alone."""

from __future__ import annotations

import math
from typing import Any

from crysmm_attn_plugin.catalogue import BY_NAME, TOKEN_CATEGORIES
from crysmm_attn_plugin.reports import prose_facts as facts
from crysmm_attn_plugin.reports.alarm_texts import DIRECTIONS, alarm_text
from crysmm_attn_plugin.reports.numbers import fixed, format_number
from crysmm_attn_plugin.reports.prose_facts import Wording
from crysmm_attn_plugin.reports.references import cite
from crysmm_attn_plugin.stats.results import ArmSummary, ComparisonResult, PairComparison

#: Formulas of the primary metrics, in the methods paragraph. Constants in them are not results.
FORMULAS = {
    "entropy": "H = −Σ w ln w",
    "max_weight": "max w",
    "effective_tokens_hill": "e^H",
    "gini": "[2 Σ i w_(i)/(m Σ w) − (m + 1)/m]·m/(m − 1)",
    "normalized_entropy": "H/ln m",
}
_ROLES = {
    "best_val": ("lowest validation error", "验证误差最低"),
    "best_test": ("lowest test error", "测试误差最低"),
    "last": ("last epoch", "最后一轮"),
}
_SPLITS = {"test": "测试", "val": "验证", "train": "训练"}
_REASONS = {"not in every run": "并非所有运行都包含", "id came more than once": "编号重复"}
#: beginnings of warnings that the limitations already say in their own words
_SAID = ("only ", "the arms ")


def context(result: ComparisonResult, pair: PairComparison, w: Wording) -> dict[str, Any]:
    """Everything the templates of one pair read."""
    primary = pair.primary(result.directions[0] if result.directions else "atom_to_text")
    metrics = [facts.metric_fact(m, w, result.alpha) for m in primary if m.outcome != "not_tested"]
    values = _common(result, w)
    arm, baseline = facts.arm_of(result, pair.arm), facts.arm_of(result, pair.baseline)
    first = primary[0].paired if primary else None
    seeds = (arm.n_seeds if arm else 1, baseline.n_seeds if baseline else 1)
    values.update(
        pair=pair,
        about_fusion={pair.arm, pair.baseline} <= set(facts.ARM_NAMES),
        A=facts.arm_label(pair.arm, w.lang),
        B=facts.arm_label(pair.baseline, w.lang),
        n=pair.n,
        seeds_a=seeds[0],
        seeds_b=seeds[1],
        single=seeds == (1, 1),
        claim=pair.claim,
        verdict=pair.verdict,
        metrics=metrics,
        total=len(primary),
        agree=len(facts.select(metrics, "supports")),
        oppose=len(facts.select(metrics, "opposes")),
        sesoi=_same([m.sesoi for m in metrics]),
        sensitivity=facts.sensitivity(
            pair, [m for m in primary if m.outcome != "not_tested"], w, result.alpha
        ),
        error=facts.error_facts(result, pair, w),
        coupling=[facts.coupling_fact(c, w) for c in pair.coupling],
        confidence=f"{100 * first.confidence:g}%" if first else f"{100 * (1 - result.alpha):g}%",
        exact=bool(first and first.test.startswith("exact")),
        test=first.test if first else "",
        interval_method=first.interval if first else "",
        adjustment=next((m.adjustment for m in primary if m.adjustment), ""),
        detectable=fixed(pair.detectable_dz, 2) if pair.detectable_dz is not None else "",
        checkpoints=[_checkpoint(a, w) for a in (arm, baseline) if a],
        roles=sorted({r for a in (arm, baseline) if a for r in a.checkpoint_roles}),
        differing=[d for d in pair.differing_settings if "fusion" not in d.lower()],
        warnings=_warnings(result, pair),
    )
    return values


def describe_context(result: ComparisonResult, w: Wording) -> dict[str, Any]:
    """Everything the templates of one arm alone read."""
    arm = result.arms[0]
    values = _common(result, w)
    masses = sorted((c for c in result.categories if c.arm == arm.name), key=lambda c: -c.mean)
    values.update(
        pair=None,
        A=facts.arm_label(arm.name, w.lang),
        B="",
        n=result.n_crystals,
        seeds_a=arm.n_seeds,
        seeds_b=0,
        single=arm.n_seeds == 1,
        claim="none",
        verdict="described",
        metrics=[],
        total=0,
        means=_means(arm, w),
        mae=format_number(arm.mae) if arm.mae is not None else "",
        mae_sd=format_number(arm.mae_sd) if arm.mae_sd is not None else "",
        masses=[
            (
                TOKEN_CATEGORIES.get(c.category, (c.category, c.category))[w.lang == "zh"],
                w.percent(100 * c.mean),
            )
            for c in masses[:3]
        ],
        sensitivity=None,
        error=None,
        coupling=[],
        confidence=f"{100 * (1 - result.alpha):g}%",
        exact=False,
        test="",
        interval_method="",
        adjustment="",
        detectable="",
        sesoi="",
        checkpoints=[_checkpoint(arm, w)],
        roles=sorted(set(arm.checkpoint_roles)),
        differing=[],
        warnings=_warnings(result, None),
    )
    return values


def _common(result: ComparisonResult, w: Wording) -> dict[str, Any]:
    zh = w.lang == "zh"
    split = (
        _SPLITS.get(result.split, result.split)
        if zh
        else {"val": "validation"}.get(result.split, result.split)
    )
    return {
        "result": result,
        "w": w,
        "split": split,
        "unit": result.unit,
        "F": FORMULAS,
        "cite": cite,
        "alpha": f"{result.alpha:g}",
        "excluded": [(_REASONS.get(k, k) if zh else k, n) for k, n in result.excluded.items() if n],
        "median_tokens": f"{result.median_tokens:g}" if math.isfinite(result.median_tokens) else "",
        "median_atoms": f"{result.median_atoms:g}" if math.isfinite(result.median_atoms) else "",
        "alarms": _alarms(result, zh),
        "versions": [f"{name} {version}" for name, version in result.versions.items()],
        "resamples": f"{result.n_resamples:,}" if not zh else str(result.n_resamples),
        "direction": DIRECTIONS.get(result.directions[0], (result.directions[0],) * 2)[zh]
        if result.directions
        else "",
        "untrained": sorted({DIRECTIONS.get(d, (d, d))[zh] for a in result.arms for d in a.untrained}),
        "duplicates": sum(len(group) for group in result.duplicates),
        "duplicate_groups": len(result.duplicates),
        "examples": list(result.examples),
        "predicted": [
            (
                facts.bare(facts.metric_label(m, w.lang)),
                BY_NAME[m].expected_sign,
            )
            for m in FORMULAS
            if BY_NAME[m].family == "primary"
        ],
    }


def _same(texts: list[str]) -> str:
    """The one text that all of them are, else empty."""
    return texts[0] if texts and len(set(texts)) == 1 else ""


def _means(arm: ArmSummary, w: Wording) -> list[tuple[str, str, str]]:
    found = []
    for name, value in arm.means.items():
        spec = BY_NAME.get(name)
        if spec is None or spec.family != "primary" or not math.isfinite(value):
            continue
        unit = spec.unit.replace("tokens", "")
        found.append((spec.label_zh if w.lang == "zh" else spec.label_en, format_number(value), unit))
    return found


def _checkpoint(arm: ArmSummary, w: Wording) -> dict[str, Any]:
    zh = w.lang == "zh"
    roles = list(dict.fromkeys(arm.checkpoint_roles))
    return {
        "label": facts.arm_label(arm.name, w.lang),
        "seeds": [str(s) for s in arm.seeds if s is not None],
        "n": arm.n_seeds,
        "rule": w.join([_ROLES[r][zh] if r in _ROLES else r for r in roles if r]),
        "files": list(
            dict.fromkeys(f.replace("\\", "/").rsplit("/", 1)[-1] for f in arm.checkpoint_files if f)
        ),
    }


def _alarms(result: ComparisonResult, zh: bool) -> list[str]:
    found = []
    for alarm in result.alarms:
        if alarm.code == "text_truncated" and result.n_truncated:
            continue  # said with its count in a sentence of its own
        if alarm.code == "untrained_direction" and any(a.untrained for a in result.arms):
            continue
        found.append(alarm_text(alarm, "zh" if zh else "en"))
    return list(dict.fromkeys(found))


def _warnings(result: ComparisonResult, pair: PairComparison | None) -> list[str]:
    """Warnings of the run that no sentence of the limitations says already."""
    every = [*result.warnings, *(pair.warnings if pair else ())]
    kept = [w for w in every if not w.startswith(_SAID) and "crystals are fewer than" not in w]
    return [facts.capital(" ".join(w.split()).rstrip(".")) for w in dict.fromkeys(kept)]

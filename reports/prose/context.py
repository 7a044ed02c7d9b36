"""The values that templates see: one pair of arms, or one arm alone."""

from __future__ import annotations

import math
from typing import Any

from crysmm_attn_plugin.catalogue import BY_NAME
from crysmm_attn_plugin.reports import guide
from crysmm_attn_plugin.reports.alarm_texts import alarm_texts, direction_name
from crysmm_attn_plugin.reports.arm_names import is_about_middle_fusion
from crysmm_attn_plugin.reports.language import category_name, metric_label
from crysmm_attn_plugin.reports.numbers import fixed, format_number
from crysmm_attn_plugin.reports.prose import facts
from crysmm_attn_plugin.reports.prose.alignment_facts import alignment_facts
from crysmm_attn_plugin.reports.prose.facts import Wording
from crysmm_attn_plugin.reports.prose.markup import FORMULAS
from crysmm_attn_plugin.reports.prose.property_names import shown, unit_name
from crysmm_attn_plugin.reports.prose.references import cite
from crysmm_attn_plugin.reports.prose.sensitivity_facts import sensitivity
from crysmm_attn_plugin.reports.prose.wording import bare
from crysmm_attn_plugin.stats.results import ArmSummary, ComparisonResult, PairComparison
from crysmm_attn_plugin.stats.verdict import guides_hypothesis

_ROLES = {
    "best_val": ("lowest validation error", "验证误差最低"),
    "best_test": ("lowest test error", "测试误差最低"),
    "last": ("last epoch", "最后一轮"),
}
_SPLITS = {"test": ("test", "测试"), "val": ("validation", "验证"), "train": ("train", "训练")}
_REASONS = {
    "not in every run": ("not in every run", "并非所有运行都包含"),
    "id came more than once": ("id came more than once", "编号重复"),
}
#: The statistics' name of a test -> words.
_TESTS = {
    "exact sign-flip": ("exact sign-flip", "精确符号翻转"),
    "sign-flip by cluster": ("sign-flip by cluster", "按簇的符号翻转"),
    "sign-flip": ("sign-flip", "符号翻转"),
    "two-way t (crystals x seeds)": ("two-way t (crystals x seeds)", "晶体与训练双因素"),
    "two-way t (clusters x seeds)": ("two-way t (clusters x seeds)", "晶体与训练双因素"),
}
_BY_CLUSTER = ("{interval} by cluster", "按簇的 {interval} ")
_INTERVAL = ("{interval}", " {interval} ")
#: Why no verdict is given at the claim ``estimates``: code -> words.
_NO_VERDICT = {
    "few_runs": ("a verdict needs four training runs in each arm", "每组至少训练四次方可判定"),
    "arms_differ_otherwise": ("the arms differ in more than the fusion", "两组的差别不限于融合方式"),
    "collapsed_runs": (
        "some trainings stand far apart from the others of their arm",
        "有训练与同组其他训练相差甚远",
    ),
    "arms_not_named": ("it is not known which arm is the baseline", "基线组未知"),
    "same_weights": ("one checkpoint stands in both arms", "同一检查点属于两组"),
}
#: Codes of warnings that the limitations already say in their own words.
_SAID = frozenset({"no_inference", "few_crystals", "arms_differ_otherwise", "same_weights"})


def context(result: ComparisonResult, pair: PairComparison, w: Wording) -> dict[str, Any]:
    """Everything the templates of one pair read."""
    primary = pair.primary(result.directions[0] if result.directions else "atom_to_text")
    tested = [m for m in primary if m.outcome != "not_tested"]
    metrics = [facts.metric_fact(m, w, result.alpha) for m in tested]
    values = _common(result, w)
    arm, baseline = facts.arm_of(result, pair.arm), facts.arm_of(result, pair.baseline)
    first = primary[0].paired if primary else None
    seeds = (arm.n_seeds if arm else 1, baseline.n_seeds if baseline else 1)
    scenario = guide.scenario_of(pair, tested) if tested and result.baseline_known else None
    about_fusion = is_about_middle_fusion(pair.arm, pair.baseline)
    adjustment = next((m.adjustment for m in primary if m.adjustment), "")
    effects = [f.g for f in metrics]
    values.update(
        pair=pair,
        about_fusion=about_fusion,
        known=result.baseline_known,
        usual=guides_hypothesis(primary),
        A=facts.arm_label(pair.arm, w.lang),
        B=facts.arm_label(pair.baseline, w.lang),
        n=pair.n,
        seeds_a=seeds[0],
        seeds_b=seeds[1],
        single=seeds == (1, 1),
        several=min(seeds) > 1,
        claim=pair.claim,
        claim_reasons=pair.claim_reasons,
        reasons=_reasons(pair, w),
        verdict=pair.verdict,
        metrics=metrics,
        total=len(primary),
        agree=len(facts.select(metrics, "supports")),
        oppose=len(facts.select(metrics, "opposes")),
        toward=sum(f.sign * f.predicted > 0 for f in metrics),
        away=sum(f.sign * f.predicted < 0 for f in metrics),
        break_even=[
            (f.label, f.break_even, f.unit, f.break_even_percent)
            for f in metrics
            if f.break_even and f.kind in ("differs", "small")
        ],
        effects=w.join(effects) if effects and all(effects) else "",
        seed_p=w.several_p([m.seed_p for m in tested if m.seed_p is not None]),
        sesoi=_same([f.sesoi for f in metrics]),
        sesoi_source=_same([f.sesoi_source for f in metrics]),
        sensitivity=sensitivity(pair, tested, w, result.alpha),
        scenario=scenario,
        scenario_sentence=guide.scenario_sentence(scenario, w.lang) if scenario else "",
        ranges=guide.ranges_met(tested) if about_fusion and result.baseline_known else None,
        ranges_text=guide.ranges_text(w.lang),
        error=facts.error_facts(result, pair, w),
        coupling=[facts.coupling_fact(c, unit_name(result.unit, w.lang), w) for c in pair.coupling],
        confidence=f"{100 * first.confidence:g}%" if first else f"{100 * (1 - result.alpha):g}%",
        exact=bool(first and first.test == "exact sign-flip"),
        test=first.test if first else "",
        test_name=_test_name(first.test if first else "", w),
        interval_method=first.interval if first else "",
        interval_name=_interval_name(first.interval if first else "", w),
        adjustment=adjustment,
        adjustment_name=facts.adjustment_name(adjustment, w.lang),
        detectable=fixed(pair.detectable_dz, 2) if pair.detectable_dz is not None else "",
        paired_seeds=pair.paired_seeds,
        checkpoints=[_checkpoint(a, w) for a in (arm, baseline) if a],
        roles=sorted({r for a in (arm, baseline) if a for r in a.checkpoint_roles}),
        differing=[d for d in pair.differing_settings if "fusion" not in d.lower()],
        collapsed=list(pair.collapsed_runs),
        same_weights="same_weights" in pair.claim_reasons,
        few_clusters="few_clusters" in pair.claim_reasons,
        warnings=_warnings(result, pair, w),
        **alignment_facts(result, pair, w),
    )
    return values


def describe_context(result: ComparisonResult, w: Wording) -> dict[str, Any]:
    """Everything the templates of one arm alone read."""
    arm = result.arms[0]
    values = _common(result, w)
    masses = sorted((c for c in result.categories if c.arm == arm.name), key=lambda c: -c.mean)
    values.update(
        pair=None,
        known=True,
        A=facts.arm_label(arm.name, w.lang),
        B="",
        n=result.n_crystals,
        seeds_a=arm.n_seeds,
        seeds_b=0,
        single=arm.n_seeds == 1,
        several=arm.n_seeds > 1,
        claim="none",
        claim_reasons=(),
        verdict="described",
        metrics=[],
        total=0,
        means=_means(arm, w),
        mae=format_number(arm.mae) if arm.mae is not None else "",
        mae_sd=format_number(arm.mae_sd) if arm.mae_sd is not None else "",
        masses=[
            (
                category_name(c.category, w.lang),
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
        test_name="",
        interval_method="",
        interval_name="",
        adjustment="",
        adjustment_name="",
        detectable="",
        sesoi="",
        sesoi_source="",
        paired_seeds=False,
        checkpoints=[_checkpoint(arm, w)],
        roles=sorted(set(arm.checkpoint_roles)),
        differing=[],
        warnings=_warnings(result, None, w),
        **alignment_facts(result, None, w),
    )
    return values


def _common(result: ComparisonResult, w: Wording) -> dict[str, Any]:
    directions = result.directions[:1]
    declared = _declared(result, w)
    return {
        "result": result,
        "w": w,
        "shown": shown,
        "split": w.pick(_SPLITS.get(result.split, (result.split, result.split))),
        "unit": unit_name(result.unit, w.lang),
        "F": {name: text for name, (text, _) in FORMULAS.items()},
        "cite": lambda *keys: cite(*keys, lang=w.lang),
        "alpha": f"{result.alpha:g}",
        "excluded": [(w.pick(_REASONS.get(k, (k, k))), n) for k, n in result.excluded.items() if n],
        "median_tokens": f"{result.median_tokens:g}" if math.isfinite(result.median_tokens) else "",
        "median_atoms": f"{result.median_atoms:g}" if math.isfinite(result.median_atoms) else "",
        "alarms": _alarms(result, w),
        "versions": [f"{name} {version}" for name, version in result.versions.items()],
        "resamples": w.forms.count(result.n_resamples),
        "direction": direction_name(directions[0], w.lang) if directions else "",
        "untrained": sorted({direction_name(d, w.lang) for a in result.arms for d in a.untrained}),
        "duplicates": sum(len(group) for group in result.duplicates),
        "duplicate_groups": len(result.duplicates),
        "examples": list(result.examples),
        "declared": declared,
        "directions_declared": declared
        if result.declaration is not None and result.declaration.directions
        else "",
        "beforehand": result.declaration is not None
        and result.declaration.before_first_capture
        and "digest" not in result.declaration.changed,
        "hypothesis": result.declaration.hypothesis if result.declaration is not None else "",
        "departures": [d for d in (result.declaration.changed if result.declaration else ()) if d],
        "changed_defaults": list(result.changed_defaults.items()),
        "predicted": [(bare(metric_label(m, w.lang)), sign) for m, sign in _predicted(result)],
    }


def _predicted(result: ComparisonResult) -> list[tuple[str, int]]:
    """Primary metrics with the sign expected of them: as declared, else the guide's."""
    record = result.declaration
    if record is not None and record.directions:
        return [(m, record.directions[m]) for m in record.primary_metrics if m in record.directions]
    return [(m, int(BY_NAME[m].expected_sign)) for m in FORMULAS if BY_NAME[m].family == "primary"]


def _declared(result: ComparisonResult, w: Wording) -> str:
    """When something was declared; "before the first capture" only where the declaration shows it."""
    record = result.declaration
    if record is None:
        return ""
    date = record.date[:10]
    if "digest" in record.changed:
        return w.say(
            "from a file of {date} that was changed by hand afterwards",
            "取自 {date} 的文件，其后被手工改动",
            date=date,
        )
    if record.before_first_capture:
        return w.say("declared on {date}, before the first capture", "于 {date} 首次记录之前声明", date=date)
    return w.say("written down on {date}, after the first capture", "于 {date} 首次记录之后写下", date=date)


def _reasons(pair: PairComparison, w: Wording) -> list[str]:
    codes = [code for code in pair.claim_reasons if code in _NO_VERDICT] or ["few_runs"]
    return [w.pick(_NO_VERDICT[code]) for code in codes]


def _test_name(test: str, w: Wording) -> str:
    return w.pick(_TESTS.get(test, (test, test)))


def _interval_name(interval: str, w: Wording) -> str:
    words = w.pick(_BY_CLUSTER if "cluster" in interval else _INTERVAL)
    return words.format(interval=interval.partition(" ")[0])


def _same(texts: list[str]) -> str:
    """The one text that all of them are, else empty."""
    return texts[0] if texts and len(set(texts)) == 1 else ""


def _means(arm: ArmSummary, w: Wording) -> list[tuple[str, str, str]]:
    found = []
    for name, value in arm.means.items():
        spec = BY_NAME.get(name)
        if spec is None or spec.family != "primary" or not math.isfinite(value):
            continue
        unit = facts.unit_of(name, w.lang)
        found.append((metric_label(name, w.lang), format_number(value), unit))
    return found


def _checkpoint(arm: ArmSummary, w: Wording) -> dict[str, Any]:
    roles = list(dict.fromkeys(arm.checkpoint_roles))
    return {
        "label": facts.arm_label(arm.name, w.lang),
        "seeds": [str(s) for s in arm.seeds if s is not None],
        "n": arm.n_seeds,
        "rule": w.join([_role(r, w) for r in roles if r]),
    }


def _role(role: str, w: Wording) -> str:
    """What a checkpoint is, in words; one file may be several things at once."""
    return w.join([w.pick(_ROLES.get(r, (r, r))) for r in role.split("+")])


def _alarms(result: ComparisonResult, w: Wording) -> list[str]:
    found = []
    for alarm in result.alarms:
        if alarm.code == "text_truncated" and result.n_truncated:
            continue  # said with its count in a sentence of its own
        if alarm.code == "untrained_direction" and any(a.untrained for a in result.arms):
            continue
        found.append(alarm)
    return alarm_texts(found, w.lang)


def _warnings(result: ComparisonResult, pair: PairComparison | None, w: Wording) -> list[str]:
    """Warnings of the run that no sentence of the limitations says already."""
    every = [*result.warnings, *(pair.warnings if pair else ())]
    return alarm_texts((x for x in every if x.code not in _SAID), w.lang)

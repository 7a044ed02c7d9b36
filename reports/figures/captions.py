"""Captions and alternative texts, written from the result. Every number in them is a field of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from crysmm_attn_plugin.reports.figures import estimates
from crysmm_attn_plugin.reports.figures.arms import label
from crysmm_attn_plugin.reports.figures.caption_texts import METHODS, TEXT
from crysmm_attn_plugin.reports.figures.heatmaps import rule_name
from crysmm_attn_plugin.reports.figures.style import one_line
from crysmm_attn_plugin.reports.figures.wording import (
    axis_name,
    category_label,
    mae_decimals,
    p_text,
    percent,
    say,
    with_interval,
    with_unit,
)
from crysmm_attn_plugin.reports.language import marks, pick
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed
from crysmm_attn_plugin.stats.results import ComparisonResult, ExampleCrystal, MetricResult, PairComparison

_HAN_SPACE = re.compile(
    r"(?<=[\u4e00-\u9fff，。：；（）]) +(?=[\u4e00-\u9fff])|(?<=[\u4e00-\u9fff]) +(?=[，。：；（）])"
)


def caption(kind: str, result: ComparisonResult, lang: str, **about: object) -> str:
    """The caption of one figure.

    Args:
        kind: ``statistics``, ``heatmap``, ``categories``, ``coupling``, ``epochs``, ``specification`` or
            ``performance``.
        result: The comparison.
        lang: A known language's code.
        **about: ``example`` and ``arms`` for a heat map, ``pair`` for a specification curve.
    """
    return _WRITERS[kind](result, lang, about).strip()


def alt(kind: str, result: ComparisonResult, lang: str, **about: object) -> str:
    """The alternative text of one figure: what is to be seen, and the main numbers."""
    arms = _join([_say("the_arm", lang, arm=label(a.name, lang)) for a in result.arms], lang)
    if kind == "statistics":
        panels = len({m.metric for p in result.pairs for m in p.primary()}) or 4
        return (_say("alt_statistics", lang, panels=panels, arms=arms) + _estimates(result, lang)).strip()
    if kind == "heatmap":
        example = about["example"]
        assert isinstance(example, ExampleCrystal)
        difference = _say("alt_heatmap_difference", lang) if len(result.arms) > 1 else ""
        return _say(
            "alt_heatmap", lang, formula=one_line(example.formula, 60), arms=arms, difference=difference
        )
    return _say(f"alt_{kind}", lang, arms=arms)


def _say(key: str, lang: str, **values: object) -> str:
    # a Latin name stands between spaces in Chinese text, a Chinese one does not
    return _HAN_SPACE.sub("", pick(TEXT[key], lang).format(**values))


def _join(names: list[str], lang: str) -> str:
    return marks(lang).join(names)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _split(result: ComparisonResult, lang: str) -> str:
    key = f"split.{result.split}"
    return _say(key, lang) if key in TEXT else one_line(result.split, 30)


def _level(result: ComparisonResult) -> str:
    return f"{100 * (1 - result.alpha):g}"


def _method(name: str, lang: str) -> str:
    texts = next((t for key, t in METHODS.items() if key.lower() in name.lower()), None)
    if texts is None or pick(texts, lang) == texts[0]:
        return pick((name, name), lang)  # a language may have a word for the whole name
    return pick(texts, lang)


def _primary(result: ComparisonResult) -> list[tuple[PairComparison, MetricResult]]:
    return [(p, m) for p in result.pairs for m in p.primary()]


def _estimates(result: ComparisonResult, lang: str) -> str:
    lines = []
    for pair, item in _primary(result):
        paired = item.paired
        lines.append(
            _say(
                "estimate",
                lang,
                metric=_first_upper(axis_name(item.metric, lang)),
                arm=label(pair.arm, lang),
                baseline=label(pair.baseline, lang),
                estimate=with_interval(paired.mean_difference, paired.ci_low, paired.ci_high, lang),
                change=_change(item, pair, lang),
                p=_p(item, lang),
                n=paired.n,
            )
        )
    return say("sentence_gap", lang).join(lines)


def _change(item: MetricResult, pair: PairComparison, lang: str) -> str:
    """The change in percent with its denominator; empty where it is not defined."""
    paired = item.paired
    if not math.isfinite(paired.percent_change):
        return ""
    width = paired.percent_ci_high - paired.percent_ci_low
    change = percent(paired.percent_change, min(decimals_for(width), 1))
    return _say("estimate_change", lang, change=change, baseline=label(pair.baseline, lang))


def _p(item: MetricResult, lang: str) -> str:
    if item.p_adjusted is None:
        return p_text(item.paired.p_value)
    return f"{say('adjusted', lang)} {p_text(item.p_adjusted)}"


def _claim(result: ComparisonResult, lang: str) -> str:
    claims = {p.claim for p in result.pairs}
    for claim in ("checkpoints", "estimates", "verdict"):
        if claim in claims:
            return _say(f"claim_{claim}", lang)
    return ""


def _statistics(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    direction = say(result.directions[0] if result.directions else "atom_to_text", lang)
    direction = direction.replace(" ", "-")
    common = {"direction": direction, "n": result.n_crystals, "split": _split(result, lang)}
    if not result.pairs:
        return _say("statistics_one", lang, arm=label(result.arms[0].name, lang), **common)
    found = _primary(result)
    space = say("sentence_gap", lang)
    common["levels"] = _levels(found, lang)
    if not found:
        text = _say("statistics", lang, **common)
        return text + space + _say("too_few", lang)
    paired = found[0][1].paired
    differences = _say(
        "statistics_differences",
        lang,
        baseline=label(result.baseline, lang),
        confidence=f"{100 * paired.confidence:g}",
        interval=_method(paired.interval, lang),
    )
    text = space.join([_say("statistics", lang, **common), differences, _claim(result, lang)])
    if any(estimates.runs(m) for _, m in found):
        text += space + _say("statistics_runs", lang)
    if any(estimates.guide_range(p, m) for p, m in found):
        text += space + _say("statistics_guide", lang)
    adjusted = next((m for _, m in found if m.p_adjusted is not None), None)
    if adjusted is not None:
        tests = _say(
            "statistics_tests",
            lang,
            test=_method(paired.test, lang),
            adjustment=_method(adjusted.adjustment, lang),
        )
    else:
        tests = _say("statistics_raw", lang, test=_method(paired.test, lang))
    return text + space + tests + space + _estimates(result, lang)


def _levels(found: list[tuple[PairComparison, MetricResult]], lang: str) -> str:
    """The references that the panels can hold."""
    if any(m.reinitialised_mean_a is not None or m.reinitialised_mean_b is not None for _, m in found):
        return _say("levels_both", lang)
    return _say("levels_uniform", lang) if any(m.uniform_mean is not None for _, m in found) else ""


def _heatmap(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    example = about["example"]
    assert isinstance(example, ExampleCrystal)
    metric = axis_name(example.metric, lang, unit=False)
    selection = _say("heatmap_selection", lang, rule=rule_name(example, lang), metric=metric)
    difference = ""
    if math.isfinite(example.baseline_value) and result.pairs:
        arm, baseline = label(result.pairs[0].arm, lang), label(result.pairs[0].baseline, lang)
        selection += _say(
            "heatmap_values",
            lang,
            metric=_first_upper(metric),
            arm=arm,
            baseline=baseline,
            arm_value=fixed(example.arm_value, 2),
            baseline_value=fixed(example.baseline_value, 2),
        )
        difference = _say("heatmap_difference", lang, arm=arm, baseline=baseline)
    return _say(
        "heatmap",
        lang,
        formula=one_line(example.formula, 60),
        id=one_line(example.id, 60),
        heads=_say("one_head" if result.n_heads == 1 else "heads", lang, heads=result.n_heads),
        selection=selection,
        difference=difference,
    )


def _categories(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    text = _say("categories", lang, n=result.n_crystals, split=_split(result, lang), level=_level(result))
    for arm in (a.name for a in result.arms):
        mine = [c for c in result.categories if c.arm == arm and math.isfinite(c.mean)]
        if mine:
            top = max(mine, key=lambda c: c.mean)
            share = fixed(100 * top.mean, 1)
            text += _say(
                "categories_top",
                lang,
                arm=label(arm, lang),
                category=category_label(top.category, lang),
                share=share,
            )
    return text


def _coupling(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    pairs = [p for p in result.pairs if p.coupling]
    text = _say(
        "coupling",
        lang,
        split=_split(result, lang),
        arm=_join([_say("the_arm", lang, arm=label(p.arm, lang)) for p in pairs], lang).strip(),
        baseline=label(result.baseline, lang),
    )
    for pair in pairs:
        for item in pair.coupling:
            name = _first_upper(axis_name(item.metric, lang, unit=False))
            if len(pairs) > 1:
                metric = axis_name(item.metric, lang, unit=False)
                name = f"{label(pair.arm, lang)}{say('comma', lang)}{metric}"
            text += _say(
                "coupling_one",
                lang,
                metric=name,
                rho=with_interval(item.spearman, item.ci_low, item.ci_high, lang, sign=False, decimals=2),
                p=p_text(item.p_value),
                n=item.n,
                words=say("co_varied" if item.co_varied else "not_co_varied", lang),
            )
    return text


def _epochs(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    return _say("epochs", lang, split=_split(result, lang), level=_level(result))


def _specification(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    pair = about["pair"]
    assert isinstance(pair, PairComparison)
    return _say(
        "specification",
        lang,
        arm=label(pair.arm, lang),
        baseline=label(pair.baseline, lang),
        level=_level(result),
    )


def _performance(result: ComparisonResult, lang: str, about: Mapping[str, object]) -> str:
    text = _say("performance", lang, n=result.n_crystals, split=_split(result, lang))
    for arm in result.arms:
        if arm.mae is not None:
            mae = with_unit(fixed(arm.mae, mae_decimals(result)), result.unit, lang=lang)
            text += _say("performance_arm", lang, arm=label(arm.name, lang), mae=mae)
    return text


_WRITERS = {
    "statistics": _statistics,
    "heatmap": _heatmap,
    "categories": _categories,
    "coupling": _coupling,
    "epochs": _epochs,
    "specification": _specification,
    "performance": _performance,
}

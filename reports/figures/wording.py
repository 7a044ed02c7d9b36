"""Labels of the figures in both languages, and numbers as text, by the rules of the whole report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import BY_NAME, TOKEN_CATEGORIES
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.figures.style import one_line
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed, format_p, interval_decimals
from crysmm_attn_plugin.reports.prose.property_names import unit_name

if TYPE_CHECKING:
    from crysmm_attn_plugin.stats.results import ComparisonResult

_TEXT: dict[str, tuple[str, str]] = {
    "difference": ("difference", "差值"),
    "difference_from": ("difference from baseline", "与基线的差值"),
    "percent_axis": ("% of the baseline's mean", "占基线均值的 %"),
    "baseline_arm": ("{arm} (baseline)", "{arm}（基线）"),
    "guide_range": ("range the guide expects", "指南预期范围"),
    "one_run": ("mean of one run", "单次训练的均值"),
    "mean": ("mean over the crystals", "晶体均值"),
    "mean_interval": ("mean difference with its interval", "平均差值及其区间"),
    "a_crystal": ("a crystal", "一个晶体"),
    "points": (" percentage points", " 个百分点"),
    "stop": ("; ", "；"),
    "comma": (", ", "，"),
    "colon": (": ", "："),
    "list_comma": (", ", "、"),
    "list_last": (" and ", "和"),
    "aside": (" ({text})", "（{text}）"),
    "full_stop": (". ", "。"),
    "sentence_gap": (" ", ""),
    "percent_of": ("{change}% of the baseline's mean", "相对基线均值 {change}%"),
    "relative_to": (
        "relative to the baseline (% of its mean); N = {n}",
        "均相对基线（百分比以其均值为分母）；N = {n}",
    ),
    "beyond": ("beyond the axis: {what}", "超出坐标轴：{what}"),
    "uniform": ("uniform attention", "均匀注意力"),
    "reinitialised": ("re-initialised weights", "重新初始化权重"),
    "crystals": ("crystals", "晶体数"),
    "atoms": ("atoms", "原子"),
    "atom": ("atom", "原子"),
    "words": ("words of the description", "描述文本中的词"),
    "weight": ("attention per word", "每词注意力"),
    "weight_difference": ("difference in attention", "注意力差值"),
    "share": ("share of attention [%]", "注意力占比 [%]"),
    "change_in": ("change in {what}", "{what}的变化"),
    "change_in_error": ("change in |error|", "|误差| 的变化"),
    "epoch": ("epoch", "训练轮次"),
    "target": ("target", "目标值"),
    "prediction": ("prediction", "预测值"),
    "error_of": ("|error|, {arm}", "|误差|，{arm}"),
    "no_test": ("too few crystals for a test", "晶体过少，不作检验"),
    "co_varied": ("co-varied", "共同变化"),
    "not_co_varied": ("co-variation not established", "未能确认共同变化"),
    "adjusted": ("adjusted", "校正后"),
    "spearman": ("Spearman ρ", "Spearman ρ"),
    "specifications": ("specifications, sorted by effect", "分析方案（按效应排序）"),
    "reported": ("reported in the text", "正文所报告"),
    "below_zero": ("interval below zero", "区间低于零"),
    "above_zero": ("interval above zero", "区间高于零"),
    "holds_zero": ("interval holds zero", "区间含零"),
    "median_change": ("median change", "变化居中"),
    "largest_decrease": ("largest decrease", "下降最大"),
    "largest_increase": ("largest increase", "上升最大"),
    "smallest_decrease": ("smallest decrease", "下降最小"),
    "smallest_increase": ("smallest increase", "上升最小"),
    "median_value": ("median value", "取值居中"),
    "lowest_value": ("lowest value", "取值最低"),
    "highest_value": ("highest value", "取值最高"),
    "chosen": ("Chosen by rule: {rule} of {metric}", "选取规则：{metric}{rule}"),
    "cropped": (
        "{shown} of {total} words shown, in text order: those with the most attention in any arm. They "
        "hold {held}.",
        "共 {total} 个词，按原文顺序显示注意力最高的 {shown} 个；其所占注意力：{held}。",
    ),
    "all_words": ("All {total} words shown, in text order.", "按原文顺序显示全部 {total} 个词。"),
    "of_arm": ("{share}% in the {arm}", "{arm} {share}%"),
    "grouped": ("{total} atoms, grouped by element.", "{total} 个原子按元素分组。"),
    "scale": (
        "One colour scale for all arms, by the square root of the weight; mean over {heads} heads.",
        "各组共用同一色标，按权重的平方根取色；对 {heads} 个头取平均。",
    ),
    "scale_one_head": (
        "One colour scale for all arms, by the square root of the weight; one head.",
        "各组共用同一色标，按权重的平方根取色；仅一个头。",
    ),
    "margins": (
        "Bars above: mean over the atoms; bars at the right: an atom's highest weight.",
        "上方条形：对各原子取平均；右侧条形：各原子的最高权重。",
    ),
    "gaps": ("Ticks above mark words left out.", "上方短线表示此处略去了词。"),
    "clipped": (
        "Values above {top} (special tokens) take the top colour.",
        "高于 {top} 的值（特殊 token）以最深颜色表示。",
    ),
    "pooled": ("mean over data sets", "数据集均值"),
    "one_set": ("one data set, with its interval", "单个数据集及其区间"),
    "pooled_mean": ("random-effects mean", "随机效应均值"),
    "another_set": ("another data set would lie here", "另一数据集的预测区间"),
    "change_percent": ("change [%]", "变化 [%]"),
    "error_mae": ("mean absolute error", "平均绝对误差"),
    "all crystals": ("all crystals", "全部晶体"),
    "with_special": ("with special tokens", "含特殊 token"),
    "without_special": ("without special tokens", "不含特殊 token"),
    "without_stopwords": ("without stop words", "不含停用词"),
    "metric_then_heads": ("metric, then heads", "先算指标再平均"),
    "heads_then_metric": ("heads, then metric", "先平均再算指标"),
    "sharpest_head": ("sharpest head", "最集中的头"),
    "most_diffuse_head": ("most diffuse head", "最分散的头"),
    "atom_to_text": ("atom to text", "原子到文本"),
    "text_to_atom": ("text to atom", "文本到原子"),
    "shorter texts": ("shorter texts", "较短文本"),
    "medium texts": ("medium texts", "中等文本"),
    "longer texts": ("longer texts", "较长文本"),
    "fewer atoms": ("fewer atoms", "原子较少"),
    "medium atoms": ("medium atoms", "原子居中"),
    "more atoms": ("more atoms", "原子较多"),
    "low target": ("low target", "目标值低"),
    "medium target": ("medium target", "目标值中"),
    "high target": ("high target", "目标值高"),
}


def say(key: str, lang: str, **values: object) -> str:
    """The label of a key in a language; an unknown key (a plugin's own) is said as it is."""
    known = _TEXT.get(key)
    text = pick(known, lang) if known else key.replace("_", " ")
    return text.format(**values) if values else text


def axis_name(name: str, lang: str, *, unit: bool = True) -> str:
    """Name of a metric, with its unit in brackets where it has one; plugins' metrics by their own name."""
    spec = BY_NAME.get(name)
    if spec is None:
        return name.replace("_", " ")
    label = language.metric_label(name, lang)
    # "effective tokens" says its unit
    says_it = spec.unit.rstrip("s") in label or spec.unit.rstrip("s") in spec.label("en")
    return f"{label} [{language.metric_unit(name, lang)}]" if unit and spec.unit and not says_it else label


def category_label(name: str, lang: str) -> str:
    """Name of a word category."""
    known = TOKEN_CATEGORIES.get(name)
    return pick(known, lang) if known else name.replace("_", " ")


def with_interval(
    value: float, low: float, high: float, lang: str = "en", *, sign: bool = True, decimals: int | None = None
) -> str:
    """``+0.12 (0.05 to 0.19)``, as many decimals as the interval's width deserves where none are given."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return fixed(value, 3, sign=sign)
    places = interval_decimals(low, high) if decimals is None else decimals
    cell = language.numbers(lang).cell
    return cell.get("nature", cell[""]).format(
        value=fixed(value, places, sign=sign), low=fixed(low, places), high=fixed(high, places)
    )


def with_unit(value: str, unit: str, *, difference: bool = False, lang: str = "en") -> str:
    """``0.25 eV``, ``12.0%``; a difference of percentages is in percentage points."""
    if unit == "%":
        return f"{value}{say('points', lang)}" if difference else f"{value}%"
    return attached(value, one_line(unit_name(unit, lang), 10))


def attached(value: str, unit: str) -> str:
    """A number and its unit: a space between them, none after a full-width bracket."""
    return f"{value}{'' if value.endswith('）') else ' '}{unit}" if unit else value


def mae_decimals(result: ComparisonResult) -> int:
    """Decimals of the arms' errors: one more than their size asks for."""
    known = [a.mae for a in result.arms if a.mae]
    return min(decimals_for(min(known)) + 1, 5) if known else 3


def p_text(value: float | None) -> str:
    """``p = 0.012`` or ``p < 0.001``; never 0.000."""
    return format_p(value)


def percent(value: float, decimals: int = 1, *, sign: bool = True) -> str:
    """Percent with the sign shown; the caller names the denominator."""
    return fixed(value, decimals, sign=sign)

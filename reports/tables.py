"""The comparison as one table for a paper: six columns, three lines, in Markdown, LaTeX and comma-separated text."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.arm_names import arm_heading
from crysmm_attn_plugin.reports.language import each, metric_label, pick, say
from crysmm_attn_plugin.reports.numbers import (
    decimals_for,
    fixed,
    format_number,
    format_p_value,
    interval_decimals,
)
from crysmm_attn_plugin.reports.prose import facts
from crysmm_attn_plugin.reports.prose.facts import Style, Wording
from crysmm_attn_plugin.reports.prose.property_names import unit_name
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison

#: The guide's metrics in its order.
SEED_METRICS = ("entropy", "max_weight", "effective_tokens_hill", "gini")
OUTCOMES = {
    "supports": ("as predicted", "符合预期"),
    "opposes": ("opposite", "与预期相反"),
    "differs": ("the checkpoints differ", "检查点有差异"),
    "negligible": ("negligible", "可忽略"),
    "estimate": ("estimate only", "仅为估计"),
    "inconclusive": ("inconclusive", "未定"),
    "not_tested": ("not tested", "未检验"),
}
#: Marks a row whose test and interval disagree.
DAGGER = "†"
_FIRST = (("Metric", "指标"), ("Baseline", "基线组"), ("Arm", "实验组"))
HEADS = (
    *_FIRST, ("Difference ({level} CI)", "差值（{level} 置信区间）"), ("Change", "变化"), ("Adjusted p", "校正后 p"),
)  # fmt: skip
PLAIN_HEADS = (
    *_FIRST, ("Difference", "差值"), ("{level} CI low", "{level} 置信区间下限"), ("{level} CI high", "{level} 置信区间上限"),
    ("Change (%)", "变化 (%)"), ("Adjusted p", "校正后 p"),
)  # fmt: skip
ONE_ARM = ("Attention metrics of the {arm}", "{arm}的注意力指标")
ONE_ARM_NOTE = ("Means over {n} crystals.", "共 {n} 个晶体的均值。")
#: Sentences of the note below the table.
NOTES = {
    "of_pair": ("Arm: {arm}; baseline: {baseline}; {n} paired crystals.", "实验组：{arm}；基线组：{baseline}；配对晶体 {n} 个。"),
    "of_pairs": ("{n} paired crystals.", "配对晶体 {n} 个。"),
    "difference": (
        "Difference: arm minus baseline; change: relative to the baseline's mean.",
        "差值为实验组减基线组，变化以基线组均值为分母。",
    ),
    "adjusted": (
        "p-values are adjusted over the primary metrics ({adjustment}).",
        "p 值对主要指标一并校正（{adjustment}）。",
    ),
    "adjusted_not_error": (
        "p-values are adjusted over the primary metrics ({adjustment}); that of the error stands alone.",
        "p 值对主要指标一并校正（{adjustment}），误差的 p 值不在其列。",
    ),
    "points": ("Differences of the error are in percentage points.", "误差之差的单位为百分点。"),
    "estimates": (
        "Few training runs: intervals are estimates, and no verdict is given.",
        "训练次数少，区间为估计，不作判定。",
    ),
    "undefined": (
        "A percent change is not defined where the baseline's interval reaches zero.",
        "基线组的区间触及零时，百分比变化无定义。",
    ),
    "disagreement": (
        f"{DAGGER} Test and interval disagree; no difference is claimed.",
        f"{DAGGER} 检验与区间不一致，不作差异的论断。",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table of text cells with the numbers behind them.

    Attributes:
        name: File stem.
        title: Title by language.
        columns: Column heads by language.
        rows: Cells by language.
        note: Note below the table by language.
        style: ``nature``, ``apa`` or ``gbt``.
        group_rows: Rows that only name the pair of arms below them: first cell filled, the others empty.
        values: Numbers of each row as printed in spreadsheets: baseline, arm, difference, interval's ends, percent
            change, adjusted p (one arm alone: its mean); empty for a group row.
        decimals: Decimals of the first five of them, by row.
    """

    name: str
    title: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, tuple[tuple[str, ...], ...]]
    note: Mapping[str, str]
    style: Style = "nature"
    group_rows: tuple[int, ...] = ()
    values: tuple[tuple[float | None, ...], ...] = ()
    decimals: tuple[int, ...] = ()
    plain_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def main_table(result: ComparisonResult, style: Style = "nature") -> Table:
    """Primary metrics and error of every pair of arms, or the means of one arm alone.

    Args:
        result: The comparison.
        style: ``nature``, ``apa`` or ``gbt``; numbers, intervals and units follow it.
    """
    if not result.pairs:
        return _one_arm_table(result, style)
    level = f"{100 * (1 - result.alpha):g}%"
    rows: dict[str, list[tuple[str, ...]]] = each(lambda lang: [])
    values: list[tuple[float | None, ...]] = []
    decimals: list[int] = []
    groups = []
    for pair in result.pairs:
        if len(result.pairs) > 1:
            groups.append(len(values))
            values.append(())
            decimals.append(0)
            for lang, found in rows.items():
                found.append((pair_name(pair, lang), *[""] * 5))
        for metric in verdict_metrics(pair, result):
            p = metric.paired
            values.append(
                (
                    p.mean_b,
                    p.mean_a,
                    p.mean_difference,
                    p.ci_low,
                    p.ci_high,
                    p.percent_change,
                    metric.p_adjusted,
                )
            )
            decimals.append(interval_decimals(p.ci_low, p.ci_high))
            for lang, found in rows.items():
                found.append(_row(metric, Wording(lang, style), decimals[-1]))
        e = pair.performance
        if e.mae_arm is not None:
            change = -e.relative_gain if e.relative_gain is not None else None
            values.append((e.mae_baseline, e.mae_arm, e.difference, e.ci_low, e.ci_high, change, e.p_value))
            if e.ci_low is None or e.ci_high is None:
                decimals.append(decimals_for(None))
            else:
                decimals.append(interval_decimals(e.ci_low, e.ci_high))
            for lang, found in rows.items():
                found.append(_error_row(result, pair, Wording(lang, style), decimals[-1]))
    return Table(
        "table",
        each(lambda lang: say("Attention metrics and error of the arms", "各组的注意力指标与误差", lang)),
        each(lambda lang: tuple(pick(head, lang).format(level=level) for head in HEADS)),
        {k: tuple(v) for k, v in rows.items()},
        each(lambda lang: _note(result, Wording(lang, style))),
        style,
        tuple(groups),
        tuple(values),
        tuple(decimals),
        each(lambda lang: tuple(pick(head, lang).format(level=level) for head in PLAIN_HEADS)),
    )


def verdict_metrics(pair: PairComparison, result: ComparisonResult) -> tuple[MetricResult, ...]:
    """The primary family that carries the verdict, in the guide's order."""
    found = pair.primary(result.directions[0])
    return tuple(sorted(found, key=lambda m: SEED_METRICS.index(m.metric) if m.metric in SEED_METRICS else 9))


def pair_name(pair: PairComparison, lang: str) -> str:
    """``Full model against model without middle fusion`` / ``全模态模型与无中期融合模型``."""
    first, second = arm_heading(pair.arm, lang), facts.arm_label(pair.baseline, lang)
    return say("{arm} against {baseline}", "{arm}与{baseline}", lang, arm=first, baseline=second)


def _row(m: MetricResult, w: Wording, decimals: int) -> tuple[str, ...]:
    p = m.paired
    mark = DAGGER if m.disagreement else ""
    return (
        _with_unit(m.metric, w),
        fixed(p.mean_b, decimals),
        fixed(p.mean_a, decimals),
        _with_interval(p.mean_difference, p.ci_low, p.ci_high, decimals, w) + mark,
        w.change(p.percent_change, p.percent_ci_low, p.percent_ci_high),
        format_p_value(m.p_adjusted, style=w.style),
    )


def _error_row(result: ComparisonResult, pair: PairComparison, w: Wording, decimals: int) -> tuple[str, ...]:
    e = pair.performance
    gain = None if e.relative_gain is None else -e.relative_gain
    return (
        w.with_unit(w.say("mean absolute error", "平均绝对误差"), unit_name(result.unit, w.lang)),
        fixed(e.mae_baseline, decimals),
        fixed(e.mae_arm, decimals),
        _with_interval(e.difference, e.ci_low, e.ci_high, decimals, w) + (DAGGER if e.disagreement else ""),
        w.change(gain, e.relative_gain_ci_low, e.relative_gain_ci_high),
        format_p_value(e.p_value, style=w.style),
    )


def _with_unit(metric: str, w: Wording) -> str:
    return w.with_unit(metric_label(metric, w.lang), facts.unit_of(metric, w.lang))


def _with_interval(
    value: float | None, low: float | None, high: float | None, decimals: int, w: Wording
) -> str:
    shown = fixed(value, decimals)
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return shown
    return w.bracketed(shown, fixed(low, decimals), fixed(high, decimals))


def _note(result: ComparisonResult, w: Wording) -> str:
    metrics = [m for pair in result.pairs for m in verdict_metrics(pair, result)]
    errors = [pair.performance for pair in result.pairs if pair.performance.mae_arm is not None]
    adjustment = next((m.adjustment for m in metrics if m.adjustment), "")
    told = ["of_pair" if len(result.pairs) == 1 else "of_pairs", "difference"]
    if adjustment:
        told.append("adjusted_not_error" if errors else "adjusted")
    if errors and result.unit == "%":
        told.append("points")
    if any(pair.claim == "estimates" for pair in result.pairs):
        told.append("estimates")
    if any(m.paired.percent_undefined for m in metrics):
        told.append("undefined")
    if any(m.disagreement for m in metrics) or any(e.disagreement for e in errors):
        told.append("disagreement")
    first = result.pairs[0]
    values = {
        "arm": facts.arm_label(first.arm, w.lang),
        "baseline": facts.arm_label(first.baseline, w.lang),
        "n": first.n if len(result.pairs) == 1 else result.n_crystals,
        "adjustment": facts.adjustment_name(adjustment, w.lang),
    }
    return w.marks.space.join(w.pick(NOTES[key]).format(**values) for key in told)


def _one_arm_table(result: ComparisonResult, style: Style) -> Table:
    arm = result.arms[0]

    def rows(lang: str) -> tuple[tuple[str, ...], ...]:
        w = Wording(lang, style)
        return tuple((_with_unit(name, w), format_number(mean)) for name, mean in arm.means.items())

    heads = each(lambda lang: (pick(HEADS[0], lang), arm_heading(arm.name, lang)))
    return Table(
        "table",
        each(lambda lang: pick(ONE_ARM, lang).format(arm=facts.arm_label(arm.name, lang))),
        heads,
        each(rows),
        each(lambda lang: pick(ONE_ARM_NOTE, lang).format(n=result.n_crystals)),
        style,
        (),
        tuple((mean,) for mean in arm.means.values()),
        tuple(4 for _ in arm.means),
        heads,
    )


# -- formats ---------------------------------------------------------------------------------------------------


def to_markdown(table: Table, lang: str) -> str:
    """A pipe table with its note."""
    heads = table.columns[lang]
    lines = [
        "| " + " | ".join(escape.markdown(h, table=True) for h in heads) + " |",
        "|" + " --- |" * len(heads),
    ]
    for i, row in enumerate(table.rows[lang]):
        cells = [escape.markdown(c, table=True) for c in row]
        if i in table.group_rows:
            cells[0] = f"**{cells[0]}**"
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", escape.markdown(table.note[lang]), ""])


def to_latex(table: Table, lang: str) -> str:
    """Three lines (booktabs), as wide as the text: what does not fit wraps in the first column."""
    heads, width = table.columns[lang], len(table.columns[lang])
    body = []
    for i, row in enumerate(table.rows[lang]):
        if i in table.group_rows:
            body.append(
                rf"\multicolumn{{{width}}}{{@{{}}p{{\linewidth}}@{{}}}}{{\raggedright {escape.latex(row[0])}}} \\"
            )
        else:
            body.append(" & ".join(escape.latex(c) for c in row) + r" \\")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,tabularx}",
            r"\begin{table}[htbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{escape.latex(table.title[lang])}}}",
            rf"\label{{tab:attention-{lang}}}",
            r"\begin{tabularx}{\linewidth}{@{}>{\raggedright\arraybackslash}X" + "r" * (width - 1) + "@{}}",
            r"\toprule",
            " & ".join(_tex_head(h, table.style) for h in heads) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabularx}",
            rf"\par\vspace{{3pt}}\parbox{{\linewidth}}{{\raggedright {escape.latex(table.note[lang])}}}",
            r"\end{table}",
            "",
        ]
    )


def _tex_head(head: str, style: str) -> str:
    text = escape.latex(head)
    return re.sub(r"\bp$", "$p$", text) if style in ("apa", "gbt") else text


def table_csv(table: Table, lang: str) -> str:
    """Comma-separated text with one number a cell: the interval's ends have columns of their own."""
    rows = []
    for i, cells in enumerate(table.rows[lang]):
        values = table.values[i]
        if i in table.group_rows or len(values) < 7:
            rows.append([*cells, *[""] * (len(table.plain_columns[lang]) - len(cells))])
            continue
        numbers = [fixed(v, table.decimals[i]) for v in values[:5]]
        change = fixed(values[5], 1)
        rows.append([cells[0], *numbers, change, cells[-1]])
    return to_csv(
        table.plain_columns[lang], [["" if c == "–" else c.replace("−", "-") for c in r] for r in rows]
    )


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated text that spreadsheets read as UTF-8 (byte-order mark); cells that they would run are defused."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([escape.csv_cell(c) for c in columns])
    writer.writerows([[escape.csv_cell(_plain(c)) for c in row] for row in rows])
    return "\ufeff" + buffer.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return "" if value is None else value


assert set(SEED_METRICS) == set(PRIMARY)

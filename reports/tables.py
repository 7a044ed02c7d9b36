"""The comparison as one table for a paper: six columns, three lines, in Markdown, LaTeX and comma-separated text."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports import prose_facts as facts
from crysmm_attn_plugin.reports.arm_names import arm_heading
from crysmm_attn_plugin.reports.language import ByLanguage
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed, format_number, format_p_value
from crysmm_attn_plugin.reports.prose_facts import Lang, Style, Wording
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

    def __post_init__(self) -> None:
        for name in ("title", "columns", "rows", "note", "plain_columns"):
            object.__setattr__(self, name, ByLanguage(getattr(self, name)))


def main_table(result: ComparisonResult, style: Style = "nature") -> Table:
    """Primary metrics and error of every pair of arms, or the means of one arm alone.

    Args:
        result: The comparison.
        style: ``nature``, ``apa`` or ``gbt``; numbers, intervals and units follow it.
    """
    if not result.pairs:
        return _one_arm_table(result, style)
    level = f"{100 * (1 - result.alpha):g}%"
    heads: dict[str, tuple[str, ...]] = {
        "en": ("Metric", "Baseline", "Arm", f"Difference ({level} CI)", "Change", "Adjusted p"),
        "zh": ("指标", "基线组", "实验组", f"差值（{level} 置信区间）", "变化", "校正后 p"),
    }
    plain = {
        "en": ("Metric", "Baseline", "Arm", "Difference", f"{level} CI low", f"{level} CI high", "Change (%)", "Adjusted p"),
        "zh": ("指标", "基线组", "实验组", "差值", f"{level} 置信区间下限", f"{level} 置信区间上限", "变化 (%)", "校正后 p"),
    }  # fmt: skip
    rows: dict[Lang, list[tuple[str, ...]]] = {"en": [], "zh": []}
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
        for metric in headline(pair, result):
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
            decimals.append(decimals_for(p.ci_high - p.ci_low))
            for lang, found in rows.items():
                found.append(_row(metric, Wording(lang, style), decimals[-1]))
        e = pair.performance
        if e.mae_arm is not None:
            change = -e.relative_gain if e.relative_gain is not None else None
            values.append((e.mae_baseline, e.mae_arm, e.difference, e.ci_low, e.ci_high, change, e.p_value))
            width = e.ci_high - e.ci_low if e.ci_low is not None and e.ci_high is not None else None
            decimals.append(decimals_for(width))
            for lang, found in rows.items():
                found.append(_error_row(result, pair, Wording(lang, style), decimals[-1]))
    return Table(
        "table",
        {"en": "Attention metrics and error of the arms", "zh": "各组的注意力指标与误差"},
        heads,
        {k: tuple(v) for k, v in rows.items()},
        {lang: _note(result, lang) for lang in heads},
        style,
        tuple(groups),
        tuple(values),
        tuple(decimals),
        plain,
    )  # fmt: skip


def headline(pair: PairComparison, result: ComparisonResult) -> tuple[MetricResult, ...]:
    """The primary family that carries the verdict, in the guide's order."""
    found = pair.primary(result.directions[0])
    return tuple(sorted(found, key=lambda m: SEED_METRICS.index(m.metric) if m.metric in SEED_METRICS else 9))


def pair_name(pair: PairComparison, lang: str) -> str:
    """``Full model against model without middle fusion`` / ``全模态模型与无中期融合模型``."""
    which: Lang = "zh" if lang == "zh" else "en"
    first, second = arm_heading(pair.arm, which), facts.arm_label(pair.baseline, which)
    return f"{first}与{second}" if which == "zh" else f"{first} against {second}"


def _row(m: MetricResult, w: Wording, decimals: int) -> tuple[str, ...]:
    p, spec = m.paired, BY_NAME[m.metric]
    mark = DAGGER if m.disagreement else ""
    return (
        _with_unit(spec.label_zh if w.lang == "zh" else spec.label_en, spec.unit.replace("tokens", ""), w),
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
        _with_unit("平均绝对误差" if w.lang == "zh" else "mean absolute error", result.unit, w),
        fixed(e.mae_baseline, decimals),
        fixed(e.mae_arm, decimals),
        _with_interval(e.difference, e.ci_low, e.ci_high, decimals, w) + (DAGGER if e.disagreement else ""),
        w.change(gain, e.relative_gain_ci_low, e.relative_gain_ci_high),
        format_p_value(e.p_value, style=w.style),
    )


def _with_unit(label: str, unit: str, w: Wording) -> str:
    if w.lang == "zh":
        return label if not unit else f"{label}/{unit}" if w.style == "gbt" else f"{label}（{unit}）"
    return facts.capital(label) + (f" ({unit})" if unit else "")


def _with_interval(
    value: float | None, low: float | None, high: float | None, decimals: int, w: Wording
) -> str:
    shown = fixed(value, decimals)
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return shown
    return w.bracketed(shown, fixed(low, decimals), fixed(high, decimals))


def _note(result: ComparisonResult, lang: str) -> str:
    zh = lang == "zh"
    metrics = [m for pair in result.pairs for m in headline(pair, result)]
    errors = [pair.performance for pair in result.pairs if pair.performance.mae_arm is not None]
    adjustment = next((m.adjustment for m in metrics if m.adjustment), "")
    parts = []
    if len(result.pairs) == 1:
        pair = result.pairs[0]
        first, second = (
            facts.arm_label(pair.arm, "zh" if zh else "en"),
            facts.arm_label(pair.baseline, "zh" if zh else "en"),
        )
        parts.append(
            f"实验组：{first}；基线组：{second}；配对晶体 {pair.n} 个。" if zh
            else f"Arm: {first}; baseline: {second}; {pair.n} paired crystals."
        )  # fmt: skip
    else:
        parts.append(f"配对晶体 {result.n_crystals} 个。" if zh else f"{result.n_crystals} paired crystals.")
    parts.append(
        "差值为实验组减基线组，变化以基线组均值为分母。" if zh
        else "Difference: arm minus baseline; change: relative to the baseline's mean."
    )  # fmt: skip
    if adjustment:
        parts.append(
            f"p 值对主要指标一并校正（{facts.adjustment_name(adjustment, lang)}）" + ("，误差的 p 值不在其列。" if errors else "。") if zh
            else f"p-values are adjusted over the primary metrics ({adjustment})" + ("; that of the error stands alone." if errors else ".")
        )  # fmt: skip
    if errors and result.unit == "%":
        parts.append(
            "误差之差的单位为百分点。" if zh else "Differences of the error are in percentage points."
        )
    if any(pair.claim == "estimates" for pair in result.pairs):
        parts.append(
            "训练次数少，区间为估计，不作判定。"
            if zh
            else "Few training runs: intervals are estimates, and no verdict is given."
        )
    if any(m.paired.percent_undefined for m in metrics):
        parts.append(
            "基线组的区间触及零时，百分比变化无定义。" if zh
            else "A percent change is not defined where the baseline's interval reaches zero."
        )  # fmt: skip
    if any(m.disagreement for m in metrics) or any(e.disagreement for e in errors):
        parts.append(
            f"{DAGGER} 检验与区间不一致，不作差异的论断。"
            if zh
            else f"{DAGGER} Test and interval disagree; no difference is claimed."
        )
    return ("" if zh else " ").join(parts)


def _one_arm_table(result: ComparisonResult, style: Style) -> Table:
    arm = result.arms[0]
    names = {"en": facts.arm_label(arm.name, "en"), "zh": facts.arm_label(arm.name, "zh")}
    rows: dict[Lang, list[tuple[str, ...]]] = {"en": [], "zh": []}
    for name, mean in arm.means.items():
        spec = BY_NAME.get(name)
        for lang in rows:
            label = name if spec is None else spec.label_en if lang == "en" else spec.label_zh
            unit = "" if spec is None else spec.unit.replace("tokens", "")
            rows[lang].append((_with_unit(label, unit, Wording(lang, style)), format_number(mean)))
    heads = {"en": ("Metric", arm_heading(arm.name, "en")), "zh": ("指标", names["zh"])}
    return Table(
        "table",
        {"en": f"Attention metrics of the {names['en']}", "zh": f"{names['zh']}的注意力指标"},
        heads,
        {k: tuple(v) for k, v in rows.items()},
        {"en": f"Means over {result.n_crystals} crystals.", "zh": f"共 {result.n_crystals} 个晶体的均值。"},
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

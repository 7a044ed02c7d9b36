"""The comparison as tables: the seed's CSV, the significance table, and one table for a paper in four formats."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.numbers import (
    decimals_for,
    fixed,
    format_effect,
    format_interval,
    format_number,
    format_p_value,
)
from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison
from crysmm_attn_plugin.store.files import write_atomic

#: The seed's columns, its metric order, and its name for each.
SEED_COLUMNS = ("Metric", "Full Model (with Middle Fusion)", "No Middle Fusion", "Improvement (%)")
SEED_METRICS = ("entropy", "max_weight", "effective_tokens_hill", "gini")


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        name: File stem.
        title: Title by language.
        columns: Column heads by language.
        rows: Cells by language.
        note: Note below the table by language.
    """

    name: str
    title: dict[str, str]
    columns: Mapping[str, tuple[str, ...]]
    rows: dict[str, tuple[tuple[str, ...], ...]]
    note: dict[str, str]


def main_table(result: ComparisonResult) -> Table:
    """Primary metrics of every pair (or of one arm alone), as a paper shows them."""
    if not result.pairs:
        return _one_arm_table(result)
    heads = {
        "en": ("Comparison", "Metric", "Arm", "Baseline", "Difference", f"{_level(result)}% CI", "Change (%)", "g_z",
               "p", "Adjusted p", "N", "Outcome"),
        "zh": ("对比", "指标", "实验组", "基线", "差值", f"{_level(result)}% 置信区间", "变化 (%)", "g_z", "p", "校正后 p",
               "N", "结论"),
    }  # fmt: skip
    rows: dict[str, list[tuple[str, ...]]] = {"en": [], "zh": []}
    for pair in result.pairs:
        for metric in headline(pair, result):
            for lang in rows:
                rows[lang].append(_row(pair, metric, lang))
        performance = pair.performance
        if performance.mae_arm is not None:
            for lang in rows:
                rows[lang].append(_error_row(pair, lang))
    note = {
        "en": f"Difference: arm minus baseline, over {result.n_crystals} paired crystals. Change: percent of the "
        "baseline's mean. g_z: bias-corrected standardised paired difference.",
        "zh": f"差值为实验组减基线，共 {result.n_crystals} 个配对晶体；变化以基线均值为分母；g_z 为校正偏差后的标准化配对差值。",
    }
    title = {"en": "Attention metrics of the arms", "zh": "各组注意力指标"}
    return Table("table", title, heads, {k: tuple(v) for k, v in rows.items()}, note)


def headline(pair: PairComparison, result: ComparisonResult) -> tuple[MetricResult, ...]:
    """The primary family that carries the verdict, in the seed's order."""
    found = pair.primary(result.directions[0])
    return tuple(sorted(found, key=lambda m: SEED_METRICS.index(m.metric) if m.metric in SEED_METRICS else 9))


OUTCOMES = {
    "supports": ("as predicted", "符合预期"),
    "opposes": ("opposite", "与预期相反"),
    "negligible": ("negligible", "可忽略"),
    "inconclusive": ("inconclusive", "未定"),
    "differs": ("differs", "有差异"),
    "estimate": ("estimate", "估计"),
    "not_tested": ("not tested", "未检验"),
}


def _row(pair: PairComparison, m: MetricResult, lang: str) -> tuple[str, ...]:
    p = m.paired
    decimals = decimals_for(p.ci_high - p.ci_low)
    spec = BY_NAME[m.metric]
    label = spec.label_en if lang == "en" else spec.label_zh
    label = label[0].upper() + label[1:]
    return (
        f"{pair.arm} / {pair.baseline}",
        f"{label} [{spec.unit}]" if spec.unit else label,
        fixed(p.mean_a, decimals),
        fixed(p.mean_b, decimals),
        fixed(p.mean_difference, decimals, sign=True),
        format_interval(p.ci_low, p.ci_high, lang=lang),
        fixed(p.percent_change, 1, sign=True),
        format_effect(p.g_z),
        format_p_value(p.p_value),
        format_p_value(m.p_adjusted),
        str(p.n),
        OUTCOMES[m.outcome][lang == "zh"],
    )


def _error_row(pair: PairComparison, lang: str) -> tuple[str, ...]:
    e = pair.performance
    decimals = decimals_for(e.ci_high - e.ci_low) if e.ci_low is not None and e.ci_high is not None else 3
    change = -e.relative_gain if e.relative_gain is not None else None
    axis = {
        "better": ("lower error", "误差更低"), "worse": ("higher error", "误差更高"),
        "indistinguishable": ("indistinguishable", "无法区分"), "unknown": ("unknown", "未知"),
    }[e.axis]  # fmt: skip
    return (
        f"{pair.arm} / {pair.baseline}",
        "Mean absolute error" if lang == "en" else "平均绝对误差",
        fixed(e.mae_arm, decimals),
        fixed(e.mae_baseline, decimals),
        fixed(e.difference, decimals, sign=True),
        format_interval(e.ci_low, e.ci_high, lang=lang),
        fixed(change, 1, sign=True),
        "–",
        format_p_value(e.p_value),
        "–",
        str(e.n),
        axis[lang == "zh"],
    )


def _one_arm_table(result: ComparisonResult) -> Table:
    arm = result.arms[0]
    rows: dict[str, list[tuple[str, ...]]] = {"en": [], "zh": []}
    for name, mean in arm.means.items():
        spec = BY_NAME.get(name)
        for lang in rows:
            label = name if spec is None else spec.label_en if lang == "en" else spec.label_zh
            rows[lang].append((label, format_number(mean)))
    heads = {"en": ("Metric", arm.name), "zh": ("指标", arm.name)}
    note = {"en": f"Means over {result.n_crystals} crystals.", "zh": f"共 {result.n_crystals} 个晶体的均值。"}
    title = {"en": f"Attention metrics of {arm.name}", "zh": f"{arm.name} 的注意力指标"}
    return Table("table", title, heads, {k: tuple(v) for k, v in rows.items()}, note)


def _level(result: ComparisonResult) -> str:
    return f"{100 * (1 - result.alpha):g}"


# -- formats ---------------------------------------------------------------------------------------------------


def to_markdown(table: Table, lang: str) -> str:
    """A pipe table with its note."""
    heads = table.columns[lang]
    lines = ["| " + " | ".join(escape.markdown(h) for h in heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(escape.markdown(c) for c in row) + " |" for row in table.rows[lang]]
    return "\n".join([*lines, "", table.note[lang], ""])


def to_latex(table: Table, lang: str) -> str:
    """A booktabs table (three lines)."""
    heads = table.columns[lang]
    body = [" & ".join(_tex(c) for c in row) + r" \\" for row in table.rows[lang]]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}" + (r" and \usepackage{ctex}" if lang == "zh" else ""),
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape.latex(table.title[lang])}. {_tex(table.note[lang])}}}",
            rf"\label{{tab:attention-{lang}}}",
            r"\begin{tabular}{" + "ll" + "r" * (len(heads) - 2) + "}",
            r"\toprule",
            " & ".join(_tex(h) for h in heads) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _tex(text: str) -> str:
    return escape.latex(text).replace(r"g\_z", "$g_z$")


def to_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Comma-separated text; cells that a spreadsheet would run are defused."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([escape.csv_cell(c) for c in columns])
    writer.writerows([[escape.csv_cell(_plain(c)) for c in row] for row in rows])
    return buffer.getvalue()


def write_docx(table: Table, path: Path, langs: Sequence[str]) -> Path:
    """A Word document with one three-line table per language."""
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.shared import Pt

    document = Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = section.page_height, section.page_width
    for lang in langs:
        document.add_paragraph(table.title[lang]).runs[0].bold = True
        heads, rows = table.columns[lang], table.rows[lang]
        grid = document.add_table(rows=1 + len(rows), cols=len(heads))
        for i, cells in enumerate([heads, *rows]):
            for cell, text in zip(grid.rows[i].cells, cells):
                cell.text = _printable(text)
                for run in cell.paragraphs[0].runs:
                    run.font.size = Pt(8)
        _three_lines(grid)
        document.add_paragraph(table.note[lang])
    return write_atomic(path, lambda p: document.save(str(p)))


def _printable(text: str) -> str:
    """Word's XML refuses control characters."""
    return "".join(c for c in text if c >= " " or c in "\t\n")


def _three_lines(grid: Any) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    last = len(grid.rows) - 1
    for i, row in enumerate(grid.rows):
        edges = {"top": 12 if i == 0 else 0, "bottom": 12 if i == last else 6 if i == 0 else 0}
        for cell in row.cells:
            borders = OxmlElement("w:tcBorders")
            for edge, size in edges.items():
                if size:
                    line = OxmlElement(f"w:{edge}")
                    line.set(qn("w:val"), "single")
                    line.set(qn("w:sz"), str(size))
                    borders.append(line)
            cell._tc.get_or_add_tcPr().append(borders)


# -- machine-readable ------------------------------------------------------------------------------------------


def seed_statistics(result: ComparisonResult) -> str:
    """``attention_statistics.csv``: the seed's four columns and metrics first, then ours."""
    ours = ("Seed metric", "Arm", "Baseline", "Direction", "Scope", "Difference", "CI low", "CI high", "CI level", "g_z",
            "p", "Adjusted p", "Adjustment", "Percent CI low", "Percent CI high", "N", "Outcome", "Verdict",
            "Legacy full", "Legacy no middle", "Legacy change (%)")  # fmt: skip
    rows = []
    for pair in result.pairs:
        legacy = next((x for x in result.legacy if (x.arm, x.baseline) == (pair.arm, pair.baseline)), None)
        for m in headline(pair, result):
            p, seed_name = m.paired, BY_NAME[m.metric].seed_name
            old: list[float | None] = [None] * 3
            if legacy is not None:
                old = [legacy.arm_values.get(seed_name), legacy.baseline_values.get(seed_name),
                       legacy.change_percent.get(seed_name)]  # fmt: skip
            rows.append(
                [seed_name, p.mean_a, p.mean_b, p.percent_change, m.metric, pair.arm, pair.baseline, m.direction,
                 m.scope, p.mean_difference, p.ci_low, p.ci_high, p.confidence, p.g_z, p.p_value, m.p_adjusted,
                 m.adjustment, p.percent_ci_low, p.percent_ci_high, p.n, m.outcome, pair.verdict, *old]
            )  # fmt: skip
    if not result.pairs:
        for metric in SEED_METRICS:
            mean = result.arms[0].means.get(metric)
            rows.append(
                [BY_NAME[metric].seed_name, mean, None, None, metric, result.arms[0].name, *[None] * 15]
            )
    return to_csv([*SEED_COLUMNS, *ours], rows)


SIGNIFICANCE = (
    "arm", "baseline", "metric", "direction", "scope", "aggregation", "family", "n", "n_seeds_arm", "n_seeds_baseline",
    "mean_arm", "mean_baseline", "mean_difference", "ci_low", "ci_high", "percent_change", "percent_ci_low",
    "percent_ci_high", "g_z", "d_av", "rank_biserial", "hodges_lehmann", "prob_superiority", "p_value", "p_adjusted",
    "adjustment", "p_t", "p_wilcoxon", "p_cluster", "n_clusters", "sesoi", "p_tost", "equivalent", "outcome",
    "uniform_mean", "reinitialised_mean_arm", "reinitialised_mean_baseline", "test", "interval",
)  # fmt: skip


def significance(result: ComparisonResult) -> str:
    """``significance.csv``: one row per metric x arm pair x direction x scope x aggregation."""
    rows = []
    for pair in result.pairs:
        for m in pair.metrics:
            p = m.paired
            rows.append(
                [pair.arm, pair.baseline, m.metric, m.direction, m.scope, m.aggregation, m.family, p.n, p.n_seeds_a,
                 p.n_seeds_b, p.mean_a, p.mean_b, p.mean_difference, p.ci_low, p.ci_high, p.percent_change,
                 p.percent_ci_low, p.percent_ci_high, p.g_z, p.d_av, p.rank_biserial, p.hodges_lehmann,
                 p.prob_superiority, p.p_value, m.p_adjusted, m.adjustment, p.p_t, p.p_wilcoxon, m.p_cluster,
                 m.n_clusters, m.sesoi, m.p_tost, m.equivalent, m.outcome, m.uniform_mean, m.reinitialised_mean_a,
                 m.reinitialised_mean_b, p.test, p.interval]
            )  # fmt: skip
    return to_csv(SIGNIFICANCE, rows)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return "" if value is None else value


assert set(SEED_METRICS) == set(PRIMARY)

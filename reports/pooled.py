"""Several data sets as a reader holds them: results read back, the sentences, one table, the files of ``crysmm-attn pool``."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from crysmm_attn_plugin.catalogue import BY_NAME, learn
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.arm_names import arm_heading, arm_label
from crysmm_attn_plugin.reports.figures import FIGURE_FORMATS, write_forest
from crysmm_attn_plugin.reports.language import ByLanguage, marks, pick
from crysmm_attn_plugin.reports.numbers import (
    MISSING,
    decimals_for,
    fixed,
    format_interval,
    format_p,
    format_p_value,
    format_percent,
)
from crysmm_attn_plugin.stats.pooled_results import ERROR, PooledComparison
from crysmm_attn_plugin.stats.pooling import PREDICT_FROM, PooledResult
from crysmm_attn_plugin.stats.results import RESULT_SCHEMA_VERSION, ComparisonResult
from crysmm_attn_plugin.store.files import write_bytes, write_json
from crysmm_attn_plugin.store.folders import write_folder_atomic

#: A folder with this file is one that ``write_pooled`` made.
MARKER = "pooled.json"
RESULT = "result.json"

_T = ByLanguage({
    "en": {
        "title": "Several data sets", "across": "Across {k} data sets ({names}), {arm} against {baseline}:",
        "lower": "{what} was {size} lower", "higher": "{what} was {size} higher",
        "unclear": "no change of {what} is shown (estimate {estimate})",
        "numbers": "{level} CI {interval}, {p}, I² = {share}%", "adjusted": "adjusted ",
        "prediction": "in another data set it would lie between {low} and {high}",
        "no_prediction": "With two data sets nothing is said of another one.",
        "method": "Random-effects means with the interval of Hartung and Knapp; data sets are taken as independent, which "
                  "properties of the same crystals are not wholly.",
        "single": "An arm was trained once for {names}: these intervals are of single checkpoints, and what trainings scatter "
                  "is seen between data sets alone.",
        "left_out": "Not pooled, because it is not defined everywhere: {what} ({names}).",
        "error": "the mean absolute error", "pooled": "all, pooled",
        "no_conclusion": "No word about a hypothesis follows from pooling; each data set's own report says what its runs allow.",
    },
    "zh": {
        "title": "多个数据集", "across": "在 {k} 个数据集（{names}）中，{arm}相对{baseline}：",
        "lower": "{what}降低 {size}", "higher": "{what}升高 {size}",
        "unclear": "{what}未显示变化（估计 {estimate}）",
        "numbers": "{level} 置信区间 {interval}，{p}，I² = {share}%", "adjusted": "校正后 ",
        "prediction": "另一数据集的变化预计介于 {low} 与 {high} 之间",
        "no_prediction": "仅有两个数据集，对其他数据集不作预测。",
        "method": "随机效应均值，区间按 Hartung 与 Knapp 方法；各数据集视为相互独立，同一批晶体的不同性质并非完全如此。",
        "single": "{names} 中有一组只训练了一次：其区间只针对现有检查点，训练之间的离散只体现在数据集之间。",
        "left_out": "因并非处处有定义而未合并：{what}（{names}）。",
        "error": "平均绝对误差", "pooled": "合并",
        "no_conclusion": "合并本身不对假设作判定；各数据集自己的报告说明其训练次数所允许的结论。",
    },
})  # fmt: skip

_HEADS = ByLanguage({
    "en": ("Change", "Data set", "Crystals", "Runs", "Percent", "{level} CI", "Weight", "p"),
    "zh": ("变化", "数据集", "晶体数", "训练次数", "百分比", "{level} 置信区间", "权重", "p"),
})  # fmt: skip


def read_result(path: str | os.PathLike[str]) -> ComparisonResult:
    """The result of a report, from its folder or its ``result.json``.

    Raises:
        UsageError: When there is none, or it cannot be read as one.
    """
    file = Path(path) / RESULT if Path(path).is_dir() else Path(path)
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        version = int(values["schema_version"])
        if version != RESULT_SCHEMA_VERSION:
            raise UsageError(
                f"{file} was written by another version (schema {version}, this one reads {RESULT_SCHEMA_VERSION}); make the "
                "report again with `crysmm-attn report`."
            )
        learn(values.get("descriptors"))
        return ComparisonResult.from_dict(values)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror or error}); give a report folder or its {RESULT}."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        reason = " ".join(str(error).split())[:80]
        raise UsageError(
            f"{file} is no result of `crysmm-attn report` ({type(error).__name__}: {reason}); give a report folder or its {RESULT}."
        ) from None


def sentences(found: PooledComparison, lang: str) -> list[str]:
    """What the pooled numbers say, one item a paragraph; every number is one of ``pooled.json``.

    Args:
        found: As ``stats.pool_results`` returns it.
        lang: A known language.
    """
    t = _T[lang]
    zh = lang == "zh"
    stop, gap, listing = ("。", "", "、") if zh else (".", " ", ", ")
    parts = [
        t["across"].format(
            k=len(found.data_sets), names=listing.join(d.label for d in found.data_sets),
            arm=arm_label(found.arm, "zh" if zh else "en"), baseline=arm_label(found.baseline, "zh" if zh else "en"),
        )
    ]  # fmt: skip
    parts[0] += gap + ("；" if zh else "; ").join(_sentence(p, lang) for p in found.pooled) + stop
    if len(found.data_sets) < PREDICT_FROM:
        parts[0] += gap + t["no_prediction"]
    single = [d.label for d in found.data_sets if d.claim == "checkpoints"]
    if single:
        parts.append(t["single"].format(names=listing.join(single)))
    for what, names in found.left_out.items():
        parts.append(t["left_out"].format(what=_name(what, lang), names=listing.join(names)))
    parts += [t["method"], t["no_conclusion"]]
    return parts


def _sentence(p: PooledResult, lang: str) -> str:
    t, zh = _T[lang], lang == "zh"
    what, decimals = _name(p.what, lang), min(decimals_for(p.ci_high - p.ci_low), 2)
    adjusted = p.what != ERROR
    value = p.p_adjusted if p.p_adjusted is not None else p.p_value
    if value < 1 - p.confidence:
        word = t["lower"] if p.estimate < 0 else t["higher"]
        said = word.format(what=what, size=format_percent(p.estimate, decimals, magnitude=True))
    else:
        said = t["unclear"].format(what=what, estimate=format_percent(p.estimate, decimals))
    numbers = t["numbers"].format(
        level=f"{100 * p.confidence:g}%", interval=_interval(p.ci_low, p.ci_high, lang),
        p=(t["adjusted"] if adjusted else "") + format_p(value), share=fixed(100 * p.i_squared, 0),
    )  # fmt: skip
    if p.prediction_low is not None and p.prediction_high is not None:
        numbers += ("；" if zh else "; ") + t["prediction"].format(
            low=format_percent(p.prediction_low, decimals), high=format_percent(p.prediction_high, decimals)
        )
    return said + (f"（{numbers}）" if zh else f" ({numbers})")


def _interval(low: float, high: float, lang: str) -> str:
    decimals = min(decimals_for(high - low), 2)
    first, second = (format_percent(x, decimals) for x in (low, high))
    return f"[{first}, {second}]" if lang == "zh" else f"{first} to {second}"


def _name(what: str, lang: str) -> str:
    if what == ERROR:
        return str(_T[lang]["error"])
    spec = BY_NAME.get(what)
    return pick((spec.label_en, spec.label_zh), lang) if spec is not None else what.replace("_", " ")


def table(found: PooledComparison, lang: str) -> str:
    """Markdown table: every data set's change and the pooled ones."""
    t = _T[lang]
    level = f"{100 * found.pooled[0].confidence:g}%"
    heads = [h.format(level=level) for h in _HEADS[lang]]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for p in found.pooled:
        name = _name(p.what, lang)
        for row, d in zip(p.rows, found.data_sets):
            cells = [name, row.label, str(d.crystals), f"{d.runs_arm} + {d.runs_baseline}",
                     *_numbers(row.estimate, row.ci_low, row.ci_high, lang), f"{100 * row.weight:.0f}%", ""]  # fmt: skip
            lines.append(_line(cells))
            name = ""
        value = p.p_adjusted if p.p_adjusted is not None else p.p_value
        numbers = _numbers(p.estimate, p.ci_low, p.ci_high, lang)
        lines.append(_line(["", t["pooled"], "", "", *numbers, "", format_p_value(value)]))
    return "\n".join(lines)


def _numbers(estimate: float, low: float, high: float, lang: str) -> tuple[str, str]:
    decimals = min(decimals_for(high - low), 2)
    return fixed(estimate, decimals), format_interval(low, high, lang=lang) or MISSING


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape.markdown(c) for c in cells) + " |"


CSV_COLUMNS = (
    "change", "data_set", "crystals", "runs_arm", "runs_baseline", "percent", "ci_low", "ci_high", "weight", "p", "p_adjusted",
    "prediction_low", "prediction_high", "tau", "i_squared", "q", "p_heterogeneity", "data_sets",
)  # fmt: skip


def csv_text(found: PooledComparison) -> str:
    """Every number, one row a data set and one (``pooled``) a change."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for p in found.pooled:
        for row, d in zip(p.rows, found.data_sets):
            writer.writerow(
                [p.what, row.label, d.crystals, d.runs_arm, d.runs_baseline, row.estimate, row.ci_low, row.ci_high, row.weight]
                + [""] * 9
            )  # fmt: skip
        writer.writerow(
            [p.what, "pooled", "", "", "", p.estimate, p.ci_low, p.ci_high, 1.0, p.p_value, p.p_adjusted, p.prediction_low,
             p.prediction_high, p.tau, p.i_squared, p.q, p.p_heterogeneity, p.k]
        )  # fmt: skip
    return out.getvalue()


def markdown(found: PooledComparison, lang: str) -> str:
    """``pooled.md`` in one language."""
    zh: bool = lang == "zh"
    first = arm_heading(found.arm, "zh" if zh else "en")
    second = arm_label(found.baseline, "zh" if zh else "en")
    title = f"{_T[lang]['title']}{marks(lang).colon}{first}{' 对 ' if zh else ' against '}{second}"
    body = "\n\n".join(escape.markdown(s) for s in sentences(found, lang))
    return f"# {escape.markdown(title)}\n\n{body}\n\n{table(found, lang)}\n"


def write_pooled(
    found: PooledComparison, out_dir: str | os.PathLike[str], *, langs: Sequence[str], figures: bool = True
) -> Path:
    """Write ``pooled.json``, ``pooled.csv``, ``pooled.md`` and the forest plot into a folder, whole or not at all.

    Raises:
        UsageError: When the folder holds other things.
    """
    target = Path(out_dir)
    if target.is_dir() and any(target.iterdir()) and not (target / MARKER).exists():
        raise UsageError(f"{target} holds other files; give an empty folder or a new one with --out.")

    def fill(folder: Path) -> None:
        write_json(folder / MARKER, found)
        write_bytes(folder / "pooled.csv", csv_text(found).encode("utf-8"))
        pages = "\n---\n\n".join(markdown(found, lang) for lang in langs)
        write_bytes(folder / "pooled.md", pages.encode("utf-8"))
        if figures:
            write_forest(found.pooled, folder, langs=langs, formats=FIGURE_FORMATS)

    return write_folder_atomic(target, fill, marker=MARKER).path

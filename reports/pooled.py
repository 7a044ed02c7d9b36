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
from crysmm_attn_plugin.reports.comparison import compare_arms
from crysmm_attn_plugin.reports.figures import FIGURE_FORMATS, write_forest
from crysmm_attn_plugin.reports.language import metric_label
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed, format_p_value, format_percent
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.pooled_results import ERROR, PooledComparison
from crysmm_attn_plugin.stats.pooling import PREDICT_FROM, PooledResult
from crysmm_attn_plugin.stats.results import RESULT_SCHEMA_VERSION, ComparisonResult
from crysmm_attn_plugin.store.files import write_bytes, write_json
from crysmm_attn_plugin.store.folders import write_folder_atomic
from crysmm_attn_plugin.store.reader import Run, find_runs

#: A folder with this file is one that ``write_pooled`` made.
MARKER = "pooled.json"
RESULT = "result.json"

_ACROSS = (
    "Across {k} data sets ({names}), {arm} against {baseline}: ",
    "在 {k} 个数据集（{names}）中，{arm}相对{baseline}：",
)
_LOWER = ("{what} {size} lower ({numbers})", "{what}降低 {size}（{numbers}）")
_HIGHER = ("{what} {size} higher ({numbers})", "{what}升高 {size}（{numbers}）")
_UNCLEAR = ("no change of {what} is shown, {size} ({numbers})", "{what}未显示变化，{size}（{numbers}）")
_NUMBERS = ("{level} CI {interval}, {p}, I² = {share}%", "{level} 置信区间 {interval}，{p}，I² = {share}%")
_ADJUSTED = ("adjusted {p}", "校正后 {p}")
_PREDICTION = ("in another data set {interval}", "另一数据集预计为 {interval}")
_NO_PREDICTION = (
    "With two data sets nothing is said of another one.",
    "仅有两个数据集，对其他数据集不作预测。",
)
_METHOD = (
    "Random-effects means with the interval of Hartung and Knapp; data sets are taken as independent, which properties of the "
    "same crystals are not wholly.",
    "随机效应均值，区间按 Hartung 与 Knapp 方法；各数据集视为相互独立，同一批晶体的不同性质并非完全如此。",
)
_SINGLE = (
    "An arm was trained once for {names}: these intervals are of single checkpoints, and what trainings scatter is seen between "
    "data sets alone.",
    "{names} 中有一组只训练了一次：其区间只针对现有检查点，训练之间的离散只体现在数据集之间。",
)
_LEFT_OUT = (
    "Not pooled, because it is not defined everywhere: {what} ({names}).",
    "因并非处处有定义而未合并：{what}（{names}）。",
)
_NO_WORD = (
    "No word about a hypothesis follows from pooling; each data set's own report says what its runs allow.",
    "合并本身不对假设作判定；各数据集自己的报告说明其训练次数所允许的结论。",
)
_ERROR = ("the mean absolute error", "平均绝对误差")
_TITLE = ("Several data sets: {arm} against {baseline}", "多个数据集：{arm}相对{baseline}")
_ALL = ("all, pooled", "合并")
_HEADS = (
    ("Change", "变化"), ("Data set", "数据集"), ("Crystals", "晶体数"), ("Runs", "训练次数"), ("Percent", "百分比"),
    ("{level} CI", "{level} 置信区间"), ("Weight", "权重"), ("p", "p"),
)  # fmt: skip


def result_at(path: Path, baseline: str | None) -> ComparisonResult:
    """A report's result, or that of runs that have no report yet.

    Raises:
        UsageError: When there is neither, or the runs are of one arm.
    """
    if not path.exists():
        raise UsageError(f"{path} is not there; give a report's folder, its {RESULT}, or a folder of runs.")
    if path.is_file() or (path / RESULT).is_file():
        return read_result(path)
    arms: dict[str, list[Run]] = {}
    for run_found in find_runs(path):
        arms.setdefault(run_found.arm, []).append(run_found)
    if len(arms) < 2:
        raise UsageError(
            f"{path} holds runs of one arm ({next(iter(arms))}); a data set needs an arm and its baseline."
        )
    return compare_arms(arms, baseline=baseline if baseline in arms else None).result


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
    w = Wording(lang, "nature")
    listing = w.marks.list.join
    first = w.pick(_ACROSS).format(
        k=len(found.data_sets), names=listing(d.label for d in found.data_sets), arm=arm_label(found.arm, lang),
        baseline=arm_label(found.baseline, lang),
    )  # fmt: skip
    first += w.marks.semicolon.join(_sentence(p, w) for p in found.pooled) + w.marks.stop
    if len(found.data_sets) < PREDICT_FROM:
        first += w.pick(_NO_PREDICTION)
    parts = [first.rstrip()]
    single = [d.label for d in found.data_sets if d.claim == "checkpoints"]
    if single:
        parts.append(w.pick(_SINGLE).format(names=listing(single)))
    for what, names in found.left_out.items():
        parts.append(w.pick(_LEFT_OUT).format(what=_name(what, w), names=listing(names)))
    return [*parts, w.pick(_METHOD), w.pick(_NO_WORD)]


def _sentence(p: PooledResult, w: Wording) -> str:
    decimals = min(decimals_for(p.ci_high - p.ci_low), 2)
    shown = [format_percent(x, decimals) for x in (p.ci_low, p.ci_high)]
    value = p.p_adjusted if p.p_adjusted is not None else p.p_value
    said = w.p(value)
    numbers = w.pick(_NUMBERS).format(
        level=f"{100 * p.confidence:g}%", interval=w.ends(*shown), share=fixed(100 * p.i_squared, 0),
        p=said if p.what == ERROR else w.pick(_ADJUSTED).format(p=said),
    )  # fmt: skip
    if p.prediction_low is not None and p.prediction_high is not None:
        ends = [format_percent(x, decimals) for x in (p.prediction_low, p.prediction_high)]
        numbers += w.marks.semicolon + w.pick(_PREDICTION).format(interval=w.ends(*ends))
    established = value < 1 - p.confidence
    words = (_LOWER if p.estimate < 0 else _HIGHER) if established else _UNCLEAR
    size = format_percent(p.estimate, decimals, magnitude=established)
    return w.pick(words).format(what=_name(p.what, w), size=size, numbers=numbers)


def _name(what: str, w: Wording) -> str:
    if what == ERROR:
        return w.pick(_ERROR)
    return metric_label(what, w.lang) if what in BY_NAME else what.replace("_", " ")


def table(found: PooledComparison, lang: str) -> str:
    """Markdown table: every data set's change and the pooled ones."""
    w = Wording(lang, "nature")
    level = f"{100 * found.pooled[0].confidence:g}%"
    lines = [_line([w.pick(h).format(level=level) for h in _HEADS]), "|" + " --- |" * len(_HEADS)]
    for p in found.pooled:
        name = _name(p.what, w)
        for row, d in zip(p.rows, found.data_sets):
            lines.append(
                _line(
                    [name, row.label, str(d.crystals), f"{d.runs_arm} + {d.runs_baseline}",
                     *_numbers(row.estimate, row.ci_low, row.ci_high, w), f"{100 * row.weight:.0f}%", ""]
                )
            )  # fmt: skip
            name = ""
        value = p.p_adjusted if p.p_adjusted is not None else p.p_value
        numbers = _numbers(p.estimate, p.ci_low, p.ci_high, w)
        lines.append(_line(["", w.pick(_ALL), "", "", *numbers, "", format_p_value(value)]))
    return "\n".join(lines)


def _numbers(estimate: float, low: float, high: float, w: Wording) -> tuple[str, str]:
    return fixed(estimate, min(decimals_for(high - low), 2)), w.interval(low, high)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape.markdown(c, table=True) for c in cells) + " |"


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
    w = Wording(lang, "nature")
    title = w.pick(_TITLE).format(arm=arm_heading(found.arm, lang), baseline=arm_label(found.baseline, lang))
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

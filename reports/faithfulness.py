"""Whether the attention is used, as a part of the report: what interventions in extra passes did to the predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed, format_interval, format_p
from crysmm_attn_plugin.reports.sections import Section
from crysmm_attn_plugin.stats.interventions import Contrast, Faithfulness, faithfulness, per_crystal
from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.results import PairedResult
from crysmm_attn_plugin.store.reader import Run

NAME = "faithfulness"
TITLE = ("Is the attention used?", "注意力是否被使用")
LIMITS = (
    "Attention weights alone cannot show use; here they were changed in extra passes of the same model, and the predictions of "
    "the test pass itself were left as they were. A shift says that the model reads what was changed, not that its reading is "
    "right; hidden words also leave inputs that the model was not trained on, which is why random words are hidden beside them.",
    "仅凭注意力权重无法说明其是否被使用；此处在同一模型的额外前向中改变权重，测试过程本身的预测保持不变。预测发生偏移说明模型读取了被改变的内容，"
    "并不说明其读取正确；遮蔽词语也会使输入偏离训练分布，因此同时遮蔽等量的随机词作为对照。",
)
USED = (
    "In {arm}, the concentrated attention is used: hiding the {size} most attended {units} shifted predictions by {most}, hiding "
    "{size} random ones by {random} (difference {difference}, {interval}, {p}, {n} crystals).",
    "{arm}的集中注意力被使用：遮蔽注意力最高的 {size} 个{units}使预测平均偏移 {most}，遮蔽 {size} 个随机{units}为 {random}"
    "（差值 {difference}，{interval}，{p}，{n} 个晶体）。",
)
NOT_USED = (
    "In {arm}, the attention is not used for these predictions: neither hiding the {size} most attended {units} ({most}) nor other "
    "attention in its place shifted them by 1 % of their spread ({n} crystals).",
    "{arm}的预测未使用该注意力：无论遮蔽注意力最高的 {size} 个{units}（{most}）还是替换为其他注意力，预测偏移均未达到其离散程度的 1 %"
    "（{n} 个晶体）。",
)
UNCLEAR = (
    "In {arm}, whether the concentrated attention is used was not established: hiding the {size} most attended {units} shifted "
    "predictions by {most}, hiding {size} random ones by {random} (difference {difference}, {interval}, {p}, {n} crystals).",
    "{arm}的集中注意力是否被使用尚不能确定：遮蔽注意力最高的 {size} 个{units}使预测平均偏移 {most}，遮蔽 {size} 个随机{units}为 {random}"
    "（差值 {difference}，{interval}，{p}，{n} 个晶体）。",
)
SENTENCES = {"used": USED, "not_used": NOT_USED, "unclear": UNCLEAR}
ERROR = (
    "The absolute error changed by {error} ({interval}) when they were hidden.",
    "遮蔽后绝对误差变化 {error}（{interval}）。",
)
PAIR = (
    "The shift beyond random words was {difference} ({interval}, {p}) in {arm} against {baseline}, for the same {n} crystals.",
    "超出随机词的偏移，{arm}相对{baseline}的差值为 {difference}（{interval}，{p}），同样的 {n} 个晶体。",
)
HEAD = (
    "The most important head of {arm} is head {head} of {module}: made even, it shifts predictions by {mean} ({interval}).",
    "{arm}中最重要的注意力头为 {module} 的第 {head} 头：将其均匀化后预测偏移 {mean}（{interval}）。",
)
ALONE = (
    "One training run stands for {arm}: this is said of these checkpoints.",
    "{arm}仅有一次训练，结论限于这些检查点。",
)
UNITS = {"atom_to_text": ("words", "词"), "text_to_atom": ("atoms", "原子")}
COLUMNS = (("Arm", "实验组"), ("Intervention", "干预"), ("Words", "词数"), ("Shift", "预测偏移"), ("Change of error", "误差变化"))  # fmt: skip
NAMES = {
    "knock_out_most": ("most attended hidden", "遮蔽注意力最高者"),
    "knock_out_random": ("random ones hidden", "遮蔽随机词"),
    "keep_most": ("only the most attended kept", "仅保留注意力最高者"),
    "keep_random": ("only random ones kept", "仅保留随机词"),
    "uniform": ("attention made even", "注意力均匀化"),
    "swap": ("another crystal's attention", "换为另一晶体的注意力"),
    "own_element": ("own element's mentions hidden", "遮蔽本元素的提及"),
    "own_element_random": ("as many other tokens hidden", "遮蔽等量的其他 token"),
}


@dataclasses.dataclass(frozen=True)
class ArmProbe:
    """One arm's interventions: rows of its runs, and their summary with a crystal's values averaged over runs."""

    name: str
    runs: tuple[pd.DataFrame, ...]
    found: Faithfulness
    direction: str


def make(request: PartRequest) -> PartOutput | None:
    """The part, or None where no run was probed."""
    comparison = request.comparison
    result = comparison.result
    arms = [a for a in (_arm(comparison, name, result) for name in comparison.arms) if a is not None]
    if not arms:
        return None
    baseline = next((a for a in arms if a.name == result.baseline), None)
    pairs = [
        (arm, baseline, paired)
        for arm in arms
        if baseline is not None
        and arm is not baseline
        and (paired := _pair(arm, baseline, result)) is not None
    ]
    html, markdown = {}, {}
    for lang in request.langs:
        sentences = [s for a in arms for s in _sentences(a, lang)]
        sentences += [_pair_sentence(a, b, p, lang) for a, b, p in pairs]
        sentences.append(pick(LIMITS, lang))
        rows = [r for a in arms for r in _rows(a, lang)]
        html[lang] = _html(sentences, rows, lang)
        markdown[lang] = _markdown(sentences, rows, lang)
    title = {lang: pick(TITLE, lang) for lang in request.langs}
    numbers: dict[str, Any] = {a.name: dataclasses.asdict(a.found) for a in arms}
    numbers |= {f"{a.name}/{b.name}": dataclasses.asdict(p) for a, b, p in pairs}
    return PartOutput([Section(NAME, title, html, markdown)], (), numbers)


def _arm(comparison: Any, name: str, result: Any) -> ArmProbe | None:
    summary = next(a for a in result.arms if a.name == name)
    by_id = {run.run_id: run for run in comparison.runs[name]}
    tables = [
        _table(by_id[run_id], digest, result)
        for run_id, digest in zip(summary.run_ids, summary.checkpoints)
        if run_id in by_id
    ]
    probed = tuple(t for t in tables if len(t))
    if not probed:
        return None
    directions = list(dict.fromkeys(probed[0]["direction"]))
    keys = ["id", "module", "call", "direction", "intervention", "size", "draw", "head"]
    joined = pd.concat(probed, ignore_index=True)
    complete = joined.groupby(keys, sort=False)["shift"].transform("size") == len(probed)
    mean = joined[complete].groupby(keys, sort=False, as_index=False).mean(numeric_only=True)
    found = faithfulness(mean, alpha=result.alpha, seed=result.seed)
    if len(probed) > 1:
        found = dataclasses.replace(
            found, contrasts=tuple(_over_runs(c, probed, result) for c in found.contrasts)
        )
    return ArmProbe(name, probed, found, directions[0])


def _table(run: Run, checkpoint: str, result: Any) -> pd.DataFrame:
    rows = run.interventions
    if not len(rows):
        return rows
    chosen = rows[(rows["checkpoint"] == checkpoint) & (rows["split"] == result.split)]
    return chosen[~chosen["id"].isin(run.repeated_ids)].reset_index(drop=True)


def _over_runs(contrast: Contrast, runs: Sequence[pd.DataFrame], result: Any) -> Contrast:
    """The contrast with its runs apart, so that the interval holds their spread too."""
    sides = (contrast.intervention, contrast.control)
    values = [[per_crystal(r, name, contrast.size, contrast.measure) for r in runs] for name in sides]
    ids = sorted(set.intersection(*(set(s.index) for side in values for s in side)))
    if len(ids) < 2:
        return contrast
    a, b = (np.array([s[ids].to_numpy(float) for s in side]) for side in values)
    return dataclasses.replace(
        contrast,
        paired=compare_paired(
            a, b, alpha=result.alpha, seed=result.seed, paired_seeds=True, n_resamples=2000
        ),
    )


def _pair(arm: ArmProbe, baseline: ArmProbe, result: Any) -> PairedResult | None:
    """Shift beyond random words, arm - baseline."""
    size = baseline.found.tested_size
    beyond = [
        [
            per_crystal(r, "knock_out_most", size, "shift")
            - per_crystal(r, "knock_out_random", size, "shift")
            for r in one.runs
        ]
        for one in (arm, baseline)
    ]
    ids = sorted(set.intersection(*(set(s.dropna().index) for side in beyond for s in side)))
    if len(ids) < 2:
        return None
    a, b = (np.array([s[ids].to_numpy(float) for s in side]) for side in beyond)
    return compare_paired(a, b, alpha=result.alpha, seed=result.seed, n_resamples=2000)


def _main(arm: ArmProbe, measure: str) -> PairedResult | None:
    key = ("most_attended", measure, arm.found.tested_size)
    return next((c.paired for c in arm.found.contrasts if (c.name, c.measure, c.size) == key), None)


def _sentences(arm: ArmProbe, lang: str) -> list[str]:
    found = []
    main = _main(arm, "shift")
    if main is not None:
        decimals = decimals_for(main.ci_high - main.ci_low)
        found.append(
            pick(SENTENCES[arm.found.use], lang).format(
                arm=arm.name, size=arm.found.tested_size, units=pick(UNITS.get(arm.direction, UNITS["atom_to_text"]), lang),
                most=fixed(main.mean_a, decimals), random=fixed(main.mean_b, decimals),
                difference=fixed(main.mean_difference, decimals, sign=True),
                interval=format_interval(main.ci_low, main.ci_high, lang=lang), p=format_p(main.p_value, lang=lang), n=main.n,
            )
        )  # fmt: skip
        error = next(
            (e for e in arm.found.effects if (e.intervention, e.measure, e.size)
             == ("knock_out_most", "error_change", arm.found.tested_size)), None,
        )  # fmt: skip
        if error is not None:
            found.append(
                pick(ERROR, lang).format(
                    error=fixed(error.mean, decimals_for(error.ci_high - error.ci_low), sign=True),
                    interval=format_interval(error.ci_low, error.ci_high, lang=lang),
                )
            )
    heads = sorted((h for h in arm.found.heads if h.measure == "shift"), key=lambda h: -h.mean)
    if heads:
        first = heads[0]
        found.append(
            pick(HEAD, lang).format(
                arm=arm.name, head=first.head, module=first.module,
                mean=fixed(first.mean, decimals_for(first.ci_high - first.ci_low)),
                interval=format_interval(first.ci_low, first.ci_high, lang=lang),
            )
        )  # fmt: skip
    if len(arm.runs) == 1:
        found.append(pick(ALONE, lang).format(arm=arm.name))
    return found


def _pair_sentence(arm: ArmProbe, baseline: ArmProbe, p: PairedResult, lang: str) -> str:
    return pick(PAIR, lang).format(
        difference=fixed(p.mean_difference, decimals_for(p.ci_high - p.ci_low), sign=True),
        interval=format_interval(p.ci_low, p.ci_high, lang=lang), p=format_p(p.p_value, lang=lang), arm=arm.name,
        baseline=baseline.name, n=p.n,
    )  # fmt: skip


def _rows(arm: ArmProbe, lang: str) -> list[tuple[str, ...]]:
    errors = {(e.intervention, e.size): e for e in arm.found.effects if e.measure == "error_change"}
    rows = []
    for e in arm.found.effects:
        if e.measure != "shift":
            continue
        cells = []
        for one in (e, errors.get((e.intervention, e.size))):
            if one is None:
                cells.append("")
                continue
            decimals = decimals_for(one.ci_high - one.ci_low)
            sign = one.measure == "error_change"
            cells.append(
                f"{fixed(one.mean, decimals, sign=sign)} ({format_interval(one.ci_low, one.ci_high, lang=lang)})"
            )
        rows.append((arm.name, pick(NAMES[e.intervention], lang), str(e.size or ""), *cells))
    return rows


def _html(sentences: Sequence[str], rows: Sequence[Sequence[str]], lang: str) -> str:
    parts = [Markup("<p>{}</p>").format(s) for s in sentences]
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(pick(c, lang)) for c in COLUMNS)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row))
        for row in rows
    )
    parts.append(
        Markup(
            '<div class="scroll"><table class="numbers"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
        ).format(head, body)
    )
    return str(Markup("\n").join(parts))


def _markdown(sentences: Sequence[str], rows: Sequence[Sequence[str]], lang: str) -> str:
    cells = [[pick(c, lang) for c in COLUMNS], ["---"] * len(COLUMNS)]
    cells += [[escape.markdown(c) for c in row] for row in rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return "\n\n".join([*(escape.markdown(s) for s in sentences), table])

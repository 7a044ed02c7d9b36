"""Heads in a report: what each reads, how far heads differ, the heads of two arms as sets, and what each is worth."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports.arm_names import arm_heading, arm_label
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.numbers import decimals_for, fixed, format_p
from crysmm_attn_plugin.reports.part_texts import section
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.heads import divergence, match_heads, redundancy, specialisation
from crysmm_attn_plugin.stats.interventions import faithfulness
from crysmm_attn_plugin.stats.paired import compare_paired
from crysmm_attn_plugin.stats.use_results import Effect
from crysmm_attn_plugin.store.means import MeanCell

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison
    from crysmm_attn_plugin.stats.results import PairedResult
    from crysmm_attn_plugin.store.reader import Run

NAME = "heads"
TITLE = ("Heads", "注意力头")
COLUMNS = (
    ("Arm", "实验组"), ("Head", "头"), ("Reads most", "主要读取"), ("Share", "占比"), ("Specialisation", "专门化程度"),
    ("Redundancy", "冗余度"), ("Shift when made even", "均匀化后的预测偏移"),
)  # fmt: skip
MEASURES = {
    "diversity": ("diversity of the heads", "注意力头的多样性"),
    "redundancy": ("redundancy of the heads", "注意力头的冗余度"),
}
PAIR = (
    "{name}, by the classes of words that they read: {a} in the {arm} and {b} in the {baseline} (difference {difference}, {interval}, "
    "{p}; {n} crystals).",
    "{name}（按所读词类）：{arm}为 {a}，{baseline}为 {b}（差值 {difference}，{interval}，{p}；{n} 个晶体）。",
)
ALONE = (
    "{name} of the {arm}, by the classes of words that they read: {a}.",
    "{arm}的{name}（按所读词类）：{a}。",
)
SETS = (
    "Laid on each other as sets, heads of the two arms are {between} apart (Jensen-Shannon distance, 0 the same, 1 nothing in "
    "common; mean over pairs of trainings)",
    "两组的注意力头按集合最优匹配后相距 {between}（Jensen-Shannon 距离，0 为相同，1 为毫无共同之处；对训练两两取平均）",
)
WITHIN = ("; trainings of one arm are {within} apart.", "；同一组的不同训练之间相距 {within}。")
ONE_TRAINING = (
    "; how far two trainings of one arm are apart is not known from one training each.",
    "；每组仅一次训练，无法得知同组两次训练之间的距离。",
)
NOTE = (
    "Exploratory, p unadjusted. Diversity is 0 where all heads read the same classes and 1 where no two share one; specialisation "
    "is a head's distance from the other heads' mean, redundancy its closeness to the nearest other head. A head's number "
    "means nothing across trainings, so that the table shows each arm's first training, heads counted from 1, and arms are "
    "compared as sets.",
    "探索性结果，p 值未校正。多样性为 0 表示各头读取相同词类，为 1 表示任何两头均无重合；专门化程度为某头与其余各头均值的距离，冗余度为其与最近的另一头的接近程度。"
    "头的编号在不同训练之间没有对应关系，因此表中仅列出每组的第一次训练（头从 1 起编号），组间按集合比较。",
)


@dataclass(frozen=True)
class ArmHeads:
    """One arm's heads.

    Attributes:
        name: The arm.
        shares: Per run (heads, crystals, classes), what each head reads of each crystal; the same crystals in every run.
        classes: Names of the last axis.
        effects: Of the first run's ablated heads; none where it was not probed.
    """

    name: str
    shares: tuple[np.ndarray, ...]
    classes: tuple[str, ...]
    effects: Mapping[int, Effect]

    def per_crystal(self, measure: str) -> np.ndarray:
        """(runs, crystals) of ``diversity`` or ``redundancy`` (mean over heads)."""
        if measure == "diversity":
            return np.stack([divergence(s) for s in self.shares])
        return np.stack([redundancy(s).mean(0) for s in self.shares])


def make(request: PartRequest) -> PartOutput | None:
    """The part, or None where there is one head or what heads read is not known."""
    comparison = request.comparison
    arms = heads_of(comparison)
    if not arms:
        return None
    result = comparison.result
    baseline = next((a for a in arms if a.name == result.baseline), None)
    pairs = [
        (arm, baseline, measure, found)
        for arm in arms
        if baseline is not None and arm is not baseline
        for measure in MEASURES
        if (found := _compared(arm, baseline, measure, result)) is not None
    ]
    sets = {(a.name, b.name): distances(a, b) for a, b in itertools.combinations(arms, 2)}

    def sentences(lang: str) -> list[str]:
        said = [_pair_sentence(*p, lang) for p in pairs] or [
            _alone(a, m, lang) for a in arms for m in MEASURES
        ]
        return [*said, *(_sets_sentence(*found, lang) for found in sets.values()), pick(NOTE, lang)]

    part = section(
        NAME,
        TITLE,
        request.langs,
        sentences,
        COLUMNS,
        lambda lang: [row for a in arms for row in _rows(a, lang)],
    )
    numbers: dict[str, Any] = {a.name: _numbers(a) for a in arms}
    for arm, other, measure, found in pairs:
        numbers[f"{arm.name}/{other.name}/{measure}"] = {
            "difference": found.mean_difference, "ci_low": found.ci_low, "ci_high": found.ci_high, "p": found.p_value,
            "n": found.n,
        }  # fmt: skip
    for (a, b), (between, within) in sets.items():
        numbers[f"{a}/{b}/distance"] = {"between_arms": between, "within_arms": within}
    return PartOutput([part], (), numbers)


def heads_of(comparison: Comparison) -> list[ArmHeads]:
    """What the heads of every arm read; nothing where an arm has one head, or no class of words is known."""
    result = comparison.result
    runs = {
        summary.name: [
            (next(r for r in comparison.runs[summary.name] if r.run_id == run_id), digest)
            for run_id, digest in zip(summary.run_ids, summary.checkpoints)
        ]
        for summary in result.arms
    }
    ids = list(comparison.samples["id"])
    read = {
        name: [_shares(run, digest, result, ids) for run, digest in members] for name, members in runs.items()
    }
    if any(s is None for members in read.values() for s in members):
        return []
    whole = np.all(
        [np.isfinite(s).all((0, 2)) for members in read.values() for s in members if s is not None], 0
    )
    if whole.sum() < 2:
        return []
    return [
        ArmHeads(
            name, tuple(s[:, whole] for s in read[name] if s is not None), tuple(TOKEN_CATEGORIES),
            _effects(*runs[name][0], result),
        )
        for name in comparison.arms
    ]  # fmt: skip


def _shares(run: Run, digest: str, result: Any, ids: Sequence[str]) -> np.ndarray | None:
    """(heads, crystals, classes) of one run, in the order of ``ids``; NaN where a crystal's words are not known."""
    names = [f"mass_{c}" for c in TOKEN_CATEGORIES]
    means = run.crystal_means(
        digest,
        result.split,
        module=result.module,
        directions=result.directions[:1],
        metrics=names,
        per_head=names,
    )
    cell = MeanCell(result.module, result.directions[0])
    if cell not in means.cells or set(means.metrics) != set(names) or means.n_heads < 2:
        return None
    found = np.stack([means.heads(cell, name, ids) for name in names], -1).swapaxes(0, 1)
    found[:, ~(found.sum(-1) > 0).all(0)] = np.nan
    return found


def _effects(run: Run, digest: str, result: Any) -> dict[int, Effect]:
    rows = run.interventions
    if not len(rows):
        return {}
    chosen = rows[
        (rows["checkpoint"] == digest) & (rows["split"] == result.split) & (rows["module"] == result.module)
        & (rows["direction"] == result.directions[0]) & (rows["intervention"] == "head")
    ]  # fmt: skip
    effects = faithfulness(chosen, alpha=result.alpha, seed=result.seed).heads if len(chosen) else ()
    calls = {e.call for e in effects}
    return {e.head: e for e in effects if e.measure == "shift"} if len(calls) == 1 else {}


def distances(first: ArmHeads, second: ArmHeads) -> tuple[float, float | None]:
    """Mean distance of matched heads between trainings of two arms, and between trainings of one; None with one each."""
    between = [_distance(a, b) for a in first.shares for b in second.shares]
    within = [_distance(a, b) for arm in (first, second) for a, b in itertools.combinations(arm.shares, 2)]
    return float(np.mean(between)), float(np.mean(within)) if within else None


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    matched, apart = match_heads(a, b)
    return float(np.mean([apart[i, j] for i, j in matched]))


def _compared(arm: ArmHeads, baseline: ArmHeads, measure: str, result: Any) -> PairedResult | None:
    a, b = arm.per_crystal(measure), baseline.per_crystal(measure)
    if a.shape[1] < 2:
        return None
    return compare_paired(a, b, alpha=result.alpha, seed=result.seed, n_resamples=2000)


def _pair_sentence(arm: ArmHeads, baseline: ArmHeads, measure: str, p: PairedResult, lang: str) -> str:
    decimals = decimals_for(p.ci_high - p.ci_low)
    name = pick(MEASURES[measure], lang)
    return pick(PAIR, lang).format(
        name=name[:1].upper() + name[1:], arm=arm_label(arm.name, lang),
        baseline=arm_label(baseline.name, lang), a=fixed(p.mean_a, decimals), b=fixed(p.mean_b, decimals), difference=fixed(p.mean_difference, decimals, sign=True),
        interval=Wording(lang, "nature").interval(p.ci_low, p.ci_high), p=format_p(p.p_value, lang=lang), n=p.n,
    )  # fmt: skip


def _alone(arm: ArmHeads, measure: str, lang: str) -> str:
    name = pick(MEASURES[measure], lang)
    return pick(ALONE, lang).format(
        name=name[:1].upper() + name[1:],
        arm=arm_label(arm.name, lang),
        a=fixed(float(arm.per_crystal(measure).mean()), 3),
    )


def _sets_sentence(between: float, within: float | None, lang: str) -> str:
    rest = pick(ONE_TRAINING, lang) if within is None else pick(WITHIN, lang).format(within=fixed(within, 3))
    return pick(SETS, lang).format(between=fixed(between, 3)) + rest


def _rows(arm: ArmHeads, lang: str) -> list[tuple[str, ...]]:
    shares = arm.shares[0]
    special, redundant = specialisation(shares).mean(1), redundancy(shares).mean(1)
    rows: list[tuple[str, ...]] = []
    for head, read in enumerate(shares.mean(1)):
        most = int(read.argmax())
        effect = arm.effects.get(head)
        shift = ""
        if effect is not None:
            shift = Wording(lang, "nature").with_interval(effect.mean, effect.ci_low, effect.ci_high)
        rows.append(
            (
                arm_heading(arm.name, lang), str(head + 1), pick(TOKEN_CATEGORIES[arm.classes[most]], lang),
                fixed(float(read[most]), 2), fixed(float(special[head]), 3), fixed(float(redundant[head]), 3), shift,
            )
        )  # fmt: skip
    return rows


def _numbers(arm: ArmHeads) -> dict[str, Any]:
    return {
        "diversity": float(arm.per_crystal("diversity").mean()),
        "redundancy": float(arm.per_crystal("redundancy").mean()),
        "runs": [
            {
                "specialisation": specialisation(s).mean(1).tolist(),
                "redundancy": redundancy(s).mean(1).tolist(),
                "reads": [dict(zip(arm.classes, map(float, head))) for head in s.mean(1)],
            }
            for s in arm.shares
        ],
    }

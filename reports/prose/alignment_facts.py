"""What a paragraph may say of alignment, of blocks, and of whether the attention is used: numbers of the result as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crysmm_attn_plugin.builtin.metrics import ALIGNMENT_PRIMARY
from crysmm_attn_plugin.reports.arm_names import arm_label
from crysmm_attn_plugin.reports.numbers import fixed, format_number, interval_decimals
from crysmm_attn_plugin.reports.prose.facts import Kind, kind_of
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.interventions import NEGLIGIBLE
from crysmm_attn_plugin.stats.results import (
    ArmUse,
    Claim,
    ComparisonResult,
    MetricResult,
    PairComparison,
    PairedResult,
)

#: Chance level of the alignment metric: what attention has that reads the same whatever the row.
CHANCE = 0.5
#: Metrics of block structure in reading order -> what stands between the blocks.
BLOCKS = {
    "element_blocks": ("elements", "元素"),
    "site_blocks": ("inequivalent sites of one element", "同一元素的不等价位点"),
    "word_blocks": ("classes of words", "词类"),
}


@dataclass(frozen=True)
class ComparedFact:
    """One number of both arms with its difference.

    Attributes:
        label: What it is of; empty for the alignment metric.
        kind: What may be said of it; ``estimate`` where no test is told.
        sign: Of the difference.
        low_arms: Labels of arms whose mean is not above chance (alignment alone).
        fresh: Means under re-initialised weights, (arm, baseline); empty where not captured.
        break_even: Standard deviation between runs above which training alone gives such a difference in more than 1 of 20;
            empty with several runs.
    """

    label: str
    kind: Kind | str
    sign: int
    mean_a: str
    mean_b: str
    difference: str
    interval: str
    p: str
    n: int
    disagreement: str
    low_arms: tuple[str, ...]
    fresh: tuple[str, ...]
    break_even: str


@dataclass(frozen=True)
class UseFact:
    """What interventions say of one arm; empty strings where something was not probed.

    Attributes:
        words: Words were hidden, not atoms.
        below: A difference from random words was found that is too small to count as use.
    """

    label: str
    claim: Claim
    n_runs: int
    word: str
    words: bool
    size: int
    n: int
    most: str
    random: str
    difference: str
    interval: str
    p: str
    error: str
    error_interval: str
    error_p: str
    own: str
    own_interval: str
    own_p: str
    even: str
    even_interval: str
    below: bool


def alignment_facts(result: ComparisonResult, pair: PairComparison | None, w: Wording) -> dict[str, Any]:
    """Values of the templates' part on alignment: ``auc``, ``blocks``, ``uses``, ``use_between``, ``aligned_mean``.

    Args:
        result: The comparison.
        pair: One of its pairs; None for one arm alone.
        w: Language and style.
    """
    arms = (pair.arm, pair.baseline) if pair is not None else tuple(a.name for a in result.arms[:1])
    reading = _reading(result, pair)
    auc = reading.get(ALIGNMENT_PRIMARY)
    alone = result.arms[0].means.get(ALIGNMENT_PRIMARY) if pair is None else None
    return {
        "auc": None if auc is None or pair is None else _compared(auc, "", result, pair, w),
        "blocks": [
            _compared(reading[name], w.pick(texts), result, pair, w)
            for name, texts in BLOCKS.items()
            if pair is not None and name in reading
        ],
        "aligned_mean": format_number(alone) if alone is not None else "",
        "uses": every_use(result, w, arms),
        "use_between": _between(pair.use, w) if pair is not None and pair.use is not None else None,
        "from_atoms": not result.directions or result.directions[0] == "atom_to_text",
        "negligible_use": w.percent(100 * NEGLIGIBLE).replace(".0%", "%"),
    }


def every_use(result: ComparisonResult, w: Wording, arms: Sequence[str] | None = None) -> list[UseFact]:
    """What interventions say of some arms, in that order; of all that were probed when None."""
    known = {u.arm: u for u in result.use if _main(u) is not None}
    return [
        _use(known[name], _claim(known[name], result), w)
        for name in (known if arms is None else arms)
        if name in known
    ]


def _reading(result: ComparisonResult, pair: PairComparison | None) -> dict[str, MetricResult]:
    """Results in the reading that carries the verdict: first direction, all tokens, metric first."""
    if pair is None or not result.directions:
        return {}
    wanted = (result.directions[0], "with_special", "metric_then_heads")
    return {m.metric: m for m in pair.metrics if (m.direction, m.scope, m.aggregation) == wanted}


def _compared(
    m: MetricResult, label: str, result: ComparisonResult, pair: PairComparison, w: Wording
) -> ComparedFact:
    r = m.paired
    decimals = interval_decimals(r.ci_low, r.ci_high)
    kind: Kind | str = "untested" if m.outcome == "not_tested" else kind_of(m, result.alpha)
    fresh = (m.reinitialised_mean_a, m.reinitialised_mean_b)
    return ComparedFact(
        label=label,
        kind=kind,
        sign=(r.mean_difference > 0) - (r.mean_difference < 0),
        mean_a=fixed(r.mean_a, decimals),
        mean_b=fixed(r.mean_b, decimals),
        difference=fixed(r.mean_difference, decimals),
        interval=w.interval(r.ci_low, r.ci_high),
        p=w.p(m.p_adjusted if m.p_adjusted is not None else r.p_value),
        n=r.n,
        disagreement=m.disagreement,
        low_arms=tuple(
            arm_label(name, w.lang)
            for name, mean in ((pair.arm, r.mean_a), (pair.baseline, r.mean_b))
            if mean <= CHANCE
        ),
        fresh=tuple(fixed(v, decimals) for v in fresh if v is not None) if None not in fresh else (),
        break_even=format_number(m.break_even_run_sd) if m.break_even_run_sd is not None else "",
    )


def _main(use: ArmUse) -> PairedResult | None:
    found = use.found.contrast("most_attended")
    return None if found is None else found.paired


def _claim(use: ArmUse, result: ComparisonResult) -> Claim:
    """What may be claimed of an arm: no verdict where one of its comparisons withholds it."""
    withheld = any(pair.claim == "estimates" for pair in result.pairs if use.arm in (pair.arm, pair.baseline))
    return "estimates" if use.claim == "verdict" and withheld else use.claim


def _use(use: ArmUse, claim: Claim, w: Wording) -> UseFact:
    found = use.found
    main = _main(use)
    if main is None:
        raise AssertionError("arms without the main contrast are left out")
    error, own = found.contrast("most_attended", "error_change"), found.contrast("own_element", size=0)
    even = next((e for e in found.effects if (e.intervention, e.measure) == ("uniform", "shift")), None)
    error_texts, own_texts = (_texts(c.paired if c else None, w) for c in (error, own))
    decimals = interval_decimals(main.ci_low, main.ci_high)
    difference, interval, p = _texts(main, w)
    return UseFact(
        label=arm_label(use.arm, w.lang),
        claim=claim,
        n_runs=use.n_runs,
        word=found.use,
        words=use.direction == "atom_to_text",
        size=found.tested_size,
        n=main.n,
        most=fixed(main.mean_a, decimals),
        random=fixed(main.mean_b, decimals),
        difference=difference,
        interval=interval,
        p=p,
        error=error_texts[0],
        error_interval=error_texts[1],
        error_p=error_texts[2],
        own=own_texts[0],
        own_interval=own_texts[1],
        own_p=own_texts[2],
        even=format_number(even.mean, even.ci_low, even.ci_high) if even else "",
        even_interval=w.interval(even.ci_low, even.ci_high) if even else "",
        below=claim in ("verdict", "checkpoints")
        and found.use == "unclear"
        and main.ci_low > 0
        and main.mean_difference < NEGLIGIBLE * found.spread,
    )


def _texts(r: PairedResult | None, w: Wording) -> tuple[str, str, str]:
    if r is None:
        return "", "", ""
    return (
        format_number(r.mean_difference, r.ci_low, r.ci_high),
        w.interval(r.ci_low, r.ci_high),
        w.p(r.p_value),
    )


def _between(r: PairedResult, w: Wording) -> tuple[str, str, str, int]:
    return (*_texts(r, w), r.n)


def established(blocks: Sequence[ComparedFact], sign: int) -> list[ComparedFact]:
    """Blocks whose difference is established in one direction."""
    return [b for b in blocks if b.kind in ("supports", "opposes", "differs") and b.sign == sign]

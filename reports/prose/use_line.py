"""Whether each arm uses its attention, in one line, as the first screen of the page and ``report.md`` show it."""

from __future__ import annotations

from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.prose.alignment_facts import UseFact, every_use
from crysmm_attn_plugin.reports.prose.wording import Wording, capital, joined
from crysmm_attn_plugin.stats.results import ComparisonResult, PairComparison

#: What interventions say of an arm in a word; estimates take no side.
USE = {
    "used": ("used", "被使用"),
    "not_used": ("not used", "未被使用"),
    "unclear": ("not established", "尚不能确定"),
    "estimate": ("estimate", "仅为估计"),
}
_ARM = (
    "{arm}: {word}, shift beyond random ones where the {size} most attended are hidden {difference} ({interval})",
    "{arm}：{word}，遮蔽注意力最高的 {size} 个时超出随机情形的偏移 {difference}（{interval}）",
)


def use_word(use: UseFact, lang: str) -> str:
    """``used``, ``not used``, ``not established``, or ``estimate`` where no side may be taken."""
    return pick(USE[use.word if use.claim in ("verdict", "checkpoints") else "estimate"], lang)


def use_line(result: ComparisonResult, pair: PairComparison, lang: str) -> str:
    """Both arms of a pair in one line; empty where neither was probed."""
    w = Wording(lang, "nature")
    return joined(
        lang,
        *(
            pick(_ARM, lang).format(
                arm=capital(u.label), word=use_word(u, lang), size=u.size, difference=u.difference, interval=u.interval
            )
            for u in every_use(result, w, (pair.arm, pair.baseline))
        ),
    )  # fmt: skip

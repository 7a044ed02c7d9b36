"""From the captured numbers to a section of the report, in both languages.

Ids and arm names are data: they are escaped for HTML and for Markdown before they go into the section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.numbers import fixed
from crysmm_attn_plugin.reports.sections import Section

if TYPE_CHECKING:
    import pandas as pd

    from crysmm_attn_plugin.reports.comparison import Comparison

NAME = "own_element_hits"
#: Crystals named in the section.
SHOWN = 3
TITLE = {"en": "Atoms that read their own element first", "zh": "首先关注自身元素的原子"}
EXPLANATION = {
    "en": "Share of a crystal's atoms whose most attended token is a mention of their own element, mean over heads.",
    "zh": "最受关注的 token 为自身元素名称的原子所占比例,对各注意力头取平均。",
}
COLUMNS = {"en": ("Arm", "Mean share", "Crystals"), "zh": ("组别", "平均比例", "晶体数")}
CHANGED = {"en": "Largest changes from {baseline} to {arm}:", "zh": "由 {baseline} 到 {arm} 变化最大的晶体:"}
MISSING = {
    "en": "The runs were captured without this plugin: they do not hold its metric.",
    "zh": "记录这些运行时未安装本插件,因此没有该指标。",
}


def section(comparison: Comparison) -> Section:
    """The section of one comparison, or of one arm alone.

    Args:
        comparison: What is reported.
    """
    values = {arm: per_crystal(comparison, arm) for arm in comparison.arms}
    if any(v is None for v in values.values()):
        return Section("own-element-hits", TITLE, {k: f"<p>{v}</p>" for k, v in MISSING.items()}, MISSING)
    shared = sorted(set.intersection(*(set(v.index) for v in values.values())))
    frame = {arm: v.loc[shared] for arm, v in values.items()}
    return Section(
        "own-element-hits",
        TITLE,
        {lang: _html(comparison, frame, lang) for lang in TITLE},
        {lang: _markdown(comparison, frame, lang) for lang in TITLE},
    )


def per_crystal(comparison: Comparison, arm: str) -> pd.Series | None:
    """The metric of each crystal in an arm's first run, mean over heads; None where it was not captured."""
    rows = comparison.run(arm).attention
    if NAME not in rows:
        return None
    chosen = rows[
        (rows["checkpoint"] == comparison.digest(arm))
        & (rows["module"] == comparison.result.module)
        & (rows["direction"] == "atom_to_text")
        & (rows["weights"] == "model")
        & (rows["head"] >= 0)
        & rows["with_special_tokens"]
        & ~rows["stopwords_removed"]
        & rows["crystal"].isin(comparison.samples["id"])
    ]
    return chosen.groupby("crystal")[NAME].mean()


def _table(frame: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(arm, fixed(values.mean(), 3), str(len(values))) for arm, values in frame.items()]


def _changes(comparison: Comparison, frame: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Arm, baseline, and the crystals that changed most, each with its change."""
    found = []
    for pair in comparison.result.pairs:
        change = frame[pair.arm] - frame[pair.baseline]
        largest = change.abs().sort_values(ascending=False, kind="stable").index[:SHOWN]
        crystals = [f"{i} ({fixed(change[i], 3, sign=True)})" for i in largest]
        found.append((pair.arm, pair.baseline, crystals))
    return found


def _html(comparison: Comparison, frame: dict[str, Any], lang: str) -> str:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(c) for c in COLUMNS[lang])
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row))
        for row in _table(frame)
    )
    parts = [
        Markup("<p>{}</p>").format(EXPLANATION[lang]),
        Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body),
    ]
    for arm, baseline, crystals in _changes(comparison, frame):
        text = CHANGED[lang].format(arm=arm, baseline=baseline)
        parts.append(Markup("<p>{} {}</p>").format(text, ", ".join(crystals)))
    return str(Markup("\n").join(parts))


def _markdown(comparison: Comparison, frame: dict[str, Any], lang: str) -> str:
    rows = [COLUMNS[lang], ("---",) * 3, *(tuple(map(escape.markdown, row)) for row in _table(frame))]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    parts = [EXPLANATION[lang], table]
    for arm, baseline, crystals in _changes(comparison, frame):
        text = CHANGED[lang].format(arm=escape.markdown(arm), baseline=escape.markdown(baseline))
        parts.append(f"{text} {', '.join(map(escape.markdown, crystals))}")
    return "\n\n".join(parts)

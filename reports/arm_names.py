"""The one name of an arm: in prose, tables, figures and on the page."""

from __future__ import annotations

import re

from crysmm_attn_plugin.reports.language import pick

FULL = ("full model", "全模态模型")
NO_MIDDLE = ("model without middle fusion", "无中期融合模型")
BASELINE = ("baseline model", "基线模型")
OTHER = ("{arm} model", "{arm}模型")
#: Names in use for the guide's two arms, in lower case; ``houqi`` (late) names the guide's own second folder.
_KNOWN = {
    **dict.fromkeys(("full", "full_model", "full model", "全模态", "全模态模型", "完整模型"), FULL),
    **dict.fromkeys(
        ("no_middle", "no-middle", "nomiddle", "no middle", "without_middle", "without-middle", "no_middle_fusion",
         "without_middle_fusion", "无中期融合", "无中期融合模型", "无中期"), NO_MIDDLE,
    ),
    **dict.fromkeys(("baseline", "基线", "基线模型", "基准", "对照", "对照组"), BASELINE),
}  # fmt: skip
#: Names that mark the baseline arm, first found wins.
BASELINE_NAMES = (
    *(name for name, label in _KNOWN.items() if label is BASELINE),
    "base", "control",
    *(name for name, label in _KNOWN.items() if label is NO_MIDDLE),
    "houqi", "后期", "后期融合", "late",
)  # fmt: skip


def arm_label(name: str, lang: str) -> str:
    """An arm as prose calls it: the guide's two by their names, others as ``x model``.

    Args:
        name: The arm's own name, in any script.
        lang: A known language's code.
    """
    shown = " ".join(str(name).split()) or "?"
    known = _KNOWN.get(shown.lower())
    if known:
        return pick(known, lang)
    if shown.endswith("模型") or shown.lower().endswith(" model") or shown.lower() == "model":
        return shown
    return pick(OTHER, lang).format(arm=shown)


def arm_heading(name: str, lang: str) -> str:
    """``arm_label`` at the beginning of a line: a word gets its capital, a name with signs in it stays as it is."""
    label = arm_label(name, lang)
    return label[:1].upper() + label[1:] if re.fullmatch(r"[a-z]+( [a-z]+)*", label) else label


def is_about_middle_fusion(arm: str, baseline: str) -> bool:
    """Whether two arms are the guide's two."""
    labels = {_KNOWN.get(" ".join(a.split()).lower()) for a in (arm, baseline)}
    return labels == {FULL, NO_MIDDLE}

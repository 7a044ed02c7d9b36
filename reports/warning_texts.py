"""Warnings of the statistics in the reader's language. The English sentence is the statistics' own."""

from __future__ import annotations

import re

#: pattern of the English sentence -> Chinese sentence, with the pattern's groups
_ZH: tuple[tuple[str, str], ...] = (
    (r"only (?P<n>\d+) crystals are in every run; no inference is made below (?P<least>\d+)",
     "只有 {n} 个晶体为各次训练所共有；少于 {least} 个时不作推断。"),
    (r"(?P<n>\d+) crystals are fewer than (?P<least>\d+)", "晶体 {n} 个，少于 {least} 个，区间较宽，较小的效应难以检出。"),
    (r"the arms (?P<a>.+?) and (?P<b>.+?) also differ in (?P<what>.+?): a difference",
     "{a} 与 {b} 两组在 {what} 上也不相同，差异不能只归于融合方式。"),
    (r"arm (?P<arm>.+?): runs (?P<a>\S+) and (?P<b>\S+) hold the same weights",
     "{arm} 组的运行 {a} 与 {b} 权重相同，只计为一次训练。"),
    (r"arm (?P<arm>.+?): its runs are represented by checkpoints of different roles \((?P<roles>.+?)\)",
     "{arm} 组各次训练所取的检查点依据不同（{roles}）。"),
    (r"the model has several attention modules; (?P<chosen>.+?) is compared, (?P<rest>.+?) not",
     "模型有多个注意力模块；此处比较 {chosen}，未比较 {rest}。"),
    (r"(?P<n>\d+) crystals have another text in arm (?P<a>.+?) than in arm (?P<b>.+)",
     "有 {n} 个晶体在 {a} 组与 {b} 组中的文本不同。"),
    (r"every crystal has the same difference", "每个晶体的差值都相同，没有可用于构造区间的变异。"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), text) for pattern, text in _ZH)


def warning_text(warning: str, lang: str) -> str:
    """One whole sentence with its full stop.

    Args:
        warning: The English sentence of the result.
        lang: ``en`` or ``zh``; Chinese for a warning that is not known points to ``result.json``.
    """
    english = " ".join(warning.split()).rstrip(".")
    if lang != "zh":
        return english[:1].upper() + english[1:] + "."
    for pattern, text in _COMPILED:
        found = pattern.match(english)
        if found:
            return text.format(**{k: v.replace(", ", "、") for k, v in found.groupdict().items()})
    return "统计另有一项提示，原文见 result.json 的 warnings。"

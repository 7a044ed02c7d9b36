"""Warnings of the statistics in the reader's language. The English sentence is the statistics' own."""

from __future__ import annotations

import re

from crysmm_attn_plugin.reports.language import marks, pick

#: pattern of the English sentence -> (English template, Chinese one), with the pattern's groups as fields
_TEXTS: tuple[tuple[str, tuple[str, str]], ...] = (
    (r"only (?P<n>\d+) crystals are in every run; no inference is made below (?P<least>\d+)",
     ("Only {n} crystals are in every run; no inference is made below {least}.",
      "只有 {n} 个晶体为各次训练所共有；少于 {least} 个时不作推断。")),
    (r"(?P<n>\d+) crystals are fewer than (?P<least>\d+)",
     ("{n} crystals are fewer than {least}: intervals are wide, and small effects are missed.",
      "晶体 {n} 个，少于 {least} 个，区间较宽，较小的效应难以检出。")),
    (r"the arms (?P<a>.+?) and (?P<b>.+?) also differ in (?P<what>.+?): a difference",
     ("The arms {a} and {b} also differ in {what}: a difference cannot be put down to the fusion alone.",
      "{a} 与 {b} 两组在 {what} 上也不相同，差异不能只归于融合方式。")),
    (r"arm (?P<arm>.+?): runs (?P<a>\S+) and (?P<b>\S+) hold the same weights",
     ("Arm {arm}: runs {a} and {b} hold the same weights and count once.",
      "{arm} 组的运行 {a} 与 {b} 权重相同，只计为一次训练。")),
    (r"arm (?P<arm>.+?): its runs are represented by checkpoints of different roles \((?P<roles>.+?)\)",
     ("Arm {arm}: its runs are represented by checkpoints of different roles ({roles}).",
      "{arm} 组各次训练所取的检查点依据不同（{roles}）。")),
    (r"the model has several attention modules; (?P<chosen>.+?) is compared, (?P<rest>.+?) not",
     ("The model has several attention modules; {chosen} is compared, {rest} not.",
      "模型有多个注意力模块；此处比较 {chosen}，未比较 {rest}。")),
    (r"(?P<n>\d+) crystals have another text in arm (?P<a>.+?) than in arm (?P<b>.+)",
     ("{n} crystals have another text in arm {a} than in arm {b}.",
      "有 {n} 个晶体在 {a} 组与 {b} 组中的文本不同。")),
    (r"every crystal has the same difference",
     ("Every crystal has the same difference: there is no variation to make an interval from.",
      "每个晶体的差值都相同，没有可用于构造区间的变异。")),
    ("",
     ("The statistics have one more warning; see warnings in result.json.",
      "统计另有一项提示，原文见 result.json 的 warnings。")),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), texts) for pattern, texts in _TEXTS)


def warning_text(warning: str, lang: str) -> str:
    """One whole sentence with its full stop.

    Args:
        warning: The English sentence of the result; a warning that is not known is shown so where English stands in.
        lang: A known language's code; other languages point to ``result.json`` for a warning that is not known.
    """
    english = " ".join(warning.split()).rstrip(".")
    found, texts = next((m, texts) for pattern, texts in _COMPILED if (m := pattern.match(english)))
    text = pick(texts, lang)
    if text == texts[0]:
        return english[:1].upper() + english[1:] + "."
    return text.format(**{k: v.replace(", ", marks(lang).list) for k, v in found.groupdict().items()})

"""Alarms in the reader's language: the English sentence comes with the alarm, others with its kind."""

from __future__ import annotations

from crysmm_attn_plugin.catalogue import ALARMS
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports.added import filled
from crysmm_attn_plugin.reports.language import pick

DIRECTIONS = {"atom_to_text": ("atom-to-text", "原子到文本"), "text_to_atom": ("text-to-atom", "文本到原子")}


def alarm_text(alarm: Alarm, lang: str) -> str:
    """One sentence; in Chinese a code that is not known points to ``result.json``.

    Args:
        alarm: The alarm.
        lang: A known language's code.
    """
    kind = ALARMS.get(alarm.code)
    text = kind.texts.get(lang) if kind is not None and lang != "en" else None
    if text is not None:
        direction = pick(DIRECTIONS.get(alarm.direction, (alarm.direction,) * 2), lang)
        return filled(text, {**alarm.detail, "module": alarm.module, "direction": direction})
    if lang == "zh":
        return f"记录时另有一项警示（代码 {alarm.code}），原文见 result.json。"
    text = " ".join(alarm.message.split())
    if alarm.module and text.startswith(alarm.module):
        return text  # a name is written as it is
    return text[:1].upper() + text[1:]

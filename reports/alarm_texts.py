"""Alarms in the reader's language: the English sentence comes with the alarm, others with its kind."""

from __future__ import annotations

from crysmm_attn_plugin.catalogue import ALARMS
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports.added import filled
from crysmm_attn_plugin.reports.language import SOURCE, pick

DIRECTIONS = {"atom_to_text": ("atom-to-text", "原子到文本"), "text_to_atom": ("text-to-atom", "文本到原子")}
UNKNOWN = "记录时另有一项警示（代码 {code}），原文见 result.json。"


def alarm_text(alarm: Alarm, lang: str) -> str:
    """One sentence. Its English may come with the alarm itself; where a language has no text for the code, it says so.

    Args:
        alarm: The alarm.
        lang: A known language's code.
    """
    kind = ALARMS.get(alarm.code)
    told = " ".join(alarm.message.split())
    if not (alarm.module and told.startswith(alarm.module)):  # a name is written as it is
        told = told[:1].upper() + told[1:]
    # the sentence that came with the alarm may hold more than its kind's
    texts = {"zh": UNKNOWN.format(code=alarm.code), **(kind.texts if kind is not None else {}), SOURCE: told}
    text = pick(texts, lang)
    if text == told:
        return told
    values = {**alarm.detail, "module": alarm.module, "direction": direction_name(alarm.direction, lang)}
    return filled(text, values)


def direction_name(direction: str, lang: str) -> str:
    """A direction of attention in running text."""
    return pick(DIRECTIONS.get(direction, (direction, direction)), lang)

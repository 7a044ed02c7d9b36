"""Alarms and warnings in the reader's language: by their code, from the language itself or from the alarm's kind."""

from __future__ import annotations

from collections.abc import Iterable

from crysmm_attn_plugin.alarms import fields, filled
from crysmm_attn_plugin.catalogue import ALARMS
from crysmm_attn_plugin.records import Alarm
from crysmm_attn_plugin.reports.language import SOURCE, line_of, marks, pick

DIRECTIONS = {
    "atom_to_text": ("atom-to-text", "原子到文本"),
    "text_to_atom": ("text-to-atom", "文本到原子"),
    "": ("undirected", "无方向"),
}


def alarm_text(alarm: Alarm, lang: str) -> str:
    """One sentence.

    The English one came with the alarm. Another language's is its own for the code, else the kind's, else the language's
    translation of the kind's English one; one that asks for a value that the alarm does not hold is not used. Where there
    is none, the language says so by the text it has for the empty code, or shows the English sentence.

    Args:
        alarm: The alarm.
        lang: A known language's code.
    """
    kind = ALARMS.get(alarm.code)
    given = kind.texts if kind is not None else {}
    values = {**alarm.detail, "module": alarm.module, "direction": direction_name(alarm.direction, lang)}
    for language in line_of(lang):
        if language.code == SOURCE:
            break
        english = given.get(SOURCE, "")
        text = language.alarms.get(alarm.code) or given.get(language.code) or language.texts.get(english)
        if text and fields(text) <= values.keys():
            return _begun(filled(text, values, marks(lang)), named=text.startswith("{"))
        if "" in language.alarms:
            return filled(language.alarms[""], {"code": alarm.code})
    told = " ".join(alarm.message.split())
    return _begun(told, named=bool(alarm.module) and told.startswith(alarm.module))


def alarm_texts(alarms: Iterable[Alarm], lang: str) -> list[str]:
    """Their sentences, each once."""
    return list(dict.fromkeys(alarm_text(alarm, lang) for alarm in alarms))


def direction_name(direction: str, lang: str) -> str:
    """A direction of attention in running text."""
    return pick(DIRECTIONS.get(direction, (direction, direction)), lang)


def _begun(sentence: str, *, named: bool) -> str:
    """A sentence with a capital first, unless it begins with a name, which is written as it is."""
    return sentence if named else sentence[:1].upper() + sentence[1:]

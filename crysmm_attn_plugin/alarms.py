"""Alarms by code: what was seen goes into ``detail``, the sentence is the kind's own. Readers say it in their language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from crysmm_attn_plugin.catalogue import ALARMS
from crysmm_attn_plugin.descriptors import AlarmKind
from crysmm_attn_plugin.language_forms import Marks
from crysmm_attn_plugin.records import Alarm

#: The code of a sentence that an older version wrote without one.
UNCODED = "uncoded"
#: In place of a direction where the sides are not known.
UNDIRECTED = "undirected"
_FIELD = re.compile(r"\{(\w+)(?::([^{}]*))?\}")


def raised(code: str, *, module: str = "", direction: str = "", **detail: Any) -> Alarm:
    """An alarm of a known kind, its English sentence filled in.

    Args:
        code: A kind's code.
        module: Where it was seen, or empty.
        direction: Direction of attention, or empty.
        **detail: Values behind the sentence, JSON-ready; a list is joined as the reader's language joins one.

    Raises:
        KeyError: When no kind has this code.
    """
    return of_kind(ALARMS[code], module=module, direction=direction, detail=detail)


def of_kind(
    kind: AlarmKind, *, module: str = "", direction: str = "", detail: Mapping[str, Any] | None = None
) -> Alarm:
    """An alarm of a kind, its English sentence filled in; see ``raised``."""
    text = kind.texts.get("en") or next(iter(kind.texts.values()), kind.code)
    values = {**(detail or {}), "module": module, "direction": direction or UNDIRECTED}
    return Alarm(kind.code, filled(text, values), module, direction, dict(detail or {}))


def filled(text: str, values: Mapping[str, Any], marks: Marks | None = None) -> str:
    """A sentence with its fields (``{n}``, ``{share:.0%}``) filled in, once; one that has no value stays as it is.

    Args:
        text: The sentence.
        values: Field -> value; lists are joined.
        marks: Punctuation of the sentence's language; English when None.
    """

    def value(field: re.Match[str]) -> str:
        if field[1] not in values:
            return field[0]
        found = values[field[1]]
        if isinstance(found, (list, tuple)):
            return (marks or Marks()).join([str(x) for x in found])
        try:
            return format(found, field[2] or "")
        except (TypeError, ValueError):  # an older run's value may be of another type
            return str(found)

    return _FIELD.sub(value, text)


def fields(text: str) -> frozenset[str]:
    """Names of a sentence's fields."""
    return frozenset(field[1] for field in _FIELD.finditer(text))

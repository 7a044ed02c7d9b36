"""What a hook may return: what is not that is told, and left out before anyone uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from crysmm_attn_plugin.descriptors import AlarmKind, Language, Metric, ReportPart
from crysmm_attn_plugin.records import BatchIdentity


def _is(cls: type) -> Callable[[Any], bool]:
    return lambda item: isinstance(item, cls)


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda item: not isinstance(item, type) and all(hasattr(item, n) for n in names)


#: Hook -> (what an item must be, its name in a message); the hook returns a sequence of them.
ITEMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "attn_host_adapters": (_has("name", "matches", "load"), "host adapter"),
    "attn_metrics": (_is(Metric), "descriptors.Metric"),
    "attn_languages": (_is(Language), "descriptors.Language"),
    "attn_alarms": (_is(AlarmKind), "descriptors.AlarmKind"),
    "attn_report_parts": (_is(ReportPart), "descriptors.ReportPart"),
    "attn_trackers": (_has("name", "active", "named_by_environment", "log"), "tracker"),
    "attn_report_sections": (_has("id", "title", "html", "markdown"), "reports.sections.Section"),
}
#: Hook -> what its one value must be.
VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "attn_identify_batch": (_is(BatchIdentity), "records.BatchIdentity"),
    "attn_batch_metrics": (_is(Mapping), "mapping of metric names to tensors"),
}


def checked(hook: str, value: Any) -> tuple[Any, str]:
    """What of a hook's value can be used, and what is wrong with the rest."""
    if value is None:
        return None, ""
    if hook in VALUES:
        fits, what = VALUES[hook]
        return (value, "") if fits(value) else (None, f"must return a {what}, returned {_shown(value)}")
    if hook not in ITEMS:
        return value, ""
    fits, what = ITEMS[hook]
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        if fits(value):  # one thing instead of a list of one
            return [value], ""
        return None, f"must return a list of {what}s, returned {_shown(value)}"
    items = list(value)
    good = [item for item in items if fits(item)]
    bad = [item for item in items if not fits(item)]
    return good, f"returned {_shown(bad[0])} where a {what} was expected" if bad else ""


def _shown(value: Any) -> str:
    return type(value).__name__

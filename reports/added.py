"""What plugins bring to a comparison: metrics known from stored runs, alarms of failed plugins, alarms of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin import catalogue
from crysmm_attn_plugin.alarms import of_kind
from crysmm_attn_plugin.descriptors import AlarmKind
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.records import Alarm

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison
    from crysmm_attn_plugin.stats.results import ComparisonResult, MetricResult, PairComparison
    from crysmm_attn_plugin.store.reader import Run


def know(arms: Mapping[str, Sequence[Run]]) -> None:
    """Load the plugins, and know the metrics that stored runs speak of."""
    get_plugin_manager()
    for runs in arms.values():
        for run in runs:
            catalogue.learn(run.info.get("descriptors"))


def completed(comparison: Comparison) -> Comparison:
    """The comparison with the descriptors of plugins' metrics in it, and with the alarms that plugins give cause for."""
    result = comparison.result
    captured = {m.metric for pair in result.pairs for m in pair.metrics}
    captured |= {name for arm in result.arms for name in arm.means}
    runs = [run for runs in comparison.runs.values() for run in runs]
    alarms = (*result.alarms, *failures(run.info.get("plugins") for run in runs), *_raised(comparison))
    return dataclasses.replace(
        comparison,
        result=dataclasses.replace(
            result, alarms=tuple(alarms), descriptors=catalogue.descriptors_of(captured)
        ),
    )


def failures(recorded: Iterable[Any]) -> list[Alarm]:
    """Alarms ``plugin_failed`` from what runs keep under ``plugins``, one a plugin and hook."""
    counts: dict[tuple[str, str, str], int] = {}
    for plugins in recorded:
        for plugin in plugins if isinstance(plugins, list) else ():
            found = plugin.get("failures") or ()
            for failure in found:
                key = (str(plugin.get("name")), str(failure.get("hook")), str(failure.get("error")))
                counts[key] = counts.get(key, 0) + int(failure.get("count") or 1)
            if plugin.get("error") and plugin["error"] != "disabled" and not found:
                counts[(str(plugin.get("name")), "loading", str(plugin["error"]))] = 1
    kind = catalogue.ALARMS["plugin_failed"]
    return [
        of_kind(kind, detail={"plugin": name, "hook": hook, "error": error, "count": count})
        for (name, hook, error), count in counts.items()
    ]


def _raised(comparison: Comparison) -> list[Alarm]:
    manager, found = get_plugin_manager(), []
    for kind in catalogue.ALARMS.values():
        if kind.check is None:
            continue
        owner = catalogue.ALARMS.owner(kind.code) or kind.code

        def asked(kind: AlarmKind = kind) -> Alarm | None:
            detail = kind.check(comparison) if kind.check is not None else None
            return None if detail is None else of_kind(kind, detail=detail)

        alarm = manager.on_account(owner, f"alarm {kind.code}", asked)
        if alarm is not None:
            found.append(alarm)
    return found


def results_of(pair: PairComparison, result: ComparisonResult) -> list[MetricResult]:
    """A pair's results of plugins' metrics in the reading that the primary ones are shown in, one a metric."""
    names = {m.name: i for i, m in enumerate(catalogue.added_metrics())}
    found: dict[str, MetricResult] = {}
    for direction in result.directions:
        for m in pair.metrics:
            plain = m.scope == "with_special" and m.aggregation == "metric_then_heads"
            if m.metric in names and m.direction == direction and plain:
                found.setdefault(m.metric, m)
    return sorted(found.values(), key=lambda m: names[m.metric])

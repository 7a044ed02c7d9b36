"""A built-in plugin: metrics, languages and alarms of the project itself."""

from __future__ import annotations

from collections.abc import Sequence

from crysmm_attn_plugin.builtin.alarms import ALARM_KINDS
from crysmm_attn_plugin.builtin.languages import LANGUAGES
from crysmm_attn_plugin.builtin.metrics import METRICS
from crysmm_attn_plugin.descriptors import AlarmKind, Language, Metric
from crysmm_attn_plugin.hooks.contract.specs import hookimpl


@hookimpl
def attn_metrics() -> Sequence[Metric]:
    """What ``metrics/`` computes."""
    return METRICS


@hookimpl
def attn_languages() -> Sequence[Language]:
    """English and Chinese."""
    return LANGUAGES


@hookimpl
def attn_alarms() -> Sequence[AlarmKind]:
    """Alarms of the capture and of the comparison."""
    return ALARM_KINDS

"""Sections that plugins add to a report, each failure its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.reports.language import each, pick, say

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison

FAILED = (
    "The section of plugin {plugin} could not be made ({reason}).",
    "插件 {plugin} 的章节未能生成（{reason}）。",
)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        id: Short identifier, unique in the report.
        title: Language -> title (plain text).
        html: Language -> body for the page; the plugin escapes what came from data.
        markdown: Language -> body for ``report.md``.
    """

    id: str
    title: Mapping[str, str]
    html: Mapping[str, str]
    markdown: Mapping[str, str]


def plugin_sections(comparison: Comparison) -> list[Section]:
    """Sections of every plugin; what a plugin returns that is no section, or a failure, becomes a note in its place."""
    manager = get_plugin_manager()
    failures: list[Section] = []

    def failed(hook: str, plugin: str, reason: str) -> None:
        if hook == "attn_report_sections":
            failures.append(failed_section(plugin, reason))

    earlier, manager.on_failure = manager.on_failure, failed
    try:
        found = manager.hooks.report_sections(comparison=comparison)
    finally:
        manager.on_failure = earlier
    return [*(Section(s.id, s.title, s.html, s.markdown) for s in found), *failures]


def failed_section(plugin: str, reason: str) -> Section:
    """A section that says that a plugin's could not be made."""
    texts = each(lambda lang: pick(FAILED, lang).format(plugin=plugin, reason=reason))
    return Section(
        f"failed-{plugin}",
        each(lambda lang: say("Plugin {plugin}", "插件 {plugin}", lang, plugin=plugin)),
        {lang: f"<p>{escape(text)}</p>" for lang, text in texts.items()},
        texts,
    )

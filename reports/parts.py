"""Parts of a report that plugins make, each failure its own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.catalogue import PARTS
from crysmm_attn_plugin.descriptors import PartOutput, PartRequest, ReportPart
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.reports.sections import Section, failed_section

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.comparison import Comparison


def part_names() -> tuple[str, ...]:
    """Names of the registered parts: words of ``report --format``."""
    get_plugin_manager()
    return tuple(PARTS)


def make_parts(
    comparison: Comparison, folder: Path, wanted: Collection[str], langs: tuple[str, ...], style: str
) -> tuple[list[Section], dict[str, Any]]:
    """Make the parts asked for.

    Returns:
        Their sections, and their numbers by part. A part that fails leaves a section that says so.
    """
    sections: list[Section] = []
    numbers: dict[str, Any] = {}
    for part in PARTS.values():
        if part.name in wanted:
            output = _made(part, PartRequest(comparison, folder, langs, style), sections)
            if output is not None:
                sections += [Section(s.id, s.title, s.html, s.markdown) for s in output.sections]
                if output.numbers:
                    numbers[part.name] = dict(output.numbers)
    return sections, numbers


def _made(part: ReportPart, request: PartRequest, sections: list[Section]) -> PartOutput | None:
    manager = get_plugin_manager()
    owner = PARTS.owner(part.name) or part.name
    wrongs: list[str] = []

    def make() -> PartOutput | None:
        if part.needs is not None and part.needs(request.comparison):
            return None
        output = part.make(request)
        if output is not None and not isinstance(output, PartOutput):
            raise TypeError(f"make returned {type(output).__name__}, not a descriptors.PartOutput")
        return output

    earlier, manager.on_failure = manager.on_failure, lambda hook, plugin, reason: wrongs.append(reason)
    try:
        output: PartOutput | None = manager.on_account(owner, f"report part {part.name}", make)
    finally:
        manager.on_failure = earlier
    sections += [failed_section(owner, wrong) for wrong in wrongs if not wrong.startswith("changed ")]
    return output

"""The parts of a report, in the order they ask for; a third party's failure is its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crysmm_attn_plugin.catalogue import PARTS, known_languages
from crysmm_attn_plugin.descriptors import LAST, PartOutput, PartRequest, ReportPart
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.contract.isolation import Changed
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.reports.sections import Section, failed_section, plugin_sections

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.draft import Draft


def part_names() -> tuple[str, ...]:
    """Names of the registered parts: words of ``report --format``."""
    get_plugin_manager()
    return tuple(PARTS)


def part_files() -> set[str]:
    """Patterns of the files that the registered parts write, in every known language."""
    get_plugin_manager()
    return {
        pattern.replace("{lang}", lang)
        for part in PARTS.values()
        for pattern in part.files
        for lang in known_languages()
    }


def in_order(parts: Mapping[str, ReportPart]) -> list[ReportPart]:
    """Parts, each after those it names, otherwise as they were registered.

    Raises:
        UsageError: When parts wait for each other.
    """
    waiting, found = dict(parts), list[ReportPart]()
    while waiting:
        ready = [p for p in waiting.values() if not _before(p, waiting)]
        if not ready:
            names = ", ".join(waiting)
            raise UsageError(f"the report parts {names} wait for each other; leave one of their plugins out.")
        first = ready[0]
        found.append(first)
        del waiting[first.name]
    return found


def _before(part: ReportPart, waiting: Mapping[str, ReportPart]) -> list[str]:
    """Names of the parts still to be made before one."""
    last = LAST in part.after
    return [
        other.name
        for other in waiting.values()
        if other is not part and (other.name in part.after or (last and LAST not in other.after))
    ]


def make_parts(draft: Draft) -> None:
    """Make the parts asked for; sections and numbers are kept in the draft.

    A built-in part that fails fails the report. A plugin's that fails leaves a section that says so.
    """
    told = False
    for part in in_order(PARTS):
        if LAST in part.after and not told:
            told = True
            if draft.wanted & {p.name for p in PARTS.values() if LAST in p.after}:
                draft.sections += plugin_sections(draft.comparison)
        if part.name not in draft.wanted:
            continue
        request = PartRequest(draft.comparison, draft.folder, draft.langs, draft.style, draft)
        owner = PARTS.owner(part.name) or ""
        output = _made(part, request) if not owner else _on_account(owner, part, request, draft)
        if output is not None:
            draft.sections += [Section(s.id, s.title, s.html, s.markdown) for s in output.sections]
            if output.numbers:
                draft.numbers[part.name] = dict(output.numbers)


def _made(part: ReportPart, request: PartRequest) -> PartOutput | None:
    if part.needs is not None and part.needs(request.comparison):
        return None
    output = part.make(request)
    if output is not None and not isinstance(output, PartOutput):
        raise TypeError(f"make returned {type(output).__name__}, not a descriptors.PartOutput")
    return output


def _on_account(owner: str, part: ReportPart, request: PartRequest, draft: Draft) -> PartOutput | None:
    """A plugin's part: what goes wrong costs it alone."""
    manager = get_plugin_manager()
    wrongs: list[str] = []
    earlier, manager.on_failure = manager.on_failure, lambda hook, plugin, reason: wrongs.append(reason)
    try:
        output: PartOutput | None = manager.on_account(
            owner, f"report part {part.name}", lambda: _made(part, request)
        )
    finally:
        manager.on_failure = earlier
    draft.sections += [failed_section(owner, wrong) for wrong in wrongs if not isinstance(wrong, Changed)]
    return output

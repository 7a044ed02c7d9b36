"""The report's formats are parts like anyone's: they can be added to, replaced and left out by a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_kit import crystals, two_arms

from crysmm_attn_plugin.catalogue import PARTS
from crysmm_attn_plugin.descriptors import LAST, PartOutput, PartRequest, ReportPart
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.reports.parts import in_order
from crysmm_attn_plugin.reports.request import FORMATS, known_formats
from crysmm_attn_plugin.reports.sections import Section


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory):
    return two_arms(tmp_path_factory.mktemp("runs"), crystals(12))


@pytest.fixture
def plugin() -> Iterator[str]:
    get_plugin_manager()
    yield "other"
    PARTS.remove("other")


def named(name: str, *after: str) -> ReportPart:
    return ReportPart(name, lambda request: None, after=after)


def test_built_in_formats_are_registered_like_anyones() -> None:
    assert set(known_formats()) == {"json", *PARTS}
    assert all(PARTS.owner(name) == "" for name in FORMATS if name != "json")


def test_parts_are_made_after_what_they_name_and_otherwise_as_registered() -> None:
    parts = {
        p.name: p for p in (named("page", LAST), named("text", "picture"), named("picture"), named("list"))
    }
    assert [p.name for p in in_order(parts)] == ["picture", "text", "list", "page"]
    circle = {p.name: p for p in (named("one", "two"), named("two", "one"))}
    with pytest.raises(UsageError, match="one, two wait for each other"):
        in_order(circle)


def test_a_plugin_replaces_a_built_in_part_only_where_it_says_so(comparison, plugin, tmp_path: Path) -> None:
    def own(request: PartRequest) -> PartOutput:
        table = request.draft.table
        return PartOutput(
            files=[
                request.draft.text("report.md", f"mine: {table.title['en']}, {len(request.draft.sections)}")
            ]
        )

    assert "is there already" in PARTS.add(ReportPart("markdown", own), plugin)
    assert PARTS.add(ReportPart("markdown", own, after=(LAST,), replaces=True), plugin) == ""
    note = Section("note", {"en": "Note"}, {"en": "<p>n</p>"}, {"en": "n"})
    assert PARTS.add(ReportPart("note", lambda request: PartOutput([note], numbers={"k": 1})), plugin) == ""
    out = comparison.write(tmp_path / "report", formats=["markdown", "note"], lang=("en",))
    text = (out / "report.md").read_text(encoding="utf-8")
    assert text == "mine: Attention metrics and error of the arms, 1"
    PARTS.remove(plugin)
    again = comparison.write(tmp_path / "report", formats=["markdown"], lang=("en",))
    assert "## Results" in (again / "report.md").read_text(encoding="utf-8")


def test_a_part_that_makes_nothing_blocks_the_one_it_replaces(comparison, plugin, tmp_path: Path) -> None:
    assert PARTS.add(ReportPart("csv", lambda request: None, replaces=True), plugin) == ""
    out = comparison.write(tmp_path / "report", formats=["csv", "samples"], lang=("en",))
    assert {p.name for p in out.iterdir()} == {"samples.parquet", "result.json", ".written.json"}


def test_a_plugins_part_that_fails_costs_itself_and_a_built_in_ones_failure_the_report(
    comparison, plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(request: PartRequest) -> PartOutput:
        raise ValueError("no such thing")

    PARTS.add(ReportPart("broken_part", broken), plugin)
    out = comparison.write(tmp_path / "report", formats=["markdown", "broken_part"], lang=("en",))
    assert "could not be made" in (out / "report.md").read_text(encoding="utf-8")
    monkeypatch.setattr("crysmm_attn_plugin.reports.machine_tables.significance", broken)
    with pytest.raises(ValueError, match="no such thing"):
        comparison.write(tmp_path / "other", formats=["csv"], lang=("en",))
    assert not (tmp_path / "other").exists()

"""Figures are drawn once: taken from an earlier report while their data stay, spread over processes where many."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from figure_fixtures import drawn_comparison

from crysmm_attn_plugin.reports.figures import drawing, kept, plans, write_figures
from crysmm_attn_plugin.reports.figures.drawing import Job, draw_all, draw_here


def small():
    """A comparison with few figures."""
    comparison = drawn_comparison(12, cells=(("Na", "Cl"),))
    pairs = tuple(dataclasses.replace(p, coupling=(), specifications=()) for p in comparison.result.pairs)
    comparison.result = dataclasses.replace(comparison.result, pairs=pairs)
    return comparison


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the figures that are really drawn."""
    names: list[str] = []
    real = drawing._draw

    def watched(result, samples, job):
        names.append(f"{job.name}/{job.lang}")
        return real(result, samples, job)

    monkeypatch.setattr(drawing, "_draw", watched)
    monkeypatch.setattr(drawing, "MOST_PROCESSES", 1)
    return names


def test_unchanged_figures_are_taken_from_the_earlier_report(tmp_path: Path, drawn: list[str]) -> None:
    first = write_figures(small(), tmp_path / "a", langs=("en",), formats=("svg", "png"))
    assert len(drawn) == len(first) == 4
    drawn.clear()
    again = small()
    again.result = dataclasses.replace(again.result, created="2030-01-01T00:00:00Z")
    second = write_figures(
        again, tmp_path / "b", langs=("en",), formats=("svg", "png"), earlier=tmp_path / "a"
    )
    assert drawn == []
    for one, two in zip(first, second, strict=True):
        assert [f.name for f in one.files] == [f.name for f in two.files]
        assert [f.read_bytes() for f in one.files] == [f.read_bytes() for f in two.files]
        assert one.numbers == two.numbers
        assert one.captions == two.captions
        assert (one.dots["en"].rows == two.dots["en"].rows).all()
        np.testing.assert_allclose(one.dots["en"].x, two.dots["en"].x, atol=1e-4)


def test_a_changed_number_a_changed_map_and_an_edited_file_are_drawn_anew(
    tmp_path: Path, drawn: list[str]
) -> None:
    write_figures(small(), tmp_path / "a", langs=("en",), formats=("svg",))
    drawn.clear()
    moved = small()
    moved.samples.loc[0, "entropy.full"] += 0.5
    write_figures(moved, tmp_path / "b", langs=("en",), formats=("svg",), earlier=tmp_path / "a")
    assert "attention_statistics_comparison/en" in drawn
    assert "attention_heatmap_example_1/en" not in drawn
    drawn.clear()
    other = small()
    other.weights["JVASP-1000", "full"] = np.roll(other.weights["JVASP-1000", "full"], 1, axis=-1)
    write_figures(other, tmp_path / "c", langs=("en",), formats=("svg",), earlier=tmp_path / "a")
    assert drawn == ["attention_heatmap_example_1/en"]
    drawn.clear()
    file = tmp_path / "a" / "figures" / "attention_by_word_category.svg"
    file.write_text(file.read_text(encoding="utf-8").replace("full model", "fake model"), encoding="utf-8")
    write_figures(small(), tmp_path / "d", langs=("en",), formats=("svg",), earlier=tmp_path / "a")
    assert drawn == ["attention_by_word_category/en"]
    assert "fake model" not in (tmp_path / "d" / "figures" / file.name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content", ["", "no json", "[]", '{"x": 1}', '{"attention_by_word_category/en": {"files": 3}}']
)
def test_a_damaged_note_of_earlier_figures_only_means_drawing(
    tmp_path: Path, drawn: list[str], content: str
) -> None:
    folder = tmp_path / "a" / "figures"
    folder.mkdir(parents=True)
    (folder / kept.FILE).write_text(content, encoding="utf-8")
    records = write_figures(small(), tmp_path / "b", langs=("en",), formats=("svg",), earlier=tmp_path / "a")
    assert len(drawn) == len(records)


def test_a_name_in_the_note_cannot_lead_out_of_the_folder(tmp_path: Path, drawn: list[str]) -> None:
    write_figures(small(), tmp_path / "a", langs=("en",), formats=("svg",))
    note = tmp_path / "a" / "figures" / kept.FILE
    entries = json.loads(note.read_text(encoding="utf-8"))
    secret = tmp_path / "secret.svg"
    secret.write_text("secret", encoding="utf-8")
    entry = entries["attention_by_word_category/en"]
    entry["files"] = {"../../secret.svg": next(iter(entry["files"].values()))}
    note.write_text(json.dumps(entries), encoding="utf-8")
    drawn.clear()
    write_figures(small(), tmp_path / "b", langs=("en",), formats=("svg",), earlier=tmp_path / "a")
    assert drawn == ["attention_by_word_category/en"]
    assert not (tmp_path / "b" / "figures" / "secret.svg").exists()


def jobs_of(comparison, folder: Path) -> list[Job]:
    folder.mkdir()
    return [
        Job(p.name, p.kind, dict(p.about), "en", ("svg",), folder)
        for p in plans.plans(comparison)
        if p.kind != "heatmap"
    ]


@pytest.mark.slow
def test_helpers_draw_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = small()
    monkeypatch.setattr(drawing, "WORTH_A_PROCESS", 1)
    alone = draw_here(comparison.result, comparison.samples, jobs_of(comparison, tmp_path / "alone"))
    shared = draw_all(comparison.result, comparison.samples, jobs_of(comparison, tmp_path / "shared"))
    for one, two in zip(alone, shared, strict=True):
        assert [f.read_bytes() for f in one.files] == [f.read_bytes() for f in two.files]


@pytest.mark.slow
def test_a_helper_that_cannot_start_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = small()
    monkeypatch.setattr(drawing, "WORTH_A_PROCESS", 1)
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(drawing.sys, "executable", str(broken))
    jobs = jobs_of(comparison, tmp_path / "made")
    results = draw_all(comparison.result, comparison.samples, jobs)
    assert [r.files[0].stem for r in results] == [j.name for j in jobs]
    assert all(f.is_file() for r in results for f in r.files)

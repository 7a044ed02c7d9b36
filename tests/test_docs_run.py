"""What the documentation shows can be run: code blocks, the tutorial, and the site by its one command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from page_kit import Crystal, crystals, two_arms

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.reports.comparison import Comparison
from crysmm_attn_plugin.reports.request import known_formats

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(<!-- not executed: (?P<reason>[^>]+) -->\n)?^```(?P<kind>python|pycon|console)\n(?P<code>.*?)^```",
    re.M | re.S,
)
#: Parts of a report that draw every figure.
PICTURES = ("figures", "html", "markdown")


def blocks(page: Path) -> list[re.Match[str]]:
    return list(BLOCK.finditer(page.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two arms under the names that the pages use."""
    place = tmp_path_factory.mktemp("docs")
    chosen = [c for c in crystals(14) if c.id != "JVASP-1002"]
    chosen += [Crystal("JVASP-1002", ("Sr", "Ti", "Ti", "O", "O", "O")), Crystal("JVASP-1", ("Na", "Cl"))]
    two_arms(place / "runs", chosen)
    (place / "attention_runs").symlink_to(place / "runs")
    return place


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Comparison:
    """Of those runs, for the pages that begin with one."""
    return attn.compare_runs(
        full=[folder / "runs/full"], no_middle=[folder / "runs/no_middle"], n_resamples=200
    )


@pytest.fixture
def shut_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_code_block_runs_or_says_why_not(
    page: Path, folder: Path, comparison: Comparison, monkeypatch: pytest.MonkeyPatch, shut_figures: None
) -> None:
    monkeypatch.chdir(folder)
    names = {"attn": attn, "comparison": comparison}
    # a report is written whole but for its pictures, which docs/figures.md draws
    write, parts = Comparison.write, [name for name in known_formats() if name not in PICTURES]
    monkeypatch.setattr(
        Comparison, "write", lambda c, out, **given: write(c, out, **{"formats": parts, **given})
    )
    for block in blocks(page):
        if block["reason"]:
            assert len(block["reason"].split()) > 2
            compile(block["code"], str(page), "exec")
        else:
            assert block["kind"] == "python", f"{page.name}: write python, or say why it is not executed"
            exec(compile(block["code"], str(page), "exec"), names)


@pytest.mark.slow
def test_the_tutorial_runs_and_shows_what_it_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shut_figures: None
) -> None:
    path = ROOT / "docs" / "tutorial.ipynb"
    assert path.stat().st_size < 300_000
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    shown = [kind for c in cells for o in c["outputs"] for kind in o.get("data", {})]
    assert shown.count("image/png") == 3
    assert shown.count("text/html") >= 3
    assert not [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    figure = plt.gcf()
    figure.canvas.draw()
    assert figure.axes[0].get_ylabel() == "change in entropy (nats)"
    assert len(figure.axes[0].collections[0].get_offsets()) == len(names["samples"])


def test_the_site_is_built_without_a_dead_link(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("index", "ATTENTION_ANALYSIS_GUIDE", "ATTENTION_ANALYSIS_GUIDE.zh-CN", "reference.zh-CN"):
        assert (tmp_path / "site" / f"{name}.html").is_file()

"""The example package, installed for real: its metric is captured, its section is in the report; a broken one is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from process_kit import HEAD, ROOT, command_line, our_lines, write_host

pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "attn-section-example"
METRIC = "own_element_hits"

#: A host that captures two arms by ``attach``. Its descriptions name elements, and one id is a hostile one.
CAPTURE = """
import json
import crysmm_attn_plugin as attn
from crysmm_attn_plugin.records import TokenLabels

class Named(Crystals):
    def __init__(self, n):
        super().__init__(n)
        self.ids[0] = "<script>alert(1)</script>|*x*"
    def token_labels(self, i):
        names = [["Na", "Cl", "Fe", "O", "Ti", "Si"][(i + j) % 6] for j in range(self.n_tokens[i] - 2)]
        return TokenLabels(
            ("[CLS]", *names, "[SEP]"), (-1, *range(len(names)), -1), (True, *[False] * len(names), True), " ".join(names)
        )

loader = make_loader(dataset=Named(12), batch_size=4)
for seed, arm in enumerate(("full", "no_middle")):
    torch.manual_seed(seed)
    net = CrystalTextNet(OwnDropout)
    with attn.attach(net, loader=loader, out_dir="runs", arm=arm, checkpoint="best_val_model.pt", report={"auto": False}):
        test_loop(net, loader)
    run = attn.open_run("runs/" + arm)
    rows = run.attention
    rows = rows[rows["with_special_tokens"] & ~rows["stopwords_removed"] & (rows["weights"] == "model")]
    expected = {}
    for crystal in loader.dataset.ids:
        found = run.maps(crystal)
        own = [[e == t for t in found.tokens.tokens] for e in found.elements]
        hits = [[own[a][w.argmax()] for a, w in enumerate(head)] for head in found.weights]
        expected[crystal] = [sum(h) / len(h) for h in hits]
    captured = {c: g.sort_values("head")["own_element_hits"].tolist() for c, g in rows[rows["head"] >= 0].groupby("crystal")}
    print(json.dumps({"arm": arm, "columns": list(rows.columns), "captured": captured, "expected": expected}))
"""

SECTIONS = """
import crysmm_attn_plugin as attn
from crysmm_attn_plugin.reports.sections import plugin_sections

comparison = attn.compare_runs(full="runs/full", no_middle="runs/no_middle", n_resamples=200)
print([section.markdown["en"] for section in plugin_sections(comparison)])
"""

BROKEN = """
from crysmm_attn_plugin.hooks import hookimpl

@hookimpl
def attn_batch_metrics(weights, query_mask, key_mask, context):
    raise RuntimeError("no such luck")

@hookimpl
def attn_report_sections(comparison):
    raise RuntimeError("no words either")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the example package installed in it by pip."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source")  # a build writes beside its sources
    subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--no-deps",
                "--no-build-isolation",
                "--no-cache-dir",
            ),
            *("--disable-pip-version-check", "--target", str(folder / "site"), str(source)),
        ],
        check=True,
    )
    return folder / "site"


def start(folder: Path, script: str, *python_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script with the installed plugins in sight."""
    path = os.pathsep.join(map(str, (ROOT, *python_path)))
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def captured(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """Two captured arms, and what the host printed of each."""
    folder = tmp_path_factory.mktemp("host")
    write_host(folder, CAPTURE, head=HEAD)
    done = start(folder, "host.py", site)
    assert done.returncode == 0, done.stderr
    return folder, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def reported(captured: tuple[Path, list[dict]], site: Path) -> Path:
    """The report's folder."""
    folder, _ = captured
    done = command_line(
        folder, "report", "runs", "--out", "report", "--resamples", "200", "--format", "markdown,html",
        python_path=(site,),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert our_lines(done) == []
    return folder / "report"


def test_the_installed_package_is_listed_with_its_hooks_and_version(site: Path, tmp_path: Path) -> None:
    done = command_line(tmp_path, "plugins", python_path=(site,))
    (line,) = [x for x in done.stdout.splitlines() if x.startswith(METRIC)]
    assert "attn-section-example 0.1.0" in line
    assert "attn_batch_metrics" in line
    assert "attn_report_sections" in line


def test_its_metric_is_a_column_of_the_run_with_the_values_of_its_definition(
    captured: tuple[Path, list[dict]],
) -> None:
    _, arms = captured
    assert [a["arm"] for a in arms] == ["full", "no_middle"]
    for arm in arms:
        assert METRIC in arm["columns"]
        assert arm["captured"] == {c: pytest.approx(v) for c, v in arm["expected"].items()}
    every = [v for arm in arms for values in arm["captured"].values() for v in values]
    assert min(every) < max(every)


def test_its_section_is_in_the_markdown_report_in_both_languages(
    reported: Path, captured: tuple[Path, list[dict]]
) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    assert "## Atoms that read their own element first" in text
    assert "## 首先关注自身元素的原子" in text
    for arm in captured[1]:
        values = [sum(v) / len(v) for v in arm["captured"].values()]
        name = arm["arm"].replace("_", "\\_")
        assert text.count(f"| {name} | {sum(values) / len(values):.3f} | 12 |") == 2


def test_its_section_is_on_the_page_and_ids_in_it_are_harmless(reported: Path) -> None:
    page = (reported / "report.html").read_text(encoding="utf-8")
    start_of = page.index('class="third-party"')
    section = page[start_of : page.index("</section>", start_of)]
    assert "Atoms that read their own element first" in section
    assert "首先关注自身元素的原子" in section
    assert section.count("<table>") == 2
    assert "Largest changes from no_middle to full" in section
    assert "<script" not in section


def test_a_report_of_runs_without_the_metric_says_so(site: Path, tmp_path: Path) -> None:
    code = CAPTURE.split("    run = attn.open_run")[0] + SECTIONS
    write_host(tmp_path, code)
    assert start(tmp_path, "host.py").stdout.split() == ["[]"]
    write_host(tmp_path, SECTIONS, name="later.py", head="")
    done = start(tmp_path, "later.py", site)
    assert done.stdout.splitlines() == [
        "['The runs were captured without this plugin: they do not hold its metric.']"
    ], done.stderr


def test_a_plugin_that_raises_is_told_in_one_line_and_the_rest_goes_on(site: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    info = broken / "broken_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (broken / "broken_plugin.py").write_text(BROKEN, encoding="utf-8")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-plugin\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[crysmm_attn]\nbroken = broken_plugin\nabsent = no_such_module\n", encoding="utf-8"
    )
    write_host(tmp_path, CAPTURE)
    done = start(tmp_path, "host.py", site, broken)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert all(METRIC in arm["columns"] for arm in lines)
    told = our_lines(done)
    assert len([x for x in told if "absent" in x]) == 1
    assert [x for x in told if "broken" in x and "absent" not in x] == [
        "crysmm-attn: plugin broken failed in attn_batch_metrics and was skipped: RuntimeError: no such luck"
    ]

    done = command_line(
        tmp_path, "report", "runs", "--out", "report", "--resamples", "200", "--format", "markdown",
        python_path=(site, broken),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("no words either") == 1
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "The section of plugin broken could not be made (RuntimeError: no words either)." in text
    assert "## Atoms that read their own element first" in text

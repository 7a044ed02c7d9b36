"""The example package, installed for real: its host, metric, language, part, alarm and command are seen everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from process_kit import ROOT, TESTS, command_line, our_lines

pytestmark = pytest.mark.slow
EXAMPLE = ROOT / "examples" / "attn-everything-example"
METRIC = "own_element_hits"

#: A host with a training function of its own; no name says which loader is the test set.
GLASS = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import torch
from host_kit import CrystalTextNet, Crystals, OwnDropout, make_loader
from crysmm_attn_plugin.records import TokenLabels

class Named(Crystals):
    def __init__(self, n, seed):
        super().__init__(n, seed)
        self.ids[0] = "<script>alert(1)</script>|*x*"
    def token_labels(self, i):
        names = [["Na", "Cl", "Fe", "O", "Ti", "Si"][(i + j) % 6] for j in range(self.n_tokens[i] - 2)]
        return TokenLabels(
            ("[CLS]", *names, "[SEP]"), (-1, *range(len(names)), -1), (True, *[False] * len(names), True), " ".join(names)
        )

def make_model():
    return CrystalTextNet(OwnDropout)

def make_streams(batch_size):
    return [make_loader(dataset=Named(12, seed), batch_size=batch_size) for seed in (1, 2, 3)]

def fit(options, streams):
    net = make_model().eval()
    with torch.no_grad():
        for stream in streams[1:]:
            for batch in stream:
                net(batch)
    print("fitted")
"""
MAIN = """
import sys, torch, glass_train
torch.manual_seed(int(sys.argv[2]))
glass_train.fit({"cross_modal": sys.argv[1] == "with", "quantity": "hardness"}, streams=glass_train.make_streams(4))
"""
EXPECTED = """
import json, sys
import crysmm_attn_plugin as attn
for arm in ("full", "no_middle"):
    run = attn.open_run(next(p for p in __import__("pathlib").Path("runs", arm).iterdir() if p.is_dir()))
    rows = run.attention
    rows = rows[rows["with_special_tokens"] & ~rows["stopwords_removed"] & (rows["weights"] == "model") & (rows["head"] >= 0)]
    rows = rows[rows["direction"] == "atom_to_text"]
    expected = {}
    for crystal in run.samples["id"]:
        found = run.maps(crystal)
        own = [[e == t for t in found.tokens.tokens] for e in found.elements]
        hits = [[own[a][w.argmax()] for a, w in enumerate(head)] for head in found.weights]
        expected[crystal] = [sum(h) / len(h) for h in hits]
    captured = {c: g.sort_values("head")["own_element_hits"].tolist() for c, g in rows.groupby("crystal")}
    print(json.dumps({"arm": run.arm, "info": run.info, "captured": captured, "expected": expected,
                      "splits": sorted({o.window.split for o in run.windows})}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the example package installed in it by pip."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source")  # a build writes beside its sources
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-cache-dir",
    ]
    target = ["--disable-pip-version-check", "--target", str(folder / "site"), str(source)]
    subprocess.run([*pip, *target], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def host(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The host's folder, both arms captured by ``crysmm-attn run``."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "glass_train.py").write_text(GLASS, encoding="utf-8")
    (folder / "main.py").write_text(MAIN, encoding="utf-8")
    for seed, switch in enumerate(("with", "without")):
        words = (
            "run",
            "--out",
            "runs",
            "--maps",
            "all",
            "--no-report",
            "--",
            sys.executable,
            "main.py",
            switch,
            str(seed),
        )
        done = command_line(folder, *words, python_path=(site,))
        assert done.returncode == 0, done.stderr
        assert done.stdout == "fitted\n"
        assert len(our_lines(done)) == 1, done.stderr
    return folder


@pytest.fixture(scope="module")
def report(host: Path, site: Path) -> Path:
    """A report in three languages, written in a process that has the plugin."""
    done = command_line(
        host, "report", "runs", "--out", "report", "--resamples", "199", "--lang", "en,zh,de",
        "--format", "markdown,html,csv,tables,paragraphs,elements_first,added_metrics", python_path=(site,), timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return host / "report"


def test_it_is_written_in_fewer_than_200_lines() -> None:
    lines = [x for p in EXAMPLE.rglob("*.py") for x in p.read_text(encoding="utf-8").splitlines()]
    assert len(lines) < 200


def test_run_knows_its_host_by_the_seams(host: Path, site: Path) -> None:
    (host / "expected.py").write_text(EXPECTED, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "expected.py"], cwd=host, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    arms = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["arm"] for a in arms] == ["full", "no_middle"]
    for arm in arms:
        assert arm["splits"] == ["test"]
        assert (arm["info"]["host"], arm["info"]["property"]) == ("glass", "hardness")
        assert arm["captured"] == {c: pytest.approx(v) for c, v in arm["expected"].items()}
        assert [m["name"] for m in arm["info"]["descriptors"]["metrics"]] == [METRIC]
        (plugin,) = arm["info"]["plugins"]
        assert plugin["source"] == "attn-everything-example 0.1.0"
        assert plugin["failures"] == []
    every = [v for arm in arms for values in arm["captured"].values() for v in values]
    assert min(every) < max(every)


def test_doctor_names_its_host_and_loaders(host: Path, site: Path) -> None:
    done = command_line(host, "doctor", "--", sys.executable, "main.py", "with", "0", python_path=(site,))
    assert done.returncode == 0, done.stderr
    # no name in the host tells its loaders apart: the adapter's seam does
    assert "bound to stream: val; not captured" in done.stdout
    assert "bound to stream: test; captured" in done.stdout
    lines = done.stdout.splitlines()
    assert "host: glass, entered at glass_train.fit (adapter of attn-everything-example 0.1.0)" in lines


def test_the_flag_in_its_config_is_enough(host: Path, site: Path, tmp_path: Path) -> None:
    """A plain Python, no launcher: the package announces where its host is entered."""
    for name in ("glass_train.py", "main.py"):
        shutil.copy(host / name, tmp_path)
    main = (tmp_path / "main.py").read_text(encoding="utf-8")
    table = {"out_dir": str(tmp_path / "flagged"), "arm": "full"}
    asked = main.replace('"quantity"', f'"crysmm_attn": {table!r}, "quantity"')
    (tmp_path / "asked.py").write_text(asked, encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_")}
    env |= {"PYTHONPATH": os.pathsep.join((str(ROOT), str(site)))}
    for script, runs in (("main.py", 0), ("asked.py", 1)):
        done = subprocess.run(
            [sys.executable, script, "with", "0"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )  # fmt: skip
        assert done.stdout == "fitted\n"
        assert ("crysmm-attn" in done.stderr) is bool(runs), done.stderr
        found = list((tmp_path / "flagged").glob("full/*/run.json"))
        assert len(found) == runs, done.stderr
    assert json.loads(found[0].read_text(encoding="utf-8"))["host"] == "glass"


def test_its_command_is_in_the_help_and_runs(host: Path, site: Path) -> None:
    shown = command_line(host, "--help", python_path=(site,))
    assert re.search(r"elements-first\s+say how many atoms", shown.stdout)
    own = command_line(host, "elements-first", "--help", python_path=(site,))
    assert "crysmm-attn elements-first attention_runs" in own.stdout
    done = command_line(host, "elements-first", "runs", python_path=(site,))
    assert re.fullmatch(r"full 0\.\d{4}\nno_middle 0\.\d{4}\n", done.stdout), done.stderr


def test_its_metric_is_in_result_tables_figure_paragraph_and_page(report: Path) -> None:
    result = json.loads((report / "result.json").read_text(encoding="utf-8"))
    (metric,) = result["descriptors"]["metrics"]
    assert metric["labels"]["de"].startswith("Anteil der Atome")
    assert any(m["metric"] == METRIC and m["family"] == "exploratory" for m in result["pairs"][0]["metrics"])
    assert result["parts"]["elements_first"].keys() == {"full", "no_middle"}
    assert METRIC in (report / "significance.csv").read_text(encoding="utf-8")
    assert (report / "added_metrics.png").stat().st_size > 2000
    markdown = (report / "report.md").read_text(encoding="utf-8")
    page = (report / "report.html").read_text(encoding="utf-8")
    for label in metric["labels"].values():
        assert label in markdown
        assert label in page
    value = result["parts"]["elements_first"]["full"]
    assert f"The share of atoms reading their own element first was {value:.2f}"[:-1] in markdown


def test_its_language_is_on_the_page_and_in_the_paragraphs(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "Kennzahlen aus Erweiterungen" in page
    assert "Zuerst das Element" in page
    assert 'lang="de"' in page
    assert "12 Kristalle sind weniger als 50: die Intervalle sind weit." in page
    text = (report / "paragraphs.de.md").read_text(encoding="utf-8")
    assert "entropy" in text.lower() or "Entropie" in text  # what has no translation is English
    assert "注意力" not in text
    assert "Vergleichsarm" in (report / "table.de.csv").read_text(encoding="utf-8-sig").splitlines()[0]
    markdown = (report / "report.md").read_text(encoding="utf-8")
    german = markdown.split("\n\n---\n\n")[2]
    assert "Kennzahl | Vergleichsarm" in german
    assert "| Metric | Baseline" not in german  # the language gives one
    assert r"\usepackage[ngerman]{babel}" in (report / "paragraphs.de.tex").read_text(encoding="utf-8")


def test_its_part_and_its_alarm_are_in_the_report(report: Path) -> None:
    rows = (report / "elements_first.csv").read_text(encoding="utf-8").splitlines()
    assert [r.split(",")[0] for r in rows] == ["full", "no_middle"]
    assert all(float(r.split(",")[1]) < 0.5 for r in rows)
    result = json.loads((report / "result.json").read_text(encoding="utf-8"))
    assert "elements_not_first" in [a["code"] for a in result["alarms"]]
    page = (report / "report.html").read_text(encoding="utf-8")
    assert "lesen weniger als die Hälfte der Atome" in page
    assert "首先关注自身元素的原子不足一半" in page


def test_a_report_names_the_metric_where_the_plugin_is_not_installed(host: Path) -> None:
    done = command_line(
        host,
        "report",
        "runs",
        "--out",
        "elsewhere",
        "--resamples",
        "199",
        "--format",
        "markdown,added_metrics",
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    text = (host / "elsewhere" / "report.md").read_text(encoding="utf-8")
    assert "The share of atoms reading their own element first was" in text
    assert "首先关注自身元素的原子比例" in text
    assert METRIC not in text
    refused = command_line(host, "report", "runs", "--out", "no", "--lang", "de")
    assert refused.returncode == 2
    assert "de" in refused.stderr
    assert not (host / "no").exists()


BROKEN = """
from crysmm_attn_plugin.descriptors import AlarmKind, Metric, ReportPart
from crysmm_attn_plugin.hooks import hookimpl

def broken(*args):
    raise SystemExit(9)

@hookimpl
def attn_batch_metrics(weights, query_mask, key_mask, context):
    raise KeyboardInterrupt

@hookimpl
def attn_metrics():
    return [Metric("broken_metric", {"en": "broken"}, compute=broken)]

@hookimpl
def attn_report_parts():
    return [ReportPart("broken_part", broken)]

@hookimpl
def attn_alarms():
    return [AlarmKind("broken_alarm", {"en": "x"}, check=broken)]
"""


def test_a_broken_plugin_costs_itself_alone_and_is_named_in_run_and_report(host: Path, site: Path) -> None:
    broken = host / "broken"
    info = broken / "broken_plugin-0.1.dist-info"
    info.mkdir(parents=True)
    (broken / "broken_plugin.py").write_text(BROKEN, encoding="utf-8")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken-plugin\nVersion: 0.1\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text("[crysmm_attn]\nbroken = broken_plugin\n", encoding="utf-8")
    both = (site, broken)
    done = command_line(
        host,
        "run",
        "--out",
        "faulty",
        "--no-report",
        "--",
        sys.executable,
        "main.py",
        "with",
        "0",
        python_path=both,
    )
    assert (done.returncode, done.stdout) == (0, "fitted\n"), done.stderr
    assert "plugin broken failed in attn_batch_metrics and was skipped: KeyboardInterrupt" in done.stderr
    (run,) = (host / "faulty" / "full").glob("*/run.json")
    recorded = {p["name"]: p for p in json.loads(run.read_text(encoding="utf-8"))["plugins"]}
    assert {f["hook"] for f in recorded["broken"]["failures"]} == {
        "attn_batch_metrics",
        "metric broken_metric",
    }
    done = command_line(
        host, "report", "faulty", "--out", "faulty-report", "--format", "markdown,broken_part,elements_first",
        python_path=both, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    text = (host / "faulty-report" / "report.md").read_text(encoding="utf-8")
    assert "The section of plugin broken could not be made" in text
    assert "The plugin broken failed in attn" in text.replace("\\", "")
    assert "Elements first" in text

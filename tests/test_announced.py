"""Seams that packages announce: read without importing, once in a process, and nothing is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crysmm_attn_plugin.announced import announced, by_module


def install(site: Path, name: str, entries: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(entries, encoding="utf-8")


def test_every_seam_of_a_folder_is_known_with_its_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(
        site,
        "glass_hosts",
        "[console_scripts]\na = b:c\n[crysmm_attn.seams]\n# of glass\nx = glass.train:fit\ny=alone\n",
    )
    install(site, "other", "[crysmm_attn]\nseams = nothing\n")
    expected = (("glass.train", "fit", "glass_hosts"), ("alone", "", "glass_hosts"))
    assert announced([str(site), str(site), str(tmp_path / "missing")]) == expected
    assert announced([str(site)]) == expected  # as remembered
    assert by_module(expected) == {"glass.train": {"fit"}, "alone": {""}}


@pytest.mark.parametrize(
    "line", ["x = not a module", "x =", "x = a:b:c", "x = a..b:f", "x = ../a:f", "x = a:f g"]
)
def test_what_names_no_module_announces_nothing(tmp_path: Path, line: str) -> None:
    install(tmp_path / "site", "odd", f"[crysmm_attn.seams]\n{line}\n")
    assert announced([str(tmp_path / "site")]) == ()


WATCHED = """
import os, sys
looked = []
sys.addaudithook(lambda event, args: looked.append((event, *args)) if event in ("open", "os.listdir") else None)
from crysmm_attn_plugin.startup import start
before = list(sys.path)
start()
print("watching", [type(finder).__name__ for finder in sys.meta_path].count("HostWatch"))
import wave
print("entries read by Python's own", sum("entry_points" in str(a) for a in looked))
sys.path.append(sys.argv[1])
import alone
print("entries read by another", any("entry_points" in str(a) for a in looked))
print("written", [a for a in looked if a[0] == "open" and set(str(a[2])) & set("wax+")])
print("hosts", "crysmm_attn_plugin.hooks.bootstrap.process" in sys.modules)
import glass_train
print("hosts", "crysmm_attn_plugin.hooks.bootstrap.process" in sys.modules)
"""


def test_a_process_reads_at_its_first_foreign_import_and_writes_nowhere(tmp_path: Path) -> None:
    """A package folder that comes onto the path later is read too."""
    site, home = tmp_path / "site-packages", tmp_path / "home"
    home.mkdir()
    install(site, "glass", "[crysmm_attn.seams]\nx = glass_train:fit\n")
    (site / "glass_train.py").write_text("def fit():\n    pass\n", encoding="utf-8")
    (site / "alone.py").write_text("", encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith("CRYSMM_ATTN_")}
    env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(site)], cwd=home, env=env, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "watching 1",
        "entries read by Python's own 0",
        "entries read by another True",
        "written []",
        "hosts False",
        "hosts True",
    ], done.stderr
    assert not done.stderr
    assert list(home.iterdir()) == []

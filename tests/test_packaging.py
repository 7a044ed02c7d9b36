"""What lands in site-packages: one package, nothing called hooks or reports at the top."""

from __future__ import annotations

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_wheel_holds_one_top_level_package_with_every_folder(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-cache-dir",
            "-w",
            str(tmp_path),
            str(ROOT),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names if not n.split("/")[0].endswith(".dist-info")}
    assert tops == {"crysmm_attn_plugin", "crysmm_attn.pth"}
    for prefix, folder in (
        ("crysmm_attn_plugin", ROOT / "crysmm_attn_plugin"),
        ("crysmm_attn_plugin/hooks", ROOT / "hooks"),
        ("crysmm_attn_plugin/reports", ROOT / "reports"),
    ):
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                packed = f"{prefix}/{path.relative_to(folder).as_posix()}"
                assert packed in names, f"{packed} is in the repository but not in the wheel"


def test_the_package_depends_on_no_pydantic_and_pins_nothing_a_host_pins() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    required = config["options"]["install_requires"].lower()
    for name in ("pydantic", "dgl", "alignn", "transformers", "jarvis", "ignite"):
        assert name not in required


def test_every_package_folder_is_listed() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    for prefix, folder in (
        ("crysmm_attn_plugin", "crysmm_attn_plugin"),
        ("crysmm_attn_plugin.hooks", "hooks"),
        ("crysmm_attn_plugin.reports", "reports"),
    ):
        for path in (ROOT / folder).rglob("__init__.py"):
            parts = path.parent.relative_to(ROOT / folder).parts
            assert ".".join([prefix, *parts]) in listed


def test_the_version_stands_in_one_place_and_is_cited() -> None:
    import re

    from crysmm_attn_plugin import __version__

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: crysmm_attn_plugin.__version__"
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert cited[1] == __version__
    changes = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[0] == __version__

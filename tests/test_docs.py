"""Documentation cannot go stale: every command, flag, setting, hook, metric and link is checked."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import get_args

import pytest

from crysmm_attn_plugin.catalogue import METRICS
from crysmm_attn_plugin.cli import COMMANDS, build_parser
from crysmm_attn_plugin.hooks.contract.specs import AttnSpecs
from crysmm_attn_plugin.reports.parts import part_files
from crysmm_attn_plugin.reports.request import FORMATS
from crysmm_attn_plugin.reports.write import MARKER
from crysmm_attn_plugin.settings import SETTING_KEYS
from crysmm_attn_plugin.stats.results import Verdict

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _subparsers() -> dict[str, argparse.ArgumentParser]:
    parser = build_parser("*")
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag_is_documented(command: str) -> None:
    text = _read("docs/commands.md")
    assert f"## `crysmm-attn {command}`" in text
    section = text.split(f"## `crysmm-attn {command}`", 1)[1].split("\n## ", 1)[0]
    for action in _subparsers()[command]._actions:
        for flag in action.option_strings:
            if flag.startswith("--") and flag != "--help" and action.help != argparse.SUPPRESS:
                assert f"`{flag}" in section, f"{flag} of {command} is not in docs/commands.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_has_help(command: str) -> None:
    for action in _subparsers()[command]._actions:
        assert action.help, f"{command}: {action.dest} has no help"


@pytest.mark.parametrize("key", SETTING_KEYS)
def test_every_setting_is_documented(key: str) -> None:
    assert f"| `{key}` |" in _read("docs/settings.md")


@pytest.mark.parametrize("hook", [n for n in vars(AttnSpecs) if n.startswith("attn_")])
def test_every_hook_is_documented(hook: str) -> None:
    assert f"`{hook}(" in _read("docs/hooks.md")


@pytest.mark.parametrize("metric", [m.name for m in METRICS])
def test_every_metric_is_documented(metric: str) -> None:
    assert f"`{metric}`" in _read("docs/metrics.md")


@pytest.mark.parametrize("part", FORMATS)
def test_every_part_of_a_report_is_documented(part: str) -> None:
    assert f"`{part}`" in _read("docs/reports.md")


def test_every_file_of_a_report_is_documented() -> None:
    text = _read("docs/reports.md")
    for name in {MARKER, *part_files()} - {"attention_heatmap_example_*"}:
        assert f"`{name}" in text, f"{name} is not in docs/reports.md"


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_every_verdict_is_documented(verdict: str) -> None:
    assert f"| `{verdict}` |" in _read("docs/paragraphs.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if re.match(r"^[a-z]+:", target):
            continue
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_readme_names_every_command_and_exit_code() -> None:
    text = _read("README.md")
    for command in COMMANDS:
        assert f"crysmm-attn {command}" in text
    for code in ("`0`", "`2`", "`3`", "`4`"):
        assert code in text

"""What a reader of either language is told: commands, options, settings, hooks, metrics, alarms, exit codes; and the old name."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from crysmm_attn_plugin.builtin.alarms import ALARM_KINDS
from crysmm_attn_plugin.catalogue import METRICS
from crysmm_attn_plugin.cli import COMMANDS, build_parser
from crysmm_attn_plugin.hooks.contract.specs import AttnSpecs
from crysmm_attn_plugin.settings import SETTING_KEYS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").rglob("*.md")])
GUIDES = ("docs/ATTENTION_ANALYSIS_GUIDE.md", "docs/ATTENTION_ANALYSIS_GUIDE.zh-CN.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def reference() -> str:
    return read("docs/reference.zh-CN.md")


def alarm_codes() -> list[str]:
    """Those with a kind, and those of the English table."""
    table = read("docs/hosts.md").split("## Alarms", 1)[1].split("\n## ", 1)[0]
    first_cells = re.findall(r"^\| (`[^|]+) \|", table, re.M)
    return sorted({k.code for k in ALARM_KINDS} | set(re.findall(r"`(\w+)`", " ".join(first_cells))))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented_in_chinese(command: str) -> None:
    text = reference()
    assert f"## `crysmm-attn {command}`" in text
    section = text.split(f"## `crysmm-attn {command}`", 1)[1].split("\n## ", 1)[0]
    action = next(a for a in build_parser("*")._actions if isinstance(a, argparse._SubParsersAction))
    for option in action.choices[command]._actions:
        for flag in option.option_strings:
            if flag.startswith("--") and flag != "--help" and option.help != argparse.SUPPRESS:
                assert f"| `{flag}` |" in section, f"{flag} of {command} is not in docs/reference.zh-CN.md"


def test_every_setting_and_hook_is_documented_in_chinese() -> None:
    hooks = [n for n in vars(AttnSpecs) if n.startswith("attn_")]
    missing = [n for n in (*SETTING_KEYS, *hooks) if f"| `{n}` |" not in reference()]
    assert not missing


def test_every_alarm_is_documented_in_both_languages() -> None:
    codes = alarm_codes()
    assert len(codes) > 20
    assert not [c for c in codes if f"| `{c}` |" not in reference()]
    assert not [c for c in codes if f"`{c}`" not in read("docs/hosts.md")]


@pytest.mark.parametrize("code", ["0", "1", "2", "3", "4", "130"])
def test_every_exit_code_is_documented_in_both_languages(code: str) -> None:
    assert f"| `{code}` |" in reference()
    assert f"`{code}`" in read("docs/commands.md")


def test_both_readmes_name_the_same_versions_and_those_of_the_constraints() -> None:
    last = {name: read(name).rstrip().rsplit("\n\n", 1)[-1] for name in ("README.md", "README.zh-CN.md")}
    facts = [
        re.findall(r"\d+(?:\.\d+)*|x86-64|aarch64|arm64|macOS|Windows|Linux|torch", t) for t in last.values()
    ]
    assert sorted(facts[0]) == sorted(facts[1])
    assert facts[0]
    pinned = re.search(r"^torch==(\d+\.\d+)", read("constraints.txt"), re.M)
    lowest = re.search(r"^python_requires = >=([\d.]+)", read("setup.cfg"), re.M)
    assert pinned
    assert lowest
    for text in last.values():
        assert f"torch {pinned[1]}" in text
        assert f"Python {lowest[1]}" in text


@pytest.mark.parametrize("guide", GUIDES)
def test_both_guides_have_every_metric_with_formula_range_direction_and_pitfalls(guide: str) -> None:
    for metric in METRICS:
        rows = re.findall(rf"^\|.*\| `{metric.name}` \|.*$", read(guide), re.M)
        assert len(rows) == 1, f"{metric.name} has {len(rows)} rows in {guide}"
        cells = re.split(r"(?<!\\)\|", rows[0].strip("|"))
        assert len(cells) == 6
        assert all(cell.strip() for cell in cells)


def test_both_guides_answer_the_same_problems_and_have_the_same_parts() -> None:
    english, chinese = (read(g) for g in GUIDES)
    assert english.count("\n## ") == chinese.count("\n## ")
    last = [text.rsplit("\n## ", 1)[1].count("\n| ") for text in (english, chinese)]
    assert last[0] == last[1] >= 10


def test_readme_in_chinese_names_every_command_and_has_the_same_commands_to_type() -> None:
    english, chinese = read("README.md"), read("README.zh-CN.md")
    for command in COMMANDS:
        assert f"| `crysmm-attn {command}` |" in chinese
        assert f"| `crysmm-attn {command}` |" in english
    for line in re.findall(r"^pip install .*$", english, re.M):
        assert line in chinese
    assert (ROOT / "docs" / "images" / "page.png").stat().st_size < 300_000


def test_chinese_prose_has_no_half_width_commas() -> None:
    for name in ("README.zh-CN.md", "docs/reference.zh-CN.md", GUIDES[1]):
        prose = re.sub(r"```.*?```|`[^`]*`", "", read(name), flags=re.S)
        assert not re.findall(r"[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", prose), name


def commands_to_type(page: Path) -> list[list[str]]:
    """Every ``crysmm-attn`` line of a page's shell blocks, as words."""
    found = []
    for block in re.findall(
        r"^```(?:bash|console|sh)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.removeprefix("$ ").split("&&")[-1].strip()
            if line.startswith("crysmm-attn "):
                # where the output goes is the shell's part
                found.append(shlex.split(line.split(" > ")[0], comments=True)[1:])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_a_page_shows_is_read_by_the_command_line(page: Path) -> None:
    parser = build_parser("*")
    for words in commands_to_type(page):
        if "--help" not in words and "..." not in words[-1:]:
            parser.parse_args(words)


def test_the_old_name_takes_the_old_flags(tmp_path: Path) -> None:
    script = ROOT / "examples" / "compare_attention_weights.py"
    words = "--checkpoint_full a.pt --checkpoint_no_middle b.pt --root_dir . --dataset dft_3d --property mbj_bandgap"
    words += " --save_dir out --num_samples 100 --batch_size 64"
    done = subprocess.run(
        [sys.executable, str(script), *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "a.pt" in done.stderr or "host" in done.stderr

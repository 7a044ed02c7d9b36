"""The launcher's way into a host's processes, whatever the host, its environment or its interpreter's switches do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from process_kit import BODY, ROOT, command_line, our_lines, run_host, write_host

import crysmm_attn_plugin as attn

pytestmark = pytest.mark.slow

COUNTING = "import builtins\nbuiltins.{name} = getattr(builtins, '{name}', 0) + 1\n"
#: What other instrumentation does: its own sitecustomize, which runs the next one, or every other one, or none.
NEXT = """
import builtins, os, sys
builtins.AGENT = getattr(builtins, 'AGENT', 0) + 1
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p) != here]
sys.modules.pop("sitecustomize", None)
try:
    import sitecustomize
except ImportError:
    pass
"""
EVERY = """
import builtins, importlib.util, os, sys
builtins.AGENT = getattr(builtins, 'AGENT', 0) + 1
for path in list(sys.path):
    file = os.path.join(path, "sitecustomize.py")
    if os.path.isfile(file) and os.path.abspath(file) != os.path.abspath(__file__):
        spec = importlib.util.spec_from_file_location("sitecustomize", file)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
"""
ALONE = "import builtins\nbuiltins.AGENT = getattr(builtins, 'AGENT', 0) + 1\n"


def start_up_line() -> str:
    """The line that installs write, read from ``setup.py``, which cannot be imported without installing."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (value,) = (
        n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "LINE"
    )
    return str(ast.literal_eval(value))


def captured(folder: Path) -> int:
    return len(attn.open_run(folder / "runs" / "full", allow_partial=True).samples)


@pytest.mark.parametrize("switches", [("-I",), ("-E",), ("-s", "-E"), ("-IB",)], ids="".join)
def test_an_isolated_interpreter_is_captured(tmp_path: Path, switches: tuple[str, ...]) -> None:
    write_host(tmp_path)
    done = run_host(tmp_path, sys.executable, *switches, "host.py")
    assert done.returncode == 0, done.stderr
    assert captured(tmp_path) == 12


def test_an_interpreter_without_site_is_told_of(tmp_path: Path) -> None:
    write_host(tmp_path, "print('host is done')\n", head="")
    done = run_host(tmp_path, sys.executable, "-S", "host.py")
    assert (done.returncode, done.stdout) == (3, "host is done\n")
    assert "python -S ignores it" in done.stderr


@pytest.mark.parametrize("kind", [NEXT, EVERY, ALONE], ids=["runs the next", "runs every other", "runs none"])
def test_another_instrumentation_inside_the_command_changes_nothing(tmp_path: Path, kind: str) -> None:
    """As ``agent python host.py``: the agent puts its folder first and starts the interpreter."""
    for name, code in (("agent", kind), ("own", COUNTING.format(name="OWN"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sitecustomize.py").write_text(code, encoding="utf-8")
    (tmp_path / "agent.py").write_text(
        "import os, sys\n"
        f"os.environ['PYTHONPATH'] = {str(tmp_path / 'agent')!r} + os.pathsep + os.environ['PYTHONPATH']\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n",
        encoding="utf-8",
    )
    write_host(tmp_path, BODY + "import builtins\nprint(builtins.AGENT, getattr(builtins, 'OWN', 0))\n")
    command = (sys.executable, "-S", "agent.py", "host.py")
    path = os.pathsep.join((str(tmp_path / "own"), str(ROOT)))
    plain = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )  # fmt: skip
    done = run_host(tmp_path, *command, python_path=(tmp_path / "own",))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == plain.stdout.splitlines()[-1]
    assert captured(tmp_path) == 12


def test_a_child_with_a_python_path_of_its_own_is_captured(tmp_path: Path) -> None:
    write_host(tmp_path, name="work.py")
    (tmp_path / "host.py").write_text(
        "import os, subprocess, sys\n"
        "os.environ['PYTHONPATH'] = '/nowhere'\n"
        "sys.exit(subprocess.call([sys.executable, 'work.py']))\n",
        encoding="utf-8",
    )
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    assert captured(tmp_path) == 12


def test_the_start_up_line_is_silent_where_the_package_is_gone(tmp_path: Path) -> None:
    """An environment whose package was moved or removed since: every start of its Python stays as it was."""
    builder = venv.EnvBuilder(with_pip=False)
    builder.create(tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "crysmm_attn.pth").write_text(start_up_line(), encoding="utf-8")
    done = subprocess.run([python, "-c", "print(1)"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_the_installed_start_up_file_is_the_one_of_setup() -> None:
    import sysconfig

    installed = Path(sysconfig.get_path("purelib"), "crysmm_attn.pth")
    assert installed.read_text(encoding="utf-8") == start_up_line()


def test_a_moved_package_behind_an_editable_install_is_silent(tmp_path: Path) -> None:
    venv.EnvBuilder(with_pip=False).create(tmp_path / "env")
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "__editable__.crysmm_attn-0.pth").write_text(str(tmp_path / "was_here") + "\n", encoding="utf-8")
    (tmp_path / "was_here" / "crysmm_attn_plugin").mkdir(parents=True)  # an empty folder is left: a namespace
    (site / "crysmm_attn.pth").write_text(start_up_line(), encoding="utf-8")
    python = tmp_path / "env" / "bin" / "python"
    done = subprocess.run([python, "-c", "print(1)"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize("where", ["variable", "file"])
def test_a_wrong_setting_keeps_capture_off_and_lets_the_host_run(tmp_path: Path, where: str) -> None:
    write_host(tmp_path)
    environment = {"CRYSMM_ATTN_MAPS": "plenty"} if where == "variable" else {}
    if where == "file":
        (tmp_path / "crysmm_attn.toml").write_text("mapz = 3\n", encoding="utf-8")
    done = run_host(tmp_path, **environment)
    assert done.stdout == "host is done\n"
    assert done.returncode == 3
    assert our_lines(done)[0].startswith("crysmm-attn: the host runs without capture: ")
    assert "map" in our_lines(done)[-1]
    assert not (tmp_path / "runs").exists()


def test_a_wrong_flag_ends_before_the_host(tmp_path: Path) -> None:
    write_host(tmp_path)
    done = command_line(tmp_path, "run", "--maps", "plenty", "--", sys.executable, "host.py")
    assert (done.returncode, done.stdout) == (2, "")


LOOPS = """
net = CrystalTextNet(OwnDropout).eval()
first, dl = make_loader(8, 4), make_loader(12, 4)
with torch.no_grad():
    for loader in (first, dl):
        for batch in loader:
            net(batch)
"""


@pytest.mark.parametrize(("flag", "n"), [("dl", 12), ("first", 8), ("2", 12), ("1", 8)])
def test_the_test_loader_is_named_on_the_command_line(tmp_path: Path, flag: str, n: int) -> None:
    write_host(tmp_path, LOOPS)
    done = run_host(tmp_path, flags=("--loader", flag))
    assert done.returncode == 0, done.stderr
    assert captured(tmp_path) == n


def test_a_loader_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    write_host(tmp_path, LOOPS)
    done = run_host(tmp_path, flags=("--loader", "test_dl"))
    assert done.returncode == 3
    (line,) = our_lines(done)
    assert "test_dl" in line
    assert "bound to dl" in line
    assert ".." not in line


def test_a_pass_whose_last_batch_the_model_never_saw_is_said_to_be_partial(tmp_path: Path) -> None:
    write_host(
        tmp_path,
        """
        net = CrystalTextNet(OwnDropout)
        test_loader = make_loader(12, 4)
        with torch.no_grad():
            for i, batch in enumerate(test_loader):
                if i < 2:
                    net(batch)
        """,
    )
    done = run_host(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "crysmm-attn: a pass is partial: the model saw 2 of 3 batches" in our_lines(done)
    assert captured(tmp_path) == 8

"""Start a host's command with the bootstrap folder on its path, wait, and say what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import PluginError, UsageError
from crysmm_attn_plugin.hooks import bootstrap
from crysmm_attn_plugin.hooks.bootstrap.known_hosts import VARIABLE as SEAMS
from crysmm_attn_plugin.hooks.bootstrap.known_hosts import modules_of
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager

PREFIX = "CRYSMM_ATTN_INTERNAL_"


@dataclass
class Launched:
    """How a host's command ended.

    Attributes:
        code: Its exit code; 128 + N when signal N ended it.
        statuses: What its processes left, one mapping each.
        probes: What ``doctor``'s probes found.
    """

    code: int
    statuses: list[dict[str, Any]] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def run_dirs(self) -> list[Path]:
        return sorted({Path(s["run_dir"]) for s in self.statuses if s.get("run_dir")})

    @property
    def captured(self) -> int:
        return sum(int(s.get("captured") or 0) for s in self.statuses)

    @property
    def windows(self) -> int:
        return sum(int(s.get("windows") or 0) for s in self.statuses)

    @property
    def failures(self) -> list[str]:
        return list(dict.fromkeys(f for s in self.statuses for f in s.get("failures", ())))


def launch(
    command: Sequence[str],
    *,
    mode: str,
    run_id: str = "",
    settings: Mapping[str, str] | None = None,
    record: bool = False,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Launched:
    """Run ``command`` unedited.

    Args:
        command: The host's own words.
        mode: ``capture``, ``record`` or ``probe`` (see ``hooks.bootstrap.process``).
        run_id: Shared by every process of the command.
        settings: ``CRYSMM_ATTN_*`` values laid over the environment.
        record: Also digest the models' outputs.
        timeout: Seconds after which the command is ended.
        cwd: Working directory.
        quiet: Send the host's output to stderr instead of stdout.

    Raises:
        UsageError: When there is no such program.
    """
    if shutil.which(command[0]) is None and not Path(cwd or ".", command[0]).exists():
        raise UsageError(
            f"{command[0]}: no such program; write the host's command as you run it, after two dashes."
        )
    with tempfile.TemporaryDirectory(prefix="crysmm-attn-") as folder:
        environment = host_environment(mode, folder, settings)
        if run_id:
            environment[PREFIX + "RUN_ID"] = run_id
        if record:
            environment[PREFIX + "RECORD"] = "1"
        try:
            process = subprocess.Popen(
                list(command), env=environment, cwd=cwd, stdout=sys.stderr if quiet else None
            )
        except OSError as error:
            raise UsageError(f"{command[0]} cannot be run: {error.strerror}.") from error
        code = _wait(process, timeout)
        found = [(p.name, _read(p)) for p in sorted(Path(folder).glob("*.json"))]
        return Launched(
            code,
            [v for name, v in found if name.startswith("status")],
            [v for name, v in found if name.startswith("probe")],
        )


def host_environment(mode: str, status: str, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that a host's command is started with.

    Args:
        mode: As in ``launch``.
        status: Folder where its processes leave word; none when empty.
        settings: ``CRYSMM_ATTN_*`` values.
    """
    site = str(Path(bootstrap.__file__).parent / "site")
    return {
        **os.environ,
        **(settings or {}),
        "PYTHONPATH": os.pathsep.join(p for p in (site, os.environ.get("PYTHONPATH", "")) if p),
        PREFIX + "MODE": mode,
        PREFIX + "STATUS": status,
        PREFIX + "SITE": site,
        SEAMS: _seams(),
        PREFIX + "HOME": str(Path(__file__).resolve().parent.parent.parent),
    }


def _seams() -> str:
    """Where hosts are entered, those of plugins included; empty, for the built-in ones, when plugins cannot be loaded."""
    try:
        return ",".join(modules_of(get_plugin_manager().hooks.host_adapters()))
    except PluginError as error:  # the host's command runs all the same
        print(f"crysmm-attn: {error}", file=sys.stderr)
        return ""


def _wait(process: subprocess.Popen[bytes], timeout: float | None) -> int:
    """Wait, passing on SIGINT (the terminal sends it to both) and SIGTERM."""

    def pass_on(number: int, frame: Any) -> None:
        process.send_signal(number)

    earlier = {s: signal.signal(s, pass_on if s == signal.SIGTERM else signal.SIG_IGN)
               for s in (signal.SIGTERM, signal.SIGINT)}  # fmt: skip
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            code = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, json.JSONDecodeError):
        return {}

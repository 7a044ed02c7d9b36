"""``crysmm-attn doctor``: what would be attached to a host's command, with nothing run to its end."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from typing import Any

from crysmm_attn_plugin.cli import split_host_command
from crysmm_attn_plugin.commands.arguments import number
from crysmm_attn_plugin.commands.launch import host_environment, launch

#: The hook that tells who is in a batch.
IDENTIFY = "attn_identify_batch"
#: Shown under ``--help``.
EXAMPLES = ("crysmm-attn doctor -- python train.py --config config.json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn doctor``."""
    parser.add_argument(
        "--time-limit",
        type=number(0, 604_800, high_too=True),
        default=300.0,
        help="seconds to wait for a first forward",
    )
    parser.add_argument("--loader", metavar="NAME|N", help="the test loader, as in `crysmm-attn run`")
    parser.add_argument("host", nargs=argparse.REMAINDER, metavar="-- CMD", help="the host's own command")


def run(args: argparse.Namespace) -> int:
    """Probe the host; returns 0 when attention would be captured, else 3."""

    command = split_host_command(args.host, command="doctor")
    for line in interpreter_report(command):
        print(line)
    values = {"CRYSMM_ATTN_INTERNAL_GRACE": str(min(30.0, args.time_limit / 3))}
    if args.loader is not None:
        values["CRYSMM_ATTN_LOADER"] = args.loader
    done = launch(command, mode="probe", timeout=args.time_limit, quiet=True, settings=values)
    found = max(done.probes, key=lambda p: (bool(p.get("ids")), len(p.get("loops", ()))), default=None)
    if found is None:
        print(_never(done.code, args.time_limit))
        return 3
    for line in (*_host(found), *(f"loop: {line}" for line in found["loops"])):
        print(line)
    if found.get("undecided"):
        print(
            f"note: nobody named {found['undecided']} loops that do not train, so which of them is the test pass is not known "
            "unless training tells them apart; name it with --loader NAME or --loader N"
        )
    if found.get("model"):
        print(f"model: {found['model']}")
    for line in found.get("maps", ()):
        print(f"attention: {line}")
    for line in (*_identity(found), *_plugins(found)):
        print(line)
    problems = [str(p).rstrip(".") for p in found.get("problems", ())]
    if "problems" not in found:
        problems = [
            f"no model was called on the batches of a loop (exit code {done.code}, limit {args.time_limit:g} s)"
        ]
    for problem in problems:
        print(f"problem: {problem}.")
    words = "--arm NAME" + (f" --loader {args.loader}" if args.loader is not None else "")
    ran = "the host ran to its end" if found.get("ended") else "nothing was run to its end"
    print(f"{ran}; capture with: crysmm-attn run {words} -- {shlex.join(command)}")
    return 3 if problems or not found.get("ids") else 0


def _host(found: dict[str, Any]) -> list[str]:
    """Which host it is, and whose adapter says so."""
    host = found.get("host")
    if not host:
        return ["host: known to no adapter; its loops are told apart by their names and by what runs in them"]
    at = f", entered at {host['at']}" if host["at"] else ""
    return [f"host: {host['name']}{at} (adapter of {host['source']})"]


def _plugins(found: dict[str, Any]) -> list[str]:
    """What each plugin adds, and which hooks it answered in these batches."""
    lines = []
    for plugin in found.get("plugins", ()):
        if plugin["error"]:
            lines.append(f"plugin: {plugin['name']} ({plugin['source']}) is left out: {plugin['error']}")
            continue
        answered = ", ".join(plugin["answered"]) or "none"
        lines.append(
            f"plugin: {plugin['name']} ({plugin['source']}) implements {', '.join(plugin['hooks'])}; answered: {answered}"
        )
    return lines


def _identity(found: dict[str, Any]) -> list[str]:
    """What is known of the crystals, and what is not, which costs no more than the numbers that need it."""
    ids = found.get("ids")
    if not ids:
        return []
    marked = " (places: neither the data set nor the batch names its crystals)" if ids[0][:1] in "#~" else ""
    by = [f"{p['name']} ({p['source']})" for p in found.get("plugins", ()) if IDENTIFY in p["answered"]]
    lines = [
        f"identity: told by {' and '.join(by)}" if by else "identity: read from the data set and the batch"
    ]
    lines.append(f"ids: {', '.join(ids)}{marked}")
    for what, without in (("elements", "no numbers by element"), ("tokens", "no numbers of words")):
        values = found.get(what)
        lines.append(
            f"{what} of the first: {' '.join(values)}" if values else f"{what}: unknown, so {without}"
        )
    if not found.get("prediction"):
        lines.append("prediction: not recognised in what the model returns, so it is not stored")
    return lines


def interpreter_report(command: list[str]) -> list[str]:
    """What is known of the host's Python before it runs: whether it has the plugin, and whether that is reached.

    The interpreter is asked with the command's own switches, and in the environment that the command would get.
    """

    program = shutil.which(command[0]) or command[0]
    if "python" not in program.rsplit("/", 1)[-1]:
        return []
    switches = []
    for word in command[1:]:
        if not word.startswith("-") or word in ("-c", "-m", "-"):
            break
        switches.append(word)
    code = (
        "import sys\n"
        "print('crysmm_attn_plugin.hooks.bootstrap.process' in sys.modules)\n"
        "import crysmm_attn_plugin as a\n"
        "print(a.__version__)"
    )
    try:
        done = subprocess.run(
            [program, *switches, "-c", code], capture_output=True, text=True, timeout=60, check=False,
            env=host_environment("ask", ""),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    attached, *rest = done.stdout.split() or ["False"]
    if attached == "True" and rest:
        return [f"interpreter: {program} has crysmm-attn {rest[0]}"]
    if "-S" in switches or any(re.fullmatch(r"-[a-zA-Z]*S[a-zA-Z]*", s) for s in switches):
        return ["problem: python -S reads no start-up file, so nothing can attach; leave it out."]
    if rest:
        return [
            f"problem: {program} has crysmm-attn {rest[0]}, but not its start-up file; install the package again."
        ]
    return [
        f"problem: {program} does not have crysmm-attn; install it there: {program} -m pip install crysmm-attn"
    ]


def _never(code: int, limit: float) -> str:
    return (
        f"problem: no loop over a torch DataLoader was seen before the command ended (exit code {code}, limit {limit:g} s), or "
        "its Python never loaded this package."
    )

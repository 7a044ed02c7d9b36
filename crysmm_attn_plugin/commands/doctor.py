"""``crysmm-attn doctor``: what would be attached to a host's command, with nothing run to its end."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from typing import Any

from crysmm_attn_plugin.cli import split_host_command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn doctor``."""
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds to wait for a first forward")
    parser.add_argument("host", nargs=argparse.REMAINDER, metavar="-- CMD", help="the host's own command")


def run(args: argparse.Namespace) -> int:
    """Probe the host; returns 0 when attention would be captured, else 3."""
    from crysmm_attn_plugin.commands.launch import launch

    command = split_host_command(args.host, command="doctor")
    for line in interpreter_report(command):
        print(line)
    done = launch(command, mode="probe", timeout=args.time_limit, quiet=True)
    found = next((p for p in done.probes if p.get("model") is not None), None)
    if found is None:
        print(_nothing(done.probes, done.code, args.time_limit))
        return 3
    print(f"model: {found['model']}")
    for line in found.get("maps", ()):
        print(f"attention: {line}")
    for line in found.get("loaders", ()):
        print(f"loader: {line}")
    if found.get("ids"):
        print(f"ids: {', '.join(found['ids'])}")
    if found.get("elements"):
        print(f"elements of the first: {' '.join(found['elements'])}")
    if found.get("tokens"):
        print(f"tokens of the first: {' '.join(found['tokens'])} ...")
    for problem in found["problems"]:
        print(f"problem: {problem}")
    print("nothing was run to its end; capture with: crysmm-attn run --arm NAME -- " + " ".join(command))
    return 3 if found["problems"] else 0


def interpreter_report(command: list[str]) -> list[str]:
    """What is known of the host's Python before it runs: whether it has the plugin, whether it ignores it."""
    program = shutil.which(command[0]) or command[0]
    if "python" not in program.rsplit("/", 1)[-1]:
        return []
    switches = [w for w in command[1:] if w.startswith("-") and not w.startswith("--")]
    lines = []
    for word in switches:
        if word in ("-I", "-E", "-S") or (
            len(word) > 1 and set(word[1:]) <= set("IESBsuvqOP") and set(word[1:]) & set("IES")
        ):
            lines.append(
                f"problem: python {word} ignores the environment, so nothing can attach; leave it out."
            )
        if word in ("-c", "-m"):
            break
    code = "import crysmm_attn_plugin as a; print(a.__version__)"
    try:
        done = subprocess.run([program, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return lines
    if done.returncode != 0:
        lines.append(
            f"problem: {program} does not have crysmm-attn; install it there: {program} -m pip install crysmm-attn"
        )
    else:
        lines.append(f"interpreter: {program} has crysmm-attn {done.stdout.strip()}")
    return lines


def _nothing(probes: list[dict[str, Any]], code: int, limit: float) -> str:
    loaders = list(dict.fromkeys(w for p in probes for w in p.get("loaders", ())))
    if not probes:
        return "problem: the host's process never attached (another interpreter, or python -I)."
    if loaders:
        return (
            "problem: no attention was seen in any loop without gradients; loops seen: "
            + "; ".join(loaders[:4])
            + "."
        )
    return f"problem: the command ended (exit code {code}, limit {limit:g} s) before any loader was iterated."

"""The command line: one sub-command per file in ``commands/``, loaded when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from crysmm_attn_plugin import __version__
from crysmm_attn_plugin.errors import AttnError, UsageError

#: Sub-command -> one line of help. ``commands/<name>.py`` holds ``add_arguments(parser)`` and ``run(args)``.
COMMANDS: dict[str, str] = {
    "demo": "train both arms of the reference host, capture in their test loops, report",
    "run": "run a host's own command unedited, capturing its test passes",
    "compare": "compare the attention of two existing checkpoints on the host's own test set",
    "report": "compare captured runs: statistics, paragraphs, figures, tables, page",
    "plan": "how many crystals and seeds a comparison needs",
    "doctor": "say what would be attached to a host's command, and what stands in the way",
    "verify": "prove that the host's predictions do not change",
    "status": "say what a run on disk holds and whether it is complete",
    "repair": "keep what is whole of a damaged or unfinished run",
    "plugins": "list the plugins and what they add",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"crysmm-attn: error: {message}", file=sys.stderr)
        raise SystemExit(2)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The argument parser; ``only`` fills in the arguments of that sub-command alone."""
    parser = _Parser(
        prog="crysmm-attn",
        description="Look at the cross-modal attention of crystal-text models, and trust what you see.",
        epilog="exit codes: 0 done, 1 failed, 2 usage, 3 nothing captured, 4 partial store",
    )
    parser.add_argument("--version", action="version", version=f"crysmm-attn {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback when a command ends in an error"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if only in (name, "*"):
            importlib.import_module(f"crysmm_attn_plugin.commands.{name}").add_arguments(sub)
    if only not in (None, "*", *COMMANDS):
        from crysmm_attn_plugin.hooks.manager import get_plugin_manager

        get_plugin_manager().call("attn_add_commands", cli=subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of DESIGN's table, never a traceback for an expected error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = next((a for a in arguments if not a.startswith("-")), None)
    try:
        parser = build_parser(name)
        args = parser.parse_args(arguments)
        if args.command is None:
            parser.print_help()
            return 0
        if hasattr(args, "handler"):  # a command added by a plugin
            return int(args.handler(args) or 0)
        module = importlib.import_module(f"crysmm_attn_plugin.commands.{args.command}")
        return int(module.run(args) or 0)
    except AttnError as error:
        if "--debug" in arguments:
            raise
        print(f"crysmm-attn: error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("crysmm-attn: interrupted; what was captured so far stays on disk.", file=sys.stderr)
        return 130


def split_host_command(remainder: Sequence[str], *, command: str) -> list[str]:
    """The host's command after ``--``.

    Raises:
        UsageError: When there is none.
    """
    words = list(remainder)
    if words and words[0] == "--":
        words = words[1:]
    if not words:
        raise UsageError(
            f"no host command given; write it after two dashes: crysmm-attn {command} -- python train.py ..."
        )
    return words


if __name__ == "__main__":
    raise SystemExit(main())

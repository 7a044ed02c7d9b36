"""The command line: one sub-command per file in ``commands/``, loaded when it is asked for; plugins may add more."""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from crysmm_attn_plugin import __version__
from crysmm_attn_plugin.announced import plugins_announced
from crysmm_attn_plugin.command_help import sentence, show_examples
from crysmm_attn_plugin.commands.arguments import text
from crysmm_attn_plugin.errors import AttnError, UsageError, one_line, shortened

#: Sub-command -> one line of help. ``commands/<name>.py`` holds ``add_arguments(parser)``, ``run(args)`` and EXAMPLES.
COMMANDS: dict[str, str] = {
    "demo": "train both arms of the reference host, capture in their test loops, report",
    "run": "run a host's own command unedited, capturing its test passes",
    "compare": "compare the attention of two existing checkpoints on the host's own test set",
    "explain": "read one crystal with a checkpoint: map, words, atoms, what changes under intervention",
    "report": "compare captured runs: statistics, paragraphs, figures, tables, page",
    "pool": "several data sets or properties: each alone, pooled, and what another would show",
    "declare": "write down hypothesis and rules before anything is captured",
    "plan": "how many crystals and seeds a comparison needs",
    "doctor": "say what would be attached to a host's command, and what stands in the way",
    "verify": "prove that the host's predictions do not change",
    "status": "say what a run on disk holds and whether it is complete",
    "repair": "keep what is whole of a damaged or unfinished run",
    "plugins": "list the plugins and what they add",
    "completion": "print the script that completes commands and flags in a shell",
}


class _Parser(argparse.ArgumentParser):
    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """As argparse's; a value without a type of its own must at least say something."""
        action = super().add_argument(*names, **options)
        takes_text = isinstance(action, (argparse._StoreAction, argparse._AppendAction))
        # argparse reads a default through the type too
        if (
            takes_text
            and action.default != ""
            and action.type is None
            and not action.choices
            and action.nargs != argparse.REMAINDER
        ):
            action.type = text
        return action

    def error(self, message: str) -> NoReturn:
        """One sentence and where to read on, exit code 2."""
        # argparse shows a value that a type refused by the type's own words
        message = re.sub(r"^argument (\S+?)(/\S+)*: ", r"\1: ", message)
        message = one_line(" ".join(message.split())).rstrip(".")
        stop = "" if message.endswith("?") else "."
        print(f"{self.prog}: error: {message}{stop} See {self.prog} --help.", file=sys.stderr)
        raise SystemExit(2)


class _PluginParsers:
    """The sub-parsers as plugins get them: a name that is taken is refused, so that nothing built in is shadowed."""

    def __init__(self, parsers: Any) -> None:
        self._parsers = parsers

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser:
        """As argparse's.

        Raises:
            ValueError: When there is a command of this name.
        """
        if name in self._parsers.choices:
            raise ValueError(f"the command {name!r} is there already")
        parser: argparse.ArgumentParser = self._parsers.add_parser(name, **options)
        return parser


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The argument parser.

    Args:
        only: Fill in the arguments of this sub-command alone; ``*`` of all. With None, or a name that is no built-in
            command, the commands of plugins are there too.
    """
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
        sub = subparsers.add_parser(name, help=summary, description=sentence(summary))
        if only in (name, "*"):
            module = importlib.import_module(f"crysmm_attn_plugin.commands.{name}")
            module.add_arguments(sub)
            show_examples(sub, getattr(module, "EXAMPLES", ()))
    if only not in ("*", *COMMANDS):
        add_plugin_commands(_PluginParsers(subparsers), asked=only is not None)
    return parser


def add_plugin_commands(parsers: _PluginParsers, *, asked: bool) -> None:
    """Let plugins add their commands.

    Args:
        parsers: Where.
        asked: A word was given that may be one of theirs; for a mere list of commands, plugins are loaded only where another
            distribution announces one, or they are loaded already.
    """
    if asked or "crysmm_attn_plugin.hooks.contract.manager" in sys.modules or plugins_announced():
        from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager  # pluggy

        get_plugin_manager().hooks.add_commands(cli=parsers)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code of DESIGN's table, never a traceback for an expected error."""
    _ready_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = next((a for a in arguments if not a.startswith("-")), None)
    debug = "--debug" in arguments[: arguments.index("--") if "--" in arguments else None]
    try:
        if name is None and "--version" in arguments:
            print(f"crysmm-attn {__version__}")
            raise SystemExit(0)
        parser = build_parser(name)
        args = _parsed(parser, arguments, name)
        if args.command is None:
            parser.print_help()
            return 0
        if hasattr(args, "handler"):  # a command added by a plugin
            return _run_added(args, debug)
        module = importlib.import_module(f"crysmm_attn_plugin.commands.{args.command}")
        return int(module.run(args) or 0)
    except AttnError as error:
        if debug:
            raise
        print(f"crysmm-attn: error: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if debug or error.name != "torch":
            raise
        print(
            "crysmm-attn: error: this needs torch, which reading runs does not; pip install 'crysmm-attn[capture]'.",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        if debug:
            raise
        place = f"{shortened(error.filename)}: " if error.filename else ""
        print(f"crysmm-attn: error: {one_line(f'{place}{error.strerror or error}')}.", file=sys.stderr)
        # names that no file can have
        return 2 if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else 1
    except KeyboardInterrupt:
        print("crysmm-attn: interrupted; what was captured so far stays on disk.", file=sys.stderr)
        return 130


def _ready_streams() -> None:
    """Streams that take whatever is printed.

    A closed one swallows what it is given: ``print`` would send what is meant for stderr to stdout instead. A terminal that
    does not know a character, or a name that is no text, shows an escape.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _parsed(parser: argparse.ArgumentParser, arguments: list[str], name: str | None) -> argparse.Namespace:
    """The arguments; a word that is no command and a flag that is none are told with the nearest that is."""
    commands = _subparsers(parser)
    if name is not None and name not in commands:
        parser.error(f"there is no command {name!r}{_near(name, commands)}")
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        sub = commands.get(name or "", parser)
        flags = [f for a in sub._actions for f in a.option_strings]
        sub.error(f"unknown argument {unknown[0]!r}{_near(unknown[0], flags)}")
    return args


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


def _near(word: str, known: Sequence[str] | dict[str, Any]) -> str:
    found = difflib.get_close_matches(word.split("=")[0], list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _run_added(args: argparse.Namespace, debug: bool) -> int:
    """A plugin's command: its faults are its own, and are said in a sentence."""
    try:
        return int(args.handler(args) or 0)
    except (AttnError, OSError, KeyboardInterrupt):
        raise
    except Exception as error:
        if debug:
            raise
        reason = " ".join(str(error).split())
        print(
            f"crysmm-attn: error: the command {args.command} of a plugin failed: {type(error).__name__}: {reason}",
            file=sys.stderr,
        )
        return 1


def split_host_command(remainder: Sequence[str], *, command: str) -> list[str]:
    """The host's command after ``--``.

    Raises:
        UsageError: When there is none.
    """
    words = list(remainder)
    if words and words[0] == "--":
        words = words[1:]
    if not words or not words[0].strip():
        raise UsageError(
            f"no host command given; write it after two dashes: crysmm-attn {command} -- python train.py ..."
        )
    return words


if __name__ == "__main__":
    raise SystemExit(main())

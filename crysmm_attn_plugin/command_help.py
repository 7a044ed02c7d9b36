"""How the help of a command reads, the project's own and a plugin's: its line as a sentence, its examples."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def show_examples(parser: argparse.ArgumentParser, examples: Sequence[str]) -> None:
    """Show command lines under a parser's ``--help``."""
    if examples:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = "examples:\n" + "\n".join(f"  {line}" for line in examples)


def sentence(text: str) -> str:
    """A line of help as a sentence."""
    return text[:1].upper() + text[1:] + "."

"""``crysmm-attn completion``: commands and flags for the shell to complete."""

from __future__ import annotations

import argparse

import shtab

from crysmm_attn_plugin.cli import build_parser

EXAMPLES = (
    "crysmm-attn completion bash > ~/.local/share/bash-completion/completions/crysmm-attn",
    "crysmm-attn completion zsh > ~/.zfunc/_crysmm-attn",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``crysmm-attn completion``."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="the shell to write for")


def run(args: argparse.Namespace) -> int:
    """Print the shell's own completion script for every built-in command and flag."""
    print(shtab.complete(build_parser("*"), args.shell))
    return 0

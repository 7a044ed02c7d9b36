"""Colour of what commands print: verdicts bold, notes and alarms in a hue, on a terminal that wants it."""

from __future__ import annotations

import os
import re
from typing import TextIO

_BOLD, _AMBER, _RED, _END = "\x1b[1m", "\x1b[33m", "\x1b[31m", "\x1b[0m"
_STYLES = ((re.compile(r"\s*alarm: "), _RED), (re.compile(r"\s*note: "), _AMBER), (re.compile(r"\S"), _BOLD))


def wanted(stream: TextIO) -> bool:
    """A terminal, unless ``NO_COLOR`` is set to anything or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, stream: TextIO) -> str:
    """A summary as it goes to a stream: lines that are not indented, notes and alarms stand out on a terminal.

    Args:
        text: Lines.
        stream: Where they are printed; anything but a terminal gets them as they are.
    """
    return "\n".join(_line(line) for line in text.split("\n")) if wanted(stream) else text


def _line(line: str) -> str:
    style = next((style for pattern, style in _STYLES if pattern.match(line)), "")
    return f"{style}{line}{_END}" if style else line

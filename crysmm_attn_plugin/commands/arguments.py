"""Kinds of command-line arguments: a bad value is refused before any work begins, in one sentence."""

from __future__ import annotations

import argparse
import difflib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.urls import refuse_no_text

#: Longest name of a file that common file systems take, in bytes.
LONGEST_NAME = 255
LARGEST_SEED = 2**32 - 1


def text(value: str) -> str:
    """A value that says something."""
    if not value.strip():
        raise argparse.ArgumentTypeError("is empty; give a value or leave it out")
    if "\0" in value:
        raise argparse.ArgumentTypeError("holds a zero byte")
    return value


def _path(value: str) -> Path:
    path = Path(os.path.expanduser(text(value)))
    for part in path.parts:
        if len(os.fsencode(part)) > LONGEST_NAME:
            raise argparse.ArgumentTypeError(f"has a name of more than {LONGEST_NAME} bytes ({part[:20]}...)")
    return path


def output_folder(value: str) -> str:
    """A folder that results can be written into, there or not."""
    path = _path(value).absolute()
    try:
        refuse_no_text(path)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is a file; name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"{there} cannot be written into; name another folder")
    return value


def pattern(value: str) -> str:
    """A pattern of files below a folder."""
    if Path(text(value)).is_absolute() or ".." in Path(value).parts:
        raise argparse.ArgumentTypeError(
            f"{value} must be a pattern below the working directory, such as *.csv"
        )
    return value


def whole(smallest: int, largest: int) -> Callable[[str], int]:
    """A whole number within limits."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r} is no whole number") from None
        if not smallest <= number <= largest:
            raise argparse.ArgumentTypeError(f"must be between {smallest:,} and {largest:,}, got {value}")
        return number

    return read


def number(
    low: float, high: float, *, low_too: bool = False, high_too: bool = False
) -> Callable[[str], float]:
    """A finite number within limits; the limits themselves only where said."""

    def read(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r} is no number") from None
        inside = (found >= low if low_too else found > low) and (found <= high if high_too else found < high)
        if not math.isfinite(found) or not inside:
            words = f"{'at least' if low_too else 'more than'} {low:g} and {'at most' if high_too else 'less than'} {high:g}"
            raise argparse.ArgumentTypeError(f"must be {words}, got {value}")
        return found

    return read


seed = whole(0, LARGEST_SEED)


def words(value: str) -> tuple[str, ...]:
    """Words separated by commas, at least one."""
    found = tuple(dict.fromkeys(w.strip() for w in value.split(",") if w.strip()))
    if not found:
        raise argparse.ArgumentTypeError("is empty; give one or more words separated by commas")
    return found


def choice(value: str, known: Sequence[str], what: str) -> str:
    """One of several words; a near miss is named."""
    if value in known:
        return value
    raise argparse.ArgumentTypeError(
        f"unknown {what} {value!r}{near(value, known)}; known: {', '.join(known)}"
    )


def near(value: str, known: Sequence[str]) -> str:
    """`` (did you mean 'x'?)`` where something known is close."""
    found = difflib.get_close_matches(value, known, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""

"""What a report is asked to be, checked before any work is done: loads nothing that reads runs or does statistics."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from crysmm_attn_plugin.catalogue import known_languages
from crysmm_attn_plugin.errors import UsageError, shortened
from crysmm_attn_plugin.reports.formats import PARTS
from crysmm_attn_plugin.reports.parts import part_names
from crysmm_attn_plugin.urls import refuse_url

if TYPE_CHECKING:
    from crysmm_attn_plugin.reports.prose.facts import Style

#: Always written; asked for alone, ``result.json`` is all there is.
ALWAYS = "json"
#: The project's own formats: the parts that write files under names of their own.
FORMATS = (ALWAYS, *(p.name for p in PARTS if p.files))
LANGUAGES = ("en", "zh")
STYLES = ("nature", "apa", "gbt")


def known_formats() -> tuple[str, ...]:
    """Every part that can be asked for, those of plugins last."""
    return (ALWAYS, *part_names())


def check_request(
    out_dir: str | os.PathLike[str],
    *,
    formats: Sequence[str] | None = None,
    langs: Sequence[str] = LANGUAGES,
    style: str = "nature",
) -> tuple[set[str], tuple[str, ...], Style, Path]:
    """What a report is asked to be, checked before any work is done; nothing is written.

    Returns:
        Formats, languages, style and the folder as an absolute path.

    Raises:
        UsageError: On an unknown format, language or style, or a folder that cannot be written.
    """
    every = known_formats()
    wanted = set(_checked("format", formats or every, every))
    languages = _checked("language", langs, known_languages())
    number_style = cast("Style", _checked("style", [style], STYLES)[0])
    return wanted, languages, number_style, check_folder(out_dir)


def check_folder(out_dir: str | os.PathLike[str]) -> Path:
    """The folder as an absolute path, when a report can be written there.

    Raises:
        UsageError: When the name is empty or too long, a file stands in the way, or the place may not be written.
    """
    if not os.fspath(out_dir).strip():
        raise UsageError("the report folder's name is empty; name a folder, for example attention_report.")
    if "\0" in os.fspath(out_dir):
        raise UsageError("the report folder's name holds a null character; name another folder.")
    refuse_url(out_dir, "the report folder")
    target = Path(out_dir).absolute()
    try:
        if target.exists() and not target.is_dir():
            raise UsageError(f"{target} is a file; name a folder for the report.")
        above = next(p for p in target.parents if p.exists())
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {shortened(target)}: {error.strerror}; name another folder."
        ) from None
    if not above.is_dir():
        raise UsageError(f"{above} is a file, so {target} cannot be made below it; name another folder.")
    try:
        longest = os.pathconf(above, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        longest = 255
    # the folder is made beside its place under a longer name
    if any(len(os.fsencode(part)) + 24 > longest for part in target.relative_to(above).parts):
        raise UsageError(f"the report folder's name is too long ({shortened(target)}); name a shorter one.")
    for place in (above, target):
        if place.exists() and not os.access(place, os.W_OK | os.X_OK):
            raise UsageError(
                f"{place} may not be written; name another folder with --out, or allow writing there."
            )
    try:
        with tempfile.TemporaryDirectory(prefix=".attn-", dir=above):
            pass
    except OSError as error:
        raise UsageError(
            f"the report cannot be written below {above}: {error.strerror}; name another folder."
        ) from None
    return target


def _checked(what: str, values: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    unknown = [v for v in values if v not in allowed]
    if unknown or not values:
        raise UsageError(
            f"unknown {what} {', '.join(unknown) or '(none given)'}; choose from {', '.join(allowed)}."
        )
    return tuple(dict.fromkeys(values))

"""Parts of the page that are unpacked when they are needed: where figures show crystals, descriptions, the result itself."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.reports.figures.style import Dots
from crysmm_attn_plugin.store.files import plain

#: Characters of base64 that all descriptions together may take.
DESCRIPTIONS_BUDGET = 4_000_000
_GROUP = re.compile(
    r"(?<![\w/-])([PIFCRABH][-1-6abcdmn][\w/\u0305\u0304_-]{0,12})\s+space group|"
    r"space group\s+(?:is\s+|of\s+|type\s+)?([PIFCRABH][-1-6abcdmn][\w/\u0305\u0304_-]{0,12})"
)


def packed(content: bytes) -> str:
    """Bytes as gzip in base64, as the page's scripts unpack them."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def dots_block(dots: Dots, rows: Sequence[int | None]) -> str:
    """Places of crystals in a figure: x and y (uint16 each, shares of 65535), then the crystal's number on the page.

    Args:
        dots: As the figure has them, by row of ``samples``.
        rows: Row of ``samples`` -> number on the page, None where it is not listed.
    """
    numbers = np.array([-1 if n is None else n for n in rows] or [-1])[dots.rows]
    kept = numbers >= 0
    if not kept.any():
        return ""
    parts = [np.rint(np.clip(v[kept], 0, 1) * 65535).astype("<u2").tobytes() for v in (dots.x, dots.y)]
    return packed(b"".join([*parts, numbers[kept].astype("<u4").tobytes()]))


def descriptions(comparison: Any, ids: Sequence[str]) -> list[str]:
    """The text of each crystal, "" where none was captured."""
    found = []
    for id in ids:
        try:
            labels = comparison.token_labels(id)
        except (AttnError, KeyError, AttributeError):
            labels = None
        found.append(" ".join(labels.text.split()) if labels is not None and labels.text else "")
    return found


def descriptions_block(texts: Sequence[str]) -> str:
    """Descriptions for the search, or "" when there are none or they would make the page too large."""
    if not any(texts):
        return ""
    block = packed(json.dumps(list(texts), ensure_ascii=False).encode())
    return block if len(block) <= DESCRIPTIONS_BUDGET else ""


def space_group(text: str) -> str:
    """The space group a description names, or ""."""
    found = _GROUP.search(text)
    return (found[1] or found[2]) if found else ""


def result_block(result: Any) -> str:
    """``result.json``, so that a page sent alone still has every number."""
    values: Mapping[str, Any] = plain(result)
    return packed(json.dumps(values, ensure_ascii=False, indent=1).encode())

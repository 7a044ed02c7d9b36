"""Fuzzed: tokens to words, numbers to text, text to markup, settings."""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.reports import escape, numbers
from crysmm_attn_plugin.settings import (
    ENV_PREFIX,
    SETTING_KEYS,
    TOML_NAME,
    Settings,
    load_settings,
    merge,
)
from crysmm_attn_plugin.text.alignment import NOWHERE, align, fold
from crysmm_attn_plugin.text.reading import Reading

from .draw import Draw

#: Names of tables and folders are made once a process.
_folder = tempfile.TemporaryDirectory(prefix="fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
FOLDER = Path(_folder.name)

_WORDS = ("NaCl", "is", "rock", "salt", "structured", "Na(1)", "bond", "lengths", "2.83", "Å", "Fm-3m", "TiO₂", "(0,0,1)",
          "crystallizes", "in", "the", "cubic", "space", "group.", "−1.5°", "e.g.", "中文", "H2O", "μ", "…", "é")  # fmt: skip
_MARKS = ("", "##", "Ġ", "▁", " ", "<", "[", "@@", "</w>", "<0xE2>", "[UNK]", "<unk>")


def tokens(content: bytes) -> None:
    """Any tokens on any text: every span lies in the text, in order; every token is in exactly one word."""
    draw = Draw(content)
    text = " ".join(draw.one(_WORDS) if draw.flag() else draw.text(8) for _ in range(draw.whole(12)))
    found: list[str] = []
    special: list[bool] = []
    for _ in range(draw.whole(24)):
        found.append(draw.one(_MARKS) + (draw.one(_WORDS) if draw.flag() else draw.text(5)))
        special.append(draw.whole(7) == 0)
    _read(found, special, text)


def _read(found: list[str], special: list[bool], text: str) -> Reading:
    laid = align(found, special, text)
    assert len(laid.offsets) == len(found)
    assert 0 <= laid.aligned <= 1
    assert 0 <= laid.agreeing <= 1
    last = 0
    for (start, end), left_out in zip(laid.offsets, special):
        if (start, end) == NOWHERE:
            continue
        assert not left_out, "a special token stands in no text"
        assert 0 <= start < end <= len(text)
        assert start >= last, "tokens stand in the order of the text"
        last = start
    labels = TokenLabels(tuple(found), (-1,) * len(found), tuple(special), text, False)
    reading = Reading(labels, frozenset(("Na", "Cl", "Ti", "O", "H")))
    positions = [p for word in reading.words for p in word.positions]
    assert positions == list(range(len(found))), "every token is in exactly one word"
    for shares in reading.class_shares() or ():
        assert math.isclose(sum(shares.values()), 1, abs_tol=1e-9)
    return reading


def cut_text(content: bytes) -> None:
    """A text cut into its own pieces, as tokenizers cut it: every piece is found where it was cut."""
    draw = Draw(content)
    words = [draw.one(_WORDS) for _ in range(draw.whole(15) + 1)]
    text = " ".join(words)
    style = draw.one(("wordpiece", "metaspace", "blank"))
    found, spans, place = [], [], 0
    for word in words:
        start = 0
        while start < len(word):
            end = min(start + 1 + draw.whole(5), len(word))
            piece = word[start:end]
            first = {"wordpiece": "", "metaspace": "▁", "blank": " "}[style] if start == 0 else ""
            mark = "##" if style == "wordpiece" and start else first
            found.append(mark + piece)
            spans.append((place + start, place + end))
            start = end
        place += len(word) + 1
    laid = align(found, [False] * len(found), text)
    for piece, span, wanted in zip(found, laid.offsets, spans):
        if fold(text[slice(*wanted)])[0]:
            assert span == wanted, (piece, span, wanted, text)
    assert laid.aligned == 1.0
    _read(found, [False] * len(found), text)


def number(content: bytes) -> None:
    """Numbers as text: what is read back is the value to the last digit shown; signs, order and bounds are kept."""
    draw = Draw(content)
    value, low, high = draw.number(), draw.number(), draw.number()
    decimals = draw.whole(8)
    text = numbers.fixed(value, decimals, sign=draw.flag())
    assert "-" not in text
    assert "e" not in text
    back = _back(text)
    if back is None:
        assert not math.isfinite(value)
    else:
        assert abs(back - value) <= 0.5000001 * 10.0**-decimals + abs(value) * 1e-15
        assert not (back and value) or (back > 0) == (value > 0), "the sign is kept"
    shown = numbers.format_number(value, min(low, high), max(low, high))
    back = _back(shown)
    assert (back is None) == (not math.isfinite(value))
    if math.isfinite(low) and math.isfinite(high):
        first, last = sorted((low, high))
        for lang, style in (("en", "nature"), ("en", "apa"), ("zh", "gbt")):
            interval = numbers.format_interval(first, last, lang=lang, style=style)
            parts = re.split(", | to |～", interval.strip("[]"))
            assert len(parts) == 2
            assert _real(parts[0]) <= _real(parts[1])
            if first < last and last - first >= 1e-5:
                assert parts[0] != parts[1] or abs(last - first) < 1e-4 * abs(last), "two ends are told apart"
    p = abs(value) % 1 if math.isfinite(value) else value
    for style in ("nature", "apa", "gbt"):
        text = numbers.format_p(p, style=style)
        assert "0.000" not in text
        if math.isfinite(p):
            said = float(text.split()[-1])
            assert p < said if "<" in text else abs(said - p) <= 0.0050001
    numbers.format_percent(value, magnitude=draw.flag())
    numbers.format_effect(value)


def _back(text: str) -> float | None:
    return None if text == numbers.MISSING else float(text.replace(numbers.MINUS, "-"))


def _real(text: str) -> float:
    found = _back(text)
    assert found is not None
    return found


def markup(content: bytes) -> None:
    """Any text in a table of LaTeX, Markdown or CSV: it stays one cell, opens no command and starts no formula."""
    text = Draw(content).text(60)
    latex = escape.latex(text)
    depth = 0
    bare = latex.replace("\\{", "").replace("\\}", "")
    for c in bare:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    assert (
        not any(c in bare.replace("\\&", "").replace("\\%", "").replace("\\#", "") for c in "&%#\n")
        or "\n" in text
    )
    cell = escape.markdown(text, table=True)
    assert "\n" not in cell
    assert "|" not in cell.replace("\\|", "")
    value = escape.csv_cell(text)
    assert isinstance(value, str)
    assert value[:1] not in ("=", "+", "-", "@", "\t", "\r") or float(value) is not None


def variables(content: bytes) -> None:
    """Settings from the environment, a host's config and flags: settings within their limits, or one sentence."""
    draw = Draw(content)
    layers = []
    for _ in range(2):
        layer: dict[str, object] = {}
        for _ in range(draw.whole(4)):
            key = draw.one(SETTING_KEYS) if draw.whole(3) else draw.text(12)
            layer[key] = _value(draw)
        layers.append(layer)
    environ = {ENV_PREFIX + k.replace(".", "_").upper(): str(v) for k, v in layers[0].items()}
    config: Any = layers[1] if draw.flag() else _value(draw)
    _settled(lambda: load_settings(environ=environ, host_config=config, directory=FOLDER / "none"))
    _settled(lambda: load_settings(environ={}, flags=layers[1], directory=FOLDER / "none"))


def _value(draw: Draw) -> object:
    kind = draw.whole(9)
    if kind == 0:
        return draw.flag()
    if kind == 1:
        return draw.whole(2**40) - 2**20
    if kind == 2:
        return draw.number()
    if kind == 3:
        return [draw.text(6) for _ in range(draw.whole(3))]
    if kind == 4:
        return {draw.text(6): draw.number()}
    if kind == 5:
        return None
    if kind == 6:
        return draw.one(
            ("final", "all", "none", "en", "en,zh", "nature", "1e999", "٣", "0x10", "true", "off", "1_000")
        )
    return draw.text(12)


def toml(content: bytes) -> None:
    """Any bytes as ``crysmm_attn.toml``: settings, or one sentence that names the file."""
    path = FOLDER / TOML_NAME
    path.write_bytes(content)
    _settled(lambda: load_settings(environ={}, directory=FOLDER), name=str(path))


def _settled(load: Callable[[], Settings], name: str = "") -> None:
    settings, told = None, ""
    try:
        settings = load()
    except UsageError as error:
        told = str(error)
    if settings is None:
        assert name in told
        return
    assert type(settings.enabled) is bool
    assert type(settings.strict) is bool
    assert type(settings.memory_mb) is int
    assert 1 <= settings.memory_mb <= 1_000_000
    assert 0 < settings.report.alpha < 1
    assert 0 <= settings.report.seed < 2**32
    assert settings.windows in ("final", "all") or (type(settings.windows) is int and settings.windows >= 1)
    assert settings.maps in ("none", "all") or (type(settings.maps) is int and settings.maps >= 0)
    assert settings.splits
    assert settings.directions
    assert settings.out_dir.strip()
    assert merge(Settings(), settings.to_dict(), source="again") == settings

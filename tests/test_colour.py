"""Colour goes to terminals that want it, and to nothing else."""

from __future__ import annotations

import io

import pytest

from crysmm_attn_plugin.commands.colour import painted

TEXT = "full against none: supported\n  entropy  −12 %\n  note: few crystals.\n  alarm: one key."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colour_and_every_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    lines = painted(TEXT, Terminal()).split("\n")
    assert [line.startswith("\x1b[") for line in lines] == [True, False, True, True]
    assert len({line[:5] for line in lines}) == 4
    assert all(plain in line for plain, line in zip(TEXT.split("\n"), lines))


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_whoever_wants_none_gets_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert painted(TEXT, Terminal()) == TEXT


def test_a_file_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert painted(TEXT, io.StringIO()) == TEXT

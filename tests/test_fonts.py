"""The fonts that ship with the package draw every text of ours on any machine, and carry their licence."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from figure_fixtures import drawn_comparison
from matplotlib import font_manager

from crysmm_attn_plugin.reports.figures import categories, style, typefaces

ROOT = Path(__file__).resolve().parent.parent
FONTS = ROOT / "reports" / "figures" / "fonts"


def script():
    """The script that makes the fonts, as a module."""
    spec = importlib.util.spec_from_file_location("make_fonts", FONTS / "make_fonts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def covered() -> set[str]:
    codes = typefaces.coverage("CrysmmSans-Regular.ttf") | typefaces.coverage("CrysmmSansSC-Regular.ttf")
    return {chr(c) for c in codes}


def test_every_character_of_our_own_texts_is_covered() -> None:
    fallback = set(map(chr, font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()))
    missing = script().own_characters() - covered() - fallback
    assert {c for c in missing if c.isprintable() and not "\ue000" <= c <= "\uf8ff"} == set()
    chinese = {c for c in script().own_characters() if "\u4e00" <= c <= "\u9fff"}
    assert len(chinese) > 400
    assert chinese <= covered()


def test_common_ideographs_and_names_of_elements_are_covered() -> None:
    assert len(script().common_ideographs()) == 3755
    assert script().common_ideographs() | set(script().ELEMENT_NAMES) <= covered()


def test_the_fonts_are_small_open_and_bear_no_reserved_name() -> None:
    files = list(FONTS.glob("*.ttf"))
    assert len(files) == 3
    assert sum(f.stat().st_size for f in files) < 2_500_000
    licence = (FONTS / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    for file in files:
        assert file.name in licence
        name = font_manager.get_font(str(file)).family_name
        assert name in (typefaces.LATIN, typefaces.CHINESE)
        assert not any(reserved in name for reserved in ("Liberation", "Arimo", "Noto", "Source"))


def test_a_list_of_fonts_older_than_the_package_gets_them_when_a_figure_is_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = ("Crysmm", "Noto", "Arial", "Helvetica", "Liberation")
    without = [e for e in font_manager.fontManager.ttflist if not e.name.startswith(ours)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", without)
    comparison = drawn_comparison(12, cells=(("Na", "Cl"),))
    with style.context():
        (file,) = style.save(categories.draw(comparison.result, "zh"), tmp_path, "f", ["pdf"], "zh")
    raw = file.read_bytes()
    assert b"CrysmmSansSC" in raw
    assert b"CrysmmSans-Regular" in raw or b"CrysmmSansRegular" in raw
    assert b"DejaVu" not in raw


def test_a_drawn_text_raises_no_warning_of_missing_glyphs(recwarn: pytest.WarningsRecorder) -> None:
    comparison = drawn_comparison(12, cells=(("Na", "Cl"),))
    with style.context():
        for lang in ("en", "zh"):
            categories.draw(comparison.result, lang).draw_without_rendering()
    assert [str(w.message) for w in recwarn if "lyph" in str(w.message)] == []

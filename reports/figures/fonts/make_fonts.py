"""Makes the fonts that ship with the package: subsets of two open fonts, under a name of our own.

Run again when ``tests/test_fonts.py`` names a character that is missing (Debian: ``fonts-liberation2``, ``fonts-noto-cjk``)::

    python reports/figures/fonts/make_fonts.py LiberationSans-Regular.ttf LiberationSans-Bold.ttf NotoSansCJK-Regular.ttc

Liberation Sans has the widths of Arial. Of the Chinese font the characters of GB 2312's first level and every character
of our own texts are kept, with TrueType outlines, which PDF files embed as text. Both licences forbid a changed font the
original's name, hence the new one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTCollection, TTFont, newTable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
LATIN, CHINESE = "Crysmm Sans", "Crysmm Sans SC"
#: Latin, Greek and Cyrillic, phonetic superscripts, punctuation, super- and subscripts, letterlike, arrows, mathematics,
#: shapes.
LATIN_BLOCKS = ((0x20, 0x17F), (0x370, 0x3FF), (0x400, 0x45F), (0x1E00, 0x1EFF), (0x2010, 0x2044), (0x2070, 0x209F),
                (0x20AC, 0x20AC), (0x2100, 0x214F), (0x2190, 0x21FF), (0x2200, 0x22FF), (0x25A0, 0x25FF))  # fmt: skip
CHINESE_BLOCKS = ((0x2014, 0x2026), (0x2190, 0x2193), (0x3000, 0x3015), (0xFF01, 0xFF5E))
#: The elements; many of their names are not among the common ideographs.
ELEMENT_NAMES = (
    "氢氦锂铍硼碳氮氧氟氖钠镁铝硅磷硫氯氩钾钙钪钛钒铬锰铁钴镍铜锌镓锗砷硒溴氪铷锶钇锆铌钼锝钌铑钯银镉铟锡锑碲碘氙"
    "铯钡镧铈镨钕钷钐铕钆铽镝钬铒铥镱镥铪钽钨铼锇铱铂金汞铊铅铋钋砹氡钫镭锕钍镤铀镎钚镅锔"
)
#: Maximum distance of a quadratic outline from the cubic one, in units of a thousandth of the type size.
ERROR = 1.5


def common_ideographs() -> set[str]:
    """The 3,755 characters of GB 2312's first level."""
    found = set()
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            try:
                found.add(bytes((row, cell)).decode("gb2312"))
            except UnicodeDecodeError:
                continue
    return found


def own_characters(root: Path = ROOT) -> set[str]:
    """Every character outside ASCII that stands in the package's own sources, templates and scripts."""
    found: set[str] = set()
    for folder in ("reports", "crysmm_attn_plugin", "hooks"):
        for path in (root / folder).rglob("*"):
            if path.suffix in (".py", ".j2", ".js", ".md", ".json") and path.is_file():
                found |= set(path.read_text(encoding="utf-8"))
    return {c for c in found if ord(c) > 0x7F and c.isprintable()}


def in_blocks(blocks: tuple[tuple[int, int], ...]) -> set[str]:
    return {chr(code) for low, high in blocks for code in range(low, high + 1)}


def subset(font: TTFont, characters: set[str]) -> None:
    """Keep some characters, without hints and layout features (neither is drawn at these sizes)."""
    options = Options()
    options.hinting = False
    options.layout_features = ["kern"]
    options.name_IDs = [0, 13, 14]
    options.notdef_outline = True
    options.drop_tables += ["GSUB", "BASE", "vhea", "vmtx", "VORG", "DSIG", "PCLT", "FFTM"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in characters])
    subsetter.subset(font)


def to_truetype(font: TTFont) -> None:
    """Quadratic outlines instead of a CFF font's cubic ones."""
    order = font.getGlyphOrder()
    glyphs = font.getGlyphSet()
    converted = {}
    for name in order:
        pen = TTGlyphPen(None)
        glyphs[name].draw(Cu2QuPen(pen, ERROR, reverse_direction=True))
        converted[name] = pen.glyph()
    font["loca"] = newTable("loca")
    table = font["glyf"] = newTable("glyf")
    table.glyphOrder = order
    table.glyphs = converted
    for name in order:
        converted[name].recalcBounds(table)
        font["hmtx"][name] = (font["hmtx"][name][0], getattr(converted[name], "xMin", 0))
    maxp = font["maxp"] = newTable("maxp")
    maxp.tableVersion = 0x00010000
    for field in ("maxZones", "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs",
                  "maxStackElements", "maxSizeOfInstructions", "maxComponentElements", "maxPoints", "maxContours",
                  "maxCompositePoints", "maxCompositeContours", "maxComponentDepth", "numGlyphs"):  # fmt: skip
        setattr(maxp, field, 1 if field == "maxZones" else 0)
    maxp.numGlyphs = len(order)
    maxp.recalc(font)
    post = font["post"]
    post.formatType = 3.0
    del font["CFF "]
    font.sfntVersion = "\x00\x01\x00\x00"


def rename(font: TTFont, family: str, style: str) -> None:
    for identifier, text in ((1, family), (2, style), (4, f"{family} {style}"), (5, "Version 1.0"),
                             (6, f"{family} {style}".replace(" ", "")), (3, f"crysmm-attn {family} {style}")):  # fmt: skip
        font["name"].setName(text, identifier, 3, 1, 0x409)


def save(font: TTFont, name: str) -> Path:
    font.recalcTimestamp = False
    font["head"].created = font["head"].modified = 3_600_000_000
    path = HERE / name
    font.save(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("regular", type=Path)
    parser.add_argument("bold", type=Path)
    parser.add_argument(
        "chinese", type=Path, help="a TrueType collection that holds a simplified Chinese face"
    )
    given = parser.parse_args()
    own = own_characters()
    for source, style in ((given.regular, "Regular"), (given.bold, "Bold")):
        font = TTFont(source)
        subset(font, in_blocks(LATIN_BLOCKS) | own if style == "Regular" else in_blocks(((0x20, 0x7E),)))
        rename(font, LATIN, style)
        print(save(font, f"CrysmmSans-{style}.ttf"))
    faces = TTCollection(given.chinese).fonts
    font = next(f for f in faces if f["name"].getDebugName(1) == "Noto Sans CJK SC")
    subset(font, common_ideographs() | in_blocks(CHINESE_BLOCKS) | in_blocks(((0x20, 0x7E),)) | own)
    to_truetype(font)
    rename(font, CHINESE, "Regular")
    print(save(font, "CrysmmSansSC-Regular.ttf"))


if __name__ == "__main__":
    main()

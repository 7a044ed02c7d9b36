"""Space-group and point-group symbols, however they are typeset. Torch-free.

Source: short Hermann-Mauguin symbols of the International Tables for Crystallography, volume A, in all settings, old names
(Cmca for Cmce) included; the 32 crystallographic point groups; Schoenflies symbols.
"""

from __future__ import annotations

import re
from functools import lru_cache

_BY_LATTICE = {
    "A": """
        2 2/a 2/m 2/n 222 2_122 2_1am 2_1ma 2aa 2mm a a2a a2m aa2 aaa aam am2 ama amm b2a b2m ba2 baa bam bm2
        bma bmm c2a c2m ca2 caa cam cm2 cma cmm e2a e2m ea2 eaa eam em2 ema emm m m2a m2m ma2 maa mam mm2 mma
        mmm n
    """,
    "B": """
        2 2/b 2/m 2/n 222 22_12 2ab 2am 2bb 2bm 2cb 2cm 2eb 2em 2mb 2mm b b2_1m b2b ba2 bab bam bb2 bbb bbm
        bc2 bcb bcm be2 beb bem bm2 bmb bmm m m2_1b m2m ma2 mab mam mb2 mbb mbm mc2 mcb mcm me2 meb mem mm2
        mmb mmm n
    """,
    "C": """
        2 2/c 2/m 2/n 222 222_1 2ca 2cb 2cc 2ce 2cm 2ma 2mb 2mc 2me 2mm c c2a c2b c2c c2e c2m cc2 cca ccb ccc
        cce ccm cm2_1 cma cmb cmc cme cmm m m2a m2b m2c m2e m2m mc2_1 mca mcb mcc mce mcm mm2 mma mmb mmc mme
        mmm n
    """,
    "F": """
        -43c -43m 222 23 2dd 2mm 432 4_132 d-3 d-3c d-3m d2d dd2 ddd m-3 m-3c m-3m m2m mm2 mmm
    """,
    "I": """
        -4 -42d -42m -43d -43m -4c2 -4m2 2 2/a 2/b 2/c 2/m 222 23 2_12_12_1 2_13 2cb 2cm 2mb 2mm 4 4/m 4/mcm
        4/mmm 422 432 4_1 4_1/a 4_1/acd 4_1/amd 4_122 4_132 4_1cd 4_1md 4cm 4mm a a-3 a-3d b ba2 bam bca bm2
        bmm c c2a c2m cab cma cmm m m-3 m-3m m2a m2m ma2 mam mcb mcm mm2 mma mmb mmm
    """,
    "P": """
        -1 -3 -31c -31m -3c1 -3m1 -4 -42_1c -42_1m -42c -42m -43m -43n -4b2 -4c2 -4m2 -4n2 -6 -62c -62m -6c2
        -6m2 1 2 2/a 2/b 2/c 2/m 2/n 222 222_1 22_12 22_12_1 23 2_1 2_1/a 2_1/b 2_1/c 2_1/m 2_1/n 2_122
        2_122_1 2_12_12 2_12_12_1 2_13 2_1ab 2_1am 2_1ca 2_1cn 2_1ma 2_1mn 2_1nb 2_1nm 2aa 2an 2cb 2cm 2mb 2mm
        2na 2nn 3 312 31c 31m 321 3_1 3_112 3_121 3_2 3_212 3_221 3c1 3m1 4 4/m 4/mbm 4/mcc 4/mmm 4/mnc 4/n
        4/nbm 4/ncc 4/nmm 4/nnc 422 42_12 432 4_1 4_122 4_12_12 4_132 4_2 4_2/m 4_2/mbc 4_2/mcm 4_2/mmc
        4_2/mnm 4_2/n 4_2/nbc 4_2/ncm 4_2/nmc 4_2/nnm 4_222 4_22_12 4_232 4_2bc 4_2cm 4_2mc 4_2nm 4_3 4_322
        4_32_12 4_332 4bm 4cc 4mm 4nc 6 6/m 6/mcc 6/mmm 622 6_1 6_122 6_2 6_222 6_3 6_3/m 6_3/mcm 6_3/mmc
        6_322 6_3cm 6_3mc 6_4 6_422 6_5 6_522 6cc 6mm a a-3 b b2_1a b2_1m b2b b2n ba2 baa bab bam ban bc2_1
        bca bcb bcm bcn bm2 bma bmb bmm bmn bn2_1 bna bnb bnm bnn c c2_1b c2_1n c2a c2m ca2_1 caa cab cam can
        cc2 cca ccb ccm ccn cm2_1 cma cmb cmm cmn cn2 cna cnb cnm cnn m m-3 m-3m m-3n m2_1b m2_1n m2a m2m ma2
        maa mab mam man mc2_1 mca mcb mcm mcn mm2 mma mmb mmm mmn mn2_1 mna mnb mnm mnn n n-3 n-3m n-3n n2_1a
        n2_1m n2b n2n na2_1 naa nab nam nan nc2 nca ncb ncm ncn nm2_1 nma nmb nmm nmn nn2 nna nnb nnm nnn
    """,
    "R": """
        -3 -3c -3m 3 32 3c 3m
    """,
}

#: Space-group symbols, screw axes with an underscore (``P2_1/c``), bars as a minus sign (``P-1``).
SPACE_GROUPS: frozenset[str] = frozenset(f"{k}{rest}" for k, v in _BY_LATTICE.items() for rest in v.split())
_WITHOUT_UNDERSCORE = {s.replace("_", ""): s for s in sorted(SPACE_GROUPS, key=len, reverse=True) if "_" in s}
_LOWERED = {s.lower(): s for s in (*SPACE_GROUPS, *_WITHOUT_UNDERSCORE)}

#: Point groups that are not plain numbers.
POINT_GROUPS: frozenset[str] = frozenset(
    "2/m mmm mm2 -4 4/m 4mm -42m -4m2 4/mmm -3 3m -3m -6 6/m 6mm -62m -6m2 6/mmm m-3 -43m m-3m -1 -3m1 -31m 3m1 31m "
    "m3 m3m".split()
)
#: Schoenflies symbols that can be nothing else.
SCHOENFLIES: frozenset[str] = frozenset(
    "C1 C2 C3 C4 C6 C2v C3v C4v C6v C2h C3h C4h C6h D2 D3 D4 D6 D2d D3d D2h D3h D4h D6h S4 S6 Td Oh Th".split()
)
#: Those among them that are also a formula or a label in plain text: only beside "symmetry" or "point group".
UNSURE_SCHOENFLIES: frozenset[str] = frozenset("C1 C2 C3 C4 C6 D2 D3 D4 D6 S4 S6 Th".split())

_BAR = "\u0304\u0305\u203e\u00af"
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉–−‐‑‒", "0123456789-----")
_BAR_BEFORE = re.compile(f"[{_BAR}]([1-6])")
_BAR_AFTER = re.compile(f"([1-6])[{_BAR}]")
_MARKUP = re.compile(r"\\(?:bar|overline)\{?([1-6])\}?")
_SUBSCRIPT_MARKUP = re.compile(r"(?:_\{([1-5])\}|<sub>([1-5])</sub>)")

_SCREW = r"(?:_?[1-5₁-₅](?![0-9])|_\{[1-5]\}|<sub>[1-5]</sub>)?"
_FIGURE = rf"(?:[\-–−‐{_BAR}]?[1-6][{_BAR}]?|\\(?:bar|overline)\{{?[1-6]\}}?){_SCREW}"
#: Characters of a symbol as anyone typesets it, without a check of what it says.
SYMBOL_PATTERN = f"[PABCFIR](?:{_FIGURE}(?:/[abcdemn])?|[abcdemn])+"


@lru_cache(maxsize=2048)
def space_group(text: str, *, any_case: bool = False) -> str | None:
    """The symbol in plain letters (``Fm-3m``) of a typeset one (``Fm̅3m``, ``P2₁/c``, ``P2_{1}/c``), or None.

    Args:
        text: One word.
        any_case: Also accept what lower-casing left of a symbol (``fm-3m``).
    """
    for plain in _plain(text):
        if any_case:
            plain = _LOWERED.get(plain.lower(), plain)
        plain = _WITHOUT_UNDERSCORE.get(plain, plain)
        if plain in SPACE_GROUPS:
            return plain
    return None


def _plain(text: str) -> tuple[str, ...]:
    """Bars as ``-`` before their figure (typeset before or after it), subscripts as figures, no markup."""
    text = _MARKUP.sub(r"-\1", text)
    text = _SUBSCRIPT_MARKUP.sub(lambda m: "_" + (m[1] or m[2]), text).translate(_SUBSCRIPTS)
    before = _BAR_AFTER.sub(r"-\1", _BAR_BEFORE.sub(r"-\1", text))
    after = _BAR_BEFORE.sub(r"-\1", _BAR_AFTER.sub(r"-\1", text))
    return (before,) if before == after else (before, after)

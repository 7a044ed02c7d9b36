"""The one element table: symbols, names in English and Chinese, and what a label such as ``Na1+`` stands for. Torch-free.

Source: symbols and English names are IUPAC's, with the common spellings sulphur, aluminum and cesium; Chinese names are
those of the China National Committee for Terminology in Science and Technology, by atomic number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, reduce
from math import gcd
from typing import Any

__all__ = ["ELEMENTS", "ISOTOPES", "NAMES", "reduced_formula", "symbol_of"]

_TABLE = """
H hydrogen He helium Li lithium Be beryllium B boron C carbon N nitrogen O oxygen F fluorine Ne neon Na
sodium Mg magnesium Al aluminium Si silicon P phosphorus S sulfur Cl chlorine Ar argon K potassium Ca
calcium Sc scandium Ti titanium V vanadium Cr chromium Mn manganese Fe iron Co cobalt Ni nickel Cu copper Zn
zinc Ga gallium Ge germanium As arsenic Se selenium Br bromine Kr krypton Rb rubidium Sr strontium Y yttrium
Zr zirconium Nb niobium Mo molybdenum Tc technetium Ru ruthenium Rh rhodium Pd palladium Ag silver Cd
cadmium In indium Sn tin Sb antimony Te tellurium I iodine Xe xenon Cs caesium Ba barium La lanthanum Ce
cerium Pr praseodymium Nd neodymium Pm promethium Sm samarium Eu europium Gd gadolinium Tb terbium Dy
dysprosium Ho holmium Er erbium Tm thulium Yb ytterbium Lu lutetium Hf hafnium Ta tantalum W tungsten Re
rhenium Os osmium Ir iridium Pt platinum Au gold Hg mercury Tl thallium Pb lead Bi bismuth Po polonium At
astatine Rn radon Fr francium Ra radium Ac actinium Th thorium Pa protactinium U uranium Np neptunium Pu
plutonium Am americium Cm curium Bk berkelium Cf californium Es einsteinium Fm fermium Md mendelevium No
nobelium Lr lawrencium Rf rutherfordium Db dubnium Sg seaborgium Bh bohrium Hs hassium Mt meitnerium Ds
darmstadtium Rg roentgenium Cn copernicium Nh nihonium Fl flerovium Mc moscovium Lv livermorium Ts
tennessine Og oganesson
"""
_CHINESE = (
    "氢氦锂铍硼碳氮氧氟氖钠镁铝硅磷硫氯氩钾钙钪钛钒铬锰铁钴镍铜锌镓锗砷硒溴氪铷锶钇锆铌钼锝钌铑钯银镉铟锡锑碲碘氙铯钡"
    "镧铈镨钕钷钐铕钆铽镝钬铒铥镱镥铪钽钨铼锇铱铂金汞铊铅铋钋砹氡钫镭锕钍镤铀镎钚镅锔锫锎锿镄钔锘铹𬬻𬭊𬭳𬭛𬭶鿏𫟼𬬭鿔鿭𫓧镆𫟷鿬鿫"
)

#: The 118 element symbols, hydrogen first.
ELEMENTS: tuple[str, ...] = tuple(_TABLE.split()[::2])

#: Heavy hydrogen, and what counts as the same element where a crystal does not tell them apart.
ISOTOPES: dict[str, str] = {"D": "H", "T": "H"}

#: Element name (English in lower case, Chinese) to symbol.
NAMES: dict[str, str] = {
    **dict(zip(_TABLE.split()[1::2], ELEMENTS)),
    **dict(zip(_CHINESE, ELEMENTS)),
    "sulphur": "S", "aluminum": "Al", "cesium": "Cs", "wolfram": "W", "deuterium": "D", "tritium": "T", "氘": "D",
}  # fmt: skip

_LABEL = re.compile(r"\s*([A-Za-z]{1,2})(?![A-Za-z])")
_KNOWN = frozenset(ELEMENTS) | frozenset(ISOTOPES)


@lru_cache(maxsize=1024)
def symbol_of(label: Any) -> str | None:
    """Element symbol a label stands for, or None when it is none.

    Args:
        label: A symbol in any case, with a site number, charge or blanks (``Na1``, ``na``, ``Na1+``, `` O2-``), an
            element's name in English or Chinese, or an atomic number.
    """
    if isinstance(label, bool):
        return None
    if isinstance(label, (int, float)):
        return ELEMENTS[int(label) - 1] if label == int(label) and 1 <= label <= len(ELEMENTS) else None
    text = str(label)
    name = NAMES.get(text.strip().lower())
    if name is not None:
        return name
    match = _LABEL.match(text)
    if match is None:
        return None
    symbol = match[1].capitalize()
    return symbol if symbol in _KNOWN else None


#: Order of symbols in a formula: groups from the left of the periodic table, non-metals and halogens last, which is
#: close to the order of electronegativity that chemists write in.
_FORMULA_ORDER: tuple[str, ...] = tuple(
    "Fr Cs Rb K Na Li Ra Ba Sr Ca Mg Be Ac La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Y Sc Th Pa U Np Pu Am Cm Bk Cf "
    "Es Fm Md No Lr Hf Zr Ti Ta Nb V W Mo Cr Re Tc Mn Os Ru Fe Ir Rh Co Pt Pd Ni Au Ag Cu Hg Cd Zn Tl In Ga Al Pb Sn "
    "Ge Si B Bi Sb As P C Po Te Se S H N At I Br Cl O F Xe Kr Rn Ar Ne He".split()
)
_RANK = {symbol: i for i, symbol in enumerate(_FORMULA_ORDER)}


def reduced_formula(elements: Sequence[str]) -> str:
    """Reduced formula, electropositive elements first: ``["Cl", "Na", "Na", "Cl"] -> "NaCl"``."""
    counts = Counter(elements)
    if not counts:
        return ""
    divisor = reduce(gcd, counts.values())
    order = sorted(counts, key=lambda e: (_RANK.get(e, len(_RANK)), e))
    return "".join(f"{e}{counts[e] // divisor if counts[e] // divisor > 1 else ''}" for e in order)

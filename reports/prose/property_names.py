"""Data sets, properties, splits and units as a reader calls them; what is not known is called by its own name."""

from __future__ import annotations

from crysmm_attn_plugin.reports.language import pick

_KNOWN = {
    "demo crystals": ("demo crystals", "演示晶体集"),
    "packing_fraction": ("packing fraction", "堆积率"),
    "powder_lines": ("log2 of the number of powder lines", "粉末衍射线数的二进对数"),
    "dft_3d": ("JARVIS-DFT (dft_3d)", "JARVIS-DFT（dft_3d）"),
    "mbj_bandgap": ("MBJ band gap", "MBJ 带隙"),
    "optb88vdw_bandgap": ("OptB88vdW band gap", "OptB88vdW 带隙"),
    "formation_energy_peratom": ("formation energy per atom", "每原子形成能"),
    "optb88vdw_total_energy": ("total energy per atom", "每原子总能量"),
    "ehull": ("energy above hull", "凸包能"),
    "bulk_modulus_kv": ("bulk modulus", "体积模量"),
    "shear_modulus_gv": ("shear modulus", "剪切模量"),
}
_SPLITS = {
    "test": ("test split", "测试集"),
    "val": ("validation split", "验证集"),
    "train": ("training split", "训练集"),
}
_UNITS = {"octaves": ("octaves", "倍程")}


def split_name(split: str, lang: str) -> str:
    """A split by its name in a language: ``test split``, ``测试集``."""
    return pick(_SPLITS.get(split, ("{split} split", "{split} 划分")), lang).format(split=split)


def unit_name(unit: str, lang: str) -> str:
    """A unit that is a word, in a language; symbols are the same in all."""
    return pick(_UNITS.get(unit, (unit, unit)), lang)


def shown(name: str, lang: str) -> str:
    """A data set's or property's name in a language.

    Args:
        name: The host's own name, such as ``mbj_bandgap``.
        lang: A known language's code.
    """
    known = _KNOWN.get(name)
    return pick(known, lang) if known else name

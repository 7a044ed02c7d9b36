"""Data sets and properties as a reader calls them; what is not known is called by its own name."""

from __future__ import annotations

from crysmm_attn_plugin.reports.language import pick

_KNOWN = {
    "demo crystals": ("demo crystals", "演示晶体集"),
    "packing_fraction": ("packing fraction", "堆积率"),
    "dft_3d": ("JARVIS-DFT (dft_3d)", "JARVIS-DFT（dft_3d）"),
    "mbj_bandgap": ("MBJ band gap", "MBJ 带隙"),
    "optb88vdw_bandgap": ("OptB88vdW band gap", "OptB88vdW 带隙"),
    "formation_energy_peratom": ("formation energy per atom", "每原子形成能"),
    "optb88vdw_total_energy": ("total energy per atom", "每原子总能量"),
    "ehull": ("energy above hull", "凸包能"),
    "bulk_modulus_kv": ("bulk modulus", "体积模量"),
    "shear_modulus_gv": ("shear modulus", "剪切模量"),
}


def shown(name: str, lang: str) -> str:
    """A data set's or property's name in a language.

    Args:
        name: The host's own name, such as ``mbj_bandgap``.
        lang: A known language's code.
    """
    known = _KNOWN.get(name)
    return pick(known, lang) if known else name

"""What the zoo's hosts share: real crystals with real texts, tokenizers, padding, and a host's own record of its pass.

The record is written only when ``ZOO_TRUTH`` names a file. ``ZOO_FULL=1`` asks for everything the host knows of its
attention; without it only predictions and random state are written, so that a captured run does nothing extra.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import json
import os
import pickle
import random
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).resolve().parents[3] / "crysmm_attn_plugin" / "demo" / "crystals.json.gz"
SYMBOLS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr "
    "Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt "
    "Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr"
).split()
torch.set_num_threads(1)


def device() -> str:
    """Where a host runs that would take an accelerator."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def moved(batch: dict, where: str) -> dict:
    """A batch on a device, as a host moves it there."""
    return {k: v.to(where, non_blocking=True) for k, v in batch.items()}


def seed(number: int = 0) -> None:
    """Seed everything that a host seeds."""
    random.seed(number), np.random.seed(number), torch.manual_seed(number)


def crystals(n: int = 12, *, atoms: tuple[int, int] = (1, 8), words: int = 24) -> list[dict]:
    """Crystals of the given sizes: id, elements, z, text (its first words, of varying number), target, atoms."""
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        every = json.load(file)["crystals"]
    chosen = [c for c in every if atoms[0] <= len(c["elements"]) <= atoms[1]]
    chosen = chosen[:: max(len(chosen) // n, 1)][:n]
    found = []
    for i, c in enumerate(chosen):
        text = " ".join(c["text"].split()[: words - (5 * i) % 11])
        found.append({
            "id": c["id"], "elements": list(c["elements"]), "z": [SYMBOLS.index(e) for e in c["elements"]],
            "text": text, "target": float(c["target"]),
            "atoms": {"lattice_mat": c["lattice"], "coords": c["frac_coords"], "elements": list(c["elements"]),
                      "cartesian": False, "props": [""] * len(c["elements"]), "abc": [], "angles": []},
        })  # fmt: skip
    return found


def tokenizer(name="wordpiece", **marks):
    """A small Hugging Face tokenizer (fast), trained on the descriptions: a file of ``tokenizers``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_file=str(Path(__file__).parent / "tokenizers" / f"{name}.json"), **marks
    )


def wordpiece():
    """A small BERT tokenizer."""
    marks = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    return tokenizer("wordpiece", **{f"{k}_token": v for k, v in marks.items()})


def flat(rows):
    """Rows of numbers in one flat tensor."""
    return torch.tensor([x for row in rows for x in row])


def pad(rows, value=0):
    """Rows of numbers as one tensor, padded at the right."""
    rows = [torch.as_tensor(r) for r in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


def real(rows):
    """(rows, longest) bool, True where real."""
    lengths = torch.tensor([len(r) for r in rows])
    return torch.arange(int(lengths.max()))[None] < lengths[:, None]


def rng_state() -> str:
    """Digest of the three random states."""
    parts = (repr(random.getstate()), repr(np.random.get_state()), torch.get_rng_state().numpy().tobytes())
    return hashlib.sha256(b"".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


class Truth:
    """A host's own record of its test pass.

    Args:
        suffix: Added to the file's name, for hosts of several processes.
    """

    def __init__(self, suffix: str = "") -> None:
        path = os.environ.get("ZOO_TRUTH", "")
        self.path = path and path + suffix
        self.full = bool(path) and os.environ.get("ZOO_FULL") == "1"
        self.crystals: list[dict] = []
        self.maps: list[dict] = []
        self.predictions: list[bytes] = []
        self.state = ""
        self.notes: dict[str, object] = {}
        if path:
            atexit.register(self.write)

    def crystal(self, items, tokens=None) -> None:
        """Crystals of a batch in order; ``tokens``: each one's real tokens."""
        for i, c in enumerate(items):
            self.crystals.append(
                {"id": c["id"], "elements": c["elements"], "tokens": tokens and list(tokens[i])}
            )

    def attention(self, module, direction, weights, queries, keys, *, items, call=0) -> None:
        """Weights (B, H, Q, K) of a batch and how many queries and keys of each crystal are real."""
        if not self.full:
            return
        for i, c in enumerate(items):
            w = weights[i, :, : int(queries[i]), : int(keys[i])].detach().cpu().double().numpy().copy()
            self.maps.append(
                {"id": c["id"], "module": module, "direction": direction, "call": call, "weights": w}
            )

    def predict(self, prediction) -> None:
        """What the model put out for a batch."""
        self.predictions.append(prediction.detach().cpu().float().contiguous().numpy().tobytes())

    def note(self, **values) -> None:
        """Anything else that must be the same with and without capture."""
        self.notes.update(values)

    def done(self) -> None:
        """The pass is over: take the random state now, before anything that only the record needs."""
        self.state = rng_state()

    def write(self) -> None:
        values = {"crystals": self.crystals, "maps": self.maps, "predictions": b"".join(self.predictions),
                  "state": self.state or rng_state(), "notes": self.notes}  # fmt: skip
        Path(self.path).write_bytes(pickle.dumps(values))

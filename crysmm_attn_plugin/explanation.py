"""One crystal's attention as a reader holds it: what its atoms read, what its words read, and what moves the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class WordMap:
    """One call of one module in one direction, tokens merged to words.

    Attributes:
        module, call, direction: Which.
        weights: (heads, atoms, words) for ``atom_to_text``, (heads, words, atoms) for ``text_to_atom``. A word's column is the
            sum of its tokens; a word's row is their mean.
    """

    module: str
    call: int
    direction: str
    weights: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over heads."""
        return np.asarray(self.weights.mean(0))


@dataclass(frozen=True)
class Explanation:
    """One crystal read by one model.

    Attributes:
        id, formula: Which crystal.
        atoms: Labels such as ``Na1``, in node order.
        words: Words of the description, special tokens included, in order.
        special: Per word, True for [CLS], [SEP] and their like.
        spaces: Per word, True where white space comes before it.
        text, text_from: The description, and where it comes from.
        truncated: The tokenizer cut it.
        prediction: Of the model.
        maps: Of every module and direction.
        interventions: One mapping an extra pass: intervention, size, module, head, changed and shift (means over draws).
        refused: Intervention -> why there is none.
    """

    id: str
    formula: str
    atoms: tuple[str, ...]
    words: tuple[str, ...]
    special: tuple[bool, ...]
    spaces: tuple[bool, ...]
    text: str
    text_from: str
    truncated: bool
    prediction: float
    maps: tuple[WordMap, ...]
    interventions: tuple[Mapping[str, Any], ...]
    refused: Mapping[str, str]

    def ranked(self, of: str, direction: str) -> list[tuple[str, float]]:
        """Atoms or words by the mean share they receive in a direction, most first.

        Args:
            of: ``words`` (in ``atom_to_text``) or ``atoms`` (in ``text_to_atom``).
            direction: The direction.
        """
        chosen = [m.mean for m in self.maps if m.direction == direction]
        if not chosen:
            return []
        share = np.mean([m.mean(0) for m in chosen], 0)
        names = self.words if of == "words" else self.atoms
        return [(names[i], float(share[i])) for i in np.argsort(-share, kind="stable")]

    def pairs(self, direction: str, most: int = 20) -> list[tuple[str, str, float]]:
        """(reader, read, weight) of the strongest pairs of an atom and a word, special tokens aside."""
        chosen = [m.mean for m in self.maps if m.direction == direction]
        if not chosen:
            return []
        weights = np.mean(chosen, 0).copy()
        readers, read = (self.atoms, self.words) if direction == "atom_to_text" else (self.words, self.atoms)
        marks = np.array(self.special)
        if direction == "atom_to_text":
            weights[:, marks] = -1
        else:
            weights[marks, :] = -1
        order = np.argsort(-weights, axis=None, kind="stable")[:most]
        places = [np.unravel_index(i, weights.shape) for i in order]
        return [(readers[a], read[b], float(weights[a, b])) for a, b in places if weights[a, b] >= 0]

    def spread_of_atoms(self) -> list[tuple[str, float]]:
        """(atom, effective number of words it reads), the most concentrated first."""
        chosen = [m.mean for m in self.maps if m.direction == "atom_to_text"]
        if not chosen:
            return []
        rows = np.mean(chosen, 0)
        rows = rows / rows.sum(1, keepdims=True)
        logs = np.log(np.where(rows > 0, rows, 1.0))
        effective = np.exp(-(rows * logs).sum(1))
        return [(self.atoms[i], float(effective[i])) for i in np.argsort(effective, kind="stable")]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the maps in full, and everything that is made from them."""
        values = asdict(self)
        values["maps"] = [
            {
                "module": m.module,
                "call": m.call,
                "direction": m.direction,
                "weights": np.round(m.weights, 7).tolist(),
            }
            for m in self.maps
        ]
        values["interventions"] = [dict(i) for i in self.interventions]
        values["refused"] = dict(self.refused)
        return values | {
            "words_ranked": self.ranked("words", "atom_to_text"),
            "atoms_ranked": self.ranked("atoms", "text_to_atom"),
            "atoms_by_effective_words": self.spread_of_atoms(),
            "pairs": {d: self.pairs(d) for d in self.directions},
        }

    @property
    def directions(self) -> Sequence[str]:
        """Directions there are maps of."""
        return tuple(dict.fromkeys(m.direction for m in self.maps))

"""What is known of the words of a batch, made once and shared by all its maps and scopes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.metrics.alignment import Rights, rights_of
from crysmm_attn_plugin.metrics.sites import inequivalent_sites
from crysmm_attn_plugin.records import BatchIdentity, Structure, TokenLabels
from crysmm_attn_plugin.text import ELEMENT, read_text
from crysmm_attn_plugin.text.mentions import token_mentions
from crysmm_attn_plugin.text.sentences import sentences_of

#: (with_special_tokens, stopwords_removed)
SCOPES = ((True, False), (False, False), (False, True))
#: Categories of a token by itself; element mentions depend on the atom that looks.
PLAIN = tuple(c for c in TOKEN_CATEGORIES if c not in ("own_element", "other_element"))
#: Columns of ``CrystalWords.columns`` before those of single symbols.
BEFORE_SYMBOLS = 2 + len(PLAIN) + 3
#: Words of descriptions kept for the next pass over them: some thousands of crystals.
READ_BYTES = 16 * 2**20


@dataclass(frozen=True)
class CrystalWords:
    """Tokens of one crystal, ordered so that each scope is their beginning.

    Attributes:
        order: (tokens,) positions: words, then stop words and punctuation, then special tokens.
        ends: For each of ``SCOPES``, how many of the first tokens are in it.
        special: (tokens,) bool in that order: the tokenizer's special tokens.
        plain: (tokens, len(PLAIN)) bool in that order: the token's category.
        own: (tokens, symbols) bool: the token mentions the symbol; None when the elements are unknown.
        other: (tokens, symbols) bool: the token mentions elements, but not this one.
        atoms: (atoms,) index of each atom's symbol.
        long: (2, tokens, symbols) bool: the token is part of a bond, or of a clause on coordination, that speaks of the
            symbol.
        where: (tokens, 3): the token is in the first sentence, in the last, and how far into the text it stands (0 to 1,
            zero for special tokens); the first two are NaN for a text of one sentence.
        right_tokens: For rows of atoms: the mentions of their element.
        right_atoms: For rows of the ``mentioning`` tokens: the atoms of the elements that they mention.
        structure: The crystal's structure, where it is known; never kept with its words.
    """

    order: np.ndarray
    ends: tuple[int, ...]
    special: np.ndarray
    plain: np.ndarray
    own: np.ndarray | None
    other: np.ndarray | None
    atoms: np.ndarray | None
    long: np.ndarray | None
    where: np.ndarray
    right_tokens: Rights | None = None
    right_atoms: Rights | None = None
    structure: Structure | None = None

    @cached_property
    def counts(self) -> np.ndarray:
        """(scopes, columns) sums of ``columns``: what uniform attention gives, times the keys."""
        return np.asarray(self.columns.sum(0, dtype=np.float64).reshape(len(self.ends), -1))

    @cached_property
    def classes(self) -> np.ndarray:
        """(tokens, classes) ones: the categories of ``plain``, and mentions of elements."""
        element = ~self.plain.any(1, keepdims=True)
        return np.concatenate([self.plain, element], 1, dtype=np.float32)

    @cached_property
    def held(self) -> np.ndarray:
        """(scopes, classes) how many tokens of each class are in each scope."""
        return np.asarray(self.inside.T @ self.classes)

    @cached_property
    def mentioned(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of own mentions, bonds and coordination: the (3, atoms) columns of each atom's element among ``columns`` less the
        ones, the (scopes, 3, atoms) share of tokens that are right, and whether some are right and some wrong.
        """
        assert self.own is not None
        assert self.atoms is not None
        columns = BEFORE_SYMBOLS + self.own.shape[1] * np.array([0, 2, 3])[:, None] + self.atoms
        share = self.counts[:, columns] / np.array(self.ends)[:, None, None]
        return columns, share, (share > 0) & (share < 1)

    @cached_property
    def mentioning(self) -> np.ndarray:
        """Tokens that mention an element of the crystal; they stand in every scope."""
        return np.flatnonzero(self.own.any(1)) if self.own is not None else np.zeros(0, np.intp)

    @cached_property
    def sites(self) -> np.ndarray | None:
        """(atoms,) symmetry-inequivalent site of each atom, where one element has several."""
        if self.structure is None or self.atoms is None or len(self.structure.elements) != len(self.atoms):
            return None
        found = inequivalent_sites(self.structure)
        if found is None or len(set(found)) == len(set(self.atoms.tolist())):
            return None
        return np.array(found, np.intp)

    @property
    def nbytes(self) -> int:
        """What the fields take; what is derived from them is made anew for every batch."""
        held = [getattr(self, f.name) for f in fields(self)]
        rights = sum(r.nbytes for r in held if isinstance(r, Rights))
        return rights + sum(a.nbytes + 112 for a in held if isinstance(a, np.ndarray))

    @cached_property
    def inside(self) -> np.ndarray:
        """(tokens, scopes) ones where a token is in a scope."""
        return (np.arange(len(self.order))[:, None] < self.ends).astype(np.float32)

    @cached_property
    def segments(self) -> np.ndarray:
        """(scopes, tokens of all scopes laid end to end) ones where a token belongs to the scope."""
        return np.repeat(np.eye(len(self.ends), dtype=np.float32), self.ends, axis=1)

    @cached_property
    def columns(self) -> np.ndarray:
        """(tokens, scopes * columns), each zero outside its scope.

        Ones, special, plain, where; then for every symbol own, other, bonds and coordination.
        """
        parts = [np.ones((len(self.order), 1), bool), self.special[:, None], self.plain, self.where]
        if self.own is not None and self.other is not None and self.long is not None:
            parts += [self.own, self.other, *self.long]
        each = np.concatenate(parts, 1, dtype=np.float32)
        laid = self.inside[:, :, None] * each[:, None]
        return laid.reshape(len(each), len(self.ends) * each.shape[1])


class BatchWords:
    """Words of every crystal of a batch.

    Args:
        identity: The batch; tokens and elements, or those of single crystals, may be unknown. Words of a description
            whose tokens do not stand in its text are as good as unknown.

    Attributes:
        crystals: What is known of each crystal's words, None where that is nothing.
        unaligned: Of each crystal whose tokens do not stand in its text, the share that does.
    """

    def __init__(self, identity: BatchIdentity) -> None:
        self.identity = identity
        n = len(identity)
        self.tokens: Sequence[TokenLabels | None] = identity.tokens or [None] * n
        self.elements: Sequence[Sequence[str] | None] = identity.elements or [None] * n
        structures = identity.structures or [None] * n
        self.crystals: list[CrystalWords | None] = []
        self.unaligned: list[float] = []
        for labels, elements, structure in zip(self.tokens, self.elements, structures):
            known = None if labels is None else _READ.words(labels, elements)
            if isinstance(known, CrystalWords):
                self.crystals.append(replace(known, structure=structure))
                continue
            self.crystals.append(None)
            if known is not None:
                self.unaligned.append(known)

    @property
    def any_known(self) -> bool:
        """True when the tokens of some crystal are known."""
        return any(c is not None for c in self.crystals)

    def token_counts(self) -> list[int | None]:
        """Tokens of each crystal, None where unknown."""
        return [None if t is None else len(t.tokens) for t in self.tokens]

    def atom_counts(self) -> list[int | None]:
        """Atoms of each crystal, None where unknown."""
        counts = getattr(self.identity, "atom_counts", None)
        if counts is not None:
            return list(counts)
        return [None if e is None else len(e) for e in self.elements]


def crystal_words(labels: TokenLabels, elements: Sequence[str] | None) -> CrystalWords:
    """What the tokens of one description are, seen from each element of its crystal.

    Args:
        labels: The tokens.
        elements: Symbols of the atoms, or None.

    Raises:
        ValueError: When less than 90 % of the tokens stand in the text.
    """
    reading = read_text(labels, elements or ())
    categories, mentioned = reading.categories, reading.elements
    if categories is None or mentioned is None:
        raise ValueError(
            f"only {reading.aligned:.0%} of the tokens stand in the text; its words are unknown."
        )
    index = {name: i for i, name in enumerate([*PLAIN, ELEMENT])}
    kind = np.array([index[c] for c in categories], np.intp)
    special = np.array(labels.special, bool)
    dropped = (kind == index["function_word"]) | (kind == index["punctuation"])
    level = np.where(special, 2, np.where(dropped, 1, 0))
    order = np.argsort(level, kind="stable")
    ends = (len(order), int((level < 2).sum()), int((level < 1).sum()))
    kind = kind[order]
    plain = kind[:, None] == np.arange(len(PLAIN))
    where = _where(np.array(sentences_of(reading), np.intp))[order]
    if elements is None:
        return CrystalWords(order, ends, special[order], plain, None, None, None, None, where)
    symbols = {symbol: i for i, symbol in enumerate(sorted(set(elements)))}
    atoms = np.array([symbols[e] for e in elements], np.intp)
    own, other, bonds, coordination = np.zeros((4, len(order), len(symbols)), bool)
    for row in np.flatnonzero(kind == index[ELEMENT]):
        here = [symbols[s] for s in mentioned[order[row]].split() if s in symbols]
        other[row] = True
        own[row, here], other[row, here] = True, False
    long = {"bond": bonds, "coordination": coordination}
    said = token_mentions(labels, elements) or ()
    for place, position in enumerate(order.tolist()):
        for symbol, how in said[position]:
            if how in long and symbol in symbols:
                long[how][place, symbols[symbol]] = True
    return CrystalWords(
        order,
        ends,
        special[order],
        plain,
        own,
        other,
        atoms,
        np.stack([bonds, coordination]),
        where,
        rights_of(own.T[atoms]),
        rights_of(own[own.any(1)][:, atoms]),
    )


def _where(sentence: np.ndarray) -> np.ndarray:
    """(tokens, 3) first sentence, last sentence, place in the text, from the (tokens,) sentence of each token."""
    found = np.zeros((len(sentence), 3), np.float32)
    there = np.flatnonzero(sentence >= 0)
    if len(there):
        found[there, 2] = np.arange(len(there)) / max(len(there) - 1, 1)
        first, last = sentence[there].min(), sentence[there].max()
        found[:, 0], found[:, 1] = (sentence == first, sentence == last) if last > first else (np.nan, np.nan)
    return found


class _ReadBefore:
    """Words of descriptions that were read before: a host tests the same crystals again with every checkpoint.

    Args:
        ceiling: Bytes of words that are kept; those not asked for longest go first.
    """

    def __init__(self, ceiling: int) -> None:
        self._ceiling, self._bytes = ceiling, 0
        self._kept: OrderedDict[bytes, CrystalWords | float] = OrderedDict()

    def words(self, labels: TokenLabels, elements: Sequence[str] | None) -> CrystalWords | float:
        """Words of a description seen from its crystal, or the share of its tokens that stands in its text if too small."""
        key = _key(labels, elements)
        found = self._kept.pop(key, None)
        if found is None:
            reading = read_text(labels, elements or ())
            found = crystal_words(labels, elements) if reading.trusted else reading.aligned
            self._bytes += _size(found)
        self._kept[key] = found
        while self._bytes > self._ceiling and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return found


def _size(found: CrystalWords | float) -> int:
    return 200 + (found.nbytes if isinstance(found, CrystalWords) else 0)


def _key(labels: TokenLabels, elements: Sequence[str] | None) -> bytes:
    """Everything that what is read depends on."""
    parts = ("\0".join(labels.tokens), labels.text, "" if elements is None else "\0".join((".", *elements)))
    key = hashlib.blake2b(bytes(labels.special), digest_size=16)
    if not labels.text:
        key.update(repr(labels.word_ids).encode())
    for part in parts:
        written = part.encode("utf-8", "surrogatepass")
        key.update(len(written).to_bytes(8, "big") + written)
    return key.digest()


_READ = _ReadBefore(READ_BYTES)

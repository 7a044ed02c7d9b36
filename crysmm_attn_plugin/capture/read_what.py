"""What one crystal's maps read: alignment with the text, blocks, sentences. Arrays of real cells, all scopes at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crysmm_attn_plugin.capture.batch_words import BEFORE_SYMBOLS, PLAIN, CrystalWords
from crysmm_attn_plugin.metrics.alignment import ALIGNMENT, excess, lift
from crysmm_attn_plugin.metrics.blocks import ALIKE, beyond_chance

#: Names of both directions, in the order of their columns.
BLOCKS = ("element_blocks", "site_blocks", "word_blocks")
READ = (*ALIGNMENT, *BLOCKS)
#: Names where atoms read words alone.
WORDS_READ = (
    "alignment_lift_bonds", "alignment_lift_coordination", "first_sentence_mass", "last_sentence_mass",
    "reading_position",
)  # fmt: skip
#: Lifts on mentions, on bonds, on coordination; as ``CrystalWords.mentioned`` has them.
KINDS = ("alignment_lift", "alignment_lift_bonds", "alignment_lift_coordination")
#: Names of which ``Sums`` holds blocks.
_SUMMED = ("element_blocks", "word_blocks")


class Sums:
    """What the numbers of a batch's crystals are made of, so that what is done number by number is done once a batch.

    Args:
        batch: Crystals.
        scopes: Scopes of each.
        heads: Heads, without the average.
        names: Names of ``READ`` and ``WORDS_READ`` that are wanted.
        dtype: Of the weights' shares.

    Attributes:
        share, differ: Of ``element_blocks`` and ``word_blocks``, (2, batch, scopes, heads + 1): the share of the sum of
            squares that lies between groups, and whether rows differ at all.
        sizes: (groups, rows) of each, (2, 2, batch, scopes).
        kept, expected: Mass on right tokens and what uniform attention gives, of each kind of mention,
            (batch, scopes, kinds, heads) and (batch, scopes, kinds).
        judged: (batch, scopes) rows that have right and wrong tokens.
        where, worded: (heads, batch, scopes, 3) mass on the first sentence, on the last, and mean position times mass;
            (heads, batch, scopes) mass on words.
    """

    def __init__(self, batch: int, scopes: int, heads: int, names: Sequence[str], dtype: np.dtype) -> None:
        self.names = tuple(names)
        self.share = np.full((2, batch, scopes, heads + 1), np.nan)
        self.differ = np.zeros(self.share.shape, bool)
        self.sizes = np.zeros((2, 2, batch, scopes))
        self.kept = np.full((batch, scopes, len(KINDS), heads), np.nan)
        self.expected = np.zeros((batch, scopes, len(KINDS)))
        self.judged = np.zeros((batch, scopes))
        self.where = np.full((heads, batch, scopes, 3), np.nan, dtype)
        self.worded = np.full((heads, batch, scopes), np.nan, dtype)

    def into(self, found: np.ndarray, reads_words: bool) -> None:
        """Fill in (batch, scopes, heads [+ 1], names); crystals that were not looked at stay as they are."""
        at = {name: i for i, name in enumerate(self.names)}
        maps = found.shape[2]
        for i, name in enumerate(_SUMMED):
            if name in at:
                groups, rows = self.sizes[i][..., None]
                value = beyond_chance(self.share[i], self.differ[i], groups, rows)
                found[..., at[name]] = value[:, :, :maps]
        if not reads_words:
            return
        expected, rows = self.expected[..., None], self.judged[..., None]
        with np.errstate(all="ignore"):
            lifts = np.where(expected > 0, self.kept / expected, np.nan)
            values = {name: lifts[:, :, k] for k, name in enumerate(KINDS)}
            values["alignment_excess"] = np.where(
                rows > 0, (self.kept[:, :, 0] - expected[:, :, 0]) / rows, np.nan
            )
            for name, value in values.items():
                if name in at:
                    found[:, :, : value.shape[2], at[name]] = value
                    found[:, :, value.shape[2] :, at[name]] = value.mean(2)[..., None]
            heads, mean, worded = len(self.worded), self.where.mean(0), self.worded.mean(0)
            for k, name in enumerate(("first_sentence_mass", "last_sentence_mass", "reading_position")):
                if name not in at:
                    continue
                each, of_all = self.where[..., k], mean[..., k]
                if name == "reading_position":  # of the average, not the average of the heads'
                    each = np.where(self.worded > 1e-6, each / self.worded, np.nan)
                    of_all = np.where(worded > 1e-6, of_all / worded, np.nan)
                found[:, :, :heads, at[name]] = np.moveaxis(each, 0, 2)
                found[:, :, heads:, at[name]] = of_all[..., None]


def words_read(
    known: CrystalWords, maps: np.ndarray, shares: np.ndarray, sums: Sums, crystal: int, found: np.ndarray
) -> None:
    """Alignment and sentences where atoms read words.

    Args:
        known: The words.
        maps: (heads [+ scopes], atoms, tokens) weights, the head-averaged maps of the scopes last.
        shares: (heads, atoms, scopes, columns) masses of ``CrystalWords.columns``, rows of a scope summing to one.
        sums: Written to, at ``crystal``.
        crystal: Its place in the batch.
        found: (scopes, heads [+ 1], names) of this crystal, written to; the last head is the average.
    """
    heads, atoms, _, _ = shares.shape
    rights = known.right_tokens
    if rights is not None and known.atoms is not None and known.own is not None:
        for name, judge in (("alignment_auc", rights.auc), ("alignment_pointing", rights.pointing)):
            if name in sums.names:
                at = sums.names.index(name)
                judged_by = judge(maps)
                found[:, :heads, at] = judged_by[:heads]
                if len(judged_by) > heads:
                    found[:, heads, at] = judged_by[heads:]
        columns, share, judged = known.mentioned
        mass = shares[:, np.arange(atoms), :, columns]  # (kinds, atoms, heads, scopes)
        sums.kept[crystal] = np.einsum("kahs,ska->skh", mass, judged.astype(mass.dtype))
        sums.expected[crystal] = (share * judged).sum(-1)
        sums.judged[crystal] = judged[:, 0].sum(-1)
    of_text = np.add.reduce(shares[..., 1:BEFORE_SYMBOLS], axis=1) / shares.dtype.type(atoms)
    sums.where[:, crystal] = of_text[..., 1 + len(PLAIN) :]
    sums.worded[:, crystal] = 1 - of_text[..., 0]


def blocks_where_words_are_read(
    known: CrystalWords, shares: np.ndarray, sums: Sums, crystal: int, found: np.ndarray
) -> None:
    """Blocks of atoms and of words where atoms read words.

    Args:
        known: The words.
        shares: (atoms, maps, tokens of all scopes laid end to end), rows of a scope summing to one.
        sums: Written to, at ``crystal``.
        crystal: Its place in the batch.
        found: (scopes, maps, names) of this crystal, written to.
    """
    atoms, n_maps, _laid = shares.shape
    ends = np.array(known.ends)
    mean = np.add.reduce(shares, axis=0) / shares.dtype.type(atoms)
    of_mean = atoms * np.square(mean) @ known.segments.T
    _atom_blocks(known, shares - mean, known.segments.T, of_mean, sums, crystal, found)
    if "word_blocks" in sums.names:
        flat_rows = atoms / np.maximum(ends, 1)  # the least that squares of rows summing to one can be
        offsets = [0, *np.cumsum(ends)]
        held = known.held
        between = np.empty((n_maps, len(ends)), shares.dtype)
        apart = shares - ((1 / np.maximum(ends, 1)) @ known.segments).astype(
            shares.dtype
        )  # every row has this mean
        for i, end in enumerate(known.ends):
            of_class = apart[..., offsets[i] : offsets[i + 1]] @ known.classes[:end]
            between[:, i] = np.add.reduce(np.square(of_class) / np.maximum(held[i], 1), axis=(0, 2))
        total = np.einsum("amk,amk->mk", apart, apart) @ known.segments.T
        _words_into(known, sums, crystal, between, total, total + flat_rows)


def words_read_by(
    known: CrystalWords, cells: np.ndarray, sums: Sums, crystal: int, found: np.ndarray
) -> None:
    """Alignment and blocks where words read atoms.

    Args:
        known: The words; the rows are in their order.
        cells: (atoms, maps, tokens), rows summing to one over atoms.
        sums: Written to, at ``crystal``.
        crystal: Its place in the batch.
        found: (scopes, maps, names) of this crystal, written to.
    """
    atoms, n_maps, tokens = cells.shape
    ends = np.array(known.ends)
    wanted = sums.names
    at = {name: i for i, name in enumerate(wanted)}
    rights, rows = known.right_atoms, known.mentioning
    if rights is not None and known.own is not None and known.atoms is not None and len(rows):
        own = known.own[rows][:, known.atoms]
        maps = cells[:, :, rows].transpose(1, 2, 0)
        mass, share = (maps * own).sum(-1), own.mean(1)
        for name, value in (
            ("alignment_auc", rights.auc(maps) if "alignment_auc" in at else None),
            ("alignment_pointing", rights.pointing(maps) if "alignment_pointing" in at else None),
            ("alignment_excess", excess(mass, share)),
            ("alignment_lift", lift(mass, share)),
        ):
            if name in at and value is not None:
                found[..., at[name]] = value  # rows that mention elements are in every scope
    if not set(BLOCKS) & set(wanted):
        return
    apart = cells - 1 / atoms  # every token's row has this mean
    _atom_blocks(known, apart, known.inside, ends / atoms, sums, crystal, found)
    if "word_blocks" in wanted:
        held = known.held
        flat = apart.reshape(atoms * n_maps, tokens).astype(
            float
        )  # sums that are near each other are taken apart
        of_class = np.add.reduce(
            np.square(flat @ known.classes).reshape(atoms, n_maps, known.classes.shape[1]), axis=0
        )  # a class is in a scope or out of it
        between = of_class @ ((held > 0) / np.maximum(held, 1)).T
        mean = np.add.reduce(
            np.square(flat @ known.inside).reshape(atoms, n_maps, len(ends)), axis=0
        ) / np.maximum(ends, 1)
        squares = np.add.reduce(np.square(flat).reshape(atoms, n_maps, tokens), axis=0) @ known.inside
        between -= mean
        _words_into(known, sums, crystal, between, squares - mean, squares + ends / atoms)


def _atom_blocks(
    known: CrystalWords,
    centred: np.ndarray,
    segments: np.ndarray,
    of_mean: np.ndarray,
    sums: Sums,
    crystal: int,
    found: np.ndarray,
) -> None:
    """Sums of ``element_blocks``, and ``site_blocks``.

    Args:
        known: The words and atoms.
        centred: (atoms, maps, keys) less the mean over atoms.
        segments: (keys, scopes) ones where a key is in a scope.
        of_mean: (maps, scopes) or (scopes,) squares that the mean row alone has, once an atom.
        sums: Written to, at ``crystal``.
        crystal: Its place in the batch.
        found: (scopes, maps, names), written to.
    """
    wanted = sums.names
    sites = known.sites if "site_blocks" in wanted else None
    if (
        known.atoms is None
        or len(known.atoms) != len(centred)
        or not {"element_blocks", "site_blocks"} & set(wanted)
    ):
        return
    atoms, n_maps, keys = centred.shape
    flat = centred.reshape(atoms, n_maps * keys)
    dealt = np.eye(int(known.atoms.max()) + 1, dtype=centred.dtype)[known.atoms]
    sizes = np.add.reduce(dealt, axis=0)

    def between(groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
        of_group = np.square(groups.T @ flat) / counts[:, None]
        return np.asarray(of_group.reshape(len(counts), n_maps, keys) @ segments)  # (groups, maps, scopes)

    total = (dealt.T @ np.square(flat)).reshape(len(sizes), n_maps, keys) @ segments
    every = np.add.reduce(total, axis=0)
    if "element_blocks" in wanted:
        of_element = np.add.reduce(between(dealt, sizes), axis=0)
        sums.share[0, crystal, :, :n_maps] = (of_element / every).T
        sums.differ[0, crystal, :, :n_maps] = (every > ALIKE * (every + of_mean)).T
        sums.sizes[0, 0, crystal], sums.sizes[0, 1, crystal] = len(sizes), atoms
    if sites is None:
        return
    k = np.array([len(set(sites[known.atoms == e].tolist())) for e in range(len(sizes))])
    judged = (k > 1) & (k < sizes)
    if not judged.any():
        return
    on_site = np.eye(int(sites.max()) + 1, dtype=centred.dtype)[sites] * judged[known.atoms][:, None]
    on_site = on_site[:, on_site.any(0)]
    # around the mean of each element: what is left over of larger sums says nothing
    flat = flat - (dealt / sizes) @ (dealt.T @ flat)
    within = ((dealt.T @ np.square(flat)).reshape(len(sizes), n_maps, keys) @ segments)[judged]
    chance = (within * ((k - 1) / np.maximum(sizes - 1, 1))[judged][:, None, None]).sum(0)
    share = between(on_site, on_site.sum(0)).sum(0)
    spread = within.sum(0)
    value = np.where(spread > ALIKE * (every + of_mean), (share - chance) / (spread - chance), np.nan)
    found[..., wanted.index("site_blocks")] = value.T


def _words_into(
    known: CrystalWords,
    sums: Sums,
    crystal: int,
    between: np.ndarray,
    total: np.ndarray,
    squares: np.ndarray,
) -> None:
    """Keep (maps, scopes) sums of squares of ``word_blocks``."""
    n_maps = len(between)
    sums.share[1, crystal, :, :n_maps] = (between / total).T
    sums.differ[1, crystal, :, :n_maps] = (total > ALIKE * squares).T
    sums.sizes[1, 0, crystal] = np.add.reduce(known.held > 0, axis=1)
    sums.sizes[1, 1, crystal] = known.ends

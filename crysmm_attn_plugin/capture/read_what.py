"""What one crystal's maps read: alignment with the text, blocks, sentences. Arrays of real cells, all scopes at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crysmm_attn_plugin.capture.batch_words import PLAIN, CrystalWords
from crysmm_attn_plugin.metrics.alignment import ALIGNMENT, excess, lift
from crysmm_attn_plugin.metrics.blocks import ALIKE, adjusted

#: Names of both directions, in the order of their columns.
BLOCKS = ("element_blocks", "site_blocks", "word_blocks")
READ = (*ALIGNMENT, *BLOCKS)
#: Names where atoms read words alone.
WORDS_READ = (
    "alignment_lift_bonds", "alignment_lift_coordination", "first_sentence_mass", "last_sentence_mass",
    "reading_position",
)  # fmt: skip
#: Columns of ``CrystalWords.columns`` before those of single symbols.
BEFORE_SYMBOLS = 2 + len(PLAIN) + 3


def words_read(
    known: CrystalWords, maps: np.ndarray, shares: np.ndarray, wanted: Sequence[str]
) -> np.ndarray:
    """Alignment and sentences where atoms read words.

    Args:
        known: The words.
        maps: (heads [+ scopes], atoms, tokens) weights, the head-averaged maps of the scopes last.
        shares: (heads, atoms, scopes, columns) masses of ``CrystalWords.columns``, rows of a scope summing to one.
        wanted: Names of ``READ`` and ``WORDS_READ``.

    Returns:
        (scopes, heads + 1, names) float64; the last head is the average; NaN where blocks belong.
    """
    heads, atoms, n_scopes, _ = shares.shape
    found = np.full((n_scopes, heads + 1, len(wanted)), np.nan)
    at = {name: i for i, name in enumerate(wanted)}
    values: dict[str, np.ndarray] = {}
    rights = known.right_tokens
    if rights is not None and known.atoms is not None and known.own is not None:
        for name, judge in (("alignment_auc", rights.auc), ("alignment_pointing", rights.pointing)):
            if name in at:
                judged_by = judge(maps)
                found[:, :heads, at[name]] = judged_by[:heads]
                if len(judged_by) > heads:
                    found[:, heads, at[name]] = judged_by[heads:]
        symbols = known.own.shape[1]
        columns = BEFORE_SYMBOLS + symbols * np.array([0, 2, 3])[:, None] + known.atoms
        mass = shares[:, np.arange(atoms), :, columns]  # (kinds, atoms, heads, scopes)
        ends = np.array(known.ends)[:, None, None]
        share = known.counts[:, columns] / ends  # (scopes, kinds, atoms)
        judged = (share > 0) & (share < 1)
        kept = np.einsum("kahs,ska->skh", mass, judged.astype(mass.dtype))
        expected = (share * judged).sum(-1)[..., None]
        lifts = np.where(expected > 0, kept / expected, np.nan)
        rows = judged[:, :1].sum(-1)[..., None]
        values = {
            "alignment_excess": np.where(rows > 0, (kept[:, :1] - expected[:, :1]) / rows, np.nan)[:, 0],
            "alignment_lift": lifts[:, 0],
            "alignment_lift_bonds": lifts[:, 1],
            "alignment_lift_coordination": lifts[:, 2],
        }
    where = shares[..., 2 + len(PLAIN) : BEFORE_SYMBOLS].mean(1).swapaxes(0, 1)  # (scopes, heads, 3)
    worded = 1 - shares[..., 1].mean(1).T
    values |= {
        "first_sentence_mass": where[..., 0],
        "last_sentence_mass": where[..., 1],
        "reading_position": np.where(worded > 1e-6, where[..., 2] / worded, np.nan),
    }
    for name, value in values.items():
        if name in at:
            found[:, :heads, at[name]], found[:, heads, at[name]] = value, value.mean(1)
    if "reading_position" in at:  # of the average, not the average of the heads'
        words = worded.mean(1)
        found[:, heads, at["reading_position"]] = np.where(
            words > 1e-6, where[..., 2].mean(1) / words, np.nan
        )
    return found


def blocks_where_words_are_read(known: CrystalWords, shares: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """Blocks of atoms and of words where atoms read words.

    Args:
        known: The words.
        shares: (atoms, maps, tokens of all scopes laid end to end), rows of a scope summing to one.
        wanted: Names of ``BLOCKS``.

    Returns:
        (scopes, maps, names) float64.
    """
    atoms, n_maps, _laid = shares.shape
    ends = np.array(known.ends)
    found = np.full((len(ends), n_maps, len(wanted)), np.nan)
    flat_rows = atoms / np.maximum(ends, 1)  # the least that squares of rows summing to one can be
    mean = shares.mean(0)
    of_mean = atoms * np.square(mean) @ known.segments.T
    _atom_blocks(known, shares - mean, known.segments.T, of_mean, wanted, found)
    if "word_blocks" in wanted:
        offsets = [0, *np.cumsum(ends)]
        held = _held(known)
        between = np.empty((n_maps, len(ends)), shares.dtype)
        apart = shares - ((1 / np.maximum(ends, 1)) @ known.segments).astype(
            shares.dtype
        )  # every row has this mean
        for i, end in enumerate(known.ends):
            sums = apart[..., offsets[i] : offsets[i + 1]] @ known.classes[:end]
            between[:, i] = (np.square(sums) / np.maximum(held[i], 1)).sum((0, 2))
        total = np.einsum("amk,amk->mk", apart, apart) @ known.segments.T
        _words_into(found, wanted, between, total, total + flat_rows, held, ends)
    return found


def words_read_by(known: CrystalWords, cells: np.ndarray, wanted: Sequence[str]) -> np.ndarray:
    """Alignment and blocks where words read atoms.

    Args:
        known: The words; the rows are in their order.
        cells: (atoms, maps, tokens), rows summing to one over atoms.
        wanted: Names of ``READ``.

    Returns:
        (scopes, maps, names) float64.
    """
    atoms, n_maps, tokens = cells.shape
    ends = np.array(known.ends)
    found = np.full((len(ends), n_maps, len(wanted)), np.nan)
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
        return found
    apart = cells - 1 / atoms  # every token's row has this mean
    _atom_blocks(known, apart, known.inside, ends / atoms, wanted, found)
    if "word_blocks" in wanted:
        held = _held(known)
        flat = apart.reshape(atoms * n_maps, tokens).astype(
            float
        )  # sums that are near each other are taken apart
        of_class = (
            np.square(flat @ known.classes).reshape(atoms, n_maps, known.classes.shape[1]).sum(0)
        )  # a class is in a scope or out of it
        between = of_class @ ((held > 0) / np.maximum(held, 1)).T
        mean = np.square(flat @ known.inside).reshape(atoms, n_maps, len(ends)).sum(0) / np.maximum(ends, 1)
        squares = np.square(flat).reshape(atoms, n_maps, tokens).sum(0) @ known.inside
        between -= mean
        _words_into(found, wanted, between, squares - mean, squares + ends / atoms, held, ends)
    return found


def _atom_blocks(
    known: CrystalWords,
    centred: np.ndarray,
    segments: np.ndarray,
    of_mean: np.ndarray,
    wanted: Sequence[str],
    found: np.ndarray,
) -> None:
    """Fill in ``element_blocks`` and ``site_blocks``.

    Args:
        known: The words and atoms.
        centred: (atoms, maps, keys) less the mean over atoms.
        segments: (keys, scopes) ones where a key is in a scope.
        of_mean: (maps, scopes) or (scopes,) squares that the mean row alone has, once an atom.
        wanted: Names of ``BLOCKS``.
        found: (scopes, maps, names), written to.
    """
    if known.atoms is None or len(known.atoms) != len(centred):
        return
    atoms, n_maps, keys = centred.shape
    flat = centred.reshape(atoms, n_maps * keys)
    dealt = np.eye(int(known.atoms.max()) + 1, dtype=centred.dtype)[known.atoms]
    sizes = dealt.sum(0)

    def between(groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
        sums = np.square(groups.T @ flat) / counts[:, None]
        return np.asarray(sums.reshape(len(counts), n_maps, keys) @ segments)  # (groups, maps, scopes)

    of_element = between(dealt, sizes)
    total = (dealt.T @ np.square(flat)).reshape(len(sizes), n_maps, keys) @ segments
    every = total.sum(0)
    if "element_blocks" in wanted:
        value = adjusted(of_element.sum(0), every, every + of_mean, len(sizes), atoms)
        found[..., wanted.index("element_blocks")] = value.T
    sites = known.sites if "site_blocks" in wanted else None
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


def _held(known: CrystalWords) -> np.ndarray:
    """(scopes, classes) how many tokens of each class are in each scope."""
    return np.asarray(known.inside.T @ known.classes)


def _words_into(
    found: np.ndarray,
    wanted: Sequence[str],
    between: np.ndarray,
    total: np.ndarray,
    squares: np.ndarray,
    held: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Fill in ``word_blocks`` from (maps, scopes) sums of squares and the (scopes, classes) sizes of the classes."""
    value = adjusted(between, total, squares, (held > 0).sum(1), ends)
    found[..., wanted.index("word_blocks")] = value.T

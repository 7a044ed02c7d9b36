"""What one crystal's maps read: alignment with the text, blocks, sentences. Arrays of real cells, all scopes at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crysmm_attn_plugin.capture.batch_words import PLAIN, CrystalWords
from crysmm_attn_plugin.metrics.alignment import ALIGNMENT, excess, lift
from crysmm_attn_plugin.metrics.blocks import adjusted, nested_share, one_hot

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
    rights = known.right_tokens
    if rights is not None and known.atoms is not None and known.own is not None:
        for name, judge in (("alignment_auc", rights.auc), ("alignment_pointing", rights.pointing)):
            if name in at:
                values = judge(maps)
                found[:, :heads, at[name]] = values[:heads]
                if len(values) > heads:
                    found[:, heads, at[name]] = values[heads:]
        each, symbols = np.arange(atoms), known.own.shape[1]
        for first, names in (
            (0, ("alignment_excess", "alignment_lift")),
            (2, ("", "alignment_lift_bonds")),
            (3, ("", "alignment_lift_coordination")),
        ):
            if not set(names) & set(at):
                continue
            column = BEFORE_SYMBOLS + first * symbols + known.atoms
            mass = shares[:, each, :, column]  # (atoms, heads, scopes)
            for s, end in enumerate(known.ends):
                share = known.counts[s, column] / end if end else np.zeros(atoms)
                for name, value in zip(names, (excess, lift)):
                    if name in at:
                        values = value(mass[:, :, s].T, share)
                        found[s, :, at[name]] = [*values, values.mean()]
    where = shares[..., 2 + len(PLAIN) : BEFORE_SYMBOLS].mean(1).swapaxes(0, 1)  # (scopes, heads, 3)
    worded = 1 - shares[..., 1].mean(1).T[..., None]
    where[..., 2:] = np.divide(where[..., 2:], worded, out=np.full_like(worded, np.nan), where=worded > 1e-6)
    for j, name in enumerate(("first_sentence_mass", "last_sentence_mass", "reading_position")):
        if name in at:
            found[:, :heads, at[name]] = where[..., j]
            found[:, heads, at[name]] = where[..., j].mean(1)
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
    atoms, n_maps, laid = shares.shape
    n_scopes = len(known.ends)
    found = np.full((n_scopes, n_maps, len(wanted)), np.nan)
    segments = known.segments.T
    if known.atoms is not None and "element_blocks" in wanted:
        dealt = one_hot(known.atoms).astype(shares.dtype)
        centred = shares - shares.mean(0)
        sums = (dealt.T @ centred.reshape(atoms, -1)).reshape(-1, n_maps, laid)
        between = np.einsum("gmk,gmk,g->mk", sums, sums, 1 / dealt.sum(0)) @ segments
        total = np.einsum("amk,amk->mk", centred, centred) @ segments
        squares = np.einsum("amk,amk->mk", shares, shares) @ segments
        value = adjusted(between, total, squares, dealt.shape[1], atoms)
        found[..., wanted.index("element_blocks")] = value.T
    offsets = [0, *np.cumsum(known.ends)]
    for s, end in enumerate(known.ends):
        if not end:
            continue
        scope = shares[..., offsets[s] : offsets[s + 1]]
        if "site_blocks" in wanted and known.sites is not None and known.atoms is not None:
            value = nested_share(scope.swapaxes(0, 1), known.atoms, known.sites)
            found[s, :, wanted.index("site_blocks")] = value
        if "word_blocks" in wanted:
            found[s, :, wanted.index("word_blocks")] = _word_blocks(scope - 1 / end, known.classes[:end])
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
    atoms, n_maps, _ = cells.shape
    found = np.full((len(known.ends), n_maps, len(wanted)), np.nan)
    at = {name: i for i, name in enumerate(wanted)}
    rights, rows = known.right_atoms, known.mentioning
    if rights is not None and known.own is not None and known.atoms is not None and len(rows):
        own = known.own[rows][:, known.atoms]
        maps = cells[:, :, rows].transpose(1, 2, 0)
        mass, share = np.einsum("mqk,qk->mq", maps, own.astype(maps.dtype)), own.mean(1)
        for name, value in (
            ("alignment_auc", rights.auc(maps) if "alignment_auc" in at else None),
            ("alignment_pointing", rights.pointing(maps) if "alignment_pointing" in at else None),
            ("alignment_excess", excess(mass, share)),
            ("alignment_lift", lift(mass, share)),
        ):
            if name in at and value is not None:
                found[..., at[name]] = value  # rows that mention elements are in every scope
    from_uniform = cells - 1 / max(atoms, 1)
    for s, end in enumerate(known.ends):
        scope = from_uniform[..., :end]
        if not end:
            continue
        if known.atoms is not None and "element_blocks" in at:
            dealt = one_hot(known.atoms).astype(cells.dtype)
            sums = np.tensordot(dealt.T, scope, 1)
            between = np.einsum("gmk,gmk,g->m", sums, sums, 1 / dealt.sum(0))
            total = np.einsum("amk,amk->m", scope, scope)
            squares = total + end / atoms
            found[s, :, at["element_blocks"]] = adjusted(between, total, squares, dealt.shape[1], atoms)
        if known.atoms is not None and "site_blocks" in at and known.sites is not None:
            found[s, :, at["site_blocks"]] = nested_share(scope.swapaxes(0, 1), known.atoms, known.sites)
        if "word_blocks" in at:
            mean = scope.mean(-1, keepdims=True)
            found[s, :, at["word_blocks"]] = _word_blocks(scope - mean, known.classes[:end], scope)
    return found


def _word_blocks(centred: np.ndarray, classes: np.ndarray, raw: np.ndarray | None = None) -> np.ndarray:
    """Share of the variance between columns that lies between classes of words.

    Args:
        centred: (atoms, maps, tokens) less the mean column.
        classes: (tokens, classes) ones.
        raw: (atoms, maps, tokens) whose size says what is no variance at all; ``centred`` and one token's share when None.

    Returns:
        (maps,).
    """
    held = classes.sum(0)
    there = held > 0
    sums = centred @ classes[:, there]
    between = np.einsum("amc,amc,c->m", sums, sums, 1 / held[there])
    total = np.einsum("amk,amk->m", centred, centred)
    tokens = len(classes)
    squares = total + len(centred) / tokens if raw is None else np.einsum("amk,amk->m", raw, raw)
    return adjusted(between, total, squares, int(there.sum()), tokens)

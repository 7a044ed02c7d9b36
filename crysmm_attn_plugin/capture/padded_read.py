"""As ``read_what``, of padded batches as torch tensors, for weights that live on an accelerator: nothing waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from crysmm_attn_plugin.capture.batch_words import PLAIN, BatchWords, CrystalWords
from crysmm_attn_plugin.metrics.blocks import ALIKE
from crysmm_attn_plugin.metrics.padded import NAN

#: Numbers of compared mentions that are held at a time.
PAIRS_AT_ONCE = 2**23
#: Which of the words' kinds each lift is of.
LIFTS = ("alignment_lift", "alignment_lift_bonds", "alignment_lift_coordination")


@dataclass(frozen=True)
class ReadMasks:
    """What is known of the words of a batch, on the device, in the places of its maps.

    Attributes:
        kinds: (3, B, atoms, tokens) float: own mentions, bonds, coordination of each atom's element.
        classes: (B, classes, tokens), where: (B, 3, tokens), special: (B, tokens).
        one_sentence: (B,) bool.
        elements: (B, symbols, atoms), sites: (B, sites, atoms) of the elements that are judged, chance: (B, symbols) their
            expected share; zero rows elsewhere.
        places: (B, m) right keys of some row; held: (B, m) bool; pairs: (B, groups, m, m); rows: (B, groups, queries);
            judged: (B, queries). Of the contests of the rows, see ``metrics.alignment.Rights``.
    """

    kinds: torch.Tensor
    classes: torch.Tensor
    where: torch.Tensor
    special: torch.Tensor
    one_sentence: torch.Tensor
    elements: torch.Tensor
    sites: torch.Tensor
    chance: torch.Tensor
    places: torch.Tensor
    held: torch.Tensor
    pairs: torch.Tensor
    rows: torch.Tensor
    judged: torch.Tensor


def read_masks(
    words: BatchWords, reads_text: bool, query_mask: torch.Tensor, key_mask: torch.Tensor
) -> ReadMasks:
    """Make the masks on the processor and send them.

    Args:
        words: The batch's words.
        reads_text: Rows are atoms and keys tokens; the other way round otherwise.
        query_mask: (B, queries) bool, key_mask: (B, keys) bool, on the device.
    """
    known = words.crystals
    tokens_real, atoms_real = (key_mask, query_mask) if reads_text else (query_mask, key_mask)
    b = len(known)
    atoms = max([atoms_real.shape[1], *(n or 0 for n in words.atom_counts())])
    tokens = max([tokens_real.shape[1], *(n or 0 for n in words.token_counts())])
    rights = [None if k is None else k.right_tokens if reads_text else k.right_atoms for k in known]
    m = max([1, *(len(r.places) for r in rights if r)])
    groups = max([1, *(len(r.contests) for r in rights if r)])
    symbols = max([1, *(int(k.atoms.max()) + 1 for k in known if k and k.atoms is not None and len(k.atoms))])
    n_classes = len(PLAIN) + 1
    kinds = np.zeros((3, b, atoms, tokens), np.float32)
    of_tokens = np.zeros((b, n_classes + 4, tokens), np.float32)
    elements, sites = np.zeros((b, symbols, atoms), np.float32), np.zeros((b, atoms, atoms), np.float32)
    chance, one_sentence = np.zeros((b, symbols), np.float32), np.ones(b, bool)
    places, held = np.zeros((b, m), np.int64), np.zeros((b, m), bool)
    pairs = np.zeros((b, groups, m, m), np.float32)
    of_rows = np.zeros((b, groups + 1, atoms if reads_text else tokens), np.float32)
    for i, (k, right) in enumerate(zip(known, rights)):
        if k is None:
            continue
        of_tokens[i, :n_classes, k.order] = k.classes
        of_tokens[i, n_classes : n_classes + 3, k.order] = np.nan_to_num(k.where)
        of_tokens[i, -1, k.order] = k.special
        one_sentence[i] = bool(np.isnan(k.where).any())
        if k.atoms is None or k.own is None or k.long is None or right is None:
            continue
        for kind, mentions in zip(kinds, (k.own, *k.long)):
            kind[i, : len(k.atoms), k.order] = mentions[:, k.atoms]
        elements[i, k.atoms, np.arange(len(k.atoms))] = 1
        _sites(k, sites[i], chance[i])
        rows = np.arange(len(k.atoms)) if reads_text else k.order[k.mentioning]
        n = len(right.places)
        places[i, :n] = k.order[right.places] if reads_text else right.places
        held[i, :n] = True
        of_rows[i, groups, rows] = right.judged
        for g, c in enumerate(right.contests):
            pairs[i, g][np.ix_(c.mine, c.theirs)] = c.share.reshape(len(c.mine), -1)
            of_rows[i, g, rows[c.rows]] = 1 / len(c.rows)
    device = key_mask.device
    laid = _laid(_sent(of_tokens, device), tokens_real)
    on_atoms = _laid(_sent(np.concatenate([elements, sites], 1), device), atoms_real)
    on_rows = _laid(_sent(of_rows, device), query_mask)
    order = (~key_mask).to(torch.uint8).argsort(dim=1, stable=True)  # of the first, second, ... real key
    at = order.gather(1, _sent(places, device).clamp(max=order.shape[1] - 1))
    each = [_laid(_laid(_sent(k, device), tokens_real).transpose(1, 2), atoms_real) for k in kinds]
    return ReadMasks(
        torch.stack([k.transpose(1, 2) for k in each]),
        laid[:, :n_classes], laid[:, n_classes : n_classes + 3], laid[:, -1], _sent(one_sentence, device),
        on_atoms[:, :symbols], on_atoms[:, symbols:], _sent(chance, device),
        at, _sent(held, device), _sent(pairs, device), on_rows[:, :groups], on_rows[:, groups],
    )  # fmt: skip


def _sites(known: CrystalWords, sites: np.ndarray, chance: np.ndarray) -> None:
    """Fill in (sites, atoms) ones and the (symbols,) expected share of elements with several sites."""
    if known.sites is None or known.atoms is None:
        return
    for e in range(int(known.atoms.max()) + 1):
        mine = known.atoms == e
        n, of = int(mine.sum()), set(known.sites[mine].tolist())
        if 1 < len(of) < n:
            chance[e] = (len(of) - 1) / (n - 1)
            for s in of:
                sites[s, : len(known.sites)] = known.sites == s


def read_of(
    masks: ReadMasks,
    weights: torch.Tensor,
    rows: torch.Tensor,
    keys: torch.Tensor,
    reads_text: bool,
    wanted: Sequence[str],
) -> dict[str, torch.Tensor]:
    """Numbers of one scope.

    Args:
        masks: The batch's.
        weights: (B, maps, queries, keys), zero on padding and outside the scope, rows summing to one.
        rows, keys: (B, queries) and (B, keys) bool: real and in the scope.
        reads_text: Rows are atoms.
        wanted: Names of ``read_what``.

    Returns:
        Name -> (B, maps).
    """
    weights = weights.float()
    found = _aligned(masks, weights, rows, keys, reads_text)
    real, seen = rows[:, None].float(), keys.float()
    if reads_text:
        mean = (weights * real[..., None]).sum(2) / real.sum(-1, keepdim=True)  # (B, maps, tokens)
        where = torch.einsum("bhk,bwk->wbh", mean, masks.where)
        worded = 1 - torch.einsum("bhk,bk->bh", mean, masks.special)
        one = masks.one_sentence[:, None]
        found["first_sentence_mass"] = where[0].masked_fill(one, NAN)
        found["last_sentence_mass"] = where[1].masked_fill(one, NAN)
        found["reading_position"] = torch.where(worded > 1e-6, where[2] / worded, NAN)
    by_atom = (weights * real[..., None]) if reads_text else (weights * real[..., None]).transpose(2, 3)
    on_atoms, on_tokens = (rows.float(), seen) if reads_text else (seen, rows.float())
    found |= _blocks(masks, by_atom, on_atoms, on_tokens)
    hollow = (~(weights.sum(-1) > 0) & rows[:, None]).any(-1)
    none = (rows.sum(-1) == 0) | (keys.sum(-1) == 0)
    return {
        name: value.masked_fill(hollow | none[:, None], NAN)
        for name, value in found.items()
        if name in wanted
    }


def _aligned(
    masks: ReadMasks, weights: torch.Tensor, rows: torch.Tensor, keys: torch.Tensor, reads_text: bool
) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, kind in zip(LIFTS if reads_text else LIFTS[:1], masks.kinds):
        right = (kind if reads_text else kind.transpose(1, 2)) * keys[:, None]
        share = right.sum(-1) / keys.sum(-1, keepdim=True)
        judged = ((share > 0) & (share < 1) & rows).float()
        mass = (torch.einsum("bhqk,bqk->bhq", weights, right) * judged[:, None]).sum(-1)
        expected, count = (share * judged).sum(-1)[:, None], judged.sum(-1)[:, None]
        found[name] = torch.where(expected > 0, mass / expected, NAN)
        if name == "alignment_lift":
            found["alignment_excess"] = torch.where(count > 0, (mass - expected) / count, NAN)
    own = masks.kinds[0] if reads_text else masks.kinds[0].transpose(1, 2)
    at, m = masks.places, masks.places.shape[1]
    cells = weights.gather(3, at[:, None, None].expand(*weights.shape[:3], m))
    total = weights.new_zeros(weights.shape[:2])
    step = max(1, PAIRS_AT_ONCE // max(cells.numel(), 1))  # pairs of mentions are many: some at a time
    for j in range(0, m, step):
        apart = torch.sign(cells[..., j : j + step, None] - cells[..., None, :])
        counted = torch.einsum("bhqjm,bgjm->bhgq", apart, masks.pairs[:, :, j : j + step].to(apart.dtype))
        total += torch.einsum("bhgq,bgq->bh", counted, masks.rows.to(apart.dtype))
    contested = (masks.pairs.sum((1, 2, 3)) > 0)[:, None]
    found["alignment_auc"] = torch.where(contested, (1 + total) / 2, NAN)
    held = masks.held[:, None, None]
    top = (cells == cells.masked_fill(~held, -1).amax(-1, keepdim=True)) & held
    right_there = own.gather(2, at[:, None].expand(-1, own.shape[1], -1)) > 0
    points = (top & right_there[:, None]).sum(-1) / top.sum(-1).clamp(min=1)
    judged = masks.judged
    found["alignment_pointing"] = torch.where(
        (judged.sum(-1) > 0)[:, None], (points * judged[:, None]).sum(-1), NAN
    )
    return found


def _blocks(
    masks: ReadMasks, by_atom: torch.Tensor, on_atoms: torch.Tensor, on_tokens: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Blocks of (B, maps, atoms, tokens) shares, zero outside ``on_atoms`` (B, atoms) and ``on_tokens`` (B, tokens)."""
    inside = on_atoms[:, None, :, None] * on_tokens[:, None, None]
    n_atoms, n_tokens = (x.sum(-1)[:, None] for x in (on_atoms, on_tokens))
    squares = by_atom.square().sum((2, 3))
    c = (by_atom - by_atom.sum(2, keepdim=True) / n_atoms[..., None, None]) * inside
    sizes = masks.elements.sum(-1)
    of_element = _between(masks.elements, c)
    total = torch.einsum("bsa,bha->bhs", masks.elements.to(c.dtype), c.square().sum(-1))
    k = (sizes > 0).sum(-1)[:, None]
    found = {"element_blocks": _adjusted(of_element.sum(-1), total.sum(-1), squares, k, n_atoms)}
    judged = (masks.chance > 0)[:, None].to(c.dtype)
    dealt = masks.elements.to(c.dtype)
    means = torch.einsum("bsa,bhad->bhsd", dealt / sizes.clamp(min=1)[..., None], c)
    around = c - torch.einsum(
        "bsa,bhsd->bhad", dealt, means
    )  # no difference of sums that are near each other
    within = torch.einsum("bsa,bha->bhs", dealt, around.square().sum(-1)) * judged
    chance = (within * masks.chance[:, None]).sum(-1)
    share = _between(masks.sites, around).sum(-1)
    spread = within.sum(-1)
    defined = (judged.sum(-1) > 0) & (spread > ALIKE * squares)
    found["site_blocks"] = torch.where(defined, (share - chance) / (spread - chance), NAN)
    d = (by_atom - by_atom.sum(3, keepdim=True) / n_tokens[..., None, None]) * inside
    classes = masks.classes * on_tokens[:, None]
    between = _between(classes, d.transpose(2, 3)).sum(-1)
    k = (classes.sum(-1) > 0).sum(-1)[:, None]
    found["word_blocks"] = _adjusted(between, d.square().sum((2, 3)), squares, k, n_tokens)
    return found


def _between(groups: torch.Tensor, centred: torch.Tensor) -> torch.Tensor:
    """(B, maps, groups) sums of squares of (B, groups, n) ones over (B, maps, n, d) rows."""
    sums = torch.einsum("bgn,bhnd->bhgd", groups.to(centred.dtype), centred)
    return sums.square().sum(-1) / groups.sum(-1).clamp(min=1)[:, None]


def _adjusted(
    between: torch.Tensor,
    total: torch.Tensor,
    squares: torch.Tensor,
    k: torch.Tensor,
    n: torch.Tensor,
) -> torch.Tensor:
    """As ``metrics.blocks.adjusted``."""
    chance = (k - 1) / (n - 1)
    defined = (k > 1) & (k < n) & (total > ALIKE * squares)
    return torch.where(defined, (between / total - chance) / (1 - chance), NAN)


def _laid(values: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Values of the first, second, ... real position, put where the mask has these positions; zero elsewhere."""
    rank = (real.cumsum(-1) - 1).clamp(0, values.shape[-1] - 1)
    return values.gather(-1, rank[:, None].expand(-1, values.shape[1], -1)) * real[:, None]


def _sent(array: np.ndarray, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)

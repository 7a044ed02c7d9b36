"""Everything known of one batch: who is in it, and what its atoms and tokens look like along an axis."""

from __future__ import annotations

from typing import Any

import torch

from crysmm_attn_plugin.hooks.contract.manager import PluginManager
from crysmm_attn_plugin.hooks.reading.atoms import NUMBER_NAMES, Atoms, atoms_of
from crysmm_attn_plugin.hooks.reading.batch import leaves, texts_in
from crysmm_attn_plugin.hooks.reading.identity import BatchInputs, identify
from crysmm_attn_plugin.hooks.reading.records import TEXT_NAMES, locate, recorded, stored
from crysmm_attn_plugin.hooks.reading.sites import Facts, Side
from crysmm_attn_plugin.hooks.reading.token_tables import row_of
from crysmm_attn_plugin.hooks.reading.tokens import find_tokens
from crysmm_attn_plugin.records import BatchIdentity, TokenLabels


def facts_of(inputs: BatchInputs, manager: PluginManager, window: Any) -> tuple[BatchIdentity, Facts]:
    """Identity and facts of a batch; a plugin that identifies it goes first.

    Raises:
        IdentityError: When sources disagree.
    """
    found = manager.hooks.identify_batch(inputs=inputs, window=window)
    if isinstance(found, BatchIdentity):
        identity = found
        counts = (
            None
            if any(c is None for c in found.n_atoms)
            else [int(c) for c in found.n_atoms if c is not None]
        )
        known = found.elements if any(e is not None for e in found.elements) else None
        atoms = atoms_of(inputs.yielded, len(found), known, found.ids, texts_in(inputs.yielded))
        atoms = Atoms(counts or atoms.counts, found.elements, atoms.widths)
        tokens = _token_side(inputs, identity.tokens)
    else:
        split = getattr(window, "split", "test")
        identity, atoms = identify(inputs, "" if split == "test" else split)
        labels = _labels(inputs, len(identity))
        tokens = _token_side(inputs, labels)
        identity = BatchIdentity(
            identity.ids,
            identity.elements,
            labels,
            identity.targets,
            identity.structures,
            identity.atom_counts,
        )
    if not tokens.known:
        texts = texts_in(inputs.yielded, len(identity)) or _texts_of(inputs)
        tokens = Side(None, frozenset(_id_widths(inputs.yielded, len(identity), atoms, texts)))
    side = Side(atoms.counts, frozenset(atoms.widths))
    return identity, Facts(len(identity), side, tokens, _masks(inputs.yielded, len(identity)))


def _masks(batch: Any, n: int) -> dict[str, torch.Tensor]:
    """Masks of padding that stand in a batch, True where real: every row begins with what is real and ends with what is not.

    Which of the two values means real is told by the first column: padding never comes first, but in a row that is all padding.
    """
    found: dict[str, torch.Tensor] = {}
    for place, (name, leaf) in enumerate(leaves(batch)):
        if (
            not isinstance(leaf, torch.Tensor)
            or leaf.ndim != 2
            or leaf.shape[0] != n
            or leaf.is_floating_point()
        ):
            continue
        values = leaf.detach().cpu()
        if values.shape[1] < 2 or bool(((values != 0) & (values != 1)).any()):
            continue
        values = values.bool()
        mixed = (values != values[:, :1]).any(1)
        first = values[mixed, 0] if bool(mixed.any()) else values[:, 0]
        if bool((first != first[0]).any()):
            continue
        real = values == first[0]
        if not bool((real[:, 1:] & ~real[:, :-1]).any()):
            found[f"{name}:{place}"] = real
    return found


#: Names under which hosts keep token ids in a batch.
TOKEN_NAMES = ("input_ids", "token_ids", "text_ids", "text_input_ids", "tokens", "tokens_ids")
#: Rank correlation of the real entries of a row with the words of its text, from which on it is taken for the text.
CORRELATED = 0.95


def _id_widths(batch: Any, n: int, atoms: Atoms, texts: list[str] | None) -> set[int]:
    """Widths of integer tensors in a batch that hold its texts as token ids nobody can read.

    They stand under the name that says so, or their rows are as long as the texts are.
    """
    widths = set()
    for name, leaf in leaves(batch):
        if (
            not isinstance(leaf, torch.Tensor)
            or leaf.ndim != 2
            or leaf.shape[0] != n
            or leaf.is_floating_point()
        ):
            continue
        values = leaf.detach().cpu()
        if name.lower() in NUMBER_NAMES or values.shape[1] < 2 or bool(((values == 0) | (values == 1)).all()):
            continue
        real = (values != 0).sum(-1).tolist()
        like_atoms = atoms.counts is not None and real == list(atoms.counts)
        if name.lower() in TOKEN_NAMES or (not like_atoms and _as_long_as(real, texts)):
            widths.add(int(values.shape[1]))
    return widths


def _as_long_as(real: list[int], texts: list[str] | None) -> bool:
    if texts is None or len(set(real)) < 4:
        return False
    from scipy.stats import spearmanr

    return float(spearmanr(real, [len(t.split()) for t in texts]).statistic) >= CORRELATED


def _labels(inputs: BatchInputs, n: int) -> tuple[TokenLabels, ...] | None:
    if inputs.positions is not None:
        found = []
        for position in inputs.positions:
            dataset, place = locate(inputs.dataset, position)
            own = getattr(dataset, "token_labels", None)
            if not callable(own):
                break
            found.append(own(place))
        else:
            return tuple(found)
    texts = texts_in(inputs.yielded, n) or _texts_of(inputs)
    return find_tokens(
        inputs.yielded,
        n,
        texts,
        calls=inputs.tokenizer_calls,
        tokenizers=inputs.tokenizers,
        seen=inputs.given,
        lengths=inputs.lengths or None,
    )


def _texts_of(inputs: BatchInputs) -> list[str] | None:
    """The data set's texts at a batch's positions."""
    found = []
    for position in inputs.positions or ():
        dataset, place = locate(inputs.dataset, position)
        text = stored(dataset, place, TEXT_NAMES)
        text = recorded(dataset, place, TEXT_NAMES) if text is None else text
        if not isinstance(text, str):
            return None
        found.append(text)
    return found or None


def _token_side(inputs: BatchInputs, labels: tuple[TokenLabels, ...] | None) -> Side:
    """Counts and special tokens from the labels; widths and places from integer tensors that look like token ids."""
    n = None if labels is None else len(labels)
    widths: set[int] = set()
    real = None
    for call in inputs.tokenizer_calls:
        if n is None or len(call.texts) == n:
            widths.add(max((len(row_of(r)) for r in call.ids), default=0))
            if isinstance(call.mask, torch.Tensor) and real is None:
                real = _real(call.mask, labels)
    if labels is None:  # whose calls they were is not known
        return Side()
    counts = [len(t.tokens) for t in labels]
    widths.add(max(counts))
    for _, leaf in leaves(inputs.yielded):
        if (
            isinstance(leaf, torch.Tensor)
            and leaf.ndim == 2
            and leaf.shape[0] == n
            and not leaf.is_floating_point()
        ):
            mask = _real(leaf, labels)
            if mask is not None:
                widths.add(int(leaf.shape[1]))
                real = mask if real is None else real
    return Side(counts, frozenset(widths), real, [t.special for t in labels])


def _real(mask: Any, labels: tuple[TokenLabels, ...] | None) -> torch.Tensor | None:
    """A mask that counts the tokens, either way round, as True where real."""
    if labels is None or not isinstance(mask, torch.Tensor) or mask.ndim != 2 or mask.shape[0] != len(labels):
        return None
    counts = [len(t.tokens) for t in labels]
    if mask.shape[1] < max(counts) or bool(((mask != 0) & (mask != 1)).any()):
        return None
    straight = mask.bool()
    for real in (straight, ~straight):
        if real.sum(-1).tolist() == counts:
            return real
    return None

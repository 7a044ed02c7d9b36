"""The nouns of the project: frozen records passed between the three rooms.

Nothing here imports torch; tensors appear only as annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

#: Empty: undirected, a side nobody can name.
Direction = Literal["atom_to_text", "text_to_atom", ""]
DIRECTIONS: tuple[Direction, Direction] = ("atom_to_text", "text_to_atom")
WindowKind = Literal["epoch", "final", "attached"]
WindowState = Literal["complete", "partial", "failed", "empty"]

#: Head index of the row computed on weights averaged over heads first (the seed tool's order).
HEAD_MEAN_FIRST = -1


@dataclass(frozen=True)
class TokenLabels:
    """Tokens of one crystal's description as the host's text encoder saw them, padding removed.

    Attributes:
        tokens: Token strings, length L, special tokens included, for example ``["[CLS]", "Na", "##Cl"]``.
        word_ids: Length L; index of the word a token belongs to, -1 for special tokens.
        special: Length L; True for [CLS], [SEP] and their like.
        text: The description, as given to the host.
        truncated: True when the tokenizer cut the text at its maximum length.
    """

    tokens: tuple[str, ...]
    word_ids: tuple[int, ...]
    special: tuple[bool, ...]
    text: str = ""
    truncated: bool = False


@dataclass(frozen=True)
class Structure:
    """A crystal structure, enough to draw it.

    Attributes:
        lattice: 3 x 3 lattice vectors in angstrom, one vector a row.
        frac_coords: (n_atoms, 3) fractional coordinates.
        elements: (n_atoms,) element symbols, in the order of the graph's nodes.
    """

    lattice: tuple[tuple[float, float, float], ...]
    frac_coords: tuple[tuple[float, float, float], ...]
    elements: tuple[str, ...]


@dataclass(frozen=True)
class BatchIdentity:
    """Who is in a batch, in batch order. All sequences have length B.

    Attributes:
        ids: Crystal ids of the host's data set or batch; ``#17`` for the item at position 17 of a data set without ids,
            ``~17`` for the 18th of a stream.
        elements: Element symbols per crystal, in node order; None where unknown.
        tokens: Token labels per crystal, or None where the host's text cannot be labelled.
        targets: Target values (host's unit), or None.
        structures: Structures, where the host's data set holds them.
        atom_counts: Atoms per crystal, where they are known without elements.
    """

    ids: tuple[str, ...]
    elements: tuple[tuple[str, ...] | None, ...]
    tokens: tuple[TokenLabels, ...] | None = None
    targets: tuple[float | None, ...] | None = None
    structures: tuple[Structure | None, ...] | None = None
    atom_counts: tuple[int, ...] | None = None

    @property
    def n_atoms(self) -> tuple[int | None, ...]:
        """Atoms per crystal, None where unknown."""
        if self.atom_counts is not None:
            return self.atom_counts
        return tuple(None if e is None else len(e) for e in self.elements)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class AttentionCall:
    """Weights of one call of one attention module in one direction.

    Attributes:
        module: Qualified module name, wrapper prefixes removed.
        call: 0-based index of the call within one forward of the model.
        direction: ``atom_to_text`` (rows are atoms), ``text_to_atom`` (rows are tokens), or empty where a side has no name.
        weights: (B, heads, queries, keys), after softmax, before dropout, on the model's device.
        query_mask: (B, queries) bool, True where real; None when the module was given none.
        key_mask: (B, keys) bool, True where real; None when the module was given none.
    """

    module: str
    call: int
    direction: Direction
    weights: torch.Tensor
    query_mask: torch.Tensor | None = None
    key_mask: torch.Tensor | None = None


@dataclass(frozen=True)
class Alarm:
    """Something a reader must know before trusting a number.

    Attributes:
        code: Stable identifier, for example ``untrained_direction`` or ``single_key``.
        message: One English sentence saying what was seen and what follows.
        module, direction: Where, or empty.
        detail: Values behind the sentence.
    """

    code: str
    message: str
    module: str = ""
    direction: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Window:
    """One pass over one loader with one checkpoint's weights in the model.

    Attributes:
        window_id: Unique in the run, sortable by time, safe as a file name.
        checkpoint: Weight digest (hex) at the start of the pass.
        split: ``test``, ``val``, ``train`` or a host's own name.
        kind: ``epoch`` when training went on afterwards, ``final`` when it did not, ``attached`` for
            passes opened by the user's own code or by ``crysmm-attn compare``.
        epoch: Training passes completed before this window, or None when unknown.
        training_mode: True when the host left the model in training mode (dropout active).
    """

    window_id: str
    checkpoint: str
    split: str
    kind: WindowKind = "final"
    epoch: int | None = None
    training_mode: bool = False


#: Why a pass is partial whose loop the host left.
LEFT_EARLY = "the host left the loop early"


@dataclass(frozen=True)
class WindowOutcome:
    """How a window ended. ``expected_calls`` is forwards x attention modules; ``actual_calls`` what taps saw."""

    window: Window
    state: WindowState
    reason: str = ""
    n_batches: int = 0
    n_crystals: int = 0
    expected_calls: int = 0
    actual_calls: int = 0
    seconds: float = 0.0
    alarms: tuple[Alarm, ...] = ()


#: Before the hex digits of a weight digest: which algorithm made them. Digests without it are BLAKE2b's, of older runs.
DIGEST_PREFIX = "x3"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with a name: digest, the files that hold them, and what the host said about them.

    Attributes:
        digest: Hex digest of the state dict (see ``hooks.digests``).
        files: Paths of files holding these weights when the run ended.
        role: ``best_val``, ``best_test``, ``last``, ``epoch`` or the file's stem.
        epoch: Epoch stored in the file, or training passes seen.
        metrics: Numbers stored in the file, for example ``val_mae``.
        untrained: Directions whose parameters never received an optimizer step.
    """

    digest: str
    files: tuple[str, ...] = ()
    role: str = ""
    epoch: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()

    @property
    def algorithm(self) -> str:
        """What made the digest: digests of two algorithms say nothing about whether the weights are the same."""
        return "xxh3" if self.digest.startswith(DIGEST_PREFIX) else "blake2b"


@dataclass(frozen=True)
class AttentionMap:
    """One crystal's attention with labels.

    Attributes:
        id: Crystal id.
        checkpoint, module, call, direction: Where the map comes from.
        weights: (heads, queries, keys) float32 array, padding removed.
        elements: (n_atoms,) element symbols; ``atom_labels`` adds the index, for example ``Na1``.
        tokens: Token labels, or None when the host's text could not be labelled.
    """

    id: str
    checkpoint: str
    module: str
    call: int
    direction: Direction
    weights: Any
    elements: tuple[str, ...]
    tokens: TokenLabels | None

    @property
    def atom_labels(self) -> tuple[str, ...]:
        return tuple(f"{e}{i + 1}" for i, e in enumerate(self.elements))

    def _repr_html_(self) -> str:
        from crysmm_attn_plugin.notebook import map_html

        return map_html(self)

    def plot(self, *, head: int | None = None, ax: Any = None) -> Any:
        """The map as matplotlib axes; the mean over heads, or one head (see ``notebook.plot_map``)."""
        from crysmm_attn_plugin.notebook import plot_map

        return plot_map(self, head=head, ax=ax)

    def to_xarray(self) -> Any:
        """The map as an ``xarray.DataArray`` with dims (head, atom, token), (head, token, atom) or, where nobody could say
        which side is which, (head, query, key).

        Atoms are labelled ``Na1`` and carry their ``element``; tokens carry the ``word`` of the description they are
        part of and whether they are ``special``, so that ``.groupby("word").sum()`` gives words.
        """
        import xarray as xr

        from crysmm_attn_plugin.text import merge_tokens  # the grammar of descriptions

        dims: tuple[str, ...] = ("head", "query", "key")
        coords: dict[str, Any] = {"head": range(self.weights.shape[0])}
        if self.direction in DIRECTIONS:
            dims = (
                ("head", "atom", "token") if self.direction == "atom_to_text" else ("head", "token", "atom")
            )
            sizes = dict(zip(dims, self.weights.shape))
            if self.elements:
                coords |= {"atom": list(self.atom_labels), "element": ("atom", list(self.elements))}
            else:
                coords["atom"] = [str(i + 1) for i in range(sizes["atom"])]
            coords["token"] = (
                list(self.tokens.tokens) if self.tokens else [str(i) for i in range(sizes["token"])]
            )
        if self.direction in DIRECTIONS and self.tokens:
            words = {
                i: word.text for word in merge_tokens(self.tokens, self.elements) for i in word.positions
            }
            coords["word"] = ("token", [words[i] for i in range(len(self.tokens.tokens))])
            coords["special"] = ("token", list(self.tokens.special))
        return xr.DataArray(
            self.weights,
            dims=dims,
            coords=coords,
            name="attention",
            attrs={"id": self.id, "checkpoint": self.checkpoint, "direction": self.direction},
        )

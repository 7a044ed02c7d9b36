"""A host small enough for any number of crystals: everything about a crystal is made from its number when it is asked for."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from crysmm_attn_plugin.records import TokenLabels

HEADS, WIDTH = 4, 32
SYMBOLS = ("Na", "Cl", "Fe", "O", "Ti", "Si", "Mg", "Al")
WORDS = (
    "the a is crystal crystallizes in cubic space group bonded to equivalent atoms and with octahedral site sites angstrom bond "
    "length lengths corner sharing form distances structure three dimensional Na Cl Fe O Ti Si Mg Al 2.82 6 1.95 , ."
).split()


class CountedCrystals(Dataset):
    """Crystals 0 ... n - 1.

    Args:
        n: How many.
    """

    def __init__(self, n: int) -> None:
        self.ids = [f"crystal-{i:07d}" for i in range(n)]

    def __len__(self) -> int:
        return len(self.ids)

    def elements(self, position: int) -> tuple[str, ...]:
        """Element symbols."""
        draw = random.Random(position)
        kinds = draw.sample(SYMBOLS, draw.randint(1, 3))
        return tuple(draw.choice(kinds) for _ in range(draw.randint(2, 14)))

    def token_labels(self, position: int) -> TokenLabels:
        """Tokens of the description."""
        draw = random.Random(-position - 1)
        words = [draw.choice(WORDS) for _ in range(draw.randint(40, 120))]
        n = len(words)
        return TokenLabels(
            ("[CLS]", *words, "[SEP]"),
            (-1, *range(n), -1),
            (True, *[False] * n, True),
            " ".join(words),
        )

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor, float]:
        generator = torch.Generator().manual_seed(position)
        atoms = torch.randn(len(self.elements(position)), WIDTH, generator=generator)
        tokens = torch.randn(len(self.token_labels(position).tokens), WIDTH, generator=generator)
        return atoms, tokens, float(atoms.mean())


def collate(samples: list[tuple[torch.Tensor, torch.Tensor, float]]) -> tuple[torch.Tensor, ...]:
    """Padded atoms and tokens with their masks, and targets."""
    atoms, tokens, targets = zip(*samples)
    padded = [nn.utils.rnn.pad_sequence(list(x), batch_first=True) for x in (atoms, tokens)]
    masks = [
        torch.arange(p.shape[1])[None] < torch.tensor([len(x) for x in each])[:, None]
        for p, each in zip(padded, (atoms, tokens))
    ]
    return padded[0], masks[0], padded[1], masks[1], torch.tensor(targets)


class Attention(nn.Module):
    """One side reads the other."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            layer(z).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer, z in ((self.query, x), (self.key, y), (self.value, y))
        )
        scores = 3 * q @ k.transpose(-1, -2)
        weights = scores.masked_fill(~mask[:, None, None], -1e9).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(-2)


class CountedNet(nn.Module):
    """Atoms read words, words read atoms, and a number comes out."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.atom_to_text, self.text_to_atom = Attention(), Attention()
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, inputs: Any) -> torch.Tensor:
        atoms, atom_mask, tokens, token_mask = inputs
        atoms = atoms + self.atom_to_text(atoms, tokens, token_mask)
        tokens = tokens + self.text_to_atom(tokens, atoms, atom_mask)
        found = (atoms * atom_mask[..., None]).sum(1) + (tokens * token_mask[..., None]).mean(1)
        return self.out(found).squeeze(-1)


def loader(n: int, batch_size: int = 32) -> DataLoader[Any]:
    """A test loader over ``n`` crystals."""
    return DataLoader(CountedCrystals(n), batch_size=batch_size, collate_fn=collate)


@torch.no_grad()
def loop(net: nn.Module, batches: DataLoader[Any]) -> None:
    """A host's test loop."""
    net.eval()
    for *inputs, _ in batches:
        net(tuple(inputs))

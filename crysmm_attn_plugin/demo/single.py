"""A checkpoint of the reference host and one crystal: its model, and a loader of that crystal alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from crysmm_attn_plugin.demo.config import load_config
from crysmm_attn_plugin.demo.crystals import Crystal
from crysmm_attn_plugin.demo.dataset import CrystalTextDataset, collate
from crysmm_attn_plugin.demo.graphs import build_graphs
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.testing import to_device
from crysmm_attn_plugin.demo.text import encode_texts
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.checkpoint_files import load_checkpoint, require_state_dict


def load_single(checkpoint: Path, crystal: Crystal) -> tuple[nn.Module, DataLoader[Any]]:
    """The model of a checkpoint in evaluation mode, and a loader of one crystal, its graph and text made as in training.

    Args:
        checkpoint: Written by the reference host, with its ``config.json`` beside it.
        crystal: Structure and description; the target does not count.

    Raises:
        UsageError: When checkpoint and configuration do not fit, or no graph can be made of the crystal.
    """
    config = load_config(checkpoint.parent / "config.json")
    state = require_state_dict(load_checkpoint(checkpoint), checkpoint)
    try:
        graphs = build_graphs([crystal], cutoff=config.cutoff, max_neighbors=config.max_neighbors)
    except Exception as error:  # neighbour searches of other people's code
        raise UsageError(
            f"no graph can be made of the crystal ({type(error).__name__}: {' '.join(str(error).split())[:200]}); check its "
            "cell and coordinates."
        ) from error
    texts = encode_texts([crystal.text], model=config.text_model, max_tokens=config.max_tokens)
    net = CrystalTextALIGNN(int(texts[0].states.shape[1]), **config.model_arguments())
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise UsageError(
            f"{checkpoint} does not fit the model of the config.json beside it; give the file of the training that wrote both."
        ) from error
    dataset = CrystalTextDataset([crystal], graphs, texts)
    return net.eval(), DataLoader(dataset, batch_size=1, collate_fn=collate)


def forward(net: nn.Module, batch: Any) -> torch.Tensor:
    """(1,) prediction."""
    found: torch.Tensor = net(to_device(batch, "cpu")[0])
    return found

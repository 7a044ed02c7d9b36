"""A user's own script: PyPI alignn's trainer with a model that also reads descriptions. ``python text_alignn.py config.json``.

It knows nothing of attention capture. The key ``crysmm_attn`` in its config file is passed on like every other.
"""

import json
import sys
from pathlib import Path

import dgl
import torch
from alignn.train import train_dgl
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import AutoTokenizer, BertConfig, BertModel

from crysmm_attn_plugin.demo.crystals import load_demo_crystals
from crysmm_attn_plugin.demo.graphs import build_graphs
from crysmm_attn_plugin.demo.model import CrystalTextALIGNN
from crysmm_attn_plugin.demo.text import _location


class Crystals(Dataset):
    def __init__(self, crystals, graphs):
        self.crystals, self.graphs = crystals, graphs
        self.ids = [c.id for c in crystals]

    def __len__(self):
        return len(self.crystals)

    def __getitem__(self, i):
        return *self.graphs[i], self.crystals[i].text, torch.tensor(self.crystals[i].target)


class Texts(list):
    """Strings that answer to ``.to(device)``, because the trainer moves every member of a batch."""

    def to(self, device):
        return self


def collate(samples):
    graphs, line_graphs, texts, targets = zip(*samples)
    return dgl.batch(graphs), dgl.batch(line_graphs), Texts(texts), torch.stack(targets)


def prepare_batch(batch, device=None, non_blocking=False):
    return batch[:3], batch[-1]


class TextALIGNN(nn.Module):
    def __init__(self, middle_fusion):
        super().__init__()
        self.tokenizer = AutoTokenizer.from_pretrained(_location("offline"))
        self.text_encoder = BertModel(
            BertConfig(
                vocab_size=len(self.tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                intermediate_size=64,
            )
        ).requires_grad_(False)  # fmt: skip
        self.network = CrystalTextALIGNN(
            32,
            width=32,
            alignn_layers=1,
            gcn_layers=1,
            heads=2,
            middle_fusion_layers=(1,) if middle_fusion else (),
        )

    def forward(self, inputs):
        graph, line_graph, texts = inputs
        read = self.tokenizer(list(texts), padding=True, truncation=True, max_length=128, return_tensors="pt")
        states = self.text_encoder(**read).last_hidden_state
        prediction = self.network((graph, line_graph, states, read["attention_mask"].bool()))
        return {"out": prediction}


def main(config_file):
    config = json.loads(Path(config_file).read_text())
    middle_fusion, counts = config.pop("middle_fusion"), config.pop("counts")
    torch.manual_seed(config["random_seed"])
    # the trainer's first test pass is in training mode, one crystal a batch: one atom leaves batch norm nothing
    crystals = [c for c in load_demo_crystals().crystals if len(c.elements) > 2][: sum(counts)]
    graphs = build_graphs(crystals, cutoff=8.0, max_neighbors=8)
    loaders, start = [], 0
    for count, size, shuffle in zip(
        counts, (config["batch_size"], config["batch_size"], 1), (True, False, False)
    ):
        part = slice(start, start + count)
        start += count
        loaders.append(
            DataLoader(
                Crystals(crystals[part], graphs[part]),
                size,
                shuffle=shuffle,
                collate_fn=collate,
                drop_last=shuffle,
            )
        )
    train_dgl(config, model=TextALIGNN(middle_fusion), train_val_test_loaders=[*loaders, prepare_batch])


if __name__ == "__main__":
    main(sys.argv[1])

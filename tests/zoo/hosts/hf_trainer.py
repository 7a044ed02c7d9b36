"""Hugging Face Trainer: predict over a test set; columns of the data set become arguments of the forward."""

import os

import torch
from common import CrossAttention, Vocabulary, batches, collator
from kit import Truth, crystals, seed
from torch import nn
from transformers import Trainer, TrainingArguments

ZOO = {"elements": "true"}
seed(50)
truth, items = Truth(), crystals(12)
vocabulary = Vocabulary(items)
make = collator(vocabulary)


class Rows(torch.utils.data.Dataset):
    def __init__(self):
        self.ids = [c["id"] for c in items]

    def __len__(self):
        return len(items)

    def __getitem__(self, i):
        return items[i]


def collate(rows):
    batch = make(rows)
    batch["labels"] = batch.pop("target")
    return batch


class ForTrainer(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.atom, self.word = nn.Embedding(104, d), nn.Embedding(len(vocabulary), d)
        self.cross, self.out, self.kept = CrossAttention(d), nn.Linear(d, 1), []

    def forward(self, z, atom_mask, input_ids, token_mask, labels=None):
        x = self.atom(z)
        x = x + self.cross(x, self.word(input_ids), token_mask)
        p = self.out((x * atom_mask[..., None]).sum(1) / atom_mask.sum(1, keepdim=True))[:, 0]
        self.kept.append((self.cross.kept, atom_mask.sum(1), token_mask.sum(1)))
        return {"loss": (p - labels).abs().mean(), "logits": p}


net = ForTrainer()
options = TrainingArguments(os.environ.get("ZOO_FOLDER", "trainer"), per_device_eval_batch_size=4, report_to=[],
                            use_cpu=True, disable_tqdm=True, remove_unused_columns=False)  # fmt: skip
found = Trainer(net, options, data_collator=collate).predict(Rows())
truth.done()
truth.predict(torch.as_tensor(found.predictions))
for (w, a, t), rows in zip(net.kept, batches(items, 4)):
    truth.crystal(rows, [c["text"].split() for c in rows])
    truth.attention("cross", "atom_to_text", w, a, t, items=rows)

"""A Hugging Face BERT decoder over atoms whose cross attention reads encoded text (eager)."""

import torch
from kit import Truth, crystals, pad, real, seed, wordpiece
from torch import nn
from torch.utils.data import DataLoader
from transformers import BertConfig, BertModel

ZOO = {"elements": "true", "tokens": "true"}
seed(7)
truth, items, tokenizer = Truth(), crystals(10), wordpiece()
SMALL = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 32, "attn_implementation": "eager"}  # fmt: skip


class CrystalBert(nn.Module):
    def __init__(self):
        super().__init__()
        self.atom = nn.Embedding(104, 16)
        self.text = BertModel(BertConfig(**SMALL), add_pooling_layer=False)
        self.fusion = BertModel(
            BertConfig(**SMALL, is_decoder=True, add_cross_attention=True), add_pooling_layer=False
        )
        self.out = nn.Linear(16, 1)

    def forward(self, z, atom_mask, input_ids, attention_mask, **asked):
        text = self.text(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        found = self.fusion(inputs_embeds=self.atom(z), attention_mask=atom_mask.long(), encoder_hidden_states=text,
                            encoder_attention_mask=attention_mask, use_cache=False, **asked)  # fmt: skip
        self.found = found
        x, m = found.last_hidden_state, atom_mask[..., None]
        return self.out((x * m).sum(1) / m.sum(1))[:, 0]


def collate(rows):
    z = [c["z"] for c in rows]
    enc = tokenizer([c["text"] for c in rows], padding=True, return_tensors="pt")
    return {"z": pad(z), "atom_mask": real(z), "input_ids": enc["input_ids"], "attention_mask": enc["attention_mask"],
            "material_id": [c["id"] for c in rows]}  # fmt: skip


net = CrystalBert().eval()
test_loader = DataLoader(items, 5, collate_fn=collate)
kept = []
with torch.no_grad():
    for batch in test_loader:
        ids = batch.pop("material_id")
        kept.append((batch, net(**batch), ids))
truth.done()
if truth.full:
    net.fusion.set_attn_implementation("eager")
for batch, p, ids in kept:
    rows = [c for c in items if c["id"] in ids]
    truth.predict(p)
    n = batch["attention_mask"].sum(1).tolist()
    truth.crystal(
        rows, [tokenizer.convert_ids_to_tokens(r[:k].tolist()) for r, k in zip(batch["input_ids"], n)]
    )
    if truth.full:
        with torch.no_grad():
            net(**batch, output_attentions=True)
        for i, w in enumerate(net.found.cross_attentions):
            name = f"fusion.encoder.layer.{i}.crossattention.self"
            truth.attention(name, "atom_to_text", w, batch["atom_mask"].sum(1), n, items=rows)

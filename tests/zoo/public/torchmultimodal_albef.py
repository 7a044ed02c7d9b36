"""torchmultimodal's ALBEF encoder: atoms read themselves and then the words, in two layers."""

from outside import HEADS, D, Outputs, counts, run
from torch import nn
from torchmultimodal.models.albef.multimodal_encoder import ALBEFMultimodalEncoder

ZOO = {"elements": "true"}


class Fuse(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = ALBEFMultimodalEncoder(D, 2, HEADS, 2 * D)

    def forward(self, atoms, words, atom_mask, word_mask):
        return self.encoder(atoms, atom_mask, words, word_mask)


fuse = Fuse()
names = [f"encoder.layer.{i}.cross_attention" for i in range(2)]
out = Outputs(fuse, *(f"{n}.{p}" for n in names for p in ("query", "key")))


def maps(batch):
    a, t = counts(batch)
    for name in names:
        q, k = out.found[f"{name}.query"], out.found[f"{name}.key"]
        yield f"fuse.{name}", "atom_to_text", out.weights(q, k, batch["token_mask"]), a, t


run(fuse, maps)

"""SentencePiece's own package, called in the collate function without another library; the host sets marks and padding."""

import io

import sentencepiece
import torch
from common import Crystals, Net, batches
from kit import Truth, crystals, pad, real, seed
from torch.utils.data import DataLoader

ZOO = {"elements": "true", "tokens": "true"}
seed(146)
truth, items = Truth(), crystals(12)
model = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=(c["text"] for c in items), model_writer=model, vocab_size=80, hard_vocab_limit=False,
    minloglevel=2, num_threads=1,
)  # fmt: skip
pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def collate(rows):
    ids = [[pieces.bos_id(), *pieces.encode(c["text"]), pieces.eos_id()] for c in rows]
    z = [c["z"] for c in rows]
    return {"z": pad(z), "atom_mask": real(z), "input_ids": pad(ids), "token_mask": real(ids),
            "text": [c["text"] for c in rows]}  # fmt: skip


net = Net(pieces.get_piece_size()).eval()
test_loader = DataLoader(Crystals(items), 4, collate_fn=collate)
with torch.no_grad():
    for batch, rows in zip(test_loader, batches(items, 4)):
        truth.predict(net(batch))
        a, t = batch["atom_mask"].sum(1), batch["token_mask"].sum(1)
        words = [[pieces.id_to_piece(i) for i in r[:n].tolist()] for r, n in zip(batch["input_ids"], t)]
        truth.crystal(rows, words)
        truth.attention("cross", "atom_to_text", net.cross.kept, a, t, items=rows)
truth.done()

"""Makes the small tokenizers of ``hosts/tokenizers`` from the demo's descriptions: ``python -m tests.zoo.train_tokenizers``.

They are kept as files because training breaks ties by a process's own hash order.
"""

from __future__ import annotations

import gzip
import json

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from .runner import HOSTS


def descriptions(n: int = 120) -> list[str]:
    """Texts of the first crystals."""
    path = HOSTS.parents[2] / "crysmm_attn_plugin" / "demo" / "crystals.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [c["text"] for c in json.load(file)["crystals"][:n]]


def wordpiece() -> Tokenizer:
    """BERT's way: pieces inside a word begin with ##."""
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=False)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    core.train_from_iterator(descriptions(), trainer)
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return core


def metaspace() -> Tokenizer:
    """SentencePiece's way: a mark before each word, unigrams, an end mark."""
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    core.train_from_iterator(
        descriptions(),
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False
        ),
    )
    core.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return core


def end_of_word() -> Tokenizer:
    """Byte pairs with a mark at the end of each word."""
    core = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    core.pre_tokenizer, core.decoder = pre_tokenizers.Whitespace(), decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<pad>"], end_of_word_suffix="</w>", show_progress=False
    )
    core.train_from_iterator(descriptions(), trainer)
    return core


def byte_level() -> Tokenizer:
    """Byte pairs in which a blank is a letter."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>", "<pad>"]
    core.train_from_iterator(
        descriptions(),
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    marks = [("<s>", 0), ("</s>", 1)]
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=marks)
    return core


if __name__ == "__main__":
    for make in (wordpiece, metaspace, end_of_word, byte_level):
        make().save(str(HOSTS / "tokenizers" / f"{make.__name__}.json"), pretty=False)

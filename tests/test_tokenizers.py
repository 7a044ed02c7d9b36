"""The host's tokenizers: calls seen wherever they are made, and the one whose tokens the model read."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import tokenizers
import torch
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from crysmm_attn_plugin.hooks.reading.tokenizers import TokenizerWatch, known_tokenizers
from crysmm_attn_plugin.hooks.reading.tokens import find_tokens, labels_of

FOLDER = Path(__file__).parent / "zoo" / "hosts" / "tokenizers"
TEXTS = [
    "NaCl crystallizes in the cubic Fm-3m space group.",
    "TiO2 is bonded to six O atoms.",
    "Si is bonded to four Si atoms in a tetrahedral arrangement, 2.35 Å apart.",
]
MARKS = {
    "wordpiece": {k: f"[{k[:-6].upper()}]" for k in ("cls_token", "sep_token", "pad_token", "unk_token")},
    "metaspace": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    "end_of_word": {"pad_token": "<pad>", "unk_token": "<unk>"},
    "byte_level": {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>"},
}


def fast(name: str = "wordpiece"):
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(FOLDER / f"{name}.json"), **MARKS[name])


def core(name: str = "wordpiece") -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(FOLDER / f"{name}.json"))


@pytest.fixture
def watch():
    one = TokenizerWatch()
    one.start()
    yield one
    one.stop()


def pad(rows: list[list[int]], value: int = 0) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True, value)


def truth(tok, texts=TEXTS, **options):
    return [tuple(tok.convert_ids_to_tokens(r)) for r in tok(list(texts), **options)["input_ids"]]


@pytest.mark.parametrize("name", sorted(MARKS))
@pytest.mark.parametrize("how", ["call", "encode", "batch", "core", "core_single"])
def test_every_way_to_call_a_tokenizer_is_seen_and_gives_the_same_tokens(watch, name, how):
    tok = fast(name)
    expected = truth(tok)
    watch.next_batch()
    if how == "call":
        tok(TEXTS, padding=True, return_tensors="pt")
    elif how == "encode":
        for text in TEXTS:
            tok.encode(text)
    elif how == "batch":
        for text in TEXTS:
            tok(text=text, return_tensors="np")
    elif how == "core":
        core(name).encode_batch(TEXTS)
    else:
        one = core(name)
        for text in TEXTS:
            one.encode(text)
    found = find_tokens({"text": TEXTS}, 3, TEXTS, calls=watch.calls)
    assert found is not None
    assert [f.tokens for f in found] == expected
    assert [f.text for f in found] == TEXTS
    assert not any(f.truncated for f in found)


def test_the_classes_are_put_back_and_the_libraries_outputs_are_untouched():
    base, own = transformers.PreTrainedTokenizerBase, tokenizers.Tokenizer
    before = base.__call__, base.encode, own.encode, own.encode_batch
    tok = fast()
    plain = tok(TEXTS)["input_ids"]
    watch = TokenizerWatch()
    watch.start()
    watch.start()
    assert base.__call__ is not before[0]
    assert tok(TEXTS)["input_ids"] == plain
    with pytest.raises(ValueError, match="text"):
        tok()
    watch.stop()
    watch.stop()
    assert (base.__call__, base.encode, own.encode, own.encode_batch) == before
    assert watch.calls == []
    tok(TEXTS)
    assert watch.calls == []


def test_what_another_wrapped_around_ours_stays_and_ours_does_nothing(monkeypatch):
    base = transformers.PreTrainedTokenizerBase
    original = base.__call__
    watch = TokenizerWatch()
    watch.start()
    ours = base.__call__

    def theirs(self, *args, **kwargs):
        return ours(self, *args, **kwargs)

    base.__call__ = theirs
    try:
        watch.stop()
        assert base.__call__ is theirs
        assert len(fast()(TEXTS)["input_ids"]) == 3
        assert watch.calls == []
    finally:
        base.__call__ = original


def test_tokenizers_are_not_kept_alive(watch):
    tok = fast()
    tok(TEXTS)
    assert [type(t) for t in watch.known()] == [type(tok)]
    watch.next_batch()
    del tok
    assert watch.known() == []


def test_a_tokenizer_that_is_called_inside_another_call_is_one_call(watch):
    fast()(TEXTS)
    assert len(watch.calls) == 1


def test_of_two_calls_the_one_that_stands_in_the_batch_is_read(watch):
    tok = fast()
    enc = tok(TEXTS, padding=True, return_tensors="pt")
    tok([t.split()[0] for t in TEXTS], padding=True, return_tensors="pt")
    found = find_tokens({"input_ids": enc["input_ids"], "text": TEXTS}, 3, TEXTS, calls=watch.calls)
    assert [f.tokens for f in found] == truth(tok)


def test_of_two_calls_in_the_batch_the_length_of_the_maps_decides_and_without_it_nothing_is_said(watch):
    tok = fast()
    captions = tok([t.split()[0] for t in TEXTS], padding=True, return_tensors="pt")["input_ids"]
    ids = tok(TEXTS, padding=True, return_tensors="pt")["input_ids"]
    batch = {"caption_ids": captions, "input_ids": ids}
    found = find_tokens(batch, 3, None, calls=watch.calls, lengths={ids.shape[1], 7})
    assert [f.tokens for f in found] == truth(tok)
    assert find_tokens(batch, 3, None, calls=watch.calls) is None


def test_captions_are_not_taken_for_the_text_that_was_tokenised_before(watch):
    tok = fast()
    ids = tok(TEXTS, padding=True, return_tensors="pt")["input_ids"]
    watch.next_batch()
    captions = tok([t.split()[0] for t in TEXTS], padding=True, return_tensors="pt")["input_ids"]
    batch = {"caption_ids": captions, "input_ids": ids}
    sides = {3, 4, ids.shape[1]}
    assert captions.shape[1] not in sides
    assert find_tokens(batch, 3, None, calls=watch.calls, tokenizers=[tok], lengths=sides) is None
    found = find_tokens(batch, 3, TEXTS, calls=watch.calls, tokenizers=[tok], lengths=sides)
    assert [f.tokens for f in found] == truth(tok)


def test_tokens_that_are_read_without_padding_or_one_after_another_are_the_same(watch):
    tok = fast()
    rows = tok(TEXTS)["input_ids"]
    lengths = [len(r) for r in rows]
    for sides in ({max(lengths)}, {sum(lengths)}):
        found = find_tokens({"text": TEXTS}, 3, TEXTS, calls=watch.calls, lengths=sides)
        assert [f.tokens for f in found] == truth(tok)


def test_items_tokenised_one_by_one_are_put_together_in_the_order_of_the_batch(watch):
    tok = fast()
    rows = []
    for text in TEXTS:
        rows.append(tok(text)["input_ids"])
        tok(text.split()[0])  # a second call for each item, for something else
    found = find_tokens({"input_ids": pad(rows)}, 3, TEXTS, calls=watch.calls)
    assert [f.tokens for f in found] == truth(tok)


def test_tokens_that_the_host_cuts_afterwards_are_marked(watch):
    tok = fast()
    ids = tok(TEXTS, padding=True, return_tensors="pt")["input_ids"][:, :10]
    found = find_tokens({"input_ids": ids}, 3, TEXTS, calls=watch.calls)
    assert [len(f.tokens) for f in found] == [10, 10, 10]
    assert all(f.truncated for f in found)


def test_the_authors_spelling_is_kept_when_the_host_lowered_it(watch):
    tok = fast()
    tok([t.lower().replace("å", "angstrom") for t in TEXTS])
    found = find_tokens({"text": TEXTS}, 3, TEXTS, calls=watch.calls)
    assert [f.text for f in found] == TEXTS


def test_the_same_texts_in_another_order_are_refused(watch):
    fast()(TEXTS[::-1])
    assert find_tokens({"text": TEXTS}, 3, TEXTS, calls=watch.calls) is None


# -- without a call --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MARKS))
@pytest.mark.parametrize("masked", [True, False])
def test_integers_of_the_batch_are_decoded_when_they_spell_the_texts(name, masked):
    tok = fast(name)
    enc = tok(TEXTS, padding=True, return_tensors="pt")
    batch = {"z": torch.randint(1, 90, (3, 8)), "nested": {"tokens": [enc["input_ids"]]}, "y": torch.randn(3)}
    if masked:
        batch["mask"] = enc["attention_mask"].bool()
    found = find_tokens(batch, 3, TEXTS, tokenizers=[tok])
    assert [f.tokens for f in found] == truth(tok)
    wrong = ["Fe2O3 holds iron and oxygen", "LiF holds fluorine", "GaAs holds gallium and arsenic"]
    assert find_tokens(batch, 3, wrong, tokenizers=[tok]) is None
    assert find_tokens({"z": batch["z"]}, 3, TEXTS, tokenizers=[tok]) is None


def test_without_texts_the_special_tokens_must_stand_where_the_tokenizer_sets_them():
    tok = fast()
    enc = tok(TEXTS, padding=True, return_tensors="pt")
    batch = {"ids": enc["input_ids"], "z": torch.randint(1, 90, (3, 8))}
    found = find_tokens(batch, 3, None, tokenizers=[tok])
    assert [f.tokens for f in found] == truth(tok)
    assert [f.text for f in found] == ["", "", ""]
    shifted = {"ids": enc["input_ids"] + 1}
    assert find_tokens(shifted, 3, None, tokenizers=[tok]) is None
    bare = fast("end_of_word")  # sets no special tokens: nothing to go by
    assert (
        find_tokens(
            {"ids": bare(TEXTS, padding=True, return_tensors="pt")["input_ids"]}, 3, None, tokenizers=[bare]
        )
        is None
    )


def test_two_tokenizers_that_read_the_same_integers_differently_leave_them_unread():
    a, b = fast(), fast()
    vocabulary = a.get_vocab()
    ids = a(TEXTS, padding=True, return_tensors="pt")["input_ids"]
    b.add_tokens(["unlike"])
    found = find_tokens({"ids": ids}, 3, None, tokenizers=[a, b])
    assert [f.tokens for f in found] == truth(a)  # the same strings: no doubt
    words = dict(vocabulary)
    names = sorted((t for t in words if t.isalpha() and len(t) > 1), key=words.get)
    swapped = dict(words) | dict(zip(names, (words[n] for n in names[1:] + names[:1])))
    other = tokenizers.Tokenizer(tokenizers.models.WordPiece(swapped, unk_token="[UNK]"))
    other.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    other.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    c = transformers.PreTrainedTokenizerFast(tokenizer_object=other, **MARKS["wordpiece"])
    assert find_tokens({"ids": ids}, 3, None, tokenizers=[a, c]) is None


TOKENIZER = fast()


class Tokenised(Dataset):
    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, i):
        return TOKENIZER(TEXTS[i])["input_ids"]


def _collate(rows, tok=None):
    return {"ids": pad(rows)}


def test_tokenizers_are_found_in_globals_closures_attributes_and_partials():
    tok = fast()

    def closed(rows):
        return tok.pad(rows)

    class Holder:
        def __init__(self):
            self.inner = {"deep": [tok]}

        @property
        def trap(self):
            raise AssertionError("a property was read")

    assert known_tokenizers(Tokenised()) == [TOKENIZER]
    assert known_tokenizers(closed) == [tok]
    assert known_tokenizers(Holder()) == [tok]
    assert known_tokenizers(functools.partial(_collate, tok=tok)) == [tok]
    assert known_tokenizers(Holder().__init__) == [tok]
    assert known_tokenizers(None, [1, 2], "text") == []


def test_what_a_loaders_worker_tokenised_is_read(watch):
    loader = DataLoader(Tokenised(), 3, collate_fn=_collate, num_workers=1)
    (batch,) = list(loader)
    assert watch.calls == []
    found = find_tokens(batch, 3, TEXTS, tokenizers=known_tokenizers(loader.dataset, loader.collate_fn))
    assert [f.tokens for f in found] == truth(TOKENIZER)


def test_labels_of_a_call_are_without_padding(watch):
    tok = fast()
    tok(TEXTS, padding=True)
    (call,) = watch.calls
    assert [labels.tokens for labels in labels_of(call)] == truth(tok)


_VALUES = st.recursive(
    st.one_of(
        st.none(), st.integers(-3, 400), st.floats(), st.text(max_size=5), st.lists(st.integers(0, 300), max_size=6),
        st.builds(lambda a, b: torch.randint(0, 300, (a, b)), st.integers(0, 4), st.integers(0, 6)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(_VALUES, st.integers(1, 4))
@example([138], 1)  # a piece whose two letters stand 40 characters apart
def test_no_batch_is_taken_for_texts_that_it_does_not_spell(batch, n):
    texts = [f"{t} ({i})" for i, t in enumerate([*TEXTS, TEXTS[0]][:n])]
    assert find_tokens(batch, n, texts, tokenizers=[TOKENIZER]) is None


# -- sentencepiece and tiktoken, called without another library ------------------------------------------------


def piece_processor(folder: Path, **options):
    """A small model trained on the demo's descriptions."""
    sentencepiece = pytest.importorskip("sentencepiece")
    from crysmm_attn_plugin.demo.crystals import load_demo_crystals

    texts = folder / "texts.txt"
    texts.write_text("\n".join(c.text for c in load_demo_crystals().crystals), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(texts), model_prefix=str(folder / "m"), vocab_size=400, minloglevel=2, **options
    )
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "m.model"))


def bytes_encoding():
    """An encoding of single bytes and some pairs, with an end mark."""
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([b]): b for b in range(256)}
    for pair in (b" t", b"he", b"is", b" a", b"to", b"in", b" th", b" the"):
        ranks[pair] = len(ranks)
    pattern = r"\p{L}+| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+"
    return tiktoken.Encoding(
        "small", pat_str=pattern, mergeable_ranks=ranks, special_tokens={"<|end|>": len(ranks)}
    )


def spelled(labels) -> list[str]:
    from crysmm_attn_plugin.text.pieces import pieces_of

    return [pieces_of(x.tokens, x.special).stream.strip() for x in labels]


@pytest.mark.parametrize("how", ["encode", "Encode", "EncodeAsIds", "encode_as_ids", "list"])
def test_sentencepiece_called_directly_is_seen(tmp_path, watch, how):
    tok = piece_processor(tmp_path)
    watch.start()  # the library was imported after it began
    tok.encode("another text", out_type=str)
    rows = tok.encode(TEXTS) if how == "list" else [getattr(tok, how)(t) for t in TEXTS]
    (found,) = {find_tokens({"input_ids": pad(rows)}, 3, TEXTS, calls=watch.calls)}
    assert [x.tokens for x in found] == [tuple(tok.id_to_piece(t) for t in r) for r in rows]
    assert [x.text for x in found] == TEXTS
    assert not any(x.truncated for x in found)


@pytest.mark.parametrize("options", [{}, {"pad_id": 3}, {"model_type": "bpe", "byte_fallback": True}])
@pytest.mark.parametrize("marks", [False, True])
def test_sentencepiece_in_a_worker_is_found_by_what_it_spells(tmp_path, options, marks):
    tok = piece_processor(tmp_path, **options)
    rows = [[tok.bos_id(), *tok.encode(t), tok.eos_id()] if marks else tok.encode(t) for t in TEXTS]
    fill = tok.pad_id() if tok.pad_id() >= 0 else 0
    collate = functools.partial(lambda t, texts: t.encode(texts), tok)
    assert known_tokenizers(collate) == [tok]
    found = find_tokens({"ids": pad(rows, fill)}, 3, TEXTS, tokenizers=[tok])
    assert [len(x.tokens) for x in found] == [len(r) for r in rows]
    assert [any(x.special) for x in found] == [marks] * 3
    assert find_tokens({"ids": pad(rows[::-1], fill)}, 3, TEXTS, tokenizers=[tok]) is None


@pytest.mark.parametrize("how", ["encode", "encode_ordinary", "encode_batch", "encode_ordinary_batch"])
def test_tiktoken_called_directly_is_seen(watch, how):
    tok = bytes_encoding()
    watch.start()
    rows = getattr(tok, how)(TEXTS) if "batch" in how else [getattr(tok, how)(t) for t in TEXTS]
    found = find_tokens({"x": pad(rows)}, 3, TEXTS, calls=watch.calls)
    assert [len(x.tokens) for x in found] == [len(r) for r in rows]
    assert spelled(found) == TEXTS
    assert known_tokenizers(tok.encode) == [tok]


@pytest.mark.parametrize("mask", [False, True])
def test_tiktoken_with_the_hosts_own_end_mark_that_pads_too(watch, mask):
    tok = bytes_encoding()
    end = tok._special_tokens["<|end|>"]
    watch.start()
    rows = [[*tok.encode(t), end] for t in TEXTS]
    batch = {"x": pad(rows, end)} | ({"m": pad([[1] * len(r) for r in rows])} if mask else {})
    found = find_tokens(
        batch, 3, TEXTS, calls=watch.calls, tokenizers=watch.known(), lengths={max(map(len, rows))}
    )
    assert [len(x.tokens) for x in found] == [len(r) for r in rows]
    assert [sum(x.special) for x in found] == [1, 1, 1]
    assert spelled(found) == TEXTS


def test_the_classes_are_put_back(tmp_path):
    tok, encoding = piece_processor(tmp_path), bytes_encoding()
    before = [dict(vars(type(t))) for t in (tok, encoding)]
    one = TokenizerWatch()
    one.start()
    assert type(tok).encode is not before[0]["encode"]
    one.stop()
    assert [dict(vars(type(t))) for t in (tok, encoding)] == before

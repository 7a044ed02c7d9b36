"""One way to lay tokens on a text, for every tokenizer family."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.text import merge_tokens, read_text, token_categories
from crysmm_attn_plugin.text.alignment import align, fold

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def crystals():
    with gzip.open(ROOT / "crysmm_attn_plugin" / "demo" / "crystals.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)["crystals"][:80]


def trained(core: Tokenizer, trainer, texts) -> Tokenizer:
    core.train_from_iterator(texts, trainer)
    return core


def wordpiece(texts) -> Tokenizer:
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = (
        normalizers.BertNormalizer(lowercase=True),
        pre_tokenizers.BertPreTokenizer(),
    )
    return trained(
        core, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False), texts
    )


def byte_level(texts) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return trained(
        core, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False), texts
    )


def metaspace(texts) -> Tokenizer:
    core = Tokenizer(models.Unigram())
    core.normalizer, core.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    return trained(
        core,
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
        ),
        texts,
    )


def end_of_word(texts) -> Tokenizer:
    core = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    return trained(core, trainer, texts)


FAMILIES = {f.__name__: f for f in (wordpiece, byte_level, metaspace, end_of_word)}


@pytest.fixture(scope="module")
def families(crystals):
    return {name: make([c["text"] for c in crystals]) for name, make in FAMILIES.items()}


def labels(tokens, text: str, *, keep_text: bool = True) -> TokenLabels:
    tokens = tuple(tokens)
    return TokenLabels(tokens, tuple(range(len(tokens))), (False,) * len(tokens), text if keep_text else "")


def test_four_families_give_the_same_word_class_shares_to_three_digits(families, crystals):
    shares = {}
    for name, core in families.items():
        counts: Counter[str] = Counter()
        for c in crystals:
            reading = read_text(labels(core.encode(c["text"]).tokens, c["text"]), c["elements"])
            assert reading.aligned == 1.0
            held = reading.class_shares()
            for (start, end), share in zip(reading.offsets, held):
                for category, part in share.items():
                    counts[category] += part * sum(not x.isspace() for x in c["text"][start:end])
        total = sum(counts.values())
        shares[name] = {k: round(v / total, 3) for k, v in counts.items()}
    first = shares["wordpiece"]
    assert set(first) == {
        "element",
        "number",
        "symmetry",
        "geometry",
        "function_word",
        "punctuation",
        "other",
    }
    for name in FAMILIES:
        assert shares[name] == first


def test_four_families_give_the_same_words_but_for_signs_that_share_a_token(families, crystals):
    for c in crystals[:40]:
        words = {
            name: [
                w.text for w in merge_tokens(labels(core.encode(c["text"]).tokens, c["text"]), c["elements"])
            ]
            for name, core in families.items()
        }
        assert words["wordpiece"] == words["end_of_word"] == words["byte_level"]
        missing = Counter(words["wordpiece"]) - Counter(words["metaspace"])
        assert sum(missing.values()) <= 0.05 * len(words["wordpiece"])


def test_without_the_text_the_words_are_nearly_the_same(families, crystals):
    for c in crystals[:40]:
        for name in ("byte_level", "metaspace"):
            tokens = families[name].encode(c["text"]).tokens
            known, rebuilt = (
                merge_tokens(labels(tokens, c["text"], keep_text=k), c["elements"]) for k in (True, False)
            )
            assert [w.text for w in known] == [w.text for w in rebuilt]


def test_slow_and_fast_tokenizers_give_the_same_offsets(tmp_path):
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "na",
        "##cl",
        "is",
        "rock",
        "salt",
        "##s",
        "-",
        "2",
        ".",
        "8",
        "##8",
    ]
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(words), encoding="utf-8")
    slow = pytest.importorskip(
        "transformers.models.bert_japanese.tokenization_bert_japanese"
    ).BertJapaneseTokenizer(str(path), word_tokenizer_type="basic", do_lower_case=True)
    fast = transformers.BertTokenizer(vocab={w: i for i, w in enumerate(words)})
    text = "NaCl  is rock-salt, 2.88"
    pieces = [t.convert_ids_to_tokens(t(text, add_special_tokens=False)["input_ids"]) for t in (slow, fast)]
    assert pieces[0] == pieces[1]
    laid = align(pieces[0], [False] * len(pieces[0]), text)
    assert [text[a:b] for a, b in laid.offsets] == [
        "Na",
        "Cl",
        "is",
        "rock",
        "-",
        "salt",
        ",",
        "2",
        ".",
        "8",
        "8",
    ][: len(laid.offsets)]


def test_character_level_and_continuation_marks_are_read(crystals):
    text = "NaCl is bonded, 2.82 Å."
    characters = read_text(labels(list(text), text))
    assert characters.aligned == 1.0
    assert [w.text for w in characters.words if w.text.strip()] == [
        "NaCl",
        "is",
        "bonded",
        ",",
        "2.82",
        "Å",
        ".",
    ]
    marked = ["Na@@", "Cl", "is", "bon@@", "ded@@", ",", "2@@", ".@@", "82", "Å@@", "."]
    assert [w.text for w in merge_tokens(labels(marked, text))] == [
        "NaCl",
        "is",
        "bonded",
        ",",
        "2.82",
        "Å",
        ".",
    ]
    assert [w.text for w in merge_tokens(labels(marked, ""))] == [
        "NaCl",
        "is",
        "bonded",
        ",",
        "2.82",
        "Å",
        ".",
    ]
    fallback = ["▁2.82", "▁", "<0xC3>", "<0x85>"]
    reading = read_text(labels(fallback, "2.82 Å"))
    assert [w.text for w in reading.words] == ["2.82", "Å"]
    assert reading.offsets[2] == reading.offsets[3] == (5, 6)


@pytest.mark.parametrize(
    "rewrite",
    [
        str.lower,
        lambda t: t.replace("Å", "angstrom").replace("º", " degree"),
        lambda t: t.lower().replace("-", "–").replace("Å", " A "),
        lambda t: t.replace(";", " ; ").replace(":", " is "),
    ],
    ids=["lower", "spelled", "dashes", "signs"],
)
def test_what_the_host_rewrote_is_found_in_the_authors_text(families, crystals, rewrite):
    for c in crystals[:20]:
        for name in ("wordpiece", "byte_level"):
            tokens = families[name].encode(rewrite(c["text"])).tokens
            reading = read_text(labels(tokens, c["text"]), c["elements"])
            assert reading.trusted
            own = [w for w in reading.words if w.category == "element"]
            assert {s for w in own for s in w.elements} == set(c["elements"])


def test_tokens_of_another_text_say_nothing_about_words(families, crystals):
    other = "Wir messen hier etwas ganz anderes; und zwar auf Deutsch, ohne jede Formel oder Zahl." * 3
    for core in families.values():
        reading = read_text(labels(core.encode(other).tokens, crystals[0]["text"]))
        assert not reading.trusted
        assert reading.categories is None
        assert reading.elements is None
        assert {w.category for w in reading.words} <= {"other", "punctuation"}


def test_a_text_cut_at_either_end_is_still_aligned(families, crystals):
    for core in families.values():
        text = crystals[0]["text"]
        tokens = core.encode(text).tokens
        middle = len(tokens) // 2
        for part in (tokens[:middle], tokens[middle:]):
            laid = align(part, [False] * len(part), text)
            assert laid.aligned == 1.0
        assert laid.offsets[-1][1] == len(text)


# -- any text --------------------------------------------------------------------------------------------------

_TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(["Na", "Cl-Na", "Fm-3m", "P̅1", "2.82", "Å", "º", "In", " ", " ", "☃", "化钠", "É", "ﬁ", "\u0301", "##", "▁", "<0x41>", "\n"]), max_size=30).map("".join),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_TEXT, st.sampled_from(sorted(FAMILIES)))
def test_offsets_are_ordered_inside_the_text_and_cover_what_the_token_says(families, text, name):
    core = families[name]
    encoding = core.encode(text)
    unknown = [t in ("[UNK]", "<unk>") for t in encoding.tokens]
    laid = align(encoding.tokens, [False] * len(encoding.tokens), text)
    assert 0.0 <= laid.aligned <= 1.0
    last = 0
    for (start, end), is_unknown, (a, b) in zip(laid.offsets, unknown, encoding.offsets):
        if start < 0:
            continue
        assert last <= start < end <= len(text)
        last = start
        if laid.agreeing == 1.0 and not is_unknown and not any(unknown):
            # the tokenizer's own offsets are an independent witness: same characters, white space and accents aside
            assert set(fold(text[start:end])[0]) & set(fold(text[a:b])[0]) or not fold(text[a:b])[0]
    if not any(unknown) and not any(mark in text for mark in ("##", "▁", "<0x", "</w>", "@@", "Ġ")):
        assert laid.aligned == 1.0, (encoding.tokens, laid)


@settings(max_examples=100, deadline=None)
@given(_TEXT, st.sampled_from(sorted(FAMILIES)), st.booleans())
def test_every_token_is_in_one_word_and_has_one_class(families, text, name, keep_text):
    one = labels(families[name].encode(text).tokens, text, keep_text=keep_text)
    reading = read_text(one)
    assert [p for w in reading.words for p in w.positions] == list(range(len(one.tokens)))
    categories = token_categories(one)
    assert (categories is None) == (not reading.trusted)
    if categories is not None:
        assert len(categories) == len(one.tokens)
        for share in reading.class_shares():
            assert sum(share.values()) == pytest.approx(1.0)

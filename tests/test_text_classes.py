"""Words of a description: elements where the crystal or the words around say so, symmetry, Chinese, mentions, the lexicon."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import spglib
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lexicon_coverage import measure
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.text import ELEMENT, is_stopword, read_text
from crysmm_attn_plugin.text.classes import classify
from crysmm_attn_plugin.text.elements import ELEMENTS, NAMES, symbol_of
from crysmm_attn_plugin.text.lexicon import lexicon, read_lexicon
from crysmm_attn_plugin.text.mentions import DEFAULT_KINDS, KINDS, mentions_in, own_mentions, token_mentions
from crysmm_attn_plugin.text.segment import words_in
from crysmm_attn_plugin.text.symmetry import space_group


def words(text: str, elements=()) -> list[tuple[str, str, tuple[str, ...]]]:
    found = words_in(text)
    return [
        (form.text, word.category, tuple(s for _, _, s in word.spans))
        for (_, _, form), word in zip(found, classify(found, frozenset(elements)))
    ]


def kinds_of(text: str, word: str, elements=()) -> list[str]:
    return [category for text, category, _ in words(text, elements) if text == word]


# -- ambiguous symbols -----------------------------------------------------------------------------------------

AMBIGUOUS = [
    ("At first the cell relaxes.", "At", ["function_word"]),
    ("No other phase; No. 225; No 14.", "No", ["function_word"] * 3),
    ("Be aware of it.", "Be", ["function_word"]),
    ("In this structure all is well. In InS6 octahedra it is not.", "In", ["function_word"] * 2),
    ("As expected the gap closes. As shown it stays.", "As", ["function_word"] * 2),
    ("He reports it, and I agree.", "I", ["function_word"]),
    ("A bulk modulus B of the volume V and a pressure P.", "B", ["other"]),
    ("measured at 300 K under 2.5 V and 10 W.", "K", ["number"]),
    ("measured at 300 K under 2.5 V and 10 W.", "V", ["number"]),
    ("measured at 300 K under 2.5 V and 10 W.", "W", ["number"]),
    ("a type I clathrate, phase V and sample Y", "I", ["other"]),
    ("The Wyckoff symbols are B, C.", "B", ["symmetry"]),
]


@pytest.mark.parametrize(
    ("text", "word", "expected"), AMBIGUOUS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_word_that_could_be_a_symbol_is_no_element_where_nothing_says_so(text, word, expected):
    found = kinds_of(text, word)
    assert ELEMENT not in found
    assert found == expected
    # nor does a crystal of other elements change it
    assert ELEMENT not in kinds_of(text, word, ["Na", "Cl"])


@pytest.mark.parametrize(
    "symbol", ["At", "No", "Be", "In", "As", "I", "He", *(s for s in ELEMENTS if len(s) == 1)]
)
def test_an_ambiguous_symbol_is_an_element_where_the_words_around_say_so(symbol):
    for text in (
        f"There are six {symbol} atoms here.",
        f"Na, {symbol} and Cl are found.",
        f"It is bonded to six equivalent {symbol} atoms.",
        f"The fractions are: '{symbol}': 0.25, 'Na': 0.75.",
        f"The cell is old. {symbol} is bonded to six Na atoms.",
    ):
        assert kinds_of(text, symbol) == [ELEMENT], text


@pytest.mark.parametrize(
    "symbol", ["At", "No", "Be", "In", "As", "I", "He", *(s for s in ELEMENTS if len(s) == 1)]
)
def test_an_ambiguous_symbol_inside_a_sentence_is_an_element_where_the_crystal_holds_it(symbol):
    text = f"The electronegativity of {symbol} is high."
    assert kinds_of(text, symbol, [symbol, "Na"]) == [ELEMENT]
    assert kinds_of(text, symbol, ["Na"]) != [ELEMENT]


@pytest.mark.parametrize(
    "symbol", [s for s in ELEMENTS if len(s) == 2 and s not in lexicon().lists["english.symbols"]]
)
def test_a_symbol_of_two_letters_needs_nobody(symbol):
    assert kinds_of(f"It holds {symbol} too.", symbol) == [ELEMENT]


def test_capitals_are_compounds_only_where_they_can_be():
    assert kinds_of("NO COORDINATION OF SITES IS SEEN", "NO") == ["function_word"]
    assert kinds_of("NO COORDINATION OF SITES IS SEEN", "OF") == ["function_word"]
    assert kinds_of("A CIF of BN", "CIF") == ["other"]
    assert words("A CIF of BN")[-1] == ("BN", ELEMENT, ("B", "N"))
    assert words("KCN has cations")[0] == ("KCN", ELEMENT, ("K", "C", "N"))


def test_deuterium_is_read_as_the_crystal_calls_it():
    assert words("D2O")[0][2] == ("D", "O")
    assert words("D2O and D atoms", ["H", "O"])[0][2] == ("H", "O")
    assert words("hydrogen and D", ["D", "O"])[0][2] == ("D",)
    assert kinds_of("a 3D network and a 2D sheet", "3D") == ["geometry"]
    assert kinds_of("The constant D is small.", "D", ["Na"]) == ["other"]


def test_no_symbol_of_an_element_is_a_stop_word():
    assert not [s for s in ELEMENTS if s not in lexicon().lists["english.symbols"] and is_stopword(s)]
    for symbol in lexicon().lists["english.symbols"]:
        if symbol in ELEMENTS:
            assert kinds_of(f"six {symbol} atoms", symbol, [symbol]) == [ELEMENT]


def test_a_quantity_is_no_element_even_where_the_crystal_holds_its_letter():
    held = ["B", "V", "U", "I", "Y"]
    assert kinds_of("a bulk modulus B of 80 GPa", "B", held) == ["other"]
    assert kinds_of("with V = 120.5 and U = 4 eV", "V", held) == ["other"]
    assert kinds_of("a type I clathrate", "I", held) == ["other"]
    assert kinds_of("the modulus B atoms feel", "B", held) == [ELEMENT]


# -- typesetting -----------------------------------------------------------------------------------------------


def test_every_space_group_of_the_tables_is_one_word_of_symmetry():
    symbols = {spglib.get_spacegroup_type(h).international_short for h in range(1, 531)}
    assert len(symbols) > 380
    for symbol in symbols:
        assert space_group(symbol) == symbol
        text = f"It crystallizes in the space group {symbol}, as before."
        assert (symbol, "symmetry", ()) in words(text), symbol
        bare = symbol.replace("_", "")
        assert (bare, "symmetry", ()) in words(f"It crystallizes in the space group {bare}."), bare


@pytest.mark.parametrize(
    "word", ["P-1", "P̅1", "P1̅", "Fm-3m", "Fm̅3m", "Fm3̅m", "C2/m", "P2_1/c", "P2₁/c", "P2_{1}/c", "P–1", "Fm\\bar{3}m", "fm-3m", "p2_1/c"]
)  # fmt: skip
def test_bars_and_subscripts_survive_as_one_word(word):
    assert (word, "symmetry", ()) in words(f"It is {word}, not less.")


@pytest.mark.parametrize("word", ["H₂O", "TiO$_2$", "Fe_2O_3", "Al<sub>2</sub>O<sub>3</sub>", "Ca(OH)2", "La1-xSrxMnO3", "[NH4]2SO4", "2H-MoS2", "YBa~2~Cu~3~O~7-x~", "Bi2Te3-xSex", "YBa$_2$Cu$_3$O$_{7-\\delta}$", "Pb(1-x)Ba(x)Zr(0.65)Ti(0.35)O3", "La<sub>1-x</sub>Sr<sub>x</sub>MnO<sub>3</sub>"])  # fmt: skip
def test_a_formula_in_any_typesetting_is_one_word_taken_apart(word):
    (found,) = [w for w in words(f"It is {word}, not less.") if w[0] == word]
    assert found[1] == ELEMENT
    assert len(found[2]) > 1


@pytest.mark.parametrize(
    ("word", "kind"),
    [("Na(1)-Cl(2)", "bond"), ("Te(1)–Te(1)", "bond"), ("K-Bi", "bond"), ("Cu3Ti-like", "formula"), ("NaCl-type", "formula")],
)  # fmt: skip
def test_a_bond_has_an_element_on_either_side(word, kind):
    found = words_in(f"Both {word} lengths are 2.82 Å.")
    read = classify(found, frozenset())
    assert [w.kind for (_, _, form), w in zip(found, read) if form.text == word] == [kind]


def test_a_charge_between_carets_is_the_ions():
    assert ("Mg^2+^", ELEMENT, ("Mg",)) in words("It holds Mg^2+^, not less.")


@pytest.mark.parametrize("word", ["Face", "Pace", "Iced", "Bad", "Fade", "Cab"])
def test_english_words_of_the_letters_of_space_groups_are_none(word):
    assert kinds_of(f"{word} is a word.", word) != ["symmetry"]


# -- Chinese ---------------------------------------------------------------------------------------------------


def test_a_chinese_description_is_cut_into_words_and_its_elements_are_found():
    text = "氯化钠属于立方晶系,空间群为 Fm-3m(225号)。每个钠原子与六个氯原子配位,形成 NaCl6 八面体,键长为 2.82 埃。"
    found = words(text)
    assert [w for w in found if w[1] == ELEMENT] == [
        ("氯", ELEMENT, ("Cl",)), ("钠", ELEMENT, ("Na",)), ("钠", ELEMENT, ("Na",)), ("氯", ELEMENT, ("Cl",)),
        ("NaCl6", ELEMENT, ("Na", "Cl")),
    ]  # fmt: skip
    by_class = {c: [w for w, k, _ in found if k == c] for c in ("symmetry", "geometry", "number")}
    assert by_class["symmetry"] == ["立方晶系", "空间群", "Fm-3m", "225"]
    assert by_class["geometry"] == ["配位", "形成", "八面体"]
    assert by_class["number"] == ["六", "键长", "2.82", "埃"]
    assert "金属" in [w for w, *_ in words("这种金属含有金原子")]
    assert [s for *_, s in words("这种金属含有金原子") if s] == [("Au",)]


def test_chinese_characters_as_tokens_find_their_words():
    text = "空间群为立方"
    labels = TokenLabels(tuple(text), tuple(range(6)), (False,) * 6, text)
    reading = read_text(labels)
    assert [w.text for w in reading.words] == ["空间群", "为", "立方"]
    assert reading.categories == ("symmetry",) * 3 + ("function_word",) + ("symmetry",) * 2


# -- the element table -----------------------------------------------------------------------------------------


def test_there_is_one_name_of_each_element_in_each_language():
    assert len(ELEMENTS) == len(set(ELEMENTS)) == 118
    chinese = {n: s for n, s in NAMES.items() if not n.isascii()}
    assert set(chinese.values()) >= set(ELEMENTS)
    assert {symbol_of(s) for s in ELEMENTS} == set(ELEMENTS)
    assert [symbol_of(z) for z in (1, 26, 118)] == ["H", "Fe", "Og"]


@pytest.mark.parametrize(("label", "symbol"), [("Na1+", "Na"), ("na", "Na"), (" NA2", "Na"), ("O2-", "O"), ("D", "D"), ("钠", "Na"), ("iron", "Fe"), ("Xx", None), ("NaCl", None), ("", None), (0, None), (119, None), (True, None)])  # fmt: skip
def test_labels_of_atoms_are_normalised_or_refused(label, symbol):
    assert symbol_of(label) == symbol


def test_names_of_ions_mention_every_element_in_them():
    found = {
        w: s
        for w, _, s in words(
            "Potassium thiocyanate, calcium carbonate, titanium dioxide, a trichloride, a seaside."
        )
    }
    assert found["thiocyanate"] == ("S", "C", "N")
    assert found["carbonate"] == ("C", "O")
    assert found["dioxide"] == ("O",)
    assert found["trichloride"] == ("Cl",)
    assert found["seaside"] == ()
    assert words("二氧化钛")[1:] == [("氧", ELEMENT, ("O",)), ("化", "other", ()), ("钛", ELEMENT, ("Ti",))]


# -- mentions --------------------------------------------------------------------------------------------------

TEXT = "NaCl holds sodium. K-Bi: 3.6, 3.9 Å. All Na–Cl bond lengths are 2.82 Å. Na(1) is bonded in a 6-coordinate geometry to six equivalent Cl(1) atoms."


def test_every_kind_of_mention_is_found_with_the_elements_it_speaks_of():
    found = [(TEXT[m.start : m.end], m.elements, m.kind) for m in mentions_in(TEXT)]
    assert set(KINDS) == {kind for *_, kind in found}
    for expected in (
        ("Na", ("Na",), "formula"), ("Cl", ("Cl",), "formula"), ("sodium", ("Na",), "name"),
        ("K-Bi: 3.6, 3.9 Å", ("K", "Bi"), "bond"), ("K", ("K",), "symbol"), ("Bi", ("Bi",), "symbol"),
        ("Na–Cl bond lengths are 2.82 Å", ("Na", "Cl"), "bond"), ("Na(1)", ("Na",), "site"), ("Cl(1)", ("Cl",), "site"),
        ("Na(1) is bonded in a 6-coordinate geometry to six equivalent Cl(1) atoms.", ("Na",), "coordination"),
    ):  # fmt: skip
        assert expected in found


def test_each_clause_speaks_of_the_atom_it_describes():
    text = "Hg is bonded to two S atoms in a linear arrangement. S is bonded to two Hg atoms."
    found = [(text[m.start : m.end], m.elements) for m in mentions_in(text) if m.kind == "coordination"]
    assert found == [
        ("Hg is bonded to two S atoms in a linear arrangement.", ("Hg",)),
        ("S is bonded to two Hg atoms.", ("S",)),
    ]


def test_tokens_are_matched_with_the_atoms_whose_element_they_mention():
    tokens = ("[CLS]", "k", "-", "bi", ":", "3", ".", "6", ".", "potassium", "[SEP]")
    labels = TokenLabels(tokens, tuple(range(11)), (True, *(False,) * 9, True), "K-Bi: 3.6. Potassium")
    mentioned = token_mentions(labels, ["K", "Bi"])
    assert set(mentioned[1]) == {("K", "symbol"), ("K", "bond"), ("Bi", "bond")}
    assert mentioned[9] == (("K", "name"),)
    own = own_mentions(labels, ["K", "Bi", "K"])
    assert own.shape == (3, 11)
    assert own.dtype == bool
    assert np.flatnonzero(own[0]).tolist() == [1, 9]
    assert np.flatnonzero(own[1]).tolist() == [3]
    assert (own[0] == own[2]).all()
    bonds = own_mentions(labels, ["Bi"], kinds={*DEFAULT_KINDS, "bond"})
    assert np.flatnonzero(bonds[0]).tolist() == [1, 2, 3, 4, 5, 6, 7]
    strange = TokenLabels(tokens, tuple(range(11)), labels.special, "Nothing of the kind is here")
    assert own_mentions(strange, ["K"]) is None


# -- the lexicon -----------------------------------------------------------------------------------------------


def test_the_lexicon_can_be_edited_and_its_faults_are_named(tmp_path):
    text = resources.files("crysmm_attn_plugin.text").joinpath("lexicon.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('geometry = """', 'geometry = """\nzigzag'), encoding="utf-8")
    assert read_lexicon(path).classes["zigzag"] == "geometry"
    for change, complaint in (
        (('geometry = """', 'geometry = """\nthe'), "'the' stands in two classes"),
        (('oxide = "O"', 'oxide = "Ox"'), "no element's symbol"),
        (("[classes]", "[other]"), "it needs"),
        (("[classes]", "[classes"), "not valid TOML"),
    ):
        path.write_text(text.replace(*change), encoding="utf-8")
        with pytest.raises(UsageError, match=complaint):
            read_lexicon(path)


def test_no_element_or_name_is_in_a_class_of_the_lexicon():
    words = lexicon()
    assert not set(words.names) & {w for w, c in words.classes.items() if c != "function_word"}


def test_coverage_counts_what_is_said_and_what_is_missed():
    coverage = measure([("Na is bonded to Zorbium.", ["Na", "Cl"])])
    assert coverage.words == 5
    assert coverage.unknown == {"zorbium": 1}
    assert coverage.missed == {"Cl": 1}
    assert coverage.mentions == 1
    assert not coverage.false


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=8), st.sampled_from(["In", "K-Bi", " 3.6 ", ". ", "is bonded", "D2O", "钠原子", "P̅1", "No", " ", "(1)", "-", "I"])),
        max_size=20,
    ).map("".join),
    st.sets(st.sampled_from(["Na", "In", "K", "Bi", "I", "D", "H"]), max_size=4),
)  # fmt: skip
def test_any_text_is_cut_into_words_in_order_with_mentions_inside_it(text, elements):
    place = 0
    found = words_in(text)
    for start, end, form in found:
        assert place <= start < end <= len(text)
        assert text[place:start].strip() == ""
        assert text[start:end] == form.text
        place = end
    assert text[place:].strip() == ""
    for word, (_, _, form) in zip(classify(found, frozenset(elements)), found):
        assert all(0 <= a < b <= len(form.text) for a, b, _ in word.spans)
        assert (word.category != ELEMENT) or word.spans
    for mention in mentions_in(text, elements):
        assert 0 <= mention.start < mention.end <= len(text)
        assert mention.kind in KINDS
        assert mention.elements
        assert set(mention.elements) <= {*ELEMENTS, "D", "T"}

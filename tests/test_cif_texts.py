"""What people wrote in CIF files, as the lexicon's coverage reads it."""

from __future__ import annotations

from benchmarks.cif_texts import cif_texts

CIF = """data_1
loop_
_publ_author_name
'A. Author'
_publ_section_title
;
 On the structure of
 Y~2~O~3~ at T = 300 K
;
_chemical_formula_sum 'O3 Y2'
_chemical_name_mineral   "Yttriaite"
_cell_length_a 10.6
_exptl_crystal_colour ?
loop_
_atom_site_label
Y1
"""


def test_titles_notes_and_names_are_read_with_the_elements_of_the_formula(tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.cif").write_text(CIF, encoding="utf-8")
    (tmp_path / "no_words.cif").write_text(
        "data_2\n_chemical_formula_sum 'Fe'\n_cell_length_a 3\n", encoding="utf-8"
    )
    (tmp_path / "no_formula.cif").write_text("data_3\n_chemical_name_mineral Iron\n", encoding="utf-8")
    assert cif_texts(tmp_path) == [("On the structure of Y~2~O~3~ at T = 300 K. Yttriaite", ("O", "Y"))]

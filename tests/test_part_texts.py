"""Tables of report parts: no column without a value, numbers to the right, words to the left."""

from __future__ import annotations

import re

from crysmm_attn_plugin.reports.part_texts import as_html, as_markdown

COLUMNS = (("Arm", "组"), ("Reads most", "主要读取"), ("Shift", "偏移"), ("Share", "占比"), ("p", "p"))
ROWS = (
    ("full model", "2 numbers", "", "−0.12 (−0.20 to 0.10)", "p < 0.001"),
    ("late model", "space group", "", "", "p = 0.12"),
)


def test_a_column_without_a_value_is_left_out_and_a_missing_cell_is_a_dash() -> None:
    for text in (as_html([], COLUMNS, ROWS, "en"), as_markdown([], COLUMNS, ROWS, "en")):
        assert "Shift" not in text
        assert "Share" in text
    assert (
        as_markdown([], COLUMNS, ROWS, "zh").splitlines()[3] == "| late model | space group | – | p = 0.12 |"
    )
    assert "<table" not in as_html(["Alone."], COLUMNS, [], "en")


def test_words_and_numbers_are_told_apart() -> None:
    html = as_html([], COLUMNS, (ROWS[1], ("late", "cell", "", "0.2", "p = 0.1")), "en")
    assert re.findall(r'<th scope="col"( class="words")?>([^<]+)', html) == [
        (' class="words"', "Arm"), (' class="words"', "Reads most"), ("", "Share"), ("", "p"),
    ]  # fmt: skip

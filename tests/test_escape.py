"""Text that came from data reads as itself wherever it goes, and nothing else is escaped."""

from __future__ import annotations

import csv
import html
import io

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from synthetic_results import synthetic_result

from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.prose.markup import to_html, to_latex, to_markdown, to_plain

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SPECIAL = st.text(
    st.sampled_from(list("ab 1_*`[]()!<>&#;:-+=.|\\~$/\"'中（，é{}@\x07\u202e")), min_size=1, max_size=24
)


@settings(max_examples=1500, deadline=None)
@given(SPECIAL)
def test_markdown_shows_the_text_itself(text):
    wanted = " ".join(escape.printable(text).split())
    shown = MARKDOWN.render(escape.markdown(text))
    if wanted:
        assert shown == f"<p>{html.escape(wanted, quote=False).replace(chr(34), '&quot;')}</p>\n"


@settings(max_examples=300, deadline=None)
@given(SPECIAL)
def test_a_markdown_cell_stays_one_cell(text):
    shown = MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {escape.markdown(text, table=True)} | x |\n")
    assert shown.count("<td>") == 2


def test_what_people_paste_holds_no_escape():
    for seeds in (1, 3, 5):
        for style in ("nature", "apa", "gbt"):
            for lang in ("en", "zh"):
                text = paragraphs.markdown(synthetic_result("supported", seeds=seeds), lang=lang, style=style)
                assert "\\" not in text
                assert "&lt;" not in text


def test_latex_leaves_no_special_character_and_breaks_long_names():
    text = escape.latex('a%b_c&d#e$f{g}h^i~j\\k "l" -- ``')
    for raw in ("%", "_", "&", "#", "$", "{g}"):
        assert f"\\{raw}" in text or raw == "{g}"
    assert "\\input" not in to_latex("\\input{/etc/passwd}")
    assert "--" not in text
    assert "``" not in text
    assert "\\allowbreak" in escape.latex("x" * 60)
    assert "\\allowbreak" not in escape.latex("an ordinary sentence of words")


def test_citations_become_commands_in_latex_alone():
    text = "as shown (Holm, 1979; Hill, 1973) and (max-T; Westfall & Young, 1993)"
    assert to_latex(text) == r"as shown~\cite{holm,hill} and (max-T; \cite{westfall})"
    assert to_latex("如文（Howe，1974；Zou和Donner，2008）") == r"如文~\cite{howe,zou}"
    assert to_plain(text) == text


def test_html_and_marks():
    assert to_html("*p* < 0.05 <b>") == "<i>p</i> &lt; 0.05 &lt;b&gt;"
    assert to_markdown("*p* < 0.05 *not italics*") == r"*p* < 0.05 \*not italics*"


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(list("=+-@＝＠\t\r\n 12.e-abc|'")), max_size=12))
def test_a_spreadsheet_runs_no_cell(text):
    buffer = io.StringIO()
    csv.writer(buffer).writerow([escape.csv_cell(text)])
    cell = next(csv.reader(io.StringIO(buffer.getvalue(), newline="")), [""])[0]
    if cell[:1] in tuple("=@＝＠\t\r"):
        raise AssertionError(repr(cell))
    if cell[:1] in tuple("+-"):
        float(cell)

"""``paragraphs.<lang>.tex``: a document that compiles as it is, and the text alone where an author inputs it.

A language's descriptor says what it compiles with (English pdfLaTeX, Chinese XeLaTeX). Names in other scripts (an arm may have any) are set where the engine
has them and marked by their code point where it has not, so that no name stops a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from crysmm_attn_plugin.reports import language, tables
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.prose import paragraphs as prose
from crysmm_attn_plugin.reports.prose.facts import Style
from crysmm_attn_plugin.reports.prose.markup import to_latex
from crysmm_attn_plugin.reports.prose.paragraphs import TITLES
from crysmm_attn_plugin.reports.prose.references import cited_in
from crysmm_attn_plugin.stats.results import ComparisonResult

_WHOLE = r"""% {engine} {stem}.tex, then bibtex {stem}, then {engine} twice. Inside a document of your own,
% \input{{{stem}}} gives the text alone (needs booktabs, tabularx, graphicx in your preamble).
\makeatletter\let\crysmmattnend\relax
\ifx\usepackage\@notprerr\expandafter\@gobble\else\expandafter\@firstofone\fi{{%
\def\crysmmattnend{{{bibliography}\end{{document}}}}
\documentclass[11pt]{{article}}
\usepackage{{iftex}}
\usepackage[a4paper,margin=25mm]{{geometry}}
\usepackage{{array,booktabs,tabularx,graphicx}}
{preamble}
\emergencystretch=3em
\begin{{document}}
}}
\makeatother
"""
_LATIN = r"""\ifPDFTeX\usepackage[utf8]{{inputenc}}\usepackage{{textcomp}}
\IfFileExists{{lmodern.sty}}{{\usepackage[T1]{{fontenc}}\usepackage{{lmodern}}}}{{}}
{unknown}\else\usepackage{{fontspec}}\fi"""
_HAN = r"""\ifPDFTeX\errmessage{{compile this document with xelatex}}\fi
\usepackage{{fontspec,xeCJK}}
{fonts}"""
_COMMANDS = {2: "section*", 3: "subsection*"}


def document(
    result: ComparisonResult, *, lang: str, style: Style = "nature", table_file: str = "table"
) -> str:
    """Every paragraph, the table and the main figure in one language.

    Args:
        result: The comparison.
        lang: A known language's code.
        style: ``nature``, ``apa`` or ``gbt``.
        table_file: Stem of the table's file beside it.
    """
    which = prose.check_language(lang)
    blocks = prose.blocks(result, lang=which, style=style)
    body = []
    for level, title, text in blocks:
        if title == pick(TITLES["caption"], which):
            body.append(_figure(text, which))
            continue
        body.append(f"\\{_COMMANDS[level]}{{{to_latex(title)}}}" + (f"\n{to_latex(text)}" if text else ""))
    table = tables.to_latex(tables.main_table(result, style), which)
    cited = cited_in(" ".join(text for _, _, text in blocks))
    text = "\n\n".join([*body, rf"\IfFileExists{{{table_file}.tex}}{{\input{{{table_file}}}}}{{}}"])
    return _head(which, text + table, bool(cited)) + "\n" + text + "\n\n\\crysmmattnend\n"


def alias(lang: str) -> str:
    """``paragraphs.tex``: the document in the first language."""
    return f"% the document in the report's first language\n\\input{{paragraphs.{lang}}}\n"


def _figure(caption: str, lang: str) -> str:
    # the caption begins with its own number
    picture = "figures/attention_statistics_comparison"
    return "\n".join(
        [
            r"\begin{figure}[htbp]",
            r"\centering",
            rf"\IfFileExists{{{picture}.{lang}.pdf}}{{\includegraphics[width=\linewidth]{{{picture}.{lang}.pdf}}}}"
            rf"{{\IfFileExists{{{picture}.pdf}}{{\includegraphics[width=\linewidth]{{{picture}.pdf}}}}"
            r"{\IfFileExists{attention_statistics_comparison.png}"
            r"{\includegraphics[width=\linewidth]{attention_statistics_comparison.png}}{}}}",
            rf"\par\medskip\parbox{{\linewidth}}{{\small {to_latex(caption)}}}",
            r"\end{figure}",
        ]
    )


def _head(lang: str, body: str, cites: bool) -> str:
    form = language.latex(lang)
    if form.cjk_fonts:
        lines = [_HAN.format(fonts=_font_chain(form.cjk_fonts))]
    else:
        lines = [_LATIN.format(unknown=_unknown(body, known="\u017f" if form.babel else "\xff"))]
    if form.babel:
        lines.append(rf"\usepackage[{form.babel}]{{babel}}")
    return _WHOLE.format(
        engine=form.engine,
        stem=f"paragraphs.{lang}",
        preamble="\n".join([*lines, *form.preamble.splitlines()]),
        bibliography=r"\bibliographystyle{unsrt}\bibliography{references}" if cites else "",
    )


def _font_chain(names: Sequence[str]) -> str:
    chain = ""
    for name in reversed(names):
        use = rf"\setCJKmainfont{{{name}}}[AutoFakeBold,AutoFakeSlant]"
        chain = rf"\IfFontExistsTF{{{name}}}{{{use}}}{{{chain}}}"
    return chain


def _unknown(body: str, known: str) -> str:
    """Declarations for characters after ``known``, which pdfLaTeX may not have: their code point in a small frame."""
    characters = sorted({c for c in body if c > known})
    return "".join(
        rf"\DeclareUnicodeCharacter{{{ord(c):04X}}}{{\fbox{{\tiny U+{ord(c):04X}}}}}" + "%\n"
        for c in characters
    )

"""The methods' sources: cited in the text, listed below it, and written as ``references.bib``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from crysmm_attn_plugin.reports import language


@dataclass(frozen=True)
class Reference:
    """One work.

    Attributes:
        short: Citation in running text.
        full: Entry of the reference list.
        bibtex: Entry type and fields of ``references.bib``.
    """

    short: str
    full: str
    bibtex: tuple[str, dict[str, str]]


def _article(
    short: str, author: str, title: str, journal: str, volume: str, pages: str, year: str, full: str
) -> Reference:
    fields = {
        "author": author,
        "title": title,
        "journal": journal,
        "volume": volume,
        "pages": pages,
        "year": year,
    }
    return Reference(short, full, ("article", fields))


REFERENCES: dict[str, Reference] = {
    "fisher": Reference(
        "Fisher, 1935",
        "Fisher, R. A. The Design of Experiments (Oliver & Boyd, 1935).",
        ("book", {"author": "Fisher, R. A.", "title": "The Design of Experiments", "publisher": r"Oliver \& Boyd",
                  "address": "Edinburgh", "year": "1935"}),
    ),
    "hill": _article(
        "Hill, 1973", "Hill, M. O.", "Diversity and evenness: a unifying notation and its consequences", "Ecology", "54",
        "427--432", "1973",
        "Hill, M. O. Diversity and evenness: a unifying notation and its consequences. Ecology 54, 427–432 (1973).",
    ),
    "howe": _article(
        "Howe, 1974", "Howe, W. G.",
        "Approximate confidence limits on the mean of {X + Y} where {X} and {Y} are two tabled independent random variables",
        "Journal of the American Statistical Association", "69", "789--794", "1974",
        "Howe, W. G. Approximate confidence limits on the mean of X + Y where X and Y are two tabled independent random "
        "variables. J. Am. Stat. Assoc. 69, 789–794 (1974).",
    ),
    "fieller": _article(
        "Fieller, 1954", "Fieller, E. C.", "Some problems in interval estimation",
        "Journal of the Royal Statistical Society: Series B", "16", "175--185", "1954",
        "Fieller, E. C. Some problems in interval estimation. J. R. Stat. Soc. B 16, 175–185 (1954).",
    ),
    "zou": _article(
        "Zou & Donner, 2008", "Zou, G. Y. and Donner, A.",
        "Construction of confidence limits about effect measures: a general approach", "Statistics in Medicine", "27",
        "1693--1702", "2008",
        "Zou, G. Y. & Donner, A. Construction of confidence limits about effect measures: a general approach. Stat. Med. "
        "27, 1693–1702 (2008).",
    ),
    "holm": _article(
        "Holm, 1979", "Holm, S.", "A simple sequentially rejective multiple test procedure",
        "Scandinavian Journal of Statistics", "6", "65--70", "1979",
        "Holm, S. A simple sequentially rejective multiple test procedure. Scand. J. Stat. 6, 65–70 (1979).",
    ),
    "hedges": _article(
        "Hedges, 1981", "Hedges, L. V.", "Distribution theory for {Glass's} estimator of effect size and related estimators",
        "Journal of Educational Statistics", "6", "107--128", "1981",
        "Hedges, L. V. Distribution theory for Glass's estimator of effect size and related estimators. J. Educ. Stat. "
        "6, 107–128 (1981).",
    ),
    "schuirmann": _article(
        "Schuirmann, 1987", "Schuirmann, D. J.",
        "A comparison of the two one-sided tests procedure and the power approach for assessing the equivalence of average "
        "bioavailability", "Journal of Pharmacokinetics and Biopharmaceutics", "15", "657--680", "1987",
        "Schuirmann, D. J. A comparison of the two one-sided tests procedure and the power approach for assessing the "
        "equivalence of average bioavailability. J. Pharmacokinet. Biopharm. 15, 657–680 (1987).",
    ),
    "tibshirani": Reference(
        "Efron & Tibshirani, 1993",
        "Efron, B. & Tibshirani, R. J. An Introduction to the Bootstrap (Chapman & Hall, 1993).",
        ("book", {"author": "Efron, B. and Tibshirani, R. J.", "title": "An Introduction to the Bootstrap",
                  "publisher": r"Chapman \& Hall", "address": "New York", "year": "1993"}),
    ),
    "westfall": Reference(
        "Westfall & Young, 1993",
        "Westfall, P. H. & Young, S. S. Resampling-Based Multiple Testing (Wiley, 1993).",
        ("book", {"author": "Westfall, P. H. and Young, S. S.", "title": "Resampling-Based Multiple Testing",
                  "publisher": "Wiley", "address": "New York", "year": "1993"}),
    ),
    "benjamini": _article(
        "Benjamini & Hochberg, 1995", "Benjamini, Y. and Hochberg, Y.",
        "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
        "Journal of the Royal Statistical Society: Series B", "57", "289--300", "1995",
        "Benjamini, Y. & Hochberg, Y. Controlling the false discovery rate: a practical and powerful approach to "
        "multiple testing. J. R. Stat. Soc. B 57, 289–300 (1995).",
    ),
    "jain": Reference(
        "Jain & Wallace, 2019",
        "Jain, S. & Wallace, B. C. Attention is not Explanation. In Proc. NAACL-HLT 3543–3556 (2019).",
        ("inproceedings", {"author": "Jain, S. and Wallace, B. C.", "title": "Attention is not {Explanation}",
                           "booktitle": "Proceedings of NAACL-HLT", "pages": "3543--3556", "year": "2019"}),
    ),
    "wiegreffe": Reference(
        "Wiegreffe & Pinter, 2019",
        "Wiegreffe, S. & Pinter, Y. Attention is not not Explanation. In Proc. EMNLP-IJCNLP 11–20 (2019).",
        ("inproceedings", {"author": "Wiegreffe, S. and Pinter, Y.", "title": "Attention is not not {Explanation}",
                           "booktitle": "Proceedings of EMNLP-IJCNLP", "pages": "11--20", "year": "2019"}),
    ),
    "simonsohn": _article(
        "Simonsohn et al., 2020", "Simonsohn, U. and Simmons, J. P. and Nelson, L. D.", "Specification curve analysis",
        "Nature Human Behaviour", "4", "1208--1214", "2020",
        "Simonsohn, U., Simmons, J. P. & Nelson, L. D. Specification curve analysis. Nat. Hum. Behav. 4, 1208–1214 "
        "(2020).",
    ),
}  # fmt: skip


def short_in(short: str, lang: str) -> str:
    """An English citation as another language writes it: its comma, its "and", its "et al."."""
    for english, own in language.language_of(lang).citation:
        short = short.replace(english, own)
    return short


@lru_cache(maxsize=8)
def _citations(langs: tuple[str, ...]) -> tuple[dict[str, str], re.Pattern[str], re.Pattern[str]]:
    """Citation -> key, what stands between two citations, and citations in running text, in any of the languages."""
    shorts = {short_in(r.short, lang): key for key, r in REFERENCES.items() for lang in langs}
    marks = [language.marks(lang) for lang in langs]
    one = _any(shorts)
    between = _any(m.semicolon for m in marks)
    several = rf"{one}(?:{between}{one})*"
    opened, closed = _any((*(m.open.strip() for m in marks), "(")), _any((*(m.close for m in marks), ")"))
    found = rf"(?P<open> ?{opened})(?P<inside>{several}){closed}|(?P<bare>{several})"
    return shorts, re.compile(between), re.compile(found)


def _any(texts: Iterable[str]) -> str:
    longest_first = sorted(dict.fromkeys(texts), key=len, reverse=True)
    return f"(?:{'|'.join(re.escape(t) for t in longest_first)})"


def citations_in(text: str) -> Iterator[re.Match[str]]:
    """Citations in running text, alone in their brackets (``inside``) or at the end of a longer remark (``bare``)."""
    return _citations(language.known())[2].finditer(text)


def cite(*keys: str, lang: str = "en") -> str:
    """``Holm, 1979; Hill, 1973`` or ``Holm，1979；Hill，1973``: the citations of some keys, without brackets."""
    return language.marks(lang).semicolon.join(short_in(REFERENCES[k].short, lang) for k in keys)


def keys_of(shorts: str) -> list[str]:
    """The keys of one or several citations side by side."""
    known, between, _ = _citations(language.known())
    return [known[short] for short in between.split(shorts)]


def cited_in(text: str) -> list[str]:
    """Keys of every work that a text cites, by year."""
    found = {key for m in citations_in(text) for key in keys_of(m["inside"] or m["bare"])}
    return sorted(found, key=lambda key: (REFERENCES[key].bibtex[1]["year"], key))


def bibliography() -> str:
    """``references.bib``: every work."""
    entries = []
    for key, r in REFERENCES.items():
        kind, fields = r.bibtex
        lines = ",\n".join(f"  {name:<9} = {{{value}}}" for name, value in fields.items())
        entries.append(f"@{kind}{{{key},\n{lines}\n}}")
    return "\n\n".join(entries) + "\n"

"""Texts and forms in the reader's language: English, Chinese, or any that a plugin registered.

English and Chinese stand side by side in the code. A further language translates the English text, and shows its fallback
where it has no translation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from crysmm_attn_plugin.catalogue import BY_NAME, LANGUAGES, TOKEN_CATEGORIES, known_languages
from crysmm_attn_plugin.descriptors import Language
from crysmm_attn_plugin.language_forms import Fonts, LatexForm, Marks, NumberForms

#: The language that all others translate.
SOURCE = "en"
#: Languages whose texts and templates ship with the reports.
BUILT_IN = (SOURCE, "zh")
TEMPLATES = Path(__file__).resolve().parent / "templates"
T = TypeVar("T")


def known() -> tuple[str, ...]:
    """Codes of every language there is."""
    return known_languages()


def each(make: Callable[[str], T]) -> dict[str, T]:
    """Language code -> what ``make`` makes of it, for every language."""
    return {lang: make(lang) for lang in known()}


def pick(texts: Sequence[str] | Mapping[str, str], lang: str) -> str:
    """One of several texts.

    Args:
        texts: An (English, Chinese) pair, or language code -> text. A further language translates the English one.
        lang: A known language's code.
    """
    given = texts if isinstance(texts, Mapping) else dict(zip(BUILT_IN, texts))
    english = given[SOURCE] if SOURCE in given else next(iter(given.values()), "")
    for language in line_of(lang):
        if language.code in given:
            return given[language.code]
        if english in language.texts:
            return language.texts[english]
    return english


def say(en: str, zh: str, lang: str, **values: object) -> str:
    """One text in a language, its ``{fields}`` filled in.

    Args:
        en: English; for a further language the key of its ``texts``.
        zh: Chinese.
        lang: A known language's code.
        **values: What goes in the fields.
    """
    text = pick((en, zh), lang)
    return text.format(**values) if values else text


def nearest(texts: Mapping[str, str], lang: str, default: str = "") -> str:
    """The text in a language, else in the nearest one that stands in for it."""
    return next((texts[x.code] for x in line_of(lang) if texts.get(x.code)), texts.get(SOURCE, default))


def metric_label(metric: str, lang: str) -> str:
    """A metric's name in the middle of a sentence; a word category's share by the category's, others by their own."""
    spec = BY_NAME.get(metric)
    if spec is not None:
        return pick(spec.labels, lang)
    category = TOKEN_CATEGORIES.get(metric.removeprefix("mass_"))
    return pick(category, lang) if category else metric.replace("_", " ")


def metric_heading(metric: str, lang: str) -> str:
    """A metric's name, capitalised, as a label."""
    name = metric_label(metric, lang)
    return name[:1].upper() + name[1:]


def metric_unit(metric: str, lang: str) -> str:
    """A metric's unit; empty for a number without one."""
    spec = BY_NAME.get(metric)
    return pick(spec.units, lang) if spec is not None and spec.units else ""


def category_name(category: str, lang: str) -> str:
    """A category of words by its name."""
    return pick(TOKEN_CATEGORIES.get(category, (category, category)), lang)


def language_of(lang: str) -> Language:
    """The language, else the one all others translate."""
    return LANGUAGES.get(lang) or LANGUAGES[SOURCE]


def marks(lang: str) -> Marks:
    """Punctuation of a language."""
    return language_of(lang).marks


def numbers(lang: str) -> NumberForms:
    """Number forms of a language."""
    return language_of(lang).numbers


def latex(lang: str) -> LatexForm:
    """How a language is set in LaTeX."""
    return language_of(lang).latex


def fonts(lang: str) -> Fonts:
    """Fonts of documents in a language."""
    return language_of(lang).fonts


def name(lang: str) -> str:
    """A language's own name."""
    return LANGUAGES[lang].name if lang in LANGUAGES else lang


def tag(lang: str) -> str:
    """What a browser calls the language."""
    return language_of(lang).tag or lang


def figure_stem(figure: str, lang: str) -> str:
    """File stem of a figure in a language; the source language has none of its own."""
    return figure if lang == SOURCE else f"{figure}.{lang}"


def template_folders(lang: str) -> list[Path]:
    """Folders in which a language's templates are looked for: its own, then those of the languages behind it."""
    own = [Path(x.templates) if x.templates is not None else TEMPLATES / x.code for x in line_of(lang)]
    return [*own, TEMPLATES / SOURCE]


def line_of(lang: str) -> list[Language]:
    """A language and the ones that stand in for what it lacks, nearest first."""
    found: list[Language] = []
    language = LANGUAGES.get(lang)
    while language is not None and language not in found:
        found.append(language)
        language = LANGUAGES.get(language.fallback)
    return found

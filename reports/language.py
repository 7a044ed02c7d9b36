"""Texts and punctuation in the reader's language: English, Chinese, or any that a plugin registered.

English and Chinese stand side by side in the code. A further language translates the English text, and shows its fallback
where it has no translation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from crysmm_attn_plugin.catalogue import LANGUAGES, known_languages
from crysmm_attn_plugin.descriptors import Language, Marks

#: Languages whose texts and templates ship with the reports.
BUILT_IN = ("en", "zh")
T = TypeVar("T")
TEMPLATES = Path(__file__).resolve().parent / "templates"


def known() -> tuple[str, ...]:
    """Codes of every language there is."""
    return known_languages()


def say(en: str, zh: str, lang: str) -> str:
    """One text in a language.

    Args:
        en: English; for a further language the key of its ``texts``.
        zh: Chinese.
        lang: A known language's code.
    """
    seen: set[str] = set()
    while lang not in BUILT_IN and lang not in seen:
        seen.add(lang)
        language = LANGUAGES.get(lang)
        if language is None:
            return en
        if en in language.texts:
            return language.texts[en]
        lang = language.fallback
    return zh if lang == "zh" else en


def pick(texts: Sequence[str] | Mapping[str, str], lang: str) -> str:
    """One of several texts: an (English, Chinese) pair, or language code -> text."""
    if isinstance(texts, Mapping):
        return texts[lang] if lang in texts else say(texts["en"], texts.get("zh", texts["en"]), lang)
    return say(texts[0], texts[1], lang)


def translated(value: T, lang: str) -> T:
    """English texts, and tuples and mappings of them, in a language that translates English.

    A text that begins with a known one (a label with its unit behind it, or with a capital) is translated so far.
    """
    if isinstance(value, str):
        return _translated(value, lang)  # type: ignore[return-value]
    if isinstance(value, tuple):
        return tuple(translated(v, lang) for v in value)  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {k: translated(v, lang) for k, v in value.items()}  # type: ignore[return-value]
    return value


def _translated(text: str, lang: str) -> str:
    exact = say(text, text, lang)
    if exact != text or lang not in LANGUAGES:
        return exact
    for known_text, own in LANGUAGES[lang].texts.items():
        head = known_text[:1].upper() + known_text[1:]
        if text == head or text.startswith((f"{head} [", f"{head} (", f"{head}, ")):
            return own[:1].upper() + own[1:] + text[len(head) :]
    return text


class ByLanguage(dict[str, T], Generic[T]):
    """Language code -> value, given in English and Chinese; a further language's is made from the one it falls back to."""

    def __missing__(self, lang: str) -> T:
        stand_in = built_in_of(lang)
        value = self.get(stand_in)
        if value is None:
            raise KeyError(lang)
        return translated(value, lang) if stand_in == "en" else value


def marks(lang: str) -> Marks:
    """Punctuation of a language."""
    return LANGUAGES[lang].marks if lang in LANGUAGES else LANGUAGES["en"].marks


def name(lang: str) -> str:
    """A language's own name."""
    return LANGUAGES[lang].name if lang in LANGUAGES else lang


def built_in_of(lang: str) -> str:
    """``en`` or ``zh``: the language itself, or the one that stands in for what it lacks."""
    seen: set[str] = set()
    while lang not in BUILT_IN:
        language = LANGUAGES.get(lang)
        if language is None or lang in seen:
            return "en"
        seen.add(lang)
        lang = language.fallback
    return lang


def template_folders(lang: str) -> list[Path]:
    """Folders in which a language's templates are looked for, its own first."""
    language: Language | None = LANGUAGES.get(lang)
    own = [Path(language.templates)] if language is not None and language.templates is not None else []
    return [*own, TEMPLATES / built_in_of(lang)]

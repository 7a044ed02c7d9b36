"""The editable lexicon ``lexicon.toml``: words by class, and the words that decide about ambiguous symbols. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import tomllib

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.text.elements import ELEMENTS, ISOTOPES, NAMES

#: Classes a word of the lexicon may have.
CLASSES = ("function_word", "number", "geometry", "symmetry", "other")
_LISTS = {
    "english": ("symbols", "follow", "abbreviations"),
    "contexts": (
        "after_symbol", "before_symbol", "verbs", "units", "labels", "before_space_group", "symmetry_fields",
        "field_fillers",
    ),
}  # fmt: skip

_COUNTED = re.compile(
    "(?:mono|sesqui|di|tri|tetra|tetr|penta|pent|hexa|hex|hepta|octa|hemi|sub|per|poly|oxy)"
)


@dataclass(frozen=True)
class Lexicon:
    """Words by class and context.

    Attributes:
        classes: Word (lower case) to class.
        names: Element names and ions (lower case, Chinese) to the symbols that they name.
        lists: ``section.name`` to its words, as ``lexicon.toml`` describes them.
        longest_chinese: Characters of the longest Chinese word.
    """

    classes: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]
    lists: Mapping[str, frozenset[str]]
    longest_chinese: int

    def named(self, word: str) -> tuple[str, ...]:
        """Symbols that a lower-cased name stands for, one with a counting prefix (``trioxide``) too; () for none."""
        found = self.names.get(word)
        if found is None and word.endswith("ide"):
            match = _COUNTED.match(word)
            found = self.names.get(word[match.end() :]) if match is not None else None
        return found or ()

    def knows(self, word: str) -> bool:
        """Whether the word stands in any class or names an element."""
        return word in self.classes or word in self.names


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon of the package."""
    text = resources.files("crysmm_attn_plugin.text").joinpath("lexicon.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text), "lexicon.toml")


def read_lexicon(path: str | Path) -> Lexicon:
    """A lexicon from a file, checked.

    Raises:
        UsageError: When a section is unknown or missing, a word stands in two classes, or a name's value is no symbol.
    """
    with open(path, "rb") as file:
        try:
            return parse(tomllib.load(file), str(path))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"the lexicon {path} is not valid TOML ({error}).") from error


def parse(raw: Mapping[str, Any], where: str) -> Lexicon:
    """The lexicon that ``raw``, the content of a ``lexicon.toml``, describes."""
    wanted = {"classes", "elements", *_LISTS}
    if set(raw) != wanted:
        raise UsageError(
            f"the lexicon {where} has the sections {', '.join(sorted(raw))}; it needs {', '.join(sorted(wanted))}."
        )
    classes: dict[str, str] = {}
    for name, words in raw["classes"].items():
        if name not in CLASSES:
            raise UsageError(f"the lexicon {where} has the class {name!r}; classes are {', '.join(CLASSES)}.")
        for word in words.lower().split():
            if classes.setdefault(word, name) != name:
                raise UsageError(
                    f"the word {word!r} stands in two classes of {where}: {classes[word]} and {name}."
                )
    names = {name: (symbol,) for name, symbol in NAMES.items()}
    for word, value in raw["elements"].items():
        for symbol in value.split():
            if symbol not in ELEMENTS and symbol not in ISOTOPES:
                raise UsageError(
                    f"the lexicon {where} says {word} = {value!r}, but {symbol!r} is no element's symbol."
                )
        names[word.lower()] = tuple(value.split())
    lists = {}
    for section, expected in _LISTS.items():
        for name in expected:
            if name not in raw[section]:
                raise UsageError(f"the lexicon {where} has no list {name!r} in [{section}].")
            lists[f"{section}.{name}"] = frozenset(raw[section][name].split())
    longest = max((len(w) for w in (*classes, *names) if "\u4e00" <= w[0] <= "\u9fff"), default=1)
    return Lexicon(classes, names, lists, longest)

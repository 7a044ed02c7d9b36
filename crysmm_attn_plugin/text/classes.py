"""The class of each word from its form, its neighbours and the crystal: element, number, symmetry, geometry ... Torch-free.

A symbol that is also a word, a unit, a label or a space group (In, As, No, I, K, P, C2 ...) is an element only where the
crystal holds it or the words around it say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crysmm_attn_plugin.text import symmetry
from crysmm_attn_plugin.text.elements import ELEMENTS
from crysmm_attn_plugin.text.formulas import ElementSpan, kind_of, lowered_spans
from crysmm_attn_plugin.text.lexicon import lexicon
from crysmm_attn_plugin.text.segment import ELEMENT, Form

_LISTS = lexicon().lists
_NO_SPANS: tuple[ElementSpan, ...] = ()
_ENDS = ("", ".", "!", "?", ":", ";", "。", "!", "?")
_JOINS = frozenset((",", "and", "or", "&", "/", "+", "–", "-", "、", "和", "与", ";"))
#: Evidence that holds for any crystal; a "B site" is also a place in a structure without boron.
_SURE = _LISTS["contexts.after_symbol"] - frozenset(
    "site sites sublattice cation cations anion anions center centers centre centres layer layers content 位点 位置".split()
)
_COUNTS = frozenset("one two three four five six seven eight nine ten eleven twelve".split())
_LOWERED = {s.lower(): s for s in ELEMENTS}
#: Lower-cased symbols that are words, units or abbreviations in prose.
_LOWERED_WORDS = frozenset(
    "in as at he i no be am la mo co pa os po ho si es md mt mc nh re ts db ds ge pm cm fm al pr ac ne".split()
)


@dataclass(frozen=True)
class Classed:
    """A word's class, the elements that it names, and how (a kind of ``mentions``)."""

    category: str
    spans: tuple[ElementSpan, ...]
    kind: str


def classify(words: Sequence[tuple[int, int, Form]], elements: frozenset[str]) -> list[Classed]:
    """The class of every word.

    Args:
        words: What ``segment.words_in`` returned.
        elements: Symbols of the crystal; empty where they are unknown.
    """
    return _Sentences([form for _, _, form in words], elements).classes()


class _Sentences:
    def __init__(self, forms: Sequence[Form], elements: frozenset[str]) -> None:
        self.forms, self.elements = forms, elements
        self.cased = any(f.text != f.lower for f in forms)
        self.done: list[Classed] = []

    def classes(self) -> list[Classed]:
        field = False
        fields, fillers = _LISTS["contexts.symmetry_fields"], _LISTS["contexts.field_fillers"]
        for index, form in enumerate(self.forms):
            lower = form.lower
            if lower in fields or (lower == "group" and self._lower(index - 1) == "space"):
                field = True
            elif field and not (
                form.number
                or form.category == "symmetry"
                or (len(lower) == 1 and lower != ".")
                or lower in fillers
            ):
                field = False
            if form.kind == "maybe":
                self.done.append(self._decide(index, form, field))
            elif form.kind == "lower" and not self.cased:
                self.done.append(self._lowered(index, form))
            elif form.kind == "name":
                verb = lower == "lead" and self._lower(index + 1) in ("to", "us", "towards")
                self.done.append(
                    Classed("other", _NO_SPANS, "") if verb else Classed(ELEMENT, form.spans, "name")
                )
            elif form.spans:
                kind = kind_of(form.text, form.spans) if form.category == ELEMENT else "formula"
                self.done.append(Classed(form.category, form.spans, kind))
            else:
                self.done.append(_PLAIN[form.category])
        if "D" in self.elements and "H" not in self.elements:
            self.done = [self._heavy(word) for word in self.done]
        return self.done

    @staticmethod
    def _heavy(word: Classed) -> Classed:
        """``hydrogen`` in the description of a crystal whose atoms are called ``D``."""
        return Classed(
            word.category, tuple((a, b, "D" if s == "H" else s) for a, b, s in word.spans), word.kind
        )

    # -- one word --------------------------------------------------------------------------------------------

    def _decide(self, index: int, form: Form, field: bool) -> Classed:
        if form.number:
            return _PLAIN["symmetry" if field else "number"]
        if not form.spans:
            return self._plain(index, form, field)
        if self._is_element(index, form, field):
            return Classed(ELEMENT, self._isotopes(form.spans), kind_of(form.text, form.spans))
        if form.text in _LISTS["contexts.units"] and self._is_number(index - 1):
            return _PLAIN["number"]
        if symmetry.space_group(form.text) and (field or len(form.text) > 1):
            return _PLAIN["symmetry"]
        if form.text in symmetry.UNSURE_SCHOENFLIES or (field and len(form.text) == 1):
            return _PLAIN["symmetry"]
        if self._lower(index - 1) in _LISTS["contexts.labels"]:
            return _PLAIN["other"]
        return _PLAIN[form.plain]

    def _is_element(self, index: int, form: Form, field: bool) -> bool:
        text = form.text
        symbols = {s for _, _, s in self._isotopes(form.spans)}
        holds = bool(self.elements) and symbols <= self.elements
        follows = self._lower(index + 1)
        if field and len(text) == 1 and follows not in _SURE:
            return False
        if (symmetry.space_group(text) or text in symmetry.UNSURE_SCHOENFLIES) and self._in_symmetry_field(
            index
        ):
            return False
        if text.isalpha() and text.isupper() and len(text) > 1 and len(form.spans) > 1:
            return self._capitals(index, form, holds)
        if "D" in symbols:
            return holds or (not self.elements and (len(text) > 1 or self._shown(index, _SURE)))
        if len(form.spans) > 1 or text[-1:].isdigit():
            # C2, P4, I4 ...: a count or label, unless it is the name of a space group
            return holds or not self.elements or self._shown(index, _SURE)
        evidence = _LISTS["contexts.after_symbol"] if holds or not self.elements else _SURE
        shown = self._shown(index, evidence)
        if self._is_number(index - 1) and text in _LISTS["contexts.units"] and follows not in evidence:
            return (holds or shown) and (follows == ":" or self._is_number(index + 1))
        if text == "No" and (self._is_number(index + 1) or (follows == "." and self._is_number(index + 2))):
            return False
        if text in _LISTS["english.symbols"] and self._lower(index - 1) in _ENDS and text != "I":
            named = index + 1 < len(self.forms) and bool(self.forms[index + 1].spans)
            return shown or (holds and follows not in _LISTS["english.follow"] and not named)
        quantity = len(text) == 1 and follows in ("=", "≈", "~")
        if quantity or self._lower(index - 1) in _LISTS["contexts.labels"]:
            return shown
        # of two letters, "Pm" and "Cm" are space groups alone; where nothing speaks of symmetry they are elements
        return (
            holds or shown or (not self.elements and len(text) == 2 and text not in _LISTS["english.symbols"])
        )

    def _capitals(self, index: int, form: Form, holds: bool) -> bool:
        """``NO``, ``CO``, ``KCN``: compounds that read as words or abbreviations."""
        if form.text in _LISTS["english.abbreviations"]:
            return holds and self._shown(index, _SURE)
        if holds or (form.plain != "function_word" and not self.elements):
            return True
        return self._shown(index, _SURE)

    def _shown(self, index: int, evidence: frozenset[str]) -> bool:
        """Do the words around show an element's symbol?"""
        before, after = self._lower(index - 1), self._lower(index + 1)
        if after in evidence or before in _LISTS["contexts.before_symbol"]:
            return True
        verbs = _LISTS["contexts.verbs"]
        if after in verbs or (after in ("is", "are") and self._lower(index + 2) in (*verbs, "also")):
            return True
        if (after == ":" and self._is_number(index + 2)) or (before in _COUNTS and after in ("and", ",")):
            return True
        if after in ("'", '"') and self._lower(index + 2) == ":":  # a dictionary as text: {'C': 0.5}
            return True
        if self._is_number(index + 1) and before in (",", "is", "and", ";") and self._named(index - 3):
            return True
        return (before in _JOINS and self._named(index - 2)) or (after in _JOINS and self._certain(index + 2))

    def _named(self, index: int) -> bool:
        """Is a word before already known to name an element by its symbol?"""
        return 0 <= index < len(self.done) and self.done[index].kind in ("symbol", "site", "bond")

    def _certain(self, index: int) -> bool:
        """Is a word that follows an element's symbol whatever stands around it?"""
        if not 0 <= index < len(self.forms):
            return False
        form = self.forms[index]
        return (
            form.category == ELEMENT
            and form.kind == ""
            and kind_of(form.text, form.spans) in ("symbol", "site")
        )

    def _isotopes(self, spans: tuple[ElementSpan, ...]) -> tuple[ElementSpan, ...]:
        """``D`` as the crystal writes it: hydrogen where it holds hydrogen alone."""
        if "H" in self.elements and "D" not in self.elements:
            return tuple((a, b, "H" if s == "D" else s) for a, b, s in spans)
        return spans

    def _plain(self, index: int, form: Form, field: bool) -> Classed:
        lower, before, after = form.lower, self._lower(index - 1), self._lower(index + 1)
        if lower in ("space", "point") and after in ("group", "groups"):
            return _PLAIN["symmetry"]
        if lower in ("group", "groups") and before in ("space", "point"):
            return _PLAIN["symmetry"]
        if lower == "bond" and after in ("length", "lengths", "distance", "distances"):
            return _PLAIN["number"]
        if lower == "crystal" and after == "system":
            return _PLAIN["symmetry"]
        if len(lower) == 1 and lower.isascii() and lower.isalpha():
            if field:
                return _PLAIN["symmetry"]
            if lower == "a" and form.text == "a" and self._is_number(index - 1) and not self.cased:
                return _PLAIN["number"]  # what an uncased tokenizer left of "2.82 Å"
            if not self.cased:
                return self._lowered(index, form)
        return _PLAIN[form.plain]

    def _lowered(self, index: int, form: Form) -> Classed:
        """A word of a text without any capital: an element where it can hardly be anything else."""
        text = form.text
        symbol = _LOWERED.get(text)
        if symbol is not None and (len(text) == 1 or text in _LOWERED_WORDS):
            allowed = not self.elements or symbol in self.elements
            if not allowed or not (self._lower(index + 1) in _SURE or self._counted(index)):
                return _PLAIN[form.plain]
            return Classed(ELEMENT, ((0, len(text), symbol),), "symbol")
        if symbol is not None:
            return Classed(ELEMENT, ((0, len(text), symbol),), "symbol")
        if form.plain != "other":
            return _PLAIN[form.plain]
        known = self.elements or (frozenset(ELEMENTS) if "-" in text or "–" in text else frozenset())
        spans = lowered_spans(text, known) if known and any(len(s) > 1 for s in known) else _NO_SPANS
        if not self.elements and any(b - a < 2 for a, b, _ in spans):
            spans = _NO_SPANS
        return (
            Classed(ELEMENT, spans, "bond" if "-" in text or "–" in text else "formula")
            if spans
            else _PLAIN["other"]
        )

    def _counted(self, index: int) -> bool:
        before = self._lower(index - 1)
        return before in ("equivalent", "inequivalent") or (
            before in _COUNTS and self._lower(index + 1) in ("atoms", "atom")
        )

    # -- neighbours ------------------------------------------------------------------------------------------

    def _lower(self, index: int) -> str:
        return self.forms[index].lower if 0 <= index < len(self.forms) else ""

    def _is_number(self, index: int) -> bool:
        return 0 <= index < len(self.forms) and self.forms[index].number

    def _in_symmetry_field(self, index: int) -> bool:
        """Is a word that reads as a formula and as a space group (``P2``, ``Pm``) used as the latter here?"""
        after = self._lower(index + 1)
        if (after, self._lower(index + 2)) in (("space", "group"), ("point", "group")):
            return True
        if after in ("spacegroup", "symmetry", "空间群", "点群"):
            return True
        if "crystallizes" in (after, self._lower(index + 2)):
            return False
        for k in range(index - 1, max(index - 5, -1), -1):
            word = self._lower(k)
            if word in (".", "!", "?", "。"):
                return False
            if word in _LISTS["contexts.before_space_group"]:
                return True
        return False


_PLAIN = {
    name: Classed(name, _NO_SPANS, "")
    for name in ("function_word", "number", "geometry", "symmetry", "punctuation", "other", ELEMENT)
}

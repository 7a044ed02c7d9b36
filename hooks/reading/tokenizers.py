"""The host's tokenizers: their calls, wherever they are made, and those that merely lie about.

The tokenizer classes of ``transformers``, ``tokenizers``, ``sentencepiece`` and ``tiktoken`` are watched at class level while a pass is captured, and put
back as they were; no library is imported for it. Tokenizers are remembered by weak reference, calls for one batch.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from crysmm_attn_plugin.hooks.reading.tokenizer_kinds import ENCODE, TOUCH, classes, is_tokenizer

log = logging.getLogger("crysmm_attn")

#: How far ``known_tokenizers`` looks.
_MOST_OBJECTS, _MOST_ITEMS, _DEEPEST = 2000, 64, 5


#: ``busy`` while a watched call is running (those inside it are its own) or our own reading goes on.
_INSIDE = threading.local()


@contextmanager
def unwatched() -> Iterator[None]:
    """Tokenizer calls inside are ours, not the host's."""
    before = getattr(_INSIDE, "busy", False)
    _INSIDE.busy = True
    try:
        yield
    finally:
        _INSIDE.busy = before


@dataclass(frozen=True)
class TokenizerCall:
    """One call: the texts it was given, what it returned, and which tokenizer.

    Attributes:
        texts: The texts, pairs and split words joined by a blank.
        ids: What holds the token ids of each text: a tensor, an array or lists.
        mask: What holds the attention mask, or None.
        overflowing: Per text whether the tokenizer says that it cut it; None where it does not say.
        tokenizer: The tokenizer.
    """

    texts: tuple[str, ...]
    ids: Any
    mask: Any
    overflowing: tuple[bool, ...] | None
    tokenizer: Any


class TokenizerWatch:
    """Keeps the calls of any tokenizer between ``start`` and ``stop``; changes none of them."""

    def __init__(self) -> None:
        self.calls: list[TokenizerCall] = []
        #: Classes whose methods could not be replaced.
        self.blind: list[str] = []
        self._seen: list[weakref.ref[Any]] = []
        self._patched: list[tuple[type, str, Any, Any]] = []
        self._modules = 0
        self._active = False

    def start(self) -> None:
        """Begin watching; again at each batch, so that a library imported since then is watched too."""
        self._active = True
        if self._modules == len(sys.modules) and self._patched:
            return
        self._modules = len(sys.modules)
        done = {(cls, name) for cls, name, _, _ in self._patched}
        for cls in classes():
            for name in (*ENCODE, *TOUCH):
                original = vars(cls).get(name)
                if (
                    isinstance(original, (types.FunctionType, types.MethodDescriptorType))
                    and (cls, name) not in done
                ):
                    self._patch(cls, name, original)

    def _patch(self, cls: type, name: str, original: Any) -> None:
        records = name in ENCODE

        @functools.wraps(original)
        def watched(tokenizer: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._active or getattr(_INSIDE, "busy", False):
                return original(tokenizer, *args, **kwargs)
            _INSIDE.busy = True
            try:
                result = original(tokenizer, *args, **kwargs)
            finally:
                _INSIDE.busy = False
            try:
                self._remember(tokenizer)
                if records:
                    call = _call(tokenizer, args, kwargs, result)
                    if call is not None:
                        self.calls.append(call)
            except Exception as error:
                log.debug("a call of %s was not understood: %s", type(tokenizer).__name__, error)
            return result

        try:
            setattr(cls, name, watched)
        except (TypeError, AttributeError):
            self.blind.append(f"{cls.__module__}.{cls.__qualname__}")
            return
        self._patched.append((cls, name, original, watched))

    def _remember(self, tokenizer: Any) -> None:
        if not any(ref() is tokenizer for ref in self._seen):
            self._seen.append(weakref.ref(tokenizer))

    def next_batch(self) -> None:
        """Forget the calls of the batch before."""
        self.calls.clear()

    clear = next_batch

    def known(self) -> list[Any]:
        """Tokenizers seen at work that are still alive."""
        alive = [t for ref in self._seen if (t := ref()) is not None]
        self._seen = [ref for ref in self._seen if ref() is not None]
        return alive

    def stop(self) -> None:
        """Put the classes back as they were; what somebody else wrapped meanwhile keeps a wrapper that does nothing."""
        self._active = False
        for cls, name, original, watched in reversed(self._patched):
            if vars(cls).get(name) is watched:
                setattr(cls, name, original)
        self._patched.clear()
        self._modules = 0
        self.calls.clear()


# -- what a call was -----------------------------------------------------------------------------------------


def _call(
    tokenizer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> TokenizerCall | None:
    first = args[0] if args else _first(kwargs, "text", "batch_text_or_text_pairs", "input", "sequence")
    split = bool(kwargs.get("is_split_into_words") or kwargs.get("is_pretokenized"))
    texts = _texts(first, split)
    if not texts:
        return None
    pair = args[1] if len(args) > 1 and not isinstance(args[1], bool) else _first(kwargs, "text_pair", "pair")
    pairs = _texts(pair, split) if pair is not None else ()
    if pairs and len(pairs) == len(texts):
        texts = tuple(f"{a} {b}" for a, b in zip(texts, pairs))
    ids, mask, overflowing = _ids_of(result, isinstance(first, str) or (split and isinstance(first[0], str)))
    if ids is None or len(ids) != len(texts) or any(len(row) and isinstance(row[0], str) for row in ids):
        return None  # asked for strings instead of ids
    return TokenizerCall(texts, ids, mask, overflowing, tokenizer)


def _first(kwargs: Mapping[str, Any], *names: str) -> Any:
    return next((kwargs[n] for n in names if kwargs.get(n) is not None), None)


def _texts(value: Any, split: bool) -> tuple[str, ...]:
    """The texts of a call, whatever they come in."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)) or not value:
        return ()
    if all(isinstance(v, str) for v in value):
        return (" ".join(value),) if split else tuple(value)
    if all(isinstance(v, (list, tuple)) and v and all(isinstance(w, str) for w in v) for v in value):
        return tuple(" ".join(v) for v in value)
    return ()


def _ids_of(result: Any, single: bool) -> tuple[Any, Any, tuple[bool, ...] | None]:
    """Ids, mask and overflow of what a tokenizer returned, one row a text."""
    if hasattr(result, "keys") and "input_ids" in result:
        ids = result["input_ids"]
        mask = result.get("attention_mask")
        encodings = getattr(result, "encodings", None)
        flat = single and not _is_nested(ids)
        overflowing = tuple(bool(e.overflowing) for e in encodings) if encodings else None
        return ([ids], None if mask is None else [mask], overflowing) if flat else (ids, mask, overflowing)
    if hasattr(result, "ids") and hasattr(result, "attention_mask"):  # tokenizers.Encoding
        return [list(result.ids)], [list(result.attention_mask)], (bool(result.overflowing),)
    if isinstance(result, list) and result and all(hasattr(e, "ids") for e in result):
        return (
            [list(e.ids) for e in result],
            [list(e.attention_mask) for e in result],
            tuple(bool(e.overflowing) for e in result),
        )
    if hasattr(result, "tolist") or isinstance(result, (list, tuple)):
        return ([result] if single and not _is_nested(result) else result), None, None
    return None, None, None


def _is_nested(values: Any) -> bool:
    ndim = getattr(values, "ndim", None)
    if ndim is not None:
        return bool(ndim > 1)
    return bool(len(values)) and hasattr(values[0], "__len__")


# -- tokenizers that lie about -------------------------------------------------------------------------------


def known_tokenizers(*roots: Any) -> list[Any]:
    """Tokenizers within reach of data sets, collate functions and models: attributes, closures, globals that they name.

    Reads instance dictionaries alone: no property is evaluated, nothing is called. Looks at no more than 2,000 objects.
    """
    found: list[Any] = []
    seen: set[int] = set()
    waiting: list[tuple[Any, int]] = [(r, 0) for r in roots if r is not None]
    looked = 0
    while waiting and looked < _MOST_OBJECTS:
        value, depth = waiting.pop(0)
        if id(value) in seen or isinstance(value, (str, bytes, int, float, complex, bool, type(None))):
            continue
        seen.add(id(value))
        looked += 1
        if is_tokenizer(value):
            found.append(value)
        elif depth < _DEEPEST:
            waiting += [(item, depth + 1) for item in _parts(value)]
    return found


def _parts(value: Any) -> list[Any]:
    """What a value holds, read without running anything of its own."""
    if isinstance(value, types.FunctionType):
        return _parts_of_function(value)
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, (staticmethod, classmethod)):
        return [value.__func__]
    if isinstance(value, property):
        return [f for f in (value.fget,) if f is not None]
    if type(value) in (list, tuple, set, frozenset):
        return [item for item, _ in zip(value, range(_MOST_ITEMS))]
    if isinstance(value, dict):
        return [item for item, _ in zip(dict.values(value), range(_MOST_ITEMS))]
    if isinstance(value, types.ModuleType) or hasattr(type(value), "__array__"):
        return []
    if isinstance(value, type):
        return [m for m in vars(value).values() if isinstance(m, _FUNCTIONS)] if _is_hosts(value) else []
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    classes = [c for c in type(value).__mro__ if _is_hosts(c)]
    return [*(own.values() if isinstance(own, dict) else ()), *classes]


_FUNCTIONS = (types.FunctionType, staticmethod, classmethod, property)
#: Libraries in whose classes no tokenizer of the host's is named.
_LIBRARIES = frozenset(
    "builtins torch numpy pandas transformers tokenizers sentencepiece tiktoken dgl torch_geometric typing abc functools".split()
)


def _is_hosts(cls: type) -> bool:
    return cls.__module__.partition(".")[0] not in _LIBRARIES


def _parts_of_function(function: types.FunctionType) -> list[Any]:
    parts: list[Any] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            parts.append(cell.cell_contents)
        except ValueError:
            continue
    for name in _names(function.__code__):
        if name in function.__globals__:
            parts.append(function.__globals__[name])
    wrapped = function.__dict__.get("__wrapped__")
    return [*parts, wrapped] if wrapped is not None else parts


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)

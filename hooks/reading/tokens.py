"""Which tokens a model read: the host's own tokenizer calls, or the batch's integers, matched with the texts.

Of several calls the one whose ids the model was given counts, never the last. Without a call, one known tokenizer must turn
one integer table of the batch into the texts. What fits in two different ways stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from crysmm_attn_plugin.hooks.reading.token_tables import Table, row_of, tables_in
from crysmm_attn_plugin.hooks.reading.tokenizer_facts import (
    frame_of,
    pad_id,
    special_ids_of,
    tokens_of,
    vocabulary_size,
    without_padding,
)
from crysmm_attn_plugin.hooks.reading.tokenizers import TokenizerCall, unwatched
from crysmm_attn_plugin.records import TokenLabels
from crysmm_attn_plugin.text.alignment import SAME_TEXT, TRUSTED_SHARE, Alignment, align

#: Characters of a text that may follow the last token without the text being cut.
_REST = 0


@dataclass(frozen=True)
class Encoded:
    """Ids of a batch's texts by one tokenizer, padding removed.

    Attributes:
        tokenizer: Which one.
        rows: Ids of each crystal's tokens.
        texts: What it was given, or None where no call was seen.
        widths: Lengths that the token side may have: the padded ids' width, the longest row, all rows together.
        overflowing: Per crystal whether the tokenizer says that it cut the text; None where it does not say.
        cut: Per crystal whether the host cut the tokens afterwards.
    """

    tokenizer: Any
    rows: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...] | None
    widths: frozenset[int]
    overflowing: tuple[bool, ...] | None = None
    cut: tuple[bool, ...] | None = None
    _laid: dict[tuple[int, str], Alignment] = field(default_factory=dict, compare=False, repr=False)

    def laid(self, i: int, text: str) -> Alignment:
        """Tokens of one crystal laid on a text: once, whether they are recognised or labelled, however large the batch."""
        key = (i, text)
        if key not in self._laid:
            # most tables are no texts, which the first row says: the others are not spelled before it is laid
            tokens = self.tokens[i] if i else tuple(tokens_of(self.tokenizer, self.rows[0]))
            self._laid[key] = align(tokens, self.special[i], text)
        return self._laid[key]

    @cached_property
    def tokens(self) -> tuple[tuple[str, ...], ...]:
        """Each crystal's tokens as the vocabulary spells them."""
        return tuple(tuple(tokens_of(self.tokenizer, row)) for row in self.rows)

    @cached_property
    def special(self) -> tuple[tuple[bool, ...], ...]:
        """Each crystal's tokens: whether the tokenizer set them itself."""
        marks = special_ids_of(self.tokenizer)
        return tuple(tuple(t in marks for t in row) for row in self.rows)


def find_tokens(
    batch: Any,
    n: int,
    texts: Sequence[str] | None,
    *,
    calls: Sequence[TokenizerCall] = (),
    tokenizers: Iterable[Any] = (),
    seen: Any = (),
    lengths: Iterable[int] | None = None,
) -> tuple[TokenLabels, ...] | None:
    """Tokens of every crystal of a batch, or None where they are unknown or ambiguous.

    Args:
        batch: The batch as the loader yielded it.
        n: Crystals in it.
        texts: Their descriptions in the author's spelling, or None.
        calls: Tokenizer calls since the batch before, in order.
        tokenizers: Tokenizers of the host, for batches that were tokenised where no call can be seen.
        seen: What else the model was given.
        lengths: Lengths of the attention maps' sides; between several calls, one of another length does not count.
    """
    known = tuple(texts) if texts is not None and len(texts) == n else None
    sides = None if lengths is None else frozenset(lengths)
    with unwatched():
        tables = tables_in((batch, seen), n)
        candidates = _assembled(calls, n)
        found = _best_call(candidates, tables, known, sides)
        if found is None and (known is not None or not candidates):
            found = _decoded(tables, tokenizers, known, sides)
        return None if found is None else _labels(found, known)


def labels_of(call: TokenizerCall) -> tuple[TokenLabels, ...]:
    """Token labels of every text of a call, padding removed."""
    return _labels(_encoded([call]), None)


# -- calls ---------------------------------------------------------------------------------------------------


def _assembled(calls: Sequence[TokenizerCall], n: int) -> list[Encoded]:
    """Calls of one tokenizer put together to ``n`` texts: one call, one an item, several an item, or in portions."""
    by_tokenizer: dict[int, list[TokenizerCall]] = {}
    for call in calls:
        by_tokenizer.setdefault(id(call.tokenizer), []).append(call)
    found: list[Encoded] = []
    for group in by_tokenizer.values():
        found += [_encoded([c]) for c in group if len(c.texts) == n]
        single = [c for c in group if len(c.texts) == 1]
        if n > 1 and single and len(single) % n == 0:
            each = len(single) // n
            found += [_encoded(single[k::each]) for k in range(each)]
            if each > 1:
                found += [_encoded(single[k * n : (k + 1) * n]) for k in range(each)]
        elif n > 1 and len(group) > 1 and sum(len(c.texts) for c in group) == n:
            found.append(_encoded(group))
    distinct: dict[tuple[int, Any], Encoded] = {}
    for one in found:
        distinct.setdefault((id(one.tokenizer), one.rows), one)
    return list(distinct.values())


def _encoded(calls: Sequence[TokenizerCall]) -> Encoded:
    rows: list[tuple[int, ...]] = []
    widths: set[int] = set()
    overflowing: list[bool] | None = []
    for call in calls:
        for i in range(len(call.texts)):
            ids = row_of(call.ids[i])
            widths.add(len(ids))
            if call.mask is not None:
                real = row_of(call.mask[i])
                ids = [t for t, r in zip(ids, real) if r]
            else:
                ids = without_padding(ids, call.tokenizer)
            rows.append(tuple(ids))
        if call.overflowing is None or overflowing is None:
            overflowing = None
        else:
            overflowing += call.overflowing
    texts = tuple(t for c in calls for t in c.texts)
    return Encoded(
        calls[0].tokenizer,
        tuple(rows),
        texts,
        _lengths(rows) | (widths if len(calls) == 1 else frozenset()),
        None if overflowing is None else tuple(overflowing),
    )


def _lengths(rows: Sequence[Sequence[int]]) -> frozenset[int]:
    """Lengths that the token side may have: padded to the longest, or all tokens one after another."""
    return frozenset((max((len(r) for r in rows), default=0), sum(len(r) for r in rows)))


def _best_call(
    candidates: list[Encoded],
    tables: Sequence[Table],
    texts: tuple[str, ...] | None,
    sides: frozenset[int] | None,
) -> Encoded | None:
    """The call whose ids the model was given; without such evidence, the only one that fits texts and lengths."""
    consumed = [c for one in candidates for table in tables if (c := _consumed(one, table)) is not None]
    pool = list({(id(c.tokenizer), c.rows, c.widths): c for c in consumed}.values()) or candidates
    if sides is not None:
        pool = [c for c in pool if c.widths & sides]
    if texts is not None and len(pool) > 1:
        pool = [c for c in pool if _spells(c, texts)] or pool
    if texts is not None:
        pool = [c for c in pool if not _permuted(c, texts)]
    kinds = {(id(c.tokenizer), c.rows) for c in pool}
    return pool[0] if len(kinds) == 1 else None


def _consumed(one: Encoded, table: Table) -> Encoded | None:
    """``one`` as it stands in a table of the batch, or None when it does not."""
    rows: list[tuple[int, ...]] = []
    cut: list[bool] = []
    after: set[int | None] = set()
    for own, given in zip(one.rows, table.rows):
        if len(own) > len(given):
            if own[: len(given)] != given:
                return None
            rows.append(given)
            cut.append(True)
            continue
        rest = given[len(own) :]
        if given[: len(own)] != own or len(set(rest)) > 1:
            left = given[: len(given) - len(own)]
            if given[len(given) - len(own) :] != own or len(set(left)) > 1:
                return None
        rows.append(own)
        cut.append(False)
        after.add(rest[0] if rest and given[: len(own)] == own else None)
    if len(after) == 1 and not any(cut):
        (mark,) = after
        if mark in special_ids_of(one.tokenizer) and mark != pad_id(one.tokenizer):
            rows = [
                (*row, mark) for row in rows if mark is not None
            ]  # the host's own end, and perhaps its padding
    if not any(rows) or all(len(r) < 2 for r in rows):
        return None
    return Encoded(
        one.tokenizer, tuple(rows), one.texts, frozenset((table.width,)), one.overflowing, tuple(cut)
    )


def _spells(one: Encoded, texts: Sequence[str]) -> bool:
    """Whether the tokens are those of the texts, from their beginnings to their ends or to where they were cut."""
    if one.texts == tuple(texts):
        return True
    for i, (row, text) in enumerate(zip(one.rows, texts)):
        laid = one.laid(i, text)
        if laid.aligned < TRUSTED_SHARE or laid.agreeing < TRUSTED_SHARE:
            return False
        if text.strip() and not any(o[0] >= 0 for o in laid.offsets):
            return False  # marks alone spell nothing: a mask can look like a row of them
        if (
            not (one.overflowing and any(one.overflowing))
            and _rest(laid, text) > len(text) // 2
            and len(row) < 64
        ):
            return False
    return True


def _permuted(one: Encoded, texts: Sequence[str]) -> bool:
    """Whether the tokens are those of the same texts in another order."""
    if one.texts is None or one.texts == tuple(texts):
        return False
    return sorted(one.texts) == sorted(texts)


# -- integers without a call ---------------------------------------------------------------------------------


def _decoded(
    tables: Sequence[Table],
    tokenizers: Iterable[Any],
    texts: tuple[str, ...] | None,
    sides: frozenset[int] | None,
) -> Encoded | None:
    """The one table that the one tokenizer turns into the texts."""
    found: dict[tuple[Any, ...], Encoded] = {}
    for tokenizer in tokenizers:
        frame = frame_of(tokenizer)
        size = vocabulary_size(tokenizer)
        for table in tables:
            if any(row and not 0 <= min(row) <= max(row) < size for row in table.rows):
                continue
            rows = _stripped(table, tables, tokenizer)
            if any(not row for row in rows):
                continue
            one = Encoded(tokenizer, rows, None, _lengths(rows) | {table.width})
            if sides is not None and not one.widths & sides:
                continue
            if not (_spells(one, texts) if texts is not None else _framed(one, frame)):
                continue
            found.setdefault((rows, one.tokens), one)
    return next(iter(found.values())) if len(found) == 1 else None


def _stripped(table: Table, tables: Sequence[Table], tokenizer: Any) -> tuple[tuple[int, ...], ...]:
    """Rows without padding: by a mask of the batch whose zeros are all one id, else by the tokenizer's padding id."""
    masks = [
        t for t in tables
        if t is not table and [len(r) for r in t.rows] == [len(r) for r in table.rows]
        and {v for r in t.rows for v in r} == {0, 1}
    ]  # fmt: skip
    for mask in masks:
        for real in (1, 0):
            dropped = {v for row, m in zip(table.rows, mask.rows) for v, r in zip(row, m) if r != real}
            kept = [tuple(v for v, r in zip(row, m) if r == real) for row, m in zip(table.rows, mask.rows)]
            if (
                len(dropped) == 1
                and all(kept)
                and not any(dropped <= {row[0]} or dropped <= {row[-1]} for row in kept)
            ):
                return tuple(kept)
    if pad_id(tokenizer) is None:
        return _without_hosts_padding(table, tokenizer)
    return tuple(tuple(without_padding(row, tokenizer)) for row in table.rows)


def _without_hosts_padding(table: Table, tokenizer: Any) -> tuple[tuple[int, ...], ...]:
    """Rows of a tokenizer that has no padding: the host fills them up with zero, or with the mark that ends them."""
    if len({len(r) for r in table.rows}) > 1:
        return table.rows
    marks = special_ids_of(tokenizer)
    ends = {r[-1] for r in table.rows}
    if len(ends) == 1 and ends <= marks:
        (mark,) = ends
        return tuple((*_shortened(r, mark), mark) for r in table.rows)  # no text ends twice
    fills = [t for t in ends if t == 0 or t in marks]
    found = [tuple(_shortened(r, t) for r in table.rows) for t in fills]
    alike = [rows for rows in found if len({r[-1:] for r in rows}) == 1]
    chosen = found if len(found) == 1 else alike
    return chosen[0] if len(chosen) == 1 else table.rows


def _shortened(row: tuple[int, ...], fill: int) -> tuple[int, ...]:
    """``row`` up to its last entry that is not ``fill``."""
    return row[: next((i + 1 for i in range(len(row) - 1, -1, -1) if row[i] != fill), 0)]


def _framed(one: Encoded, frame: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    """Whether special tokens stand where the tokenizer sets them, and nowhere else."""
    before, after = frame
    if not before and not after:
        return False
    special = special_ids_of(one.tokenizer)
    for row in one.rows:
        if row[: len(before)] != before or (after and row[-len(after) :] != after):
            return False
        inside = row[len(before) : len(row) - len(after)]
        if not inside or special.intersection(inside):
            return False
    return len({row[len(before) : len(row) - len(after)] for row in one.rows}) > 1 or len(one.rows) == 1


# -- labels --------------------------------------------------------------------------------------------------


def _labels(found: Encoded, texts: Sequence[str] | None) -> tuple[TokenLabels, ...]:
    labels: list[TokenLabels] = []
    for i, (tokens, special) in enumerate(zip(found.tokens, found.special)):
        own = found.texts[i] if found.texts is not None else ""
        text, laid = own, found.laid(i, own) if own else None
        if texts is not None and texts[i] and texts[i] != own:
            better = found.laid(i, texts[i])
            if better.aligned >= TRUSTED_SHARE and better.agreeing >= SAME_TEXT:
                # the author's spelling, where the host changed it before it tokenised
                text, laid = texts[i], better
        if found.overflowing is not None and found.cut is None:
            truncated = found.overflowing[i]
        else:
            truncated = bool(found.cut and found.cut[i]) or bool(found.overflowing and found.overflowing[i])
            truncated = truncated or (laid is not None and found.overflowing is None and _is_cut(laid, text))
        labels.append(TokenLabels(tokens, _units(tokens, special), special, text, truncated))
    return tuple(labels)


def _units(tokens: Sequence[str], special: Sequence[bool]) -> tuple[int, ...]:
    """The tokenizer's own units where marks show them: a piece that begins with ``##`` continues one."""
    units: list[int] = []
    current = -1
    for token, is_special in zip(tokens, special):
        if is_special:
            units.append(-1)
            continue
        if not token.startswith("##") or current < 0:
            current += 1
        units.append(current)
    return tuple(units)


def _is_cut(laid: Alignment, text: str) -> bool:
    return laid.aligned >= TRUSTED_SHARE and _rest(laid, text) > _REST


def _rest(laid: Alignment, text: str) -> int:
    """Letters and figures of the text after the last token, or before the first."""
    found = [o for o in laid.offsets if o[0] >= 0]
    if not found:
        return sum(c.isalnum() for c in text)
    return sum(c.isalnum() for c in text[max(o[1] for o in found) :]) + sum(
        c.isalnum() for c in text[: found[0][0]]
    )

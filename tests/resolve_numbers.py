"""Finds the numbers of a report's text and the fields of ``result.json`` they come from."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from crysmm_attn_plugin.reports.guide import ranges_text
from crysmm_attn_plugin.reports.prose.markup import FORMULAS
from crysmm_attn_plugin.reports.prose.references import REFERENCES, citations_in

NUMBER = re.compile(r"(?<![\w.])[−-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?![\w])")
WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
#: Numbers of the method, not of the data: power of the detectable difference, the metric e^H, figure numbers.
CONSTANT_PHRASES = (
    "80% power", "80%的检验功效", "0 is uniform", "1 is all weight", "0表示均匀分布", "1表示权重全部集中",
    "Figure 1", "Figure 2", "图1", "图2", "图 1", "guide's scenario 1", "guide's scenario 2", "guide's scenario 3", "场景1",
    "场景2", "场景3", *(ranges_text(lang) for lang in ("en", "zh")), ranges_text("zh").replace(" ", ""), "g_z", "d_av", "d_z", "e^H", "p < 0.001", "p < .001", "< 0.001", "< .001", "above 0.1", "大于0.1",
)  # fmt: skip


def numbers(text: str, result: dict[str, Any]) -> list[str]:
    """Number tokens of a text that the data must answer for: names, citations and formulas are taken out."""
    text = text.replace("*", "")
    for entry, _ in FORMULAS.values():
        text = text.replace(entry, " ").replace(entry.replace(" ", ""), " ")
    for reference in REFERENCES.values():
        text = text.replace(reference.full, " ")
    for cited in reversed(list(citations_in(text))):
        text = f"{text[: cited.start()]} {text[cited.end() :]}"
    for name in _facts(result)[1]:
        text = text.replace(name, " ")
    for name, version in result["versions"].items():
        text = text.replace(f"{name} {version}", " ")
    text = text.replace("*", "")
    for phrase in CONSTANT_PHRASES:
        text = text.replace(phrase, " ")
    return [m.group() for m in NUMBER.finditer(text) if any(c.isdigit() for c in m.group())]


def unresolved(text: str, result: dict[str, Any]) -> list[str]:
    """Numbers of a text that are no field of the result at the precision printed."""
    known = _facts(result)[0]
    return [token for token in numbers(text, result) if not _printed_from(token, known)]


#: The last result asked about, its sorted numbers and its names with digits: many texts are asked about one result.
_LAST: list[Any] = [None, [], []]


def _facts(result: dict[str, Any]) -> tuple[list[float], list[str]]:
    if _LAST[0] is not result:
        known = [abs(v) for v in leaves(result)]
        # percentages may be shares of one; the level is printed as 95 %
        known += [100 * v for v in known if v <= 1] + [100 * (1 - result["alpha"])]
        # a rise of 100 % or more is printed as the ratio it stands for
        known += [1 + v / 100 for v in _percent_changes(result)]
        names = [name for name in _strings(result) if any(c.isdigit() for c in name)]
        _LAST[:] = [result, sorted(set(known)), names]
    return _LAST[1], _LAST[2]


def _printed_from(token: str, known: list[float]) -> bool:
    value = abs(float(token.replace("−", "-").replace(",", "")))
    decimals = len(token.partition(".")[2])
    half = 0.5 * 10**-decimals * (1 + 1e-9) + 1e-12
    at = bisect_left(known, value - half)
    return at < len(known) and known[at] <= value + half


def _percent_changes(value: Any) -> Iterator[float]:
    """Every percent change, by the name of its field."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "percent_change" and isinstance(item, (int, float)):
                yield float(item)
            else:
                yield from _percent_changes(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _percent_changes(item)


def leaves(value: Any) -> Iterator[float]:
    """Every number of the result, the lengths of its lists, and counts by outcome and sign."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, (int, float)):
        if math.isfinite(value):
            yield float(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, (list, tuple)):
        yield float(len(value))
        yield float(sum(len(v) for v in value if isinstance(v, (list, tuple))))
        yield from _counts(value)
        for item in value:
            yield from leaves(item)


def _counts(items: list[Any] | tuple[Any, ...]) -> Iterator[float]:
    rows = [i for i in items if isinstance(i, dict)]
    primary = [r for r in rows if r.get("family") == "primary"]
    for scope in {r.get("scope") for r in primary}:
        group = [
            r for r in primary if r.get("scope") == scope and r.get("aggregation") == "metric_then_heads"
        ]
        for outcome in {r["outcome"] for r in group}:
            yield float(sum(r["outcome"] == outcome for r in group))
            yield float(sum(r["outcome"] != outcome for r in group))
    specified = [r for r in rows if "subset" in r]
    for sign in (-1, 1):
        yield float(sum(r["mean_difference"] * sign > 0 for r in specified))
    yield from _signs(specified)


def _signs(rows: list[dict[str, Any]]) -> Iterator[float]:
    """How many specifications keep the sign of their metric's majority."""
    kept = 0
    for metric in {r["metric"] for r in rows}:
        signs = [r["mean_difference"] > 0 for r in rows if r["metric"] == metric]
        kept += max(sum(signs), len(signs) - sum(signs))
    if rows:
        yield float(kept)


def _strings(value: Any) -> Iterator[str]:
    """Texts of the result (ids, files, versions, formulae), the longest first."""
    found: set[str] = set()

    def collect(item: Any) -> None:
        if isinstance(item, str):
            found.add(item)
        elif isinstance(item, dict):
            for v in item.values():
                collect(v)
        elif isinstance(item, (list, tuple)):
            for v in item:
                collect(v)

    collect({k: v for k, v in value.items() if k != "versions"})
    yield from sorted(found, key=len, reverse=True)

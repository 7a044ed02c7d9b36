"""What the page's scripts read: arms, metrics, one row a crystal, and the words of the interface."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from crysmm_attn_plugin.catalogue import PRIMARY
from crysmm_attn_plugin.errors import AttnError
from crysmm_attn_plugin.reports.figures.arms import colours_of, label
from crysmm_attn_plugin.reports.language import known, marks, metric_heading, metric_unit, tag
from crysmm_attn_plugin.reports.page.blocks import descriptions, space_group
from crysmm_attn_plugin.reports.page.maps import MOST_RUNS, PackedMaps
from crysmm_attn_plugin.reports.page.texts import dictionary
from crysmm_attn_plugin.reports.prose.property_names import unit_name
from crysmm_attn_plugin.text.elements import ELEMENTS

#: Rows of the crystal list; a row takes about 250 bytes.
MOST_ROWS = 20_000
_SYMBOL = re.compile("[A-Z][a-z]?")


def ordered_arms(result: Any) -> list[str]:
    """Arm names, the baseline last."""
    return sorted((a.name for a in result.arms), key=lambda a: a == result.baseline)


def colours(result: Any) -> dict[str, str]:
    """Arm -> colour, the same as in the figures."""
    return colours_of(result.baseline, [a.name for a in result.arms])


def ranking_metric(samples: pd.DataFrame, arms: Sequence[str]) -> str | None:
    """The metric whose change orders the crystals: the first primary one that every arm has."""
    return next((m for m in PRIMARY if all(f"{m}.{a}" in samples for a in arms)), None)


def ranked(result: Any, samples: pd.DataFrame) -> list[str]:
    """Crystal ids: the result's examples, then by size of change against the baseline, largest first."""
    arms = ordered_arms(result)
    metric = ranking_metric(samples, arms)
    ids = [str(i) for i in samples["id"]]
    order = ids
    if metric is not None and len(arms) > 1 and f"{metric}.{result.baseline}" in samples:
        base = samples[f"{metric}.{result.baseline}"]
        change = pd.concat([(samples[f"{metric}.{a}"] - base).abs() for a in arms[:-1]], axis=1).max(axis=1)
        order = [ids[i] for i in change.fillna(-1).to_numpy().argsort(kind="stable")[::-1]]
    known = set(ids)
    return list(dict.fromkeys([*(e.id for e in result.examples if e.id in known), *order]))


def payload(comparison: Any, packed: PackedMaps, langs: Sequence[str]) -> dict[str, Any]:
    """Everything but the maps, JSON-ready."""
    result, samples = comparison.result, comparison.samples
    arms = ordered_arms(result)
    painted = colours(result)
    order = ranked(result, samples)[:MOST_ROWS]
    rows = samples.assign(id=samples["id"].astype(str)).drop_duplicates("id").set_index("id").loc[order]
    metrics = shown_metrics(samples, arms)
    texts = descriptions(comparison, order)
    return {
        "langs": list(langs),
        "tags": {lang: tag(lang) for lang in langs},
        "texts": dictionary(langs),
        "marks": {lang: {k: getattr(marks(lang), k) for k in ("colon", "comma", "space")} for lang in langs},
        "arms": [
            {"name": a, "colour": painted[a], "label": {lang: label(a, lang) for lang in langs}} for a in arms
        ],
        "baseline": result.baseline,
        "pairs": [{"arm": p.arm, "baseline": p.baseline} for p in result.pairs],
        "unit": {lang: unit_name(result.unit, lang) for lang in langs},
        "metrics": [
            {
                "name": m,
                "label": {lang: metric_heading(m, lang) for lang in langs},
                "unit": {lang: metric_unit(m, lang) for lang in langs},
            }
            for m in metrics
        ],
        "crystals": {
            "id": order,
            "formula": [str(f) for f in _column(rows, "formula", "")],
            "elements": [_elements(comparison, i, f) for i, f in zip(order, _column(rows, "formula", ""))],
            "group": [space_group(t) for t in texts],
            "atoms": [_int(v) for v in _column(rows, "n_atoms", None)],
            "tokens": [_int(v) for v in _column(rows, "n_tokens", None)],
            "target": _numbers(rows, "target"),
            "prediction": {a: _numbers(rows, f"prediction.{a}") for a in arms},
            "error": {a: _numbers(rows, f"abs_error.{a}") for a in arms},
            "values": {m: {a: _numbers(rows, f"{m}.{a}") for a in arms} for m in metrics},
            "map": [i in packed.forward for i in order],
            "back": [i in packed.backward for i in order],
            "runs": [1 + sum((i, k) in packed.runs for k in range(1, MOST_RUNS)) for i in order],
        },
    }


def shown_metrics(samples: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Metrics that every arm has a column of: the primary ones first, then whatever else was measured."""
    aside = ("prediction", "abs_error", *PRIMARY)
    others = [c.removesuffix(f".{arms[0]}") for c in map(str, samples) if c.endswith(f".{arms[0]}")]
    wanted = [*PRIMARY, *(m for m in others if m not in aside)]
    return [m for m in wanted if all(f"{m}.{a}" in samples for a in arms)]


def script_json(value: Any) -> str:
    """JSON that can stand in a ``<script>`` element: nothing in it can end the element or a JavaScript line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _column(rows: pd.DataFrame, name: str, missing: Any) -> list[Any]:
    return rows[name].tolist() if name in rows else [missing] * len(rows)


def _numbers(rows: pd.DataFrame, name: str) -> list[float | None]:
    """A column with six significant figures, None where there is no number."""
    return [
        float(f"{v:.6g}") if isinstance(v, (int, float)) and math.isfinite(v) else None
        for v in _column(rows, name, None)
    ]


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _elements(comparison: Any, id: str, formula: Any) -> list[str]:
    """Element symbols of a crystal, each once; read from the formula when the run does not list them."""
    try:
        return list(dict.fromkeys(str(e) for e in comparison.elements(id)))
    except (AttnError, KeyError, AttributeError, TypeError):
        return [s for s in dict.fromkeys(_SYMBOL.findall(str(formula))) if s in ELEMENTS]


def first_run_note(comparison: Any) -> Mapping[str, str] | None:
    """Checkpoints whose maps are shown, by language, or None when each arm has one run only."""
    arms = comparison.result.arms
    if all(a.n_seeds <= 1 for a in arms):
        return None
    return {
        lang: marks(lang).list.join(
            f"{label(a.name, lang)} {a.checkpoints[0][:8]}" for a in arms if a.checkpoints
        )
        for lang in known()
    }

"""Compares what was stored of a host with the host's own truth.

What a host may say in ``ZOO`` (everything has a default):

    outcome       ``captured`` (default), ``refused`` (exit code 3 and a sentence), ``either``
    says          regular expression that one of our sentences or alarms must match
    never_says    regular expression that none may match
    ids           ``true`` (default), ``position`` (marked places), ``duplicated`` (kept apart by a mark)
    elements, tokens   ``true or unknown`` (default), ``true``
    undirected    modules that may never be stored with a direction
    undirected_is_fine   modules whose sides may stay unnamed
    concentration ``refused``: no number of concentration may be stored
    modules_end_with     stored names may have what the outermost module adds in front
    command, partial, ranks, sitecustomize, tolerance
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .runner import ARM, Pair

DIRECTED = ("atom_to_text", "text_to_atom")
#: What half precision of a weight up to one allows.
MAP_TOLERANCE = 5.5e-4
METRIC_TOLERANCE = 1e-5


@dataclass
class Verdict:
    """``ok``, ``wrong`` (something false is stored), ``harmed`` (the host is another), ``refused`` (without need)."""

    name: str
    wrong: list[str] = field(default_factory=list)
    harmed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return "harmed" if self.harmed else "wrong" if self.wrong else "refused" if self.refused else "ok"

    @property
    def reason(self) -> str:
        return "; ".join([*self.harmed, *self.wrong, *self.refused])


def judge(pair: Pair) -> Verdict:
    """The verdict on one host."""
    verdict = Verdict(pair.host.name)
    if pair.plain.code or pair.plain.truth is None:
        raise AssertionError(f"{pair.host.name} does not run by itself: {pair.plain.stderr[-2000:]}")
    _harm(pair, verdict)
    outcome = pair.host.expected.get("outcome", "captured")
    if pair.captured.code == 0:
        if outcome == "refused":
            verdict.wrong.append("captured, though there is nothing that could be")
        _stored(pair, verdict)
    elif pair.captured.code == 3:
        if outcome == "captured":
            verdict.refused.append((pair.captured.our_lines or ["(nothing said)"])[-1])
        _refusal(pair, verdict)
    return verdict


def _harm(pair: Pair, verdict: Verdict) -> None:
    plain, captured = pair.plain, pair.captured
    if captured.code not in (0, 3):
        last = (captured.stderr.strip().splitlines() or [""])[-1]
        verdict.harmed.append(f"exit code {captured.code}: {last}")
    if captured.stdout != plain.stdout:
        verdict.harmed.append(f"prints {captured.stdout[-200:]!r}, else {plain.stdout[-200:]!r}")
    if captured.truth is None:
        verdict.harmed.append("the host did not come to its end")
        return
    assert plain.truth is not None
    for key, what in (("predictions", "predictions"), ("state", "random state"), ("notes", "what it noted")):
        if captured.truth[key] != plain.truth[key]:
            detail = _difference(plain.truth[key], captured.truth[key]) if key == "notes" else ""
            verdict.harmed.append(f"{what} of the host changed{detail}")


def _difference(a: Any, b: Any) -> str:
    if isinstance(a, dict) and isinstance(b, dict):
        return ": " + ", ".join(f"{k}: {a.get(k)!r} -> {b.get(k)!r}" for k in a if a.get(k) != b.get(k))[:300]
    return ""


def _refusal(pair: Pair, verdict: Verdict) -> None:
    lines = pair.captured.our_lines
    said = " ".join(lines)
    expected = pair.host.expected
    if not lines:
        verdict.wrong.append("ended with code 3 and not a word")
    if len(lines) > 2:
        verdict.wrong.append(f"{len(lines)} sentences where one is due")
    if expected.get("outcome") in ("refused", "either") and not re.search(expected.get("says", ""), said):
        verdict.wrong.append(f"does not say why ({expected['says']}): {said}")
    _speech(expected, said, verdict)
    for run in _runs(pair.runs):
        if _numbers(run.attention):
            verdict.wrong.append("refused, and yet there are numbers in the store")


def _speech(expected: dict[str, Any], said: str, verdict: Verdict) -> None:
    if expected.get("never_says") and re.search(expected["never_says"], said):
        verdict.wrong.append(f"says what is not so ({expected['never_says']}): {said}")
    if re.search(r"(?<!\.)\.\.(?!\.)", said):
        verdict.wrong.append(f"a doubled full stop: {said}")


def _runs(folder: Path) -> list[Any]:
    import crysmm_attn_plugin as attn

    return [attn.open_run(p.parent, allow_partial=True) for p in sorted(folder.glob("*/*/run.json"))]


def _numbers(frame: Any) -> bool:
    names = [
        c
        for c in ("entropy", "normalized_entropy", "gini", "max_weight", "effective_tokens_hill")
        if c in frame
    ]
    return bool(len(frame)) and bool(frame[names].notna().to_numpy().any())


def _stored(pair: Pair, verdict: Verdict) -> None:
    """The store against the truth."""
    import crysmm_attn_plugin as attn

    expected, truth = pair.host.expected, pair.plain.truth
    assert truth is not None
    try:
        run = attn.open_run(pair.runs / ARM)
        frame, samples = run.attention, run.samples
        alarms = run.alarms
    except attn.errors.AttnError as error:
        # a part may be all there is, if it is said to be one and why
        told = isinstance(error, attn.errors.PartialStoreError) and "partial" in expected
        if not (told and re.search(expected["partial"], str(error))):
            verdict.wrong.append(f"the run cannot be read: {error}")
        return
    said = " ".join([*pair.captured.our_lines, *(f"{a.code} {a.message}" for a in alarms)])
    if expected.get("says") and not re.search(expected["says"], said):
        verdict.wrong.append(f"does not say ({expected['says']}): {said}")
    _speech(expected, said, verdict)
    if expected.get("concentration") == "refused":
        if _numbers(frame[frame["weights"] == "model"] if "weights" in frame else frame):
            verdict.wrong.append("numbers of concentration are stored that count padding")
        return
    names = _names(truth["crystals"], list(samples["id"]), expected.get("ids", "true"), verdict)
    if names is None:
        return
    _labels(run, truth["crystals"], names, expected, verdict)
    _sides(frame, truth["maps"], expected, verdict)
    _weights(run, frame, samples, truth, names, expected, verdict)


def _names(crystals: list[dict], stored: list[str], how: str, verdict: Verdict) -> list[str] | None:
    """The stored name of each crystal of the truth, in the order of the pass."""
    true = [c["id"] for c in crystals]
    if len(stored) != len(true):
        verdict.wrong.append(f"{len(stored)} crystals stored of {len(true)}")
        return None
    if how == "position":
        places = [re.fullmatch(r"[#~](\d+)", name) for name in stored]
        if not all(places):
            verdict.wrong.append(f"places must be marked as such, not {stored[:3]}")
            return None
        return sorted(stored, key=lambda name: int(name[1:]))
    count: Counter[str] = Counter()
    names = []
    for crystal in true:
        count[crystal] += 1
        names.append(crystal if count[crystal] == 1 else f"{crystal} ({count[crystal]})")
    if sorted(names) != sorted(stored):
        odd = sorted(set(stored) - set(names))
        marked = all(re.fullmatch(r"[#~]\d+", name) for name in odd)
        (verdict.refused if marked else verdict.wrong).append(
            f"ids {odd[:3]} for {sorted(set(names) - set(stored))[:3]}"
        )
        return None
    return names


def _labels(
    run: Any, crystals: list[dict], names: list[str], expected: dict[str, Any], verdict: Verdict
) -> None:
    for what in ("elements", "tokens"):
        unknown, false = [], []
        for crystal, name in zip(crystals, names):
            row = run.crystals.loc[name, what]
            if row is None or (np.isscalar(row) and row != row) or not len(row):
                unknown.append(name)
            elif crystal[what] is None or list(row) != list(crystal[what]):
                false.append(f"{name}: {list(row)[:6]} for {(crystal[what] or [])[:6]}")
        if false and (what == "elements" or crystals[0]["tokens"] is not None):
            verdict.wrong.append(f"{what} of {len(false)} crystals, {false[0]}")
        if unknown and expected.get(what, "true or unknown") == "true":
            verdict.refused.append(f"{what} of {len(unknown)} crystals unknown")


def _same_module(stored: str, true: str, expected: dict[str, Any]) -> bool:
    if not stored:
        return False
    return true in ("*", stored) or bool(expected.get("modules_end_with") and stored.endswith(true))


def _sides(frame: Any, maps: list[dict], expected: dict[str, Any], verdict: Verdict) -> None:
    """Every stored direction is a true one and every true one is stored."""
    rows = frame[frame["weights"] == "model"] if len(frame) else frame
    stored = {(m, d) for m, d in zip(rows["module"], rows["direction"])} if len(rows) else set()
    true = {(m["module"], m["direction"]) for m in maps}
    for module, direction in sorted(stored):
        if not module:
            verdict.wrong.append("a module without a name")
        if direction in DIRECTED and not any(
            direction == d and _same_module(module, m, expected) for m, d in true
        ):
            verdict.wrong.append(f"{module} is stored as {direction}")
    fine = expected.get("undirected_is_fine", ())
    for module, direction in sorted(true):
        names = [m for m, d in stored if d == direction and _same_module(m, module, expected)]
        if not names and not (module in fine and (module, "") in stored):
            verdict.refused.append(f"{direction} of {module} is missing (stored: {sorted(stored)})")
        if len(names) > 1:
            verdict.wrong.append(f"{direction} of {module} is stored under {names}")


def _weights(
    run: Any,
    frame: Any,
    samples: Any,
    truth: dict[str, Any],
    names: list[str],
    expected: dict[str, Any],
    verdict: Verdict,
) -> None:
    """Maps and numbers of every crystal against the host's own weights."""
    digest = dict(zip(samples["id"], samples["checkpoint"]))
    queue: dict[str, list[str]] = {}
    for crystal, name in zip(truth["crystals"], names):
        queue.setdefault(crystal["id"], []).append(name)
    turn: Counter[tuple] = Counter()
    bad_maps, bad_numbers, missing = [], [], []
    directed = {(m, d) for m, d in zip(frame["module"], frame["direction"])} if len(frame) else set()
    for true in truth["maps"]:
        key = (true["id"], true["module"], true["direction"], true["call"])
        name = queue[true["id"]][min(turn[key], len(queue[true["id"]]) - 1)]
        turn[key] += 1
        modules = [
            m for m, d in directed if d == true["direction"] and _same_module(m, true["module"], expected)
        ]
        if not modules:
            continue  # said by _sides
        try:
            stored = run.maps(
                name,
                checkpoint=digest[name],
                direction=true["direction"],
                module=modules[0],
                call=true["call"],
            )
        except Exception as error:
            missing.append(f"{name}: {error}")
            continue
        w, mine = (_over_what_is_real(x) for x in (true["weights"], stored.weights))
        if mine.shape != w.shape:
            bad_maps.append(f"{name}: shape {mine.shape}, true {w.shape}")
        elif not np.allclose(mine, w, atol=expected.get("tolerance", MAP_TOLERANCE), rtol=0):
            bad_maps.append(f"{name}: off by {np.abs(mine - w).max():.3g}")
        fault = _number_fault(frame, name, digest[name], modules[0], true) if w.size else ""
        if fault:
            bad_numbers.append(f"{name}: {fault}")
    for found, what in ((bad_maps, "maps"), (bad_numbers, "numbers")):
        if found:
            verdict.wrong.append(f"{len(found)} {what} of {len(truth['maps'])}, {found[0]}")
    if missing:
        verdict.refused.append(f"{len(missing)} maps are missing, {missing[0]}")


def _over_what_is_real(weights: np.ndarray) -> np.ndarray:
    """Rows over real keys alone: a host that masks after its softmax shares out what lay on padding."""
    total = weights.astype(float).sum(-1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights, dtype=float), where=total > 0)


def _number_fault(frame: Any, name: str, digest: str, module: str, true: dict) -> str:
    rows = frame[
        (frame["crystal"] == name) & (frame["module"] == module) & (frame["direction"] == true["direction"])
        & (frame["call"] == true["call"]) & (frame["checkpoint"] == digest) & (frame["weights"] == "model")
        & (frame["head"] >= 0) & frame["with_special_tokens"] & ~frame["stopwords_removed"]
    ].sort_values("head")  # fmt: skip
    w = true["weights"]
    if len(rows) != len(w):
        return f"{len(rows)} rows for {len(w)} heads"
    w = w / w.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = {
            "entropy": -np.where(w > 0, w * np.log(w), 0).sum(-1).mean(-1),
            "max_weight": w.max(-1).mean(-1),
            "effective_tokens_hill2": (1 / np.square(w).sum(-1)).mean(-1),
        }
    for metric, value in numbers.items():
        stored = rows[metric].to_numpy(float)
        if not np.allclose(stored, value, rtol=METRIC_TOLERANCE, atol=METRIC_TOLERANCE):
            return f"{metric} {stored.round(6).tolist()}, true {value.round(6).tolist()}"
    return ""

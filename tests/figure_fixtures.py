"""Small comparisons for the figure tests, made from drawn numbers (a seed each), without a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY, TOKEN_CATEGORIES
from crysmm_attn_plugin.records import AttentionMap, TokenLabels
from crysmm_attn_plugin.stats.results import (
    ArmSummary,
    CategoryMass,
    ComparisonResult,
    CouplingResult,
    EpochPoint,
    ExampleCrystal,
    MetricResult,
    PairComparison,
    PairedResult,
    PerformanceResult,
    Specification,
)
from crysmm_attn_plugin.text.elements import reduced_formula

DESCRIPTION = (
    "{f} crystallizes in the cubic Fm-3m space group. {a} is bonded to six equivalent {b} atoms to form "
    "{a}{b}6 octahedra that share corners, edges and faces. All {a}–{b} bond lengths are 2.82 Å. The density "
    "is 2.16 g/cm3 and "
    "the lattice parameters are 3.99, 3.99 and 3.99 Å with angles of 60.0º."
)


@dataclass
class DrawnComparison:
    """What the figures read of a comparison."""

    result: ComparisonResult
    samples: pd.DataFrame
    labels: dict[str, TokenLabels]
    weights: dict[tuple[str, str], np.ndarray]
    elements: dict[str, tuple[str, ...]]

    def maps(self, id: str, arm: str, direction: str = "atom_to_text", **_: Any) -> AttentionMap:
        tokens = self.labels[id]
        return AttentionMap(
            id, "0" * 16, "fusion", 0, direction, self.weights[id, arm], self.elements[id], tokens
        )

    def token_labels(self, id: str) -> TokenLabels:
        return self.labels[id]


def simple_labels(text: str) -> TokenLabels:
    """Tokens by white space and punctuation, lower-cased, as an uncased tokenizer would leave them."""
    import re

    pieces = re.findall(r"\w+|[^\w\s]", text)
    tokens = ("[CLS]", *(p.lower() for p in pieces), "[SEP]")
    ids = (-1, *range(len(pieces)), -1)
    return TokenLabels(tokens, ids, (True, *(False,) * len(pieces), True), text)


def attention(rng: np.random.Generator, heads: int, atoms: int, tokens: int, sharpness: float) -> np.ndarray:
    logits = rng.normal(size=(heads, 1, tokens)) * sharpness + rng.normal(size=(heads, atoms, tokens)) * 0.6
    logits[..., 0] += 1.0
    weights = np.exp(logits)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def paired(a: np.ndarray, b: np.ndarray, seeds: int = 1) -> PairedResult:
    d = a - b
    n, mean, sd = len(d), float(d.mean()), float(d.std(ddof=1))
    se = sd / np.sqrt(n)
    half = float(stats.t.ppf(0.975, n - 1) * se)
    t = mean / se if se else 0.0
    p = float(2 * stats.t.sf(abs(t), n - 1))
    base = float(b.mean())
    return PairedResult(
        n,
        mean,
        mean - half,
        mean + half,
        p,
        mean / sd,
        mean / sd,
        0.5,
        mean,
        0.6,
        n - 1.0,
        "checkpoints",
        float(a.mean()),
        base,
        float(a.std(ddof=1)),
        float(b.std(ddof=1)),
        sd,
        float(np.median(d)),
        mean - half,
        mean + half,
        100 * mean / base,
        100 * (mean - half) / base,
        100 * (mean + half) / base,
        t,
        p,
        0.0,
        p,
        seeds,
        seeds,
        0.95,
        1000,
        0,
        "sign-flip",
        "bootstrap-t",
    )


def drawn_comparison(
    n: int = 60,
    *,
    arms: tuple[str, ...] = ("no_middle", "full"),
    effect: float = -0.15,
    seed: int = 0,
    epochs: int = 0,
    text: str = "",
    heads: int = 4,
    runs: int = 1,
    cells: tuple[tuple[str, ...], ...] = (
        ("Na", "Cl"),
        ("Sr", "Ti", "O", "O", "O"),
        ("Al",) * 4 + ("O",) * 6,
    ),
) -> DrawnComparison:
    """A comparison with maps of three crystals; the first arm is the baseline, a single arm stands alone."""
    rng = np.random.default_rng(seed)
    baseline = arms[0] if len(arms) > 1 else ""
    ids = [f"JVASP-{1000 + i}" for i in range(n)]
    n_tokens = rng.integers(60, 140, n)
    n_atoms = rng.integers(1, 24, n)
    target = rng.gamma(2.0, 1.2, n)
    frame = pd.DataFrame(
        {"id": ids, "formula": "ClNa", "n_atoms": n_atoms, "n_tokens": n_tokens, "text_truncated": False}
    )
    frame["target"] = target
    entropy0 = 0.62 * np.log(n_tokens) + rng.normal(0, 0.18, n)
    for k, arm in enumerate(arms):
        entropy = entropy0 + (effect * k) + rng.normal(0, 0.16, n)
        frame[f"entropy.{arm}"] = entropy
        frame[f"effective_tokens_hill.{arm}"] = np.exp(entropy)
        frame[f"max_weight.{arm}"] = np.clip(1 / np.exp(entropy) * 2.4 + rng.normal(0, 0.01, n), 0.01, 1)
        frame[f"gini.{arm}"] = np.clip(1 - entropy / np.log(n_tokens) + 0.25 + rng.normal(0, 0.02, n), 0, 1)
        error = rng.normal(0, 0.30 - 0.03 * k, n)
        frame[f"prediction.{arm}"] = target + error
        frame[f"abs_error.{arm}"] = np.abs(error)
    pairs = tuple(_pair(frame, arm, baseline, rng, runs) for arm in arms[1:])
    labels, weights, elements = {}, {}, {}
    examples = []
    rules = ("median_change", "largest_decrease", "largest_increase")
    for i, cell in enumerate(cells):
        crystal = ids[i]
        two = list(dict.fromkeys(cell)) * 2
        labels[crystal] = simple_labels(
            text or DESCRIPTION.format(f=reduced_formula(cell), a=two[0], b=two[1])
        )
        elements[crystal] = tuple(cell)
        for k, arm in enumerate(arms):
            weights[crystal, arm] = attention(
                rng, heads, len(cell), len(labels[crystal].tokens), 1.0 + 0.5 * k
            )
        value = float(frame.loc[i, f"entropy.{arms[-1]}"])
        base = float(frame.loc[i, f"entropy.{arms[0]}"]) if baseline else float("nan")
        examples.append(
            ExampleCrystal(
                crystal,
                reduced_formula(cell),
                rules[i % 3],
                "entropy",
                value - base if baseline else value,
                value,
                base,
            )
        )
    categories = []
    share = np.ones(len(TOKEN_CATEGORIES))
    for k, arm in enumerate(arms):
        share = (
            rng.dirichlet(np.full(len(TOKEN_CATEGORIES), 3.0))
            if k == 0
            else share * rng.uniform(0.7, 1.3, len(share))
        )
        share = share / share.sum()
        categories += [
            CategoryMass(arm, c, float(s), float(s * 0.93), float(s * 1.07))
            for c, s in zip(TOKEN_CATEGORIES, share)
        ]
    points = tuple(
        EpochPoint(arm, f"run-{s}", e, m, v, v - w, v + w, n)
        for k, arm in enumerate(arms)
        for s in range(2)
        for e in range(1, epochs + 1)
        for m in PRIMARY
        for v, w in [
            (float(frame[f"{m}.{arm}"].mean()) * (1 + 0.5 * np.exp(-e / 4) * (1 - 0.2 * k) + 0.01 * s), 0.02)
        ]
    )
    result = ComparisonResult(
        1,
        "2026-01-01T00:00:00Z",
        "mbj_bandgap",
        "dft_3d",
        "eV",
        "test",
        "auto",
        baseline,
        tuple(
            ArmSummary(
                a,
                1,
                ("run",),
                ("0" * 16,),
                ("best_val",),
                ("best_val_model.pt",),
                (0,),
                float(frame[f"abs_error.{a}"].mean()),
                None,
                {m: float(frame[f"{m}.{a}"].mean()) for m in PRIMARY},
            )
            for a in arms
        ),
        pairs,
        n,
        {},
        tuple(examples),
        tuple(categories),
        points,
        (),
        (),
        (),
        (),
        "fusion",
        ("atom_to_text",),
        4,
        float(np.median(n_tokens)),
        float(np.median(n_atoms)),
        0,
        0.05,
        0,
        1000,
        {},
    )
    return DrawnComparison(result, frame, labels, weights, elements)


def _pair(
    frame: pd.DataFrame, arm: str, baseline: str, rng: np.random.Generator, runs: int = 1
) -> PairComparison:
    metrics = []
    n = len(frame)
    uniform = {
        "entropy": float(np.log(frame["n_tokens"]).mean()),
        "effective_tokens_hill": float(frame["n_tokens"].mean()),
        "max_weight": float((1 / frame["n_tokens"]).mean()),
        "gini": 0.0,
    }
    for metric in PRIMARY:
        a, b = frame[f"{metric}.{arm}"].to_numpy(), frame[f"{metric}.{baseline}"].to_numpy()
        result = paired(a, b)
        metrics.append(
            MetricResult(
                metric,
                "atom_to_text",
                "with_special",
                "metric_then_heads",
                "primary",
                BY_NAME[metric].expected_sign,
                result,
                min(1.0, 2 * result.p_value),
                "max-T",
                0.05 * abs(result.mean_b),
                5.0,
                0.4,
                False,
                True,
                "supports",
                uniform[metric],
                0.9 * uniform[metric] + 0.02,
                0.9 * uniform[metric] + 0.02,
                per_seed_arm=tuple((result.mean_a * (1 + 0.03 * rng.normal(size=runs))).tolist()),
                per_seed_baseline=tuple((result.mean_b * (1 + 0.03 * rng.normal(size=runs))).tolist()),
            )
        )
    change = frame[f"abs_error.{arm}"] - frame[f"abs_error.{baseline}"]
    error = paired(frame[f"abs_error.{arm}"].to_numpy(), frame[f"abs_error.{baseline}"].to_numpy())
    coupling = []
    for metric in PRIMARY:
        rho = float(stats.spearmanr(frame[f"{metric}.{arm}"] - frame[f"{metric}.{baseline}"], change)[0])
        coupling.append(
            CouplingResult(metric, n, rho, rho - 0.12, rho + 0.12, 0.3, 0.01, 0.01, 0.4, -0.01, 0.03, 0.2)
        )
    rows = []
    for metric in PRIMARY:
        r = next(m.paired for m in metrics if m.metric == metric)
        for scope in ("with_special", "without_special", "without_stopwords"):
            for aggregation in ("metric_then_heads", "heads_then_metric"):
                for subset in ("all crystals", "shorter texts", "longer texts", "fewer atoms", "more atoms"):
                    m = r.mean_difference * rng.uniform(0.3, 1.4)
                    w = (r.ci_high - r.ci_low) / 2 * (1 if subset == "all crystals" else 1.7)
                    rows.append(
                        Specification(
                            metric,
                            "atom_to_text",
                            scope,
                            aggregation,
                            subset,
                            n,
                            m,
                            m - w,
                            m + w,
                            100 * m / r.mean_b,
                            m / r.sd_difference,
                            0.01,
                        )
                    )
    performance = PerformanceResult(
        "better",
        n,
        error.mean_a,
        error.mean_b,
        error.mean_difference,
        error.ci_low,
        error.ci_high,
        error.p_value,
        -error.percent_change,
        -error.percent_ci_high,
        -error.percent_ci_low,
        7.5,
        0.007,
        2.7,
        (),
        (),
        "checkpoints",
    )
    return PairComparison(
        arm,
        baseline,
        n,
        "checkpoints",
        "supported",
        1,
        tuple(metrics),
        performance,
        tuple(coupling),
        tuple(rows),
    )

"""The metrics, once: names, labels in both languages, units, expected direction, family. Torch-free.

``expected_sign`` is the sign of (treatment - baseline) that the hypothesis "middle fusion concentrates
attention" predicts. ``sesoi_percent`` is the smallest effect of interest, in percent of the baseline arm's
mean, from the lower end of the small range that the original guide calls an effect (5 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricSpec:
    """One attention metric (per row w over n real keys, then mean over heads, then mean over rows)."""

    name: str
    label_en: str
    label_zh: str
    unit: str
    formula: str
    expected_sign: Literal[-1, 0, 1]
    family: Literal["primary", "exploratory"]
    seed_name: str = ""
    sesoi_percent: float = 5.0


METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "entropy",
        "attention entropy",
        "注意力熵",
        "nats",
        r"H = -\sum_j w_j \ln w_j",
        -1,
        "primary",
        "entropy",
    ),
    MetricSpec("max_weight", "maximum weight", "最大权重", "", r"\max_j w_j", 1, "primary", "max_weight"),
    MetricSpec(
        "effective_tokens_hill",
        "effective tokens",
        "有效 token 数",
        "tokens",
        r"e^{H}",
        -1,
        "primary",
        "effective_tokens",
    ),
    MetricSpec(
        "gini",
        "Gini coefficient",
        "基尼系数",
        "",
        r"\left(\frac{2\sum_i i\,w_{(i)}}{n\sum_i w_i}-\frac{n+1}{n}\right)\frac{n}{n-1}",
        1,
        "primary",
        "gini",
    ),
    MetricSpec("normalized_entropy", "normalised entropy", "归一化熵", "", r"H/\ln n", -1, "exploratory"),
    MetricSpec(
        "effective_tokens_hill2",
        "effective tokens (order 2)",
        "有效 token 数(二阶)",
        "tokens",
        r"1/\sum_j w_j^2",
        -1,
        "exploratory",
    ),
    MetricSpec(
        "effective_tokens_01",
        "tokens above 0.1",
        "权重大于 0.1 的 token 数",
        "tokens",
        r"\#\{j: w_j>0.1\}",
        -1,
        "exploratory",
        "",
    ),
    MetricSpec(
        "between_atom_tv",
        "between-atom variation",
        "原子间差异",
        "",
        r"\overline{\tfrac12\sum_j|w_{aj}-w_{bj}|}",
        0,
        "exploratory",
    ),
    MetricSpec(
        "special_mass",
        "mass on special tokens",
        "特殊 token 权重",
        "",
        r"\sum_{j\in S} w_j",
        0,
        "exploratory",
    ),
    MetricSpec(
        "stopword_mass", "mass on stop words", "停用词权重", "", r"\sum_{j\in S} w_j", 0, "exploratory"
    ),
    MetricSpec(
        "punctuation_mass", "mass on punctuation", "标点权重", "", r"\sum_{j\in S} w_j", 0, "exploratory"
    ),
)

BY_NAME: dict[str, MetricSpec] = {m.name: m for m in METRICS}
PRIMARY: tuple[str, ...] = tuple(m.name for m in METRICS if m.family == "primary")

#: Word categories of a description; each token belongs to exactly one. ``mass_<category>`` are metric columns.
TOKEN_CATEGORIES: dict[str, tuple[str, str]] = {
    "own_element": ("own element", "本元素"),
    "other_element": ("other elements", "其他元素"),
    "geometry": ("geometry and coordination", "几何与配位"),
    "number": ("bond lengths and numbers", "键长与数值"),
    "symmetry": ("space group and symmetry", "空间群与对称性"),
    "function_word": ("function words", "功能词"),
    "punctuation": ("punctuation", "标点"),
    "special": ("special tokens", "特殊 token"),
    "other": ("other words", "其他词"),
}

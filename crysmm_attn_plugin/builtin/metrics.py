"""The built-in metrics' names, labels, units, expected directions and families; ``metrics/`` computes them.

``expected_sign`` is the sign of (treatment - baseline) that the hypothesis "middle fusion concentrates attention" predicts.
``sesoi_percent`` is the smallest effect of interest, in percent of the baseline arm's mean, from the lower end of the small
range that the original guide calls an effect (5 %).
"""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import Metric

TOKENS = {"en": "tokens"}

METRICS: tuple[Metric, ...] = (
    Metric(
        "entropy", {"en": "attention entropy", "zh": "注意力熵"}, {"en": "nats"}, r"H = -\sum_j w_j \ln w_j", -1,
        "primary", seed_name="entropy",
    ),
    Metric(
        "max_weight", {"en": "maximum weight", "zh": "最大权重"}, formula=r"\max_j w_j", expected_sign=1,
        family="primary", seed_name="max_weight",
    ),
    Metric(
        "effective_tokens_hill", {"en": "effective tokens", "zh": "有效 token 数"}, TOKENS, r"e^{H}", -1, "primary",
        seed_name="effective_tokens",
    ),
    Metric(
        "gini", {"en": "Gini coefficient", "zh": "基尼系数"},
        formula=r"\left(\frac{2\sum_i i\,w_{(i)}}{n\sum_i w_i}-\frac{n+1}{n}\right)\frac{n}{n-1}",
        expected_sign=1, family="primary", seed_name="gini",
    ),
    Metric(
        "normalized_entropy", {"en": "normalised entropy", "zh": "归一化熵"}, formula=r"H/\ln n", expected_sign=-1,
    ),
    Metric(
        "effective_tokens_hill2", {"en": "effective tokens (order 2)", "zh": "有效 token 数(二阶)"}, TOKENS,
        r"1/\sum_j w_j^2", -1,
    ),
    Metric(
        "effective_tokens_01", {"en": "tokens above 0.1", "zh": "权重大于 0.1 的 token 数"}, TOKENS,
        r"\#\{j: w_j>0.1\}", -1,
    ),
    Metric(
        "between_atom_tv", {"en": "between-atom variation", "zh": "原子间差异"},
        formula=r"\overline{\tfrac12\sum_j|w_{aj}-w_{bj}|}",
    ),
    Metric(
        "special_mass", {"en": "mass on special tokens", "zh": "特殊 token 权重"}, formula=r"\sum_{j\in S} w_j",
    ),
    Metric("stopword_mass", {"en": "mass on stop words", "zh": "停用词权重"}, formula=r"\sum_{j\in S} w_j"),
    Metric("punctuation_mass", {"en": "mass on punctuation", "zh": "标点权重"}, formula=r"\sum_{j\in S} w_j"),
)  # fmt: skip

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

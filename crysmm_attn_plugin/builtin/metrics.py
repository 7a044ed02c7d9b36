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
        "entropy", {"en": "attention entropy", "zh": "注意力熵"}, {"en": "nats", "zh": "奈特"}, r"H = -\sum_j w_j \ln w_j", -1,
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
    Metric(
        "alignment_auc", {"en": "alignment with own-element mentions (AUC)", "zh": "与本元素提及的对齐度（AUC）"},
        formula=r"P(w_{own}>w_{other})+\tfrac12P(w_{own}=w_{other})", expected_sign=1, family="alignment",
    ),
    Metric(
        "alignment_pointing", {"en": "pointing-game accuracy", "zh": "指向准确率"},
        formula=r"P(\arg\max_{j\in E} w_j\in own)", expected_sign=1,
    ),
    Metric(
        "alignment_excess", {"en": "own-element mass beyond uniform", "zh": "本元素权重超出均匀注意力的部分"},
        formula=r"\sum_{j\in own} w_j-n_{own}/n", expected_sign=1,
    ),
    Metric(
        "alignment_lift", {"en": "own-element lift", "zh": "本元素提升度"},
        formula=r"\sum_a\sum_{j\in own} w_{aj}/\sum_a n_{own}/n", expected_sign=1,
    ),
    Metric(
        "alignment_lift_bonds", {"en": "lift on bonds of the own element", "zh": "本元素成键提及的提升度"},
        formula=r"\sum_a\sum_{j\in bond} w_{aj}/\sum_a n_{bond}/n", expected_sign=1,
    ),
    Metric(
        "alignment_lift_coordination",
        {"en": "lift on the own element's coordination", "zh": "本元素配位描述的提升度"},
        formula=r"\sum_a\sum_{j\in coord} w_{aj}/\sum_a n_{coord}/n", expected_sign=1,
    ),
    Metric(
        "element_blocks", {"en": "blocks by element", "zh": "按元素的分块程度"},
        formula=r"(R^2-\tfrac{k-1}{n-1})/(1-\tfrac{k-1}{n-1})", expected_sign=1,
    ),
    Metric(
        "site_blocks", {"en": "blocks by site within an element", "zh": "同元素内按位点的分块程度"},
        formula=r"(R^2-E R^2)/(1-E R^2)", expected_sign=1,
    ),
    Metric(
        "word_blocks", {"en": "blocks by class of word", "zh": "按词类的分块程度"},
        formula=r"(R^2-\tfrac{k-1}{n-1})/(1-\tfrac{k-1}{n-1})", expected_sign=1,
    ),
    Metric(
        "first_sentence_mass", {"en": "mass on the first sentence", "zh": "首句权重"}, formula=r"\sum_{j\in S} w_j",
    ),
    Metric(
        "last_sentence_mass", {"en": "mass on the last sentence", "zh": "末句权重"}, formula=r"\sum_{j\in S} w_j",
    ),
    Metric(
        "reading_position", {"en": "mean position read", "zh": "平均阅读位置"},
        formula=r"\sum_j w_j x_j/\sum_j w_j,\ 0\le x_j\le 1",
    ),
)  # fmt: skip

#: The pre-declared primary metric of the alignment family; the verdict on concentration is none of its business.
ALIGNMENT_PRIMARY = "alignment_auc"

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

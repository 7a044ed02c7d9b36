"""The methods' sources, cited in the methods paragraph and listed in ``report.md``."""

from __future__ import annotations

#: key -> (citation in the text, full reference)
REFERENCES: dict[str, tuple[str, str]] = {
    "fisher": ("Fisher, 1935", "Fisher, R. A. The Design of Experiments (Oliver & Boyd, 1935)."),
    "satterthwaite": (
        "Satterthwaite, 1946",
        "Satterthwaite, F. E. An approximate distribution of estimates of variance components. Biometrics Bull. 2, "
        "110–114 (1946).",
    ),
    "hill": (
        "Hill, 1973",
        "Hill, M. O. Diversity and evenness: a unifying notation and its consequences. Ecology 54, 427–432 (1973).",
    ),
    "holm": (
        "Holm, 1979",
        "Holm, S. A simple sequentially rejective multiple test procedure. Scand. J. Stat. 6, 65–70 (1979).",
    ),
    "hedges": (
        "Hedges, 1981",
        "Hedges, L. V. Distribution theory for Glass's estimator of effect size and related estimators. J. Educ. Stat. "
        "6, 107–128 (1981).",
    ),
    "efron": (
        "Efron, 1987",
        "Efron, B. Better bootstrap confidence intervals. J. Am. Stat. Assoc. 82, 171–185 (1987).",
    ),
    "schuirmann": (
        "Schuirmann, 1987",
        "Schuirmann, D. J. A comparison of the two one-sided tests procedure and the power approach for assessing the "
        "equivalence of average bioavailability. J. Pharmacokinet. Biopharm. 15, 657–680 (1987).",
    ),
    "tibshirani": (
        "Efron & Tibshirani, 1993",
        "Efron, B. & Tibshirani, R. J. An Introduction to the Bootstrap (Chapman & Hall, 1993).",
    ),
    "westfall": (
        "Westfall & Young, 1993",
        "Westfall, P. H. & Young, S. S. Resampling-Based Multiple Testing (Wiley, 1993).",
    ),
    "benjamini": (
        "Benjamini & Hochberg, 1995",
        "Benjamini, Y. & Hochberg, Y. Controlling the false discovery rate: a practical and powerful approach to "
        "multiple testing. J. R. Stat. Soc. B 57, 289–300 (1995).",
    ),
    "jain": (
        "Jain & Wallace, 2019",
        "Jain, S. & Wallace, B. C. Attention is not Explanation. In Proc. NAACL-HLT 3543–3556 (2019).",
    ),
    "wiegreffe": (
        "Wiegreffe & Pinter, 2019",
        "Wiegreffe, S. & Pinter, Y. Attention is not not Explanation. In Proc. EMNLP-IJCNLP 11–20 (2019).",
    ),
    "simonsohn": (
        "Simonsohn et al., 2020",
        "Simonsohn, U., Simmons, J. P. & Nelson, L. D. Specification curve analysis. Nat. Hum. Behav. 4, 1208–1214 "
        "(2020).",
    ),
}


def cite(*keys: str) -> str:
    """``Holm, 1979; Hill, 1973``: the citations of some keys, without brackets."""
    return "; ".join(REFERENCES[k][0] for k in keys)


def cited_in(text: str) -> list[str]:
    """Full references of every citation that occurs in a text, by year."""
    return [full for short, full in REFERENCES.values() if short in text]

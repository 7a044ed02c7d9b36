"""German, as far as this example goes: what is not here is shown in English."""

from crysmm_attn_plugin.descriptors import Language
from crysmm_attn_plugin.language_forms import LatexForm, Marks

TEXTS = {
    "Metrics of plugins": "Kennzahlen aus Erweiterungen",
    "Metric": "Kennzahl",
    "Baseline": "Vergleichsarm",
    "Difference": "Differenz",
    "Change (%)": "Änderung (%)",
    "Adjusted p": "korrigiertes p",
    "The {metric} was {a} in {arm} and {b} in {baseline}: difference {difference} ({interval}), adjusted {p}, {n} crystals.": (
        "{metric}: {a} in {arm} und {b} in {baseline}; Differenz {difference} ({interval}), korrigiert {p}, {n} Kristalle."
    ),
    "attention entropy": "Entropie der Aufmerksamkeit",
}
ALARMS = {"few_crystals": "{n} Kristalle sind weniger als {least}: die Intervalle sind weit."}
MARKS, LATEX = Marks(last=" und "), LatexForm(babel="ngerman")
GERMAN = Language("de", "Deutsch", TEXTS, alarms=ALARMS, marks=MARKS, latex=LATEX)

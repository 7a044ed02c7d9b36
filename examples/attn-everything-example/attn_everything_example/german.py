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
#: Code of an alarm -> its sentence: of the project's own alarms, and of any plugin's.
ALARMS = {"few_crystals": "{n} Kristalle sind weniger als {least}: die Intervalle sind weit."}
GERMAN = Language(
    "de", "Deutsch", TEXTS, alarms=ALARMS, marks=Marks(last=" und "), latex=LatexForm(babel="ngerman")
)

"""What an analysis decides before it looks at its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.descriptors import Metric
from crysmm_attn_plugin.stats.results import LegacyResult, SesoiSource


@dataclass(frozen=True)
class Question:
    """What is asked of captured runs.

    Attributes:
        split: Split whose passes are compared.
        checkpoint: Which checkpoint stands for a run: ``auto``, a role, a file name, a digest prefix.
        module: Attention module, when the model has several.
        alpha, seed, n_resamples: Two-sided level, seed of every resampling, sign flips and bootstrap resamples.
        sesoi_percent: Metric -> smallest effect of interest in percent of the baseline's mean, over what is declared.
        legacy: The original script's numbers, carried into the result.
        posterior: Also give posterior probabilities.
    """

    split: str = "test"
    checkpoint: str = "auto"
    module: str | None = None
    alpha: float = 0.05
    seed: int = 0
    n_resamples: int = 10_000
    sesoi_percent: Mapping[str, float] | None = None
    legacy: Sequence[LegacyResult] = ()
    posterior: bool = False


#: What is asked where nothing else is said.
PLAIN = Question()


@dataclass(frozen=True)
class Choices:
    """How numbers are resampled and judged.

    Attributes:
        n_resamples, seed, alpha: Sign flips and resamples, their seed, two-sided level.
        primary: Metrics of the primary family.
        directions: Metric -> declared direction, -1 or 1; the catalogue's where left out.
        smallest_effects: Metric -> smallest effect of interest in percent; the catalogue's where left out.
        sources: Metric -> who said the smallest effect; ``default`` where left out.
        by_composition: Crystals of one composition count as one unit where compositions repeat.
        paired_seeds: Runs of the same host seed belong together.
        posterior: Also give posterior probabilities.
    """

    n_resamples: int = 10_000
    seed: int = 0
    alpha: float = 0.05
    primary: tuple[str, ...] = PRIMARY
    directions: Mapping[str, int] = field(default_factory=dict)
    smallest_effects: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, SesoiSource] = field(default_factory=dict)
    by_composition: bool = True
    paired_seeds: bool = False
    posterior: bool = False

    def spec(self, metric: str) -> Metric:
        """The catalogue's entry of a metric; a plugin's metric is exploratory."""
        found = BY_NAME.get(metric)
        return found if found is not None else Metric(metric, {"en": metric.replace("_", " ")})

    def expected_sign(self, metric: str) -> int:
        """Sign that the hypothesis predicts for a metric, 0 for none."""
        return int(self.directions.get(metric, self.spec(metric).expected_sign))

    def smallest_effect(self, metric: str) -> tuple[float, SesoiSource]:
        """Smallest effect of interest in percent of the baseline's mean, and who said so."""
        if metric in self.smallest_effects:
            return float(self.smallest_effects[metric]), self.sources.get(metric, "changed")
        return self.spec(metric).sesoi_percent, "default"

    def family(self, metric: str) -> str:
        """``primary``, ``alignment`` or ``exploratory``."""
        if metric in self.primary:
            return "primary"
        return "alignment" if self.spec(metric).family == "alignment" else "exploratory"

"""How often pooled intervals hold the truth: data sets that differ, few of them, each with its own error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crysmm_attn_plugin.stats.pooling import PREDICT_FROM, pool


@dataclass(frozen=True)
class PooledRate:
    """Coverage of the mean's interval and of the prediction interval; NaN where none is given."""

    k: int
    tau: float
    mean: float
    prediction: float
    replicates: int

    def passed(self, errors: float = 0.0) -> bool:
        """Whether both keep .94 (mean) and .92 (prediction), with so many standard errors of simulation allowed."""
        slack = errors * float(np.sqrt(0.05 * 0.95 / self.replicates))
        return self.mean >= 0.94 - slack and not self.prediction < 0.92 - slack


def pooled_rates(*, small: bool, replicates: int, seed: int) -> list[PooledRate]:
    """Rates by number of data sets and spread between them, in units of the median standard error."""
    found = []
    for k in (3, 6) if small else (2, 3, 4, 6, 10):
        for tau in (0.0, 1.0) if small else (0.0, 0.3, 1.0, 3.0):
            rng = np.random.default_rng([seed, 9, k, int(10 * tau)])
            errors = rng.uniform(0.3, 1.5, (replicates, k))
            truth = tau * rng.standard_normal((replicates, k))
            seen = truth + errors * rng.standard_normal((replicates, k))
            new = tau * rng.standard_normal(replicates)
            pooled = [pool(y, s) for y, s in zip(seen, errors)]
            mean = np.mean([p.ci_low <= 0 <= p.ci_high for p in pooled])
            inside = float("nan")
            if k >= PREDICT_FROM:
                inside = float(
                    np.mean(
                        [
                            p.prediction_low is not None
                            and p.prediction_high is not None
                            and p.prediction_low <= x <= p.prediction_high
                            for p, x in zip(pooled, new)
                        ]
                    )
                )
            found.append(PooledRate(k, tau, float(mean), inside, replicates))
    return found

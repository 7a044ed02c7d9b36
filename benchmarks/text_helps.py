"""Does the description help? ``python -m benchmarks.text_helps --seeds 4 --out FOLDER``.

Trains the demo's ``full`` arm on its crystals three times a seed: with each crystal's own description, with one description
for all (``without``), and with the descriptions dealt out to other crystals (``shuffled``). ``--demo`` takes the first of
these from a folder of ``crysmm-attn demo``. Everything else is the same:
network, initial weights, split, epochs. Prints the test errors and their differences, paired by seed and crystal, the seeds
being the units of the interval. A finished training is used again.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.prepared import PreparedData, prepare
from crysmm_attn_plugin.demo.train import train
from crysmm_attn_plugin.stats import compare_paired

TEXTS = ("own", "without", "shuffled")
#: Stands in for every description where there is none.
NO_TEXT = "A crystal."
_SHUFFLE_SEED = 7


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the trainings")
    parser.add_argument(
        "--demo", type=Path, help="folder of a demo whose trainings stand for the own descriptions"
    )
    parser.add_argument("--seeds", type=int, default=4, help="trainings of each kind of text (default: 4)")
    parser.add_argument("--epochs", type=int, default=HostConfig.epochs)
    parser.add_argument("--crystals", type=int, default=0, help="use at most this many (default: all)")
    asked = parser.parse_args(argv)
    config = HostConfig(epochs=asked.epochs, max_crystals=asked.crystals, cache_dir=str(asked.out / "cache"))
    data = prepare(config)
    errors = {
        name: np.stack([_errors(_folder(asked, name, s), config, data, name, s) for s in range(asked.seeds)])
        for name in TEXTS
    }
    print(f"{errors['own'].shape[1]} test crystals, {asked.seeds} trainings each, {asked.epochs} epochs")
    print(f"predicting the mean: MAE {data.mean_predictor_mae:.3f}")
    for name, values in errors.items():
        each = ", ".join(f"{v:.3f}" for v in values.mean(axis=1))
        print(f"{name}: MAE {values.mean():.3f} (by seed {each})")
    for other in TEXTS[1:]:
        found = compare_paired(errors["own"], errors[other])
        print(
            f"own minus {other}: {found.mean_difference:+.3f}, interval {found.ci_low:+.3f} to {found.ci_high:+.3f}, "
            f"p {found.p_value:.3g}"
        )
    return 0


def with_texts(data: PreparedData, kind: str) -> PreparedData:
    """The data with its own descriptions, one for all, or each with another crystal's.

    Shuffled descriptions are dealt out within a split, so that no description changes sides.
    """
    if kind == "own":
        return data
    texts = list(data.texts)
    if kind == "without":
        from crysmm_attn_plugin.demo.text import encode_texts

        return dataclasses.replace(data, texts=encode_texts([NO_TEXT]) * len(texts))
    draw = random.Random(_SHUFFLE_SEED)
    for positions in data.split.values():
        dealt = list(positions)
        draw.shuffle(dealt)
        for here, there in zip(positions, dealt):
            texts[here] = data.texts[there]
    return dataclasses.replace(data, texts=texts)


def _folder(asked: argparse.Namespace, kind: str, seed: int) -> Path:
    if kind == "own" and asked.demo is not None:
        return Path(asked.demo) / "training" / "full" / f"seed{seed}"
    return Path(asked.out) / kind / f"seed{seed}-{asked.epochs}-{asked.crystals}"


def _errors(folder: Path, config: HostConfig, data: PreparedData, kind: str, seed: int) -> np.ndarray:
    """(test crystals,) absolute errors of the best validation checkpoint."""
    table = folder / "predictions_best_val_test.csv"
    if not (folder / "results.json").is_file():
        print(f"training {kind}, seed {seed}", file=sys.stderr)
        train(
            dataclasses.replace(config, random_seed=seed, output_dir=str(folder)), data=with_texts(data, kind)
        )
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    if [r["id"] for r in rows] != [data.crystals[i].id for i in data.split["test"]]:
        raise SystemExit(f"{folder} holds predictions of other crystals")
    return np.array([abs(float(r["prediction"]) - float(r["target"])) for r in rows])


if __name__ == "__main__":
    raise SystemExit(main())

"""The test loops of ``crysmm-attn compare``: the same crystals through both checkpoints, captured."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from crysmm_attn_plugin.errors import AttnError, NothingCapturedError, UsageError
from crysmm_attn_plugin.metrics.legacy import LegacyTally
from crysmm_attn_plugin.plugin import attach

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.hosts.base import HostTest

log = logging.getLogger("crysmm_attn")
#: Seed of the choice of crystals when fewer than the whole test set are asked for.
SAMPLE_SEED = 42


def refuse_other_split(tests: dict[str, HostTest], files: dict[str, Path]) -> None:
    """Refuse checkpoints that were trained on different splits; say what the adapter noted.

    Raises:
        UsageError: When their test crystals differ.
    """
    ids = {arm: test.split["ids"] for arm, test in tests.items()}
    if ids["full"] != ids["no_middle"]:
        shared = len(set(ids["full"]) & set(ids["no_middle"]))
        seeds = {arm: test.split.get("split_seed") for arm, test in tests.items()}
        raise UsageError(
            f"the checkpoints were trained on different splits: test sets of {len(ids['full'])} and "
            f"{len(ids['no_middle'])} crystals share {shared} (split seeds {seeds['full']} and {seeds['no_middle']}, from "
            f"the config.json beside {files['full']} and {files['no_middle']}); retrain one on the other's split."
        )
    for test in tests.values():
        for note in test.notes:
            log.warning("%s", note)


def choose(test: HostTest, wanted: int) -> list[int]:
    """Positions of the crystals to analyse, in the test set's order."""
    n = len(test.split["ids"])
    if wanted == 0 or wanted >= n:
        if wanted > n:
            log.warning("%d crystals were asked for; the test set has %d, all are analysed", wanted, n)
        return list(range(n))
    return sorted(random.Random(SAMPLE_SEED).sample(range(n), wanted))


def test_both(
    tests: dict[str, HostTest],
    files: dict[str, Path],
    positions: list[int],
    args: argparse.Namespace,
    out_dir: Path,
    host: str,
) -> tuple[dict[str, Path], dict[str, LegacyTally], int]:
    """The normal test loop once for each checkpoint, captured; also the batch size that was used.

    The batch is halved while the GPU's memory does not hold it, for both checkpoints: the original script's numbers
    depend on it.
    """

    batch_size = args.batch_size
    while True:
        runs: dict[str, Path] = {}
        tallies: dict[str, LegacyTally] = {}
        try:
            for arm, file in files.items():
                run_dir, tallies[arm], reason = _one_pass(
                    tests[arm],
                    arm,
                    file.resolve(),
                    positions,
                    batch_size,
                    out_dir,
                    host,
                    args.property,
                    args.dataset,
                )
                if run_dir is None or reason:
                    raise NothingCapturedError(f"{file}: nothing captured: {reason or 'no pass was seen'}.")
                runs[arm] = run_dir
        except torch.cuda.OutOfMemoryError as error:
            if batch_size == 1:
                raise AttnError(
                    "GPU memory does not hold a single crystal; free some of it, or hide the GPU with CUDA_VISIBLE_DEVICES= ."
                ) from error
            batch_size //= 2
            for run_dir in runs.values():
                shutil.rmtree(run_dir, ignore_errors=True)
            torch.cuda.empty_cache()
            log.warning("GPU memory did not hold the batch; going on with --batch_size %d", batch_size)
            continue
        return runs, tallies, batch_size


def _one_pass(
    test: HostTest,
    arm: str,
    checkpoint: Path,
    positions: list[int],
    batch_size: int,
    out_dir: Path,
    host: str,
    property_name: str,
    dataset_name: str,
) -> tuple[Path | None, LegacyTally, str]:

    dataset = test.loader.dataset
    loader: Any = DataLoader(
        dataset, batch_size=batch_size, sampler=positions, collate_fn=test.loader.collate_fn, num_workers=0
    )
    tally = LegacyTally()
    info = {
        "host": host, "host_config": test.config, "host_seed": test.config.get("random_seed"), "property": property_name,
        "dataset": dataset_name,
        "host_split": {k: v for k, v in test.split.items() if k != "ids"},
    }  # fmt: skip

    def take(call: Any, identity: Any) -> None:
        if call.direction == "atom_to_text":
            tally.add(call.weights, list(identity.n_atoms))

    attached = None
    try:
        with attach(
            test.model,
            loader=loader,
            out_dir=out_dir,
            arm=arm,
            checkpoint=checkpoint,
            info=info,
            splits=("test",),
        ) as attached:
            few = DataLoader(
                dataset, batch_size=min(4, batch_size, len(dataset)), collate_fn=test.loader.collate_fn
            )
            first = next(iter(few))
            attached.probe_gradients(lambda: test.forward(test.model, first))
            attached.on_raw = take
            test.model.eval()
            with torch.no_grad():
                for batch in tqdm(loader, desc=arm, disable=not sys.stderr.isatty(), file=sys.stderr):
                    test.forward(test.model, batch)
    except torch.cuda.OutOfMemoryError:
        if attached is not None and attached.run_dir is not None:
            shutil.rmtree(attached.run_dir, ignore_errors=True)
        raise
    outcome = attached.outcome
    reason = (
        "" if outcome is not None and outcome.state == "complete" else (outcome.reason if outcome else "")
    )
    if outcome is None and attached.reasons:
        reason = attached.reasons[0]
    return attached.run_dir, tally, reason

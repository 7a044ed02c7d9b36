"""``crysmm-attn compare``: two existing checkpoints of a host on its own test set, with the original script's flags."""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.commands.report import summary
from crysmm_attn_plugin.errors import AttnError, NothingCapturedError, UsageError
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.hooks.hosts.base import HostRequest
from crysmm_attn_plugin.reports.request import check_request
from crysmm_attn_plugin.stats.results import LegacyResult

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.contract.protocols import HostAdapter
    from crysmm_attn_plugin.hooks.hosts.base import HostTest
    from crysmm_attn_plugin.metrics.legacy import LegacyTally

log = logging.getLogger("crysmm_attn")
ARMS = ("full", "no_middle")
#: Seed of the choice of crystals when fewer than the whole test set are asked for.
SAMPLE_SEED = 42

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn compare --checkpoint_full full/best.pt --checkpoint_no_middle no_middle/best.pt --root_dir dataset",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The original script's flags, and ours."""
    parser.add_argument(
        "--checkpoint_full", required=True, metavar="FILE", help="checkpoint of the full model"
    )
    parser.add_argument(
        "--checkpoint_no_middle",
        required=True,
        metavar="FILE",
        help="checkpoint of the model without middle fusion",
    )
    parser.add_argument(
        "--root_dir", required=True, metavar="DIR",
        help="the data set's root, or the property's own folder holding cif/ and description.csv",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", default="jarvis", help="jarvis (or dft_3d), mp, class, toy (default: jarvis)"
    )
    parser.add_argument("--property", default="mbj_bandgap", help="property name (default: mbj_bandgap)")
    parser.add_argument(
        "--save_dir", default="./attention_comparison", help="folder for the results (default: %(default)s)"
    )
    parser.add_argument(
        "--num_samples", type=int, default=100, help="test crystals to analyse (default: 100; 0: all)"
    )
    parser.add_argument("--batch_size", type=int, default=32, help="crystals per batch (default: 32)")
    parser.add_argument("--host-dir", default=".", help="the host's source folder (default: here)")
    parser.add_argument(
        "--legacy-metrics", action="store_true", help="also the original script's numbers, padding and all"
    )
    parser.add_argument(
        "--unsafe-load",
        action="store_true",
        help="load checkpoints with full pickle; only if you trust their origin",
    )
    parser.add_argument(
        "--weights",
        default="raw",
        choices=("raw", "average"),
        help="of a checkpoint that holds a moving average beside its weights, which to test (default: raw)",
    )
    parser.add_argument("--lang", default="en,zh", help="languages of the report (default: en,zh)")
    parser.add_argument(
        "--style", default="nature", choices=("nature", "apa", "gbt"), help="number and prose style"
    )


def run(args: argparse.Namespace) -> int:
    """Test both checkpoints, capture, report; returns the exit code."""
    from crysmm_attn_plugin.capture.session import silence_if_unconfigured
    from crysmm_attn_plugin.reports.comparison import compare_runs

    silence_if_unconfigured()
    if args.batch_size < 1 or args.num_samples < 0:
        raise UsageError("--batch_size must be 1 or more and --num_samples 0 or more.")
    files = {"full": Path(args.checkpoint_full), "no_middle": Path(args.checkpoint_no_middle)}
    for flag, path in (("--checkpoint_full", files["full"]), ("--checkpoint_no_middle", files["no_middle"])):
        if not path.is_file():
            raise UsageError(f"{flag} {path} does not exist; give the path of a checkpoint the host saved.")
    if files["full"].samefile(files["no_middle"]):
        raise UsageError(
            f"--checkpoint_full and --checkpoint_no_middle are one file ({files['full']}); this compares a checkpoint with "
            "itself: give two."
        )
    langs = [w.strip() for w in args.lang.split(",") if w.strip()]
    check_request(args.save_dir, langs=langs, style=args.style)
    root, host_dir = Path(args.root_dir), Path(args.host_dir)
    if not root.is_dir():
        raise UsageError(
            f"--root_dir {root} does not exist; give the data set's root or the property's own folder."
        )
    adapter = _adapter(host_dir)
    save_dir = Path(args.save_dir).absolute()
    tests = {}
    for arm, path in files.items():
        request = HostRequest(
            host_dir.resolve(), path.resolve(), root.resolve(), args.dataset, args.property, args.batch_size,
            args.unsafe_load, args.weights,
        )  # fmt: skip
        with _host_output_to_stderr():
            tests[arm] = adapter.load(request)
    _same_split(tests, files)
    positions = _choose(tests["full"], args.num_samples)
    with _host_output_to_stderr():
        runs, tallies, batch_size = _test(tests, files, positions, args, save_dir / "runs", adapter.name)
    legacy = []
    if args.legacy_metrics:
        full, base = tallies["full"].means(), tallies["no_middle"].means()
        legacy.append(
            LegacyResult(
                "full",
                "no_middle",
                batch_size,
                tallies["full"].rows,
                tallies["full"].padded_rows / max(tallies["full"].rows, 1),
                full,
                base,
                {m: 100 * (full[m] - base[m]) / abs(base[m]) if base[m] else float("nan") for m in full},
            )
        )
    comparison = compare_runs(
        full=[runs["full"]], no_middle=[runs["no_middle"]], baseline="no_middle", legacy=legacy
    )
    out = comparison.write(save_dir, lang=langs, style=args.style)
    print(summary(comparison))
    for row in legacy:
        print(
            f"original script's numbers at batch size {row.batch_size} ({100 * row.padding_share:.1f} % of its rows are "
            "padding, and padded tokens enter its entropy and Gini; the corrected values above leave both out):"
        )
        for m in row.arm_values:
            change = row.change_percent[m]
            shown = f"{change:+.2f} %" if change == change else "no change in percent: divides by 0"
            print(f"  {m:<20} {row.arm_values[m]:.6f} against {row.baseline_values[m]:.6f} ({shown})")
    print(f"report: {out / 'report.html'}")
    return 0


def _adapter(host_dir: Path) -> HostAdapter:

    manager = get_plugin_manager()
    adapters = manager.hooks.host_adapters()
    for adapter in adapters:
        if manager.on_account(adapter.name, "matches", partial(adapter.matches, host_dir)):
            return adapter
    raise UsageError(
        f"--host-dir {host_dir.resolve()} holds no known host (adapters: {', '.join(a.name for a in adapters)}); give the "
        "folder of the code that trained the checkpoints."
    )


def _same_split(tests: dict[str, HostTest], files: dict[str, Path]) -> None:

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


def _choose(test: HostTest, wanted: int) -> list[int]:
    """Positions of the crystals to analyse, in the test set's order."""
    n = len(test.split["ids"])
    if wanted == 0 or wanted >= n:
        if wanted > n:
            log.warning("%d crystals were asked for; the test set has %d, all are analysed", wanted, n)
        return list(range(n))
    return sorted(random.Random(SAMPLE_SEED).sample(range(n), wanted))


def _test(
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

    import torch

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

    import torch
    from torch.utils.data import DataLoader
    from tqdm import tqdm

    from crysmm_attn_plugin.metrics.legacy import LegacyTally
    from crysmm_attn_plugin.plugin import attach

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


class _host_output_to_stderr:
    """The host prints as it works; our results alone belong on stdout."""

    def __enter__(self) -> None:
        self._redirect = contextlib.redirect_stdout(sys.stderr)
        self._redirect.__enter__()

    def __exit__(self, *error: object) -> None:
        self._redirect.__exit__(None, None, None)

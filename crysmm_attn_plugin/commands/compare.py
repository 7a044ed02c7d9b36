"""``crysmm-attn compare``: two existing checkpoints of a host on its own test set, with the original script's flags."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path

from crysmm_attn_plugin.commands.host_folder import adapter_of
from crysmm_attn_plugin.commands.report import summary
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.hosts.base import HostRequest
from crysmm_attn_plugin.reports.request import check_request
from crysmm_attn_plugin.stats.results import LegacyResult

ARMS = ("full", "no_middle")
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
    from crysmm_attn_plugin.commands import checkpoint_passes as passes
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
    adapter = adapter_of(host_dir)
    save_dir = Path(args.save_dir).absolute()
    tests = {}
    for arm, path in files.items():
        request = HostRequest(
            host_dir.resolve(), path.resolve(), root.resolve(), args.dataset, args.property, args.batch_size,
            args.unsafe_load, args.weights,
        )  # fmt: skip
        with redirect_stdout(sys.stderr):
            tests[arm] = adapter.load(request)
    passes.refuse_other_split(tests, files)
    positions = passes.choose(tests["full"], args.num_samples)
    with redirect_stdout(sys.stderr):
        runs, tallies, batch_size = passes.test_both(
            tests, files, positions, args, save_dir / "runs", adapter.name
        )
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

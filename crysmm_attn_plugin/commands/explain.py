"""``crysmm-attn explain``: one crystal read with one checkpoint, as a page, a picture and numbers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from crysmm_attn_plugin.commands.arguments import output_folder
from crysmm_attn_plugin.demo.requirements import require_demo_packages
from crysmm_attn_plugin.errors import UsageError

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn explain --checkpoint demo/training/full/seed0/best_val_model.pt --cif NaCl.cif",
    'crysmm-attn explain --checkpoint full/best_val_model.pt --host-dir host --cif a.cif --text "NaCl is rock salt." --out a',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of ``crysmm-attn explain``."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="checkpoint, with the training's config.json beside it",
    )
    parser.add_argument("--cif", required=True, metavar="FILE", help="the crystal, fully occupied")
    parser.add_argument("--text", help="its description (default: made from the structure by jarvis-tools)")
    parser.add_argument(
        "--out", type=output_folder, default="explain", help="folder for the files (default: %(default)s)"
    )
    parser.add_argument(
        "--host-dir", help="the host's source folder (default: the reference host of the demo)"
    )
    parser.add_argument("--dataset", default="jarvis", help="data layout of the host (default: %(default)s)")
    parser.add_argument(
        "--property", default="mbj_bandgap", help="property of the host (default: %(default)s)"
    )
    parser.add_argument(
        "--unsafe-load",
        action="store_true",
        help="load the checkpoint with full pickle; only if you trust its origin",
    )


def run(args: argparse.Namespace) -> int:
    """Read the crystal and write the files; nothing is written when anything fails."""
    from crysmm_attn_plugin.capture.session import silence_if_unconfigured
    from crysmm_attn_plugin.commands import explain_inputs
    from crysmm_attn_plugin.probing.one_crystal import explain
    from crysmm_attn_plugin.reports import one_crystal

    silence_if_unconfigured()
    require_demo_packages()
    checkpoint, cif = Path(args.checkpoint), Path(args.cif)
    for flag, path in (("--checkpoint", checkpoint), ("--cif", cif)):
        if not path.is_file():
            raise UsageError(f"{flag} {path} does not exist; give the path of a file.")
    crystal, text_from = explain_inputs.described(cif, args.text)
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        if args.host_dir is None:
            model, loader, forward = explain_inputs.reference(checkpoint, crystal)
        else:
            model, loader, forward = explain_inputs.of_host(args, checkpoint, crystal, Path(folder))
        found = explain(model, loader, forward, text_from=text_from)
    files = one_crystal.write(found, Path(args.out))
    print(f"{found.id} ({found.formula}): predicted {found.prediction:.5g}; description {text_from}")
    words = list(found.ranked("words", "atom_to_text")[:5])
    print("most attended: " + ", ".join(f"{' '.join(w.split())} {100 * s:.1f} %" for w, s in words))
    for row in found.interventions:
        if row["intervention"] in ("knock_out_most", "uniform"):
            what = f"{row['size']} most attended words hidden" if row["size"] else "attention made even"
            print(f"{what}: {row['changed']:.5g}")
    print(f"page: {files[0]}")
    return 0

"""``crysmm-attn explain``: one crystal read with one checkpoint, as a page, a picture and numbers."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.commands.arguments import output_folder
from crysmm_attn_plugin.commands.compare import _adapter
from crysmm_attn_plugin.demo.requirements import require_demo_packages
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.hosts.base import HostRequest
from crysmm_attn_plugin.store.files import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from crysmm_attn_plugin.demo.crystals import Crystal

#: Shown under ``--help``.
EXAMPLES = (
    "crysmm-attn explain --checkpoint demo/training/full/seed0/best_val_model.pt --cif NaCl.cif",
    'crysmm-attn explain --checkpoint full/best_val_model.pt --host-dir host --cif a.cif --text "NaCl is rock salt." --out a',
)
#: Copies of the crystal that a host's own split is made of, so that each part of it holds one.
COPIES = 10
#: Keys of a training's config.json that fix the sizes of its split.
SIZES = ("n_train", "n_val", "n_test", "train_ratio", "val_ratio", "test_ratio", "keep_data_order")


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
    from crysmm_attn_plugin.probing.one_crystal import explain
    from crysmm_attn_plugin.reports import one_crystal

    silence_if_unconfigured()
    require_demo_packages()
    checkpoint, cif = Path(args.checkpoint), Path(args.cif)
    for flag, path in (("--checkpoint", checkpoint), ("--cif", cif)):
        if not path.is_file():
            raise UsageError(f"{flag} {path} does not exist; give the path of a file.")
    crystal, text_from = described(cif, args.text)
    with redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as folder:
        if args.host_dir is None:
            model, loader, forward = _reference(checkpoint, crystal)
        else:
            model, loader, forward = _of_host(args, checkpoint, crystal, Path(folder))
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


def described(cif: Path, text: str | None) -> tuple[Crystal, str]:
    """The crystal of a CIF file with its description, and where that comes from.

    Raises:
        UsageError: When the file cannot be read as one ordered crystal, or jarvis-tools cannot describe it.
    """
    from jarvis.core.atoms import Atoms

    from crysmm_attn_plugin.demo.crystals import Crystal, structure_of
    from crysmm_attn_plugin.demo.wording import describe_crystal

    disorder = partly_occupied(cif)
    if disorder:
        raise UsageError(
            f"--cif {cif} is a disordered crystal (site {disorder} is partly occupied); give an ordered one."
        )
    try:
        with redirect_stdout(sys.stderr):
            atoms = Atoms.from_cif(str(cif), use_cif2cell=False, get_primitive_atoms=False)
        structure = structure_of(atoms)
    except Exception as error:  # whatever a parser makes of a stranger's file
        raise UsageError(
            f"--cif {cif} cannot be read as a crystal ({type(error).__name__}: {' '.join(str(error).split())[:200]})."
        ) from error
    if not structure.elements:
        raise UsageError(f"--cif {cif} holds no atoms.")
    if text is not None:
        return Crystal(safe_name(cif.stem), structure, text, float("nan")), "given by the user"
    try:
        with redirect_stdout(sys.stderr):
            made = describe_crystal(atoms)
    except Exception as error:
        raise UsageError(
            f"jarvis-tools cannot describe {cif} ({type(error).__name__}: {' '.join(str(error).split())[:200]}); give its "
            "description with --text."
        ) from error
    return Crystal(
        safe_name(cif.stem), structure, made, float("nan")
    ), "made from the structure by jarvis-tools"


def partly_occupied(cif: Path) -> str:
    """Label of the first site of a CIF file whose occupancy is not one; empty where there is none."""
    columns: list[str] = []
    in_loop = False
    for line in cif.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].lower() == "loop_":
            columns, in_loop = [], True
        elif in_loop and words[0].startswith("_"):
            columns.append(words[0].lower())
        elif "_atom_site_occupancy" in columns and len(words) == len(columns):
            value = words[columns.index("_atom_site_occupancy")].partition("(")[0]
            try:
                if abs(float(value) - 1) > 1e-3:
                    return words[0]
            except ValueError:
                continue  # "." and "?" say nothing
        elif words[0].startswith("_"):
            in_loop, columns = False, []
    return ""


def _reference(checkpoint: Path, crystal: Crystal) -> tuple[nn.Module, Any, Callable[..., Any]]:
    from crysmm_attn_plugin.demo.config import load_config

    config = checkpoint.parent / "config.json"
    if not config.is_file():
        raise UsageError(
            f"no config.json lies beside {checkpoint}; copy the training's there, or name the host's folder with --host-dir."
        )
    try:
        load_config(config)
    except UsageError as error:
        raise UsageError(f"{error} Is this of another host? Name its folder with --host-dir.") from error
    from crysmm_attn_plugin.demo.single import forward, load_single

    return (*load_single(checkpoint, crystal), forward)


def _of_host(
    args: argparse.Namespace, checkpoint: Path, crystal: Crystal, folder: Path
) -> tuple[nn.Module, Any, Callable[..., Any]]:
    """The host's own functions on a data set of copies of the crystal, so that graph and text are made as in its training."""

    from crysmm_attn_plugin.demo.crystals import write_folder

    host_dir = Path(args.host_dir)
    adapter = _adapter(host_dir)
    copies = [replace(crystal, id=f"{crystal.id}-{i}", target=0.0) for i in range(COPIES)]
    data = write_folder(copies, folder / "data", dataset=args.dataset, property=args.property)
    beside = folder / "checkpoint"
    beside.mkdir()
    (beside / checkpoint.name).symlink_to(checkpoint.resolve())
    config = checkpoint.parent / "config.json"
    if config.is_file():
        shutil.copy(config, beside)
        _without_sizes(beside / "config.json")
    request = HostRequest(
        host_dir.resolve(), beside / checkpoint.name, data, args.dataset, args.property, 1, args.unsafe_load
    )
    test = adapter.load(request)
    return test.model, test.loader, test.forward


def _without_sizes(config: Path) -> None:
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except ValueError:
        return  # the adapter says what is wrong with it
    if isinstance(values, dict):
        kept = {k: v for k, v in values.items() if k not in SIZES}
        config.write_text(json.dumps(kept), encoding="utf-8")

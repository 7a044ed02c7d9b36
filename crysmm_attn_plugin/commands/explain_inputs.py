"""What ``crysmm-attn explain`` reads: a crystal with its description, and a model with a loader that holds it."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jarvis.core.atoms import Atoms

from crysmm_attn_plugin.commands.host_folder import adapter_of
from crysmm_attn_plugin.demo.config import load_config
from crysmm_attn_plugin.demo.crystals import Crystal, structure_of, write_folder
from crysmm_attn_plugin.demo.wording import describe_crystal
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.hosts.base import HostRequest
from crysmm_attn_plugin.store.files import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

#: Copies of the crystal that a host's own split is made of, so that each part of it holds one.
COPIES = 10
#: Keys of a training's config.json that fix the sizes of its split.
SIZES = ("n_train", "n_val", "n_test", "train_ratio", "val_ratio", "test_ratio", "keep_data_order")


def described(cif: Path, text: str | None) -> tuple[Crystal, str]:
    """The crystal of a CIF file with its description, and where that comes from.

    Raises:
        UsageError: When the file cannot be read as one ordered crystal, or jarvis-tools cannot describe it.
    """
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


def reference(checkpoint: Path, crystal: Crystal) -> tuple[nn.Module, Any, Callable[..., Any]]:
    """Model, loader and forward of the demo's host.

    Raises:
        UsageError: When the training's config does not lie beside the checkpoint, or is another host's.
    """
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


def of_host(
    args: argparse.Namespace, checkpoint: Path, crystal: Crystal, folder: Path
) -> tuple[nn.Module, Any, Callable[..., Any]]:
    """The host's own functions on a data set of copies of the crystal, so that graph and text are made as in its training."""

    host_dir = Path(args.host_dir)
    adapter = adapter_of(host_dir)
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

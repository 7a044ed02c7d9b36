"""Descendants of CrysMMNet with fine-grained attention (DGL): facts of their layout, none of their code."""

from __future__ import annotations

import contextlib
import csv
import importlib
import inspect
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crysmm_attn_plugin.descriptors import HostSeams
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.hosts.base import USERS_OWN, HostRequest, HostTest, as_config

if TYPE_CHECKING:
    from torch import nn

#: Names users give to a data layout -> the host's own.
LAYOUTS = {"dft_3d": "jarvis", "dft_3d_2021": "jarvis", "user_data": "jarvis", "jarvis": "jarvis"}
#: Training configuration keys that decide the test set, with the host's defaults.
SPLIT_KEYS: dict[str, Any] = {
    "n_train": None, "n_val": None, "n_test": None, "train_ratio": None, "val_ratio": 0.1, "test_ratio": 0.1,
    "split_seed": 123, "keep_data_order": False,
}  # fmt: skip
#: Keys that decide the graphs.
GRAPH_KEYS: dict[str, Any] = {
    "atom_features": "cgcnn", "neighbor_strategy": "k-nearest", "use_canonize": True, "cutoff": 8.0, "max_neighbors": 12,
    "id_tag": "jid",
}  # fmt: skip
#: What CrysMMNet checkpoints pickle besides tensors: their pydantic configuration.
CONFIG_CLASS = ("models.alignn", "ALIGNNConfig")


def property_of(config: Mapping[str, Any]) -> str:
    """The property trained on: the tail of the file name the family gives its data, else the target."""
    name, target = str(config.get("filename") or ""), str(config.get("target") or "")
    return name.split("_", 1)[1] if target == "target" and "_" in name else target


def dataset_of(config: Mapping[str, Any]) -> str:
    """The data set: its own name, or the head of the file name where the configuration says only that it is the user's."""
    name, target, file = (str(config.get(k) or "") for k in ("dataset", "target", "filename"))
    if name != USERS_OWN:
        return name
    return file.split("_", 1)[0] if target == "target" and "_" in file else ""


class CrysMMNetAdapter:
    """Rebuilds a training's own test set and model through the host's functions."""

    name = "crysmmnet"
    seams = HostSeams(
        training_modules=("train",),
        training_function="train_dgl",
        config_argument="config",
        loaders_argument="train_val_test_loaders",
        loader_modules=("data",),
        loader_function="get_train_val_loaders",
        splits=("train", "val", "test"),
        model_modules=("models.alignn",),
        switch="use_middle_fusion",
        arms={True: "full", False: "no_middle"},
        property_of=property_of,
        dataset_of=dataset_of,
    )

    def __init__(self) -> None:
        self._datasets: dict[str, Any] = {}

    def matches(self, host_dir: Path) -> bool:
        """``models/alignn.py`` and ``data.py``, as every descendant keeps them."""
        return (host_dir / "models" / "alignn.py").is_file() and (host_dir / "data.py").is_file()

    def load(self, request: HostRequest) -> HostTest:
        with _inside(request.host_dir):
            host = _import(request.host_dir, "models.alignn", needs=("ALIGNN", CONFIG_CLASS[1]))
            checkpoint = self._checkpoint(request, host)
            run_config = _run_config(request.checkpoint)
            model = self._model(request, host, checkpoint, run_config)
            loader, split, notes = self._test_loader(request, run_config)
        config = {**run_config, "model": run_config.get("model") or {}}
        return HostTest(model, loader, config, split, _forward, notes)

    def _checkpoint(self, request: HostRequest, host: Any) -> Any:
        from crysmm_attn_plugin.hooks.checkpoint_files import load_checkpoint  # torch

        config_class = getattr(host, CONFIG_CLASS[1])
        allowed = (config_class, *_pickle_needs(config_class))
        return load_checkpoint(request.checkpoint, allowed=allowed, unsafe=request.unsafe_load)

    def _model(
        self, request: HostRequest, host: Any, checkpoint: Any, run_config: dict[str, Any]
    ) -> nn.Module:
        from crysmm_attn_plugin.hooks.checkpoint_files import fitted, require_state_dict  # torch

        state = require_state_dict(checkpoint, request.checkpoint, weights=request.weights)
        values: Any = None
        if isinstance(checkpoint, dict):
            values = checkpoint.get("config", checkpoint.get("model_config"))
        if values is None:
            values = run_config.get("model")
        if values is None:
            raise UsageError(
                f"{request.checkpoint} holds no model configuration and no config.json lies beside it; copy the "
                "training's config.json there."
            )
        plain = as_config(values)
        plain = as_config(plain["model"]) if isinstance(plain.get("model"), dict) else plain
        fields = _field_names(host.ALIGNNConfig)
        try:
            model = host.ALIGNN(host.ALIGNNConfig(**{k: v for k, v in plain.items() if k in fields}))
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"the configuration of {request.checkpoint} does not make a model of the host in {request.host_dir} "
                f"({' '.join(str(error).split())[:300]}); give the code that trained it with --host-dir."
            ) from error
        cleaned = fitted(state, model.state_dict())
        try:
            model.load_state_dict(cleaned)
        except RuntimeError as error:
            raise UsageError(
                f"{request.checkpoint} does not fit the model its configuration describes "
                f"({_difference(cleaned, model.state_dict())}); give the code and the config.json it was trained with."
            ) from error
        device = getattr(host, "device", "cpu")
        ready: nn.Module = model.to(device).eval()
        return ready

    def _test_loader(
        self, request: HostRequest, config: dict[str, Any]
    ) -> tuple[Any, dict[str, Any], list[str]]:
        data = _import(request.host_dir, "data", needs=("get_train_val_loaders",))
        script = _script_with(request.host_dir, "load_dataset")
        cif_dir, table = dataset_paths(request, script)
        key = f"{cif_dir}|{table}"
        if key not in self._datasets:
            layout = LAYOUTS.get(request.dataset.lower(), request.dataset.lower())
            try:
                self._datasets[key] = script.load_dataset(
                    str(cif_dir) + os.sep, str(table), layout, request.property
                )
            except Exception as error:
                raise UsageError(
                    f"the host could not read {table} with the files in {cif_dir} ({type(error).__name__}: "
                    f"{' '.join(str(error).split())[:300]}); check them, --dataset and --property."
                ) from error
        crystals = self._datasets[key]
        if not crystals:
            raise UsageError(
                f"no crystal could be read from {table} and {cif_dir}; check --dataset and --property."
            )
        split = {k: config.get(k, default) for k, default in SPLIT_KEYS.items()}
        taken = inspect.signature(data.get_train_val_loaders).parameters
        if "split_seed" not in config and "split_seed" in taken:
            # training passes sizes and ratios on, but leaves the seed at its function's default
            split["split_seed"] = taken["split_seed"].default
        graph = {k: config.get(k, default) for k, default in GRAPH_KEYS.items()}
        arguments = {
            **split, **graph, "dataset": "user_data", "dataset_array": crystals, "target": config.get("target", "target"),
            "batch_size": request.batch_size, "line_graph": True, "workers": 0, "pin_memory": False,
            "save_dataloader": False, "filename": "crysmm_attn", "output_dir": None,
            "standard_scalar_and_pca": False,
        }  # fmt: skip
        made = data.get_train_val_loaders(**{k: v for k, v in arguments.items() if k in taken})
        loader = made[2]
        split["n_crystals"] = len(crystals)
        split["ids"] = [str(i) for i in loader.dataset.ids]
        file, recorded = recorded_test_ids(request.checkpoint.parent)
        if file is not None and set(recorded) != set(split["ids"]):
            raise UsageError(
                f"the test set rebuilt from {request.root_dir} has {len(split['ids'])} crystals and shares "
                f"{len(set(recorded) & set(split['ids']))} with the {len(set(recorded))} that the training tested "
                f"({file}): the data or the split are not the training's; give the --root_dir, --dataset, --property and "
                "config.json it had."
            )
        notes = []
        if not config and file is None:
            notes.append(
                f"no config.json and no predictions beside {request.checkpoint}: the host's default split is assumed"
            )
        return loader, split, notes


def dataset_paths(request: HostRequest, script: Any) -> tuple[Path, Path]:
    """The CIF folder and the description table, from a data set's root or a property's own folder.

    Raises:
        UsageError: When neither holds them; the message names every folder looked into.
    """
    root = request.root_dir
    looked = [root]
    if (root / "cif").is_dir() and (root / "description.csv").is_file():
        return root / "cif", root / "description.csv"
    layout = LAYOUTS.get(request.dataset.lower(), request.dataset.lower())
    try:
        cif, table = (Path(p) for p in script.get_dataset_paths(str(root), layout, request.property))
    except ValueError as error:
        raise UsageError(f"--dataset {request.dataset} --property {request.property}: {error}.") from error
    looked.append(table.parent)
    if cif.is_dir() and table.is_file():
        return cif, table
    for folder in (root / layout / request.property, root / request.property):
        looked.append(folder)
        if (folder / "cif").is_dir() and (folder / "description.csv").is_file():
            return folder / "cif", folder / "description.csv"
    places = ", ".join(dict.fromkeys(map(str, looked)))
    raise UsageError(
        f"--root_dir {root}: no cif/ folder with a description.csv beside it; looked in {places}. Give the data set's root "
        "or the property's own folder, and the --dataset and --property of the training."
    )


def recorded_test_ids(folder: Path) -> tuple[Path | None, list[str]]:
    """The prediction file that the training left in a folder, and the ids of the test crystals in it."""
    for pattern in ("predictions_*_test.csv", "prediction_results_test_set.csv"):
        for path in sorted(folder.glob(pattern)):
            with path.open(newline="", encoding="utf-8") as handle:
                rows = list(csv.DictReader(handle))
            if rows and "id" in rows[0]:
                return path, [row["id"].strip() for row in rows]
    return None, []


def _forward(model: nn.Module, batch: Any) -> Any:
    """One batch through the model, as the host's final prediction loops call it."""
    graph, line_graph, text = batch[0], batch[1], batch[2]
    device = next(model.parameters()).device
    return model([graph.to(device), line_graph.to(device), text])


def _run_config(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint.parent / "config.json"
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid JSON ({error}).") from error


def _pickle_needs(config_class: type) -> list[Any]:
    """Classes a pickled pydantic configuration is made of besides itself."""
    needs: list[Any] = [set, type(Path())]
    base = next((c for c in config_class.__mro__ if c.__name__ == "BaseSettings"), None)
    if base is not None and base is not config_class:
        needs.append(base)
    return needs


def _difference(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """How two state dicts differ, one example of each kind."""
    shapes = [k for k in wanted if k in given and given[k].shape != wanted[k].shape]
    kinds = {
        "without {0}": [k for k in wanted if k not in given],
        "with an unknown {0}": [k for k in given if k not in wanted],
        "with another shape of {0}": shapes,
    }
    parts = []
    for words, names in kinds.items():
        if names:
            parts.append(words.format(names[0]) + (f" and {len(names) - 1} more" if len(names) > 1 else ""))
    return ", ".join(parts)


def _field_names(config_class: Any) -> set[str]:
    """Fields of a pydantic model of either version, or of a dataclass."""
    for name in ("model_fields", "__fields__", "__dataclass_fields__"):
        fields = getattr(config_class, name, None)
        if fields:
            return set(fields)
    return set()


def _import(host_dir: Path, name: str, *, needs: tuple[str, ...] = ()) -> Any:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise UsageError(
            f"{name} of the host in {host_dir} cannot be imported ({type(error).__name__}: {str(error)[:300]}). Run this "
            "with the Python that trains the host, and see --host-dir."
        ) from error
    missing = [n for n in needs if not hasattr(module, n)]
    if missing:
        raise UsageError(
            f"{name} of the host in {host_dir} has no {' and no '.join(missing)}, so it is no CrysMMNet descendant; give "
            "the folder of the code that trained the checkpoints with --host-dir."
        )
    return module


def _script_with(host_dir: Path, function: str) -> Any:
    """The host's training script: the module at the top of its folder that defines ``function``."""
    scripts = sorted(host_dir.glob("train*.py"))
    for path in scripts:
        if f"def {function}" in path.read_text(encoding="utf-8", errors="replace"):
            return _import(host_dir, path.stem)
    raise UsageError(
        f"no train*.py in {host_dir} defines {function}; give the host's folder with --host-dir."
    )


@contextlib.contextmanager
def _inside(host_dir: Path) -> Iterator[None]:
    """Work in the host's folder: it reads files there when it is imported."""
    before = os.getcwd()
    if str(host_dir) not in sys.path:
        sys.path.insert(0, str(host_dir))
    os.chdir(host_dir)
    try:
        yield
    finally:
        os.chdir(before)

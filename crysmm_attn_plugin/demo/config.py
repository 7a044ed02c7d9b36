"""The reference host's configuration: one JSON file, every key optional, unknown keys refused."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.demo.crystals import DEMO_PROPERTY
from crysmm_attn_plugin.errors import UsageError


@dataclass(frozen=True)
class HostConfig:
    """How one arm of one seed is trained and tested.

    Attributes:
        root_dir: Folder with ``<dataset>/<property_name>/``; empty uses the shipped crystals.
        dataset, property_name: Folder levels below ``root_dir``; the second names the target.
        max_crystals: Use at most this many, drawn with ``split_seed``; 0 uses all.
        split_seed: Seed of the split into training, validation and test crystals.
        val_ratio, test_ratio: Shares of the crystals; the rest is for training.
        random_seed: Seed of initial weights, batch order and dropout.
        epochs, batch_size, learning_rate, weight_decay: Of the training; the rate follows one cycle.
        width, alignn_layers, gcn_layers, heads, dropout: Of the network; see ``CrystalTextALIGNN``.
        middle_fusion_layers: ALIGNN layers after which the description enters the atoms; empty for none.
        max_neighbors, cutoff: Of the graphs; cutoff in angstrom.
        text_model: ``offline``, a hub id or a folder.
        max_tokens: Longer descriptions are cut.
        device: Where the network runs: ``cpu`` or ``cuda``.
        threads: Threads of torch; 1 makes a seed's result the same on every number of cores, 0 leaves
            torch's own choice.
        output_dir: Where checkpoints, histories and predictions go.
        cache_dir: Where graphs and token states are kept; ``<output_dir>/cache`` when empty.
        crysmm_attn: Attention capture: ``true``, ``false`` or a table of its settings.
    """

    root_dir: str = ""
    dataset: str = "jarvis"
    property_name: str = DEMO_PROPERTY
    max_crystals: int = 0
    split_seed: int = 123
    val_ratio: float = 0.1
    test_ratio: float = 0.3
    random_seed: int = 0
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    width: int = 64
    alignn_layers: int = 2
    gcn_layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    middle_fusion_layers: tuple[int, ...] = (1, 2)
    max_neighbors: int = 8
    cutoff: float = 8.0
    text_model: str = "offline"
    max_tokens: int = 256
    device: str = "cpu"
    threads: int = 1
    output_dir: str = "output"
    cache_dir: str = ""
    crysmm_attn: bool | Mapping[str, Any] = False

    @property
    def arm(self) -> str:
        """Name of the ablation arm these choices make: ``full`` or ``no_middle``."""
        return "full" if self.middle_fusion_layers else "no_middle"

    @property
    def cache(self) -> Path:
        """Folder of graphs and token states."""
        return Path(self.cache_dir) if self.cache_dir else Path(self.output_dir) / "cache"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-ready."""
        values = dataclasses.asdict(self)
        values["middle_fusion_layers"] = list(self.middle_fusion_layers)
        return values

    def model_arguments(self) -> dict[str, Any]:
        """The keyword arguments of ``CrystalTextALIGNN`` that these choices give."""
        names = ("width", "alignn_layers", "gcn_layers", "heads", "dropout")
        return {name: getattr(self, name) for name in names} | {
            "middle_fusion_layers": list(self.middle_fusion_layers)
        }


def load_config(path: str | os.PathLike[str]) -> HostConfig:
    """Read ``config.json``.

    Raises:
        UsageError: When the file is missing, is not JSON, or holds an unknown key or a value of another kind.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"no configuration file {path}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected a JSON object of settings, got {type(values).__name__}.")
    return config_from(values, source=str(path))


def config_from(values: Mapping[str, Any], *, source: str = "config") -> HostConfig:
    """A configuration from plain values.

    Raises:
        UsageError: On an unknown key or a value of another kind.
    """
    fields = {f.name: f for f in dataclasses.fields(HostConfig)}
    read: dict[str, Any] = {}
    for key, value in values.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"{source}: unknown key {key!r}.{hint} Known: {', '.join(fields)}.")
        read[key] = _coerce(key, value, fields[key].default, source)
    config = HostConfig(**read)
    if not 0 < config.test_ratio < 1 or not 0 <= config.val_ratio < 1 - config.test_ratio:
        raise UsageError(
            f"{source}: val_ratio {config.val_ratio} and test_ratio {config.test_ratio} leave nothing to "
            "train on."
        )
    if config.width % config.heads:
        raise UsageError(f"{source}: width {config.width} is not a multiple of heads {config.heads}.")
    if any(not 1 <= layer <= config.alignn_layers for layer in config.middle_fusion_layers):
        raise UsageError(
            f"{source}: middle_fusion_layers {list(config.middle_fusion_layers)} outside the ALIGNN layers "
            f"1 to {config.alignn_layers}."
        )
    return config


def _coerce(key: str, value: Any, default: Any, source: str) -> Any:
    wrong = UsageError(f"{source}: cannot read {key} = {value!r}; expected the kind of {default!r}.")
    if key == "crysmm_attn":
        if not isinstance(value, (bool, Mapping)):
            raise UsageError(f"{source}: crysmm_attn must be true, false or a table, got {value!r}.")
        return value
    if key == "middle_fusion_layers":
        if not isinstance(value, (list, tuple)) or not all(type(v) is int for v in value):
            raise wrong
        return tuple(value)
    if isinstance(default, int):
        if type(value) is not int or value < 0:
            raise wrong
        return value
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise wrong
        return float(value)
    if not isinstance(value, str):
        raise wrong
    return value

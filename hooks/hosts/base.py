"""What a host adapter offers: two checkpoints of a host, turned back into a model and its own test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

#: What ALIGNN's configuration calls every data set that is the user's own: no name.
USERS_OWN = "user_data"


@dataclass(frozen=True)
class HostRequest:
    """What is asked of an adapter.

    Attributes:
        host_dir: The host's source folder.
        checkpoint: Checkpoint file.
        root_dir: The data set's root, or the property's own folder (holding ``cif/`` and ``description.csv``).
        dataset: ``jarvis`` (also called ``dft_3d``), ``mp``, ``class`` or ``toy``.
        property: Property name.
        batch_size: Crystals per batch.
        unsafe_load: Load checkpoints with full pickle.
        weights: ``raw``, or ``average`` for the moving average that some trainings keep beside their weights.
    """

    host_dir: Path
    checkpoint: Path
    root_dir: Path
    dataset: str
    property: str
    batch_size: int
    unsafe_load: bool = False
    weights: str = "raw"


@dataclass
class HostTest:
    """A checkpoint ready to be tested.

    Attributes:
        model: The host's own model with the checkpoint's weights, in evaluation mode.
        loader: The host's own test loader, as its training made it.
        config: The training's configuration.
        split: How the test set was made, for comparison between checkpoints: seed, sizes, ids.
        forward: Runs the model on one batch as the host's test loop does.
    """

    model: nn.Module
    loader: Any
    config: dict[str, Any]
    split: dict[str, Any]
    forward: Any
    notes: list[str] = field(default_factory=list)


def as_config(value: Any) -> dict[str, Any]:
    """A configuration as plain values: a mapping, or a pydantic model of either version."""
    for name in ("model_dump", "dict"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, Mapping):
            return dict(method())
    return dict(value) if isinstance(value, Mapping) else dict(vars(value))

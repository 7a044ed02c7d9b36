"""The public ALIGNN package (``alignn.train``), into which a user's own fusion is built: where its process is entered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crysmm_attn_plugin.descriptors import HostSeams
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.hosts.base import USERS_OWN, HostRequest, HostTest


def property_of(config: Mapping[str, Any]) -> str:
    """The property trained on: the target's name."""
    return str(config.get("target") or "")


def dataset_of(config: Mapping[str, Any]) -> str:
    """The data set's name; the user's own has none."""
    name = str(config.get("dataset") or "")
    return "" if name == USERS_OWN else name


class AlignnAdapter:
    """Knows the package's training and loader functions; its checkpoints hold no fusion to be rebuilt."""

    name = "alignn"
    seams = HostSeams(
        training_modules=("alignn.train",),
        training_function="train_dgl",
        config_argument="config",
        loaders_argument="train_val_test_loaders",
        loader_modules=("alignn.data",),
        loader_function="get_train_val_loaders",
        splits=("train", "val", "test"),
        model_modules=("alignn.train",),
        switch="use_middle_fusion",
        arms={True: "full", False: "no_middle"},
        property_of=property_of,
        dataset_of=dataset_of,
    )

    def matches(self, host_dir: Path) -> bool:
        """``alignn/train.py``: a checkout of the package."""
        return (host_dir / "alignn" / "train.py").is_file()

    def load(self, request: HostRequest) -> HostTest:
        """Raises:
        UsageError: Always: only the user's own script knows the model it built.
        """
        raise UsageError(
            f"{request.host_dir} is the alignn package: its checkpoints do not say which model they belong to. Capture the "
            "tests of your own script instead: crysmm-attn run -- python YOUR_SCRIPT.py ..."
        )

"""The settings of a training; a key that is not here is refused."""

from typing import Literal

from models.alignn import ALIGNNConfig
from pydantic import BaseModel, ConfigDict, Field


class TrainingConfig(BaseModel):
    """What ``train_dgl`` needs to know; written to ``config.json`` beside the checkpoints."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = "user_data"
    target: str = "target"
    filename: str = "jarvis_target"
    id_tag: Literal["jid"] = "jid"
    random_seed: int = 0
    n_train: int | None = None
    n_val: int | None = None
    n_test: int | None = None
    train_ratio: float | None = None
    val_ratio: float = 0.1
    test_ratio: float = 0.1
    keep_data_order: bool = False
    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 0.01
    cutoff: float = 8.0
    max_neighbors: int = 4
    output_dir: str = "output"
    model: ALIGNNConfig = Field(default_factory=ALIGNNConfig)

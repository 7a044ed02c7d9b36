"""Experiment trackers a host may already use: MLflow, Weights & Biases, TensorBoard.

None is imported for its own sake: a tracker that is not in ``sys.modules`` is not in use, unless its own environment
variable names the run to go on with. A place is remembered by id, because a report is often made after the host has
ended its tracker's run.
"""

from __future__ import annotations

import gc
import importlib
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

#: Folder, artifact and prefix under which everything of ours appears.
NAME = "attention"


@dataclass(frozen=True)
class Place:
    """A tracker's run.

    Attributes:
        id: Run id, or TensorBoard's folder.
        details: What else is needed to go on with it.
    """

    id: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What is logged of one report.

    Attributes:
        numbers: Name -> value, finite.
        texts: Name -> sentence.
        figures: PNG files.
        folder: The report's folder.
    """

    numbers: Mapping[str, float]
    texts: Mapping[str, str]
    figures: Sequence[Path]
    folder: Path


class Tracker(Protocol):
    """One kind of tracker."""

    name: str

    def active(self) -> Place | None:
        """The host's run at this moment, or None."""

    def named_by_environment(self) -> Place | None:
        """The run that the tracker's own environment variable asks to go on with, or None."""

    def log(self, place: Place, entry: Entry) -> None:
        """Log into ``place``, whether or not its run has ended.

        Raises:
            Exception: Whatever the tracker raises.
        """


class Mlflow:
    """MLflow; ended runs take more metrics and files by their id."""

    name = "MLflow"

    def active(self) -> Place | None:
        mlflow = sys.modules.get("mlflow")
        run = mlflow.active_run() if mlflow is not None else None
        return None if run is None else Place(run.info.run_id, {"uri": mlflow.get_tracking_uri()})  # type: ignore[union-attr]

    def named_by_environment(self) -> Place | None:
        run_id = os.environ.get("MLFLOW_RUN_ID")
        return Place(run_id) if run_id else None

    def log(self, place: Place, entry: Entry) -> None:
        mlflow = importlib.import_module("mlflow")
        entities = importlib.import_module("mlflow.entities")
        client = mlflow.MlflowClient(tracking_uri=place.details.get("uri"))
        now = int(1000 * time.time())
        client.log_batch(
            place.id,
            metrics=[entities.Metric(k, v, now, 0) for k, v in entry.numbers.items()],
            tags=[entities.RunTag(k, v) for k, v in entry.texts.items()],
        )
        client.log_artifacts(place.id, str(entry.folder), artifact_path=f"{NAME}_report")


class WeightsAndBiases:
    """Weights & Biases: numbers and sentences in the run's summary, figures as images, the folder as an artifact."""

    name = "Weights & Biases"

    def active(self) -> Place | None:
        run = getattr(sys.modules.get("wandb"), "run", None)
        if run is None or getattr(run, "disabled", False):
            return None
        mode = "offline" if getattr(run, "offline", False) else "online"
        # the run's files lie in <dir>/wandb/<run>/files
        folder = str(Path(run.dir).parents[2])
        return Place(
            run.id, {"project": run.project, "entity": run.entity or None, "mode": mode, "dir": folder}
        )

    def named_by_environment(self) -> Place | None:
        run_id = os.environ.get("WANDB_RUN_ID")
        return Place(run_id) if run_id else None

    def log(self, place: Place, entry: Entry) -> None:
        wandb = importlib.import_module("wandb")
        run = wandb.run if wandb.run is not None and wandb.run.id == place.id else None
        if run is not None:
            self._log(wandb, run, entry)
            return
        with wandb.init(id=place.id, resume="allow", **place.details) as resumed:
            self._log(wandb, resumed, entry)

    def _log(self, wandb: Any, run: Any, entry: Entry) -> None:
        run.log({f"{NAME}/figures/{f.stem}": wandb.Image(str(f)) for f in entry.figures})
        run.summary.update({**entry.numbers, **entry.texts})
        artifact = wandb.Artifact(f"{NAME}_report-{run.id}", type="report")
        artifact.add_dir(str(entry.folder))
        run.log_artifact(artifact)


class TensorBoard:
    """TensorBoard through a ``SummaryWriter`` of torch or tensorboardX; after ``close`` by a second one beside its files."""

    name = "TensorBoard"
    modules = ("torch.utils.tensorboard", "tensorboardX")

    def active(self) -> Place | None:
        # of several writers (train/, test/) the one whose folder holds the others
        folders = sorted(self._writers(), key=lambda f: (len(Path(f).parts), f))
        return Place(folders[0]) if folders else None

    def named_by_environment(self) -> Place | None:
        return None

    def log(self, place: Place, entry: Entry) -> None:
        import matplotlib.image

        writer = self._writers().get(place.id)
        opened = None
        if writer is None:
            module = next(sys.modules[m] for m in self.modules if m in sys.modules)
            writer = opened = module.SummaryWriter(place.id)
        for name, value in entry.numbers.items():
            writer.add_scalar(name, value, 0)
        for name, text in entry.texts.items():
            writer.add_text(name, text, 0)
        for path in entry.figures:
            pixels = matplotlib.image.imread(path)[..., :3]
            writer.add_image(f"{NAME}/figures/{path.stem}", pixels, 0, dataformats="HWC")
        writer.add_text(f"{NAME}/report", f"`{entry.folder}`", 0)
        writer.flush()
        if opened is not None:
            opened.close()

    def _writers(self) -> dict[str, Any]:
        """Open writers of this process by folder; they are registered nowhere, so their class's referrers are asked."""
        found = {}
        for name in self.modules:
            known = getattr(sys.modules.get(name), "SummaryWriter", None)
            kinds = [known, *known.__subclasses__()] if known is not None else []
            for kind in kinds:
                for writer in gc.get_referrers(kind):
                    if type(writer) is kind and getattr(writer, "file_writer", None) is not None:
                        found[str(writer.file_writer.get_logdir())] = writer
        return found


TRACKERS: tuple[Tracker, ...] = (Mlflow(), WeightsAndBiases(), TensorBoard())


def finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """The values that are numbers."""
    return {k: float(v) for k, v in values.items() if v is not None and math.isfinite(v)}

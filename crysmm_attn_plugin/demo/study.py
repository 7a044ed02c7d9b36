"""Both arms of the reference host for one or more seeds, captured, and taken up again where they stopped."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from crysmm_attn_plugin import __version__
from crysmm_attn_plugin.demo.config import HostConfig
from crysmm_attn_plugin.demo.prepared import PreparedData, load_crystals, prepare
from crysmm_attn_plugin.demo.train import train
from crysmm_attn_plugin.errors import AttnError, NothingCapturedError, UsageError
from crysmm_attn_plugin.store.files import write_json
from crysmm_attn_plugin.store.reader import Run

#: The arms of the study and the ALIGNN layers after which each lets the description into the atoms.
ARMS: dict[str, tuple[int, ...]] = {"full": (1, 2), "no_middle": ()}
BASELINE = "no_middle"
_MARKER = "demo.json"
#: Folders of a study: captured runs, checkpoints and predictions, graphs and token states, report.
RUNS, TRAINING, CACHE, REPORT = "runs", "training", "cache", "report"


@dataclass(frozen=True)
class StudyRun:
    """One trained and captured arm of one seed.

    Attributes:
        arm, seed: Which.
        run_dir: The captured run.
        output_dir: Checkpoints, histories and predictions.
        test_mae: Checkpoint name -> error on the test crystals.
        mean_predictor_mae: Error of predicting the mean of the training targets.
        seconds: Training alone; of the first time where it was reused.
        reused: Found complete on disk.
    """

    arm: str
    seed: int
    run_dir: str
    output_dir: str
    test_mae: Mapping[str, float]
    mean_predictor_mae: float
    seconds: float
    reused: bool = False


@dataclass(frozen=True)
class Progress:
    """What a study calls while it works; every field may be left out.

    Attributes:
        prepared: Called with ``graphs`` or ``text``, how many more are done, and how many there are.
        started: Called with arm, seed and number of epochs.
        epoch: Called with arm, seed, epoch number and that epoch's errors.
        reused: Called with arm and seed when a complete run was found.
    """

    prepared: Callable[[str, int, int], None] | None = None
    started: Callable[[str, int, int], None] | None = None
    epoch: Callable[[str, int, int, Mapping[str, float]], None] | None = None
    reused: Callable[[str, int], None] | None = None


def claim_folder(out: str | os.PathLike[str]) -> Path:
    """``out`` as a study's folder: new, empty, or one that an earlier study made.

    Raises:
        UsageError: When it is a file, or holds anything else.
    """
    root = Path(out)
    if root.exists() and not root.is_dir():
        raise UsageError(f"--out {root} is a file; name a folder.")
    if root.is_dir() and not (root / _MARKER).is_file() and any(root.iterdir()):
        raise UsageError(
            f"--out {root} holds files that no earlier demo wrote; name a new folder, or one of an earlier "
            "demo (its finished runs are used again)."
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_json(root / _MARKER, {"version": __version__})
    except OSError as error:
        raise UsageError(
            f"--out {root} cannot be written ({error.strerror}); name another folder."
        ) from error
    return root


def run_study(
    out: str | os.PathLike[str],
    config: HostConfig,
    *,
    seeds: Sequence[int] = (0,),
    arms: Mapping[str, tuple[int, ...]] | None = None,
    progress: Progress | None = None,
    probe: Sequence[str] = (),
) -> list[StudyRun]:
    """Train, test and capture every arm for every seed; complete ones on disk are used again.

    Args:
        out: A study's folder, see ``claim_folder``.
        config: Everything but arm, seed and folders, which are set here.
        seeds: One training of each arm per seed; the split is the same for all.
        arms: Arm name -> ALIGNN layers with middle fusion; ``ARMS`` when None.
        progress: See ``Progress``.
        probe: Interventions made in extra passes over the test crystals, see ``settings.Settings.probe``.

    Returns:
        One entry per arm and seed, arms together.

    Raises:
        NothingCapturedError: When a training left no complete captured run.
    """
    root = Path(out).absolute()
    progress = progress or Progress()
    base = replace(config, cache_dir=str(root / CACHE))
    data: PreparedData | None = None
    found: list[StudyRun] = []
    for seed in seeds:
        for arm, layers in (arms or ARMS).items():
            arm_config = replace(
                base,
                middle_fusion_layers=layers,
                random_seed=seed,
                output_dir=str(root / TRAINING / arm / f"seed{seed}"),
            )
            digest = config_digest(arm_config, probe=probe)
            done = _completed(root, arm, seed, digest)
            if done is not None:
                found.append(done)
                if progress.reused is not None:
                    progress.reused(arm, seed)
                continue
            data = data or prepare(arm_config, progress=progress.prepared)
            found.append(_train_one(root, arm, seed, arm_config, digest, data, progress, probe))
    order = list(arms or ARMS)
    return sorted(found, key=lambda run: (order.index(run.arm), run.seed))


def config_digest(config: HostConfig, *, probe: Sequence[str] = ()) -> str:
    """Hex digest of everything that decides a training's numbers: settings, crystals, versions, interventions."""
    values = config.to_dict()
    for name in ("output_dir", "cache_dir", "crysmm_attn"):
        del values[name]
    crystals = [asdict(c) for c in load_crystals(config).crystals]
    versions = {name: metadata.version(name) for name in ("torch", "dgl", "alignn")} | {"self": __version__}
    asked = [sorted(set(probe))] if probe else []
    text = json.dumps([values, crystals, versions, *asked], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _completed(root: Path, arm: str, seed: int, digest: str) -> StudyRun | None:
    record = root / TRAINING / arm / f"seed{seed}" / "study.json"
    try:
        stored = json.loads(record.read_text(encoding="utf-8"))
        if stored["digest"] != digest:
            return None
        run = StudyRun(**{**stored["run"], "run_dir": str(root / stored["run"]["run_dir"]), "reused": True})
        Run(run.run_dir)  # raises unless its manifest says complete and its files are there
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError, AttnError):
        return None
    return run


def _train_one(
    root: Path,
    arm: str,
    seed: int,
    config: HostConfig,
    digest: str,
    data: PreparedData,
    progress: Progress,
    probe: Sequence[str],
) -> StudyRun:
    run_id = _free_run_id(root / RUNS / arm, f"seed{seed}-{digest[:8]}")
    capture: dict[str, Any] = {"enabled": True, "arm": arm, "out_dir": str(root / RUNS), "strict": True}
    capture["report"] = {"auto": False}
    if probe:
        capture["probe"] = list(probe)
    if progress.started is not None:
        progress.started(arm, seed, config.epochs)

    def on_epoch(epoch: int, row: Mapping[str, float]) -> None:
        if progress.epoch is not None:
            progress.epoch(arm, seed, epoch, row)

    outcome = train(replace(config, crysmm_attn=capture), data=data, run_id=run_id, on_epoch=on_epoch)
    run_dir = root / RUNS / arm / run_id
    if not (run_dir / "manifest.json").is_file():
        raise NothingCapturedError(
            f"the test loops of arm {arm}, seed {seed} ended without a complete captured run in {run_dir}; "
            "the messages above say why."
        )
    finished = StudyRun(
        arm=arm,
        seed=seed,
        run_dir=str(run_dir.relative_to(root)),
        output_dir=config.output_dir,
        test_mae=dict(outcome.test_mae),
        mean_predictor_mae=data.mean_predictor_mae,
        seconds=outcome.seconds,
    )
    write_json(Path(config.output_dir) / "study.json", {"digest": digest, "run": asdict(finished)})
    return replace(finished, run_dir=str(run_dir))


def _free_run_id(folder: Path, wanted: str) -> str:
    candidate, number = wanted, 2
    while (folder / candidate).exists():
        candidate, number = f"{wanted}-{number}", number + 1
    return candidate

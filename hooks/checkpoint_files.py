"""Checkpoint files: what they are, what they hold, and which of the weights in them are meant."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.hooks.digests import unwrapped_name

log = logging.getLogger("crysmm_attn")

#: Keys under which hosts keep the weights, in the order they are tried.
STATE_KEYS = ("model", "model_state_dict", "state_dict", "model_state")
#: Keys under which they keep an average of the weights beside them.
AVERAGE_KEYS = (
    "ema",
    "model_ema",
    "ema_model",
    "ema_state_dict",
    "state_dict_ema",
    "averaged_model",
    "swa",
    "swa_model",
)
#: Bytes looked at to tell what a file is.
HEAD = 512


def find_state_dict(checkpoint: Any, *, average: bool = False) -> Mapping[str, Any] | None:
    """The state dict in what ``torch.load`` gave, or None.

    Tried in order: the keys of ``STATE_KEYS`` (a module under such a key is asked for its state dict), then the whole
    mapping when all its values are tensors.

    Args:
        checkpoint: What was loaded.
        average: The average that a training keeps beside its weights (``AVERAGE_KEYS``) instead.
    """
    if isinstance(checkpoint, torch.nn.Module):
        return None if average else checkpoint.state_dict()
    if not isinstance(checkpoint, Mapping):
        return None
    for key in AVERAGE_KEYS if average else STATE_KEYS:
        found = _weights(checkpoint.get(key))
        if found is not None:
            return found
    if not average and checkpoint and all(isinstance(v, torch.Tensor) for v in checkpoint.values()):
        return checkpoint
    return None


def _weights(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, torch.nn.Module):
        return value.state_dict()
    if isinstance(value, Mapping):
        if any(isinstance(v, torch.Tensor) for v in value.values()):
            return value
        for key in ("shadow", "module", *STATE_KEYS):  # averages are often wrapped once more
            found = value.get(key)
            if isinstance(found, Mapping) and any(isinstance(v, torch.Tensor) for v in found.values()):
                return found
    return None


def fitted(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict under a model's own names: whatever one prefix a wrapper put before them is taken off.

    Args:
        state: As stored, for example with ``model.`` (Lightning), ``module.`` or ``_orig_mod.`` before each name.
        wanted: The model's own state dict.

    Returns:
        The entries under the prefix that gives most of the model's names; as stored (wrappers aside) when none does.
    """
    plain = {unwrapped_name(k): v for k, v in state.items()}
    prefixes: dict[str, int] = {"": sum(k in wanted for k in plain)}
    for key in plain:
        for place, letter in enumerate(key):
            if letter == "." and key[place + 1 :] in wanted:
                prefixes[key[: place + 1]] = prefixes.get(key[: place + 1], 0) + 1
    best = max(prefixes, key=lambda p: (prefixes[p], -len(p)))
    if not best:
        return plain
    return {k[len(best) :]: v for k, v in plain.items() if k.startswith(best)}


def load_checkpoint(
    path: str | os.PathLike[str],
    *,
    allowed: tuple[Any, ...] = (),
    unsafe: bool = False,
    map_location: Any = "cpu",
) -> Any:
    """Load a checkpoint file without running code from it.

    Args:
        path: The file.
        allowed: Classes (beside tensors and plain containers) that may be built.
        unsafe: Load with full pickle; only for files whose origin is trusted.
        map_location: As in ``torch.load``.

    Raises:
        UsageError: When the file is missing, is not a checkpoint, or needs a class that is not allowed; the message
            says which and what to do.
    """
    file = Path(path)
    if not file.is_file():
        near = sorted(p.name for p in file.parent.glob("*.pt"))[:5] if file.parent.is_dir() else []
        hint = f" Files there: {', '.join(near)}." if near else ""
        raise UsageError(
            f"checkpoint {file} does not exist.{hint} Give the path of a .pt file the host saved."
        )
    other = what_else(file)
    if other:
        raise UsageError(f"{file} is no checkpoint but {other}.")
    try:
        if unsafe:
            return torch.load(file, map_location=map_location, weights_only=False)
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(file, map_location=map_location, weights_only=True)
    except Exception as error:
        text = str(error)
        match = re.search(r"GLOBAL ([\w.]+)", text)
        if match:
            raise UsageError(
                f"checkpoint {file} holds Python objects besides tensors ({match.group(1)}) and is not loaded, because loading "
                "them can run code. If you trust where it came from, add --unsafe-load."
            ) from error
        raise UsageError(
            f"{file} cannot be read as a checkpoint ({type(error).__name__}: {' '.join(text.split())[:200]}); it is damaged or "
            "of another program."
        ) from error


def what_else(path: Path) -> str:
    """What a file is that stands where a checkpoint should, and what to do; empty when it may be one."""
    with path.open("rb") as handle:
        head = handle.read(HEAD)
    if not head:
        return "an empty file; copy it again"
    if head.startswith(b"version https://git-lfs"):
        return "a pointer to one (Git LFS); fetch the file itself with: git lfs pull"
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, as a failed download leaves one; download the file again"
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return ""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "a text file; give the path of a .pt file the host saved"


def require_state_dict(
    checkpoint: Any, path: str | os.PathLike[str], *, weights: str = "raw"
) -> Mapping[str, Any]:
    """The state dict in a loaded checkpoint.

    Args:
        checkpoint: What was loaded.
        path: From where, for messages.
        weights: ``raw``, or ``average`` for the moving average that some trainings keep beside them.

    Raises:
        UsageError: When there is none; the message lists the keys that are there and those that are tried.
    """
    state = find_state_dict(checkpoint, average=weights == "average")
    keys = ", ".join(map(str, checkpoint)) if isinstance(checkpoint, Mapping) else type(checkpoint).__name__
    if state is None:
        looked = ", ".join(AVERAGE_KEYS if weights == "average" else STATE_KEYS)
        bare = "" if weights == "average" else " or a bare state dict"
        kind = "average of model weights" if weights == "average" else "model weights"
        raise UsageError(f"{path} holds no {kind}: found {keys}; looked for {looked}{bare}.")
    if weights == "raw" and find_state_dict(checkpoint, average=True) is not None:
        log.warning(
            "%s holds an average of its weights beside them; the weights themselves are used (--weights average for the other)",
            path,
        )
    return state


def role_of(path: str | os.PathLike[str]) -> str:
    """``best_val``, ``best_test``, ``best``, ``last``, ``epoch`` or the file's stem."""
    stem = Path(path).stem.lower()
    for role in ("best_val", "best_test", "last", "best"):
        if role in stem:
            return role
    if stem.startswith(("checkpoint", "epoch")) and any(c.isdigit() for c in stem):
        return "epoch"
    return stem

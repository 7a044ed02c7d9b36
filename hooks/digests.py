"""Weights with a name: digests of state dicts, and where a checkpoint file keeps its state dict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xxhash

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import DIGEST_PREFIX

#: Keys under which hosts keep the weights, in the order they are tried.
STATE_KEYS = ("model", "model_state_dict", "state_dict", "model_state")
#: Prefixes that wrappers put before parameter names.
WRAPPERS = ("module.", "_orig_mod.")


def unwrapped_name(name: str) -> str:
    """A module or parameter name without the prefixes of DataParallel, DistributedDataParallel and compile."""
    parts = name.split(".")
    while parts and f"{parts[0]}." in WRAPPERS:
        parts.pop(0)
    return ".".join(p for p in parts if p != "_orig_mod")


def weight_digest(state: Mapping[str, Any]) -> str:
    """``x3`` and 32 hex digits that change when any tensor, name, type or shape does.

    The digits are XXH3-128 of every tensor's name, type, shape and bytes, sorted by name: fast, and chance alone does not make
    two weights alike. ``x3`` names the algorithm, so that a digest of another one is never taken for other weights
    (``records.Checkpoint.algorithm``).

    Args:
        state: A state dict; entries that are not tensors are left out, wrapper prefixes are ignored. Layout in memory and
            device do not count.
    """
    digest = xxhash.xxh3_128()
    tensors = {unwrapped_name(k): v for k, v in state.items() if isinstance(v, torch.Tensor)}
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        flat = tensor.cpu().reshape(-1)
        if flat.numel():
            if flat.stride(0) != 1:  # a single element may keep any stride
                flat = flat.clone(memory_format=torch.contiguous_format)
            digest.update(flat.view(torch.uint8).numpy())
    return DIGEST_PREFIX + digest.hexdigest()


def find_state_dict(checkpoint: Any) -> Mapping[str, Any] | None:
    """The state dict in what ``torch.load`` gave, or None.

    Tried in order: the keys of ``STATE_KEYS`` (a module under such a key is asked for its state dict), then the whole
    mapping when all its values are tensors.
    """
    if isinstance(checkpoint, torch.nn.Module):
        return checkpoint.state_dict()
    if not isinstance(checkpoint, Mapping):
        return None
    for key in STATE_KEYS:
        value = checkpoint.get(key)
        if isinstance(value, torch.nn.Module):
            return value.state_dict()
        if isinstance(value, Mapping) and any(isinstance(v, torch.Tensor) for v in value.values()):
            return value
    if checkpoint and all(isinstance(v, torch.Tensor) for v in checkpoint.values()):
        return checkpoint
    return None


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
    try:
        if unsafe:
            return torch.load(file, map_location=map_location, weights_only=False)
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(file, map_location=map_location, weights_only=True)
    except Exception as error:
        text = str(error)
        if "GLOBAL" in text or "weights_only" in text or "Unsupported" in text:
            import re

            match = re.search(r"GLOBAL ([\w.]+)", text)
            which = f" ({match.group(1)})" if match else ""
            raise UsageError(
                f"checkpoint {file} holds Python objects besides tensors{which} and is not loaded, because loading them "
                "can run code. If you trust where it came from, add --unsafe-load."
            ) from error
        raise UsageError(
            f"{file} cannot be read as a checkpoint ({type(error).__name__}: {text[:200]})."
        ) from error


def require_state_dict(checkpoint: Any, path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """The state dict in a loaded checkpoint.

    Raises:
        UsageError: When there is none; the message lists the keys that are there and those that are tried.
    """
    state = find_state_dict(checkpoint)
    if state is None:
        keys = (
            ", ".join(map(str, checkpoint)) if isinstance(checkpoint, Mapping) else type(checkpoint).__name__
        )
        raise UsageError(
            f"{path} holds no model weights: found {keys}; looked for {', '.join(STATE_KEYS)} or a bare state dict."
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

"""Weights with a name: digests of state dicts, whatever wrapper they were in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import xxhash

from crysmm_attn_plugin.records import DIGEST_PREFIX

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
            raw: Any = flat.view(torch.uint8).numpy()
            digest.update(raw)
    return DIGEST_PREFIX + digest.hexdigest()

"""The state of numpy and torch that a host's numbers depend on; see ``state``. Neither is imported here."""

from __future__ import annotations

import sys
from typing import Any

from crysmm_attn_plugin.hooks.contract.aspect import Aspect, not_same, unequal


def aspects() -> list[Aspect]:
    """Those of what is loaded."""
    found: list[Aspect] = []
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        found += _NUMPY
    if torch is not None and hasattr(torch, "get_rng_state"):  # not while it is being imported
        found += _TORCH
        if torch.cuda.is_initialized():
            found.append(_CUDA)
    return found


def _numpy_differs(a: Any, b: Any) -> bool:
    return a[0] != b[0] or a[2:] != b[2:] or bool((a[1] != b[1]).any())


def _torch() -> Any:
    return sys.modules["torch"]


def _rng_differs(a: Any, b: Any) -> bool:
    return not _torch().equal(a, b)


def _device() -> str:
    return str(_torch().get_default_device())


def _set_device(before: str) -> None:
    # None takes the mode away, which naming the CPU would leave in place
    _torch().set_default_device(None if before == "cpu" else before)


def _deterministic() -> tuple[bool, bool]:
    torch = _torch()
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(before: tuple[bool, bool]) -> None:
    _torch().use_deterministic_algorithms(before[0], warn_only=before[1])


def _cuda_states() -> list[Any]:
    torch = _torch()
    return [g.get_state() for g in torch.cuda.default_generators]


def _set_cuda_states(before: list[Any]) -> None:
    for generator, value in zip(_torch().cuda.default_generators, before):
        generator.set_state(value)


def _flags() -> tuple[Any, ...]:
    """Switches that decide which kernels torch takes."""
    backends, torch = _torch().backends, _torch()
    return (
        backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic, backends.mkldnn.enabled,
        torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32,
    )  # fmt: skip


def _set_flags(before: tuple[Any, ...]) -> None:
    backends, torch = _torch().backends, _torch()
    backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic = before[:3]
    torch.set_float32_matmul_precision(before[4])
    backends.cudnn.allow_tf32 = before[5]
    if backends.mkldnn.enabled != before[3]:
        backends.mkldnn.set_flags(before[3])


def _modes() -> int:
    """How many function modes are entered, a default device's among them."""
    return int(_torch()._C._len_torch_function_stack())


def _leave_modes(before: int) -> None:
    while _modes() > before:
        _torch()._C._pop_torch_function_stack()


def _printing() -> dict[str, Any]:
    return dict(vars(_torch()._tensor_str.PRINT_OPTS))


def _set_printing(before: dict[str, Any]) -> None:
    vars(_torch()._tensor_str.PRINT_OPTS).update(before)


def _set_numpy_errors(before: tuple[dict[str, Any], Any]) -> None:
    numpy = sys.modules["numpy"]
    numpy.seterr(**before[0])
    numpy.seterrcall(before[1])


_NUMPY = (
    Aspect(
        "numpy's random state",
        lambda: sys.modules["numpy"].random.get_state(),
        _numpy_differs,
        lambda value: sys.modules["numpy"].random.set_state(value),
    ),
    Aspect(
        "numpy's error handling",
        lambda: (sys.modules["numpy"].geterr(), sys.modules["numpy"].geterrcall()),
        unequal,
        _set_numpy_errors,
    ),
    Aspect(
        "how numpy prints",
        lambda: sys.modules["numpy"].get_printoptions(),
        unequal,
        lambda value: sys.modules["numpy"].set_printoptions(**value),
    ),
)
_TORCH = (
    Aspect(
        "torch's random state",
        lambda: _torch().get_rng_state(),
        _rng_differs,
        lambda value: _torch().set_rng_state(value),
    ),
    Aspect(
        "torch's default dtype",
        lambda: _torch().get_default_dtype(),
        not_same,
        lambda value: _torch().set_default_dtype(value),
    ),
    Aspect(
        "torch's grad mode",
        lambda: _torch().is_grad_enabled(),
        unequal,
        lambda value: _torch().set_grad_enabled(value),
    ),
    Aspect(
        "torch's number of threads",
        lambda: _torch().get_num_threads(),
        unequal,
        lambda value: _torch().set_num_threads(value),
    ),
    Aspect("torch's default device", _device, unequal, _set_device),
    Aspect("torch's function modes", _modes, unequal, _leave_modes),
    Aspect("torch's deterministic mode", _deterministic, unequal, _set_deterministic),
    Aspect("torch's choice of kernels", _flags, unequal, _set_flags),
    Aspect(
        "torch's anomaly mode",
        lambda: _torch().is_anomaly_enabled(),
        unequal,
        lambda value: _torch().autograd.set_detect_anomaly(value),
    ),
    Aspect("how torch prints", _printing, unequal, _set_printing),
)
_CUDA = Aspect(
    "the random state of CUDA",
    _cuda_states,
    lambda a, b: any(not _torch().equal(x, y) for x, y in zip(a, b)),
    _set_cuda_states,
)

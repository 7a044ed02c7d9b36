"""The process's state that a host's numbers depend on, compared around a plugin's code and put back."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

#: Signals whose handlers are looked at; SIGINT is the interrupt watch's (see isolation.py).
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGQUIT")
    if hasattr(signal, name)
)


class Aspect(NamedTuple):
    """One kind of state: its name, how to read it, how to tell two readings apart, how to put one back."""

    name: str
    read: Callable[[], Any]
    differ: Callable[[Any, Any], bool]
    restore: Callable[[Any], None]


def snapshot() -> list[tuple[Aspect, Any]]:
    """Every aspect as it is now; of numpy and torch only what is loaded."""
    return [(aspect, aspect.read()) for aspect in _aspects()]


def put_back(before: list[tuple[Aspect, Any]]) -> list[str]:
    """Restore what is not as it was; returns the names of what had changed."""
    changed = []
    for aspect, value in before:
        try:
            if aspect.differ(value, aspect.read()):
                aspect.restore(value)
                changed.append(aspect.name)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            changed.append(f"{aspect.name} (which could not be put back: {error})")
    return changed


def _aspects() -> list[Aspect]:
    found = list(_PLAIN)
    if threading.current_thread() is threading.main_thread():
        found.append(_HANDLERS)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "random"):
        found += _NUMPY
    if torch is not None and hasattr(torch, "get_rng_state"):  # not while it is being imported
        found += _TORCH
        if torch.cuda.is_initialized():
            found.append(_CUDA)
    return found


def _unequal(a: Any, b: Any) -> bool:
    return bool(a != b)


def _not_same(a: Any, b: Any) -> bool:
    return a is not b


# -- Python ----------------------------------------------------------------------------------------------------


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # the folder is gone
        return None


def _set_cwd(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _set_environ(before: dict[str, str]) -> None:
    for name in set(os.environ) - set(before):
        del os.environ[name]
    for name, value in before.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _set_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    mutated = getattr(warnings, "_filters_mutated", None)
    if mutated is not None:
        mutated()


def _set_path(before: list[str]) -> None:
    sys.path[:] = before


def _streams() -> tuple[Any, Any, Any]:
    return sys.stdout, sys.stderr, sys.excepthook


def _set_streams(before: tuple[Any, Any, Any]) -> None:
    sys.stdout, sys.stderr, sys.excepthook = before


def _other_streams(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return any(x is not y for x, y in zip(a, b))


def _handlers() -> dict[int, Any]:
    return {s: signal.getsignal(s) for s in SIGNALS}


def _set_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


_PLAIN = (
    Aspect("the state of random", random.getstate, _unequal, random.setstate),
    Aspect("the working directory", _cwd, _unequal, _set_cwd),
    Aspect("the environment", lambda: dict(os.environ), _unequal, _set_environ),
    Aspect("the warning filters", lambda: list(warnings.filters), _unequal, _set_filters),
    Aspect("sys.path", lambda: list(sys.path), _unequal, _set_path),
    Aspect("the standard streams", _streams, _other_streams, _set_streams),
)
_HANDLERS = Aspect("signal handlers", _handlers, _unequal, _set_handlers)


# -- numpy and torch, where the host has them ------------------------------------------------------------------


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


_NUMPY = (
    Aspect(
        "numpy's random state",
        lambda: sys.modules["numpy"].random.get_state(),
        _numpy_differs,
        lambda value: sys.modules["numpy"].random.set_state(value),
    ),
    Aspect(
        "numpy's error handling",
        lambda: sys.modules["numpy"].geterr(),
        _unequal,
        lambda value: sys.modules["numpy"].seterr(**value),
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
        _not_same,
        lambda value: _torch().set_default_dtype(value),
    ),
    Aspect(
        "torch's grad mode",
        lambda: _torch().is_grad_enabled(),
        _unequal,
        lambda value: _torch().set_grad_enabled(value),
    ),
    Aspect(
        "torch's number of threads",
        lambda: _torch().get_num_threads(),
        _unequal,
        lambda value: _torch().set_num_threads(value),
    ),
    Aspect("torch's default device", _device, _unequal, _set_device),
    Aspect("torch's deterministic mode", _deterministic, _unequal, _set_deterministic),
)
_CUDA = Aspect(
    "the random state of CUDA",
    _cuda_states,
    lambda a, b: any(not _torch().equal(x, y) for x, y in zip(a, b)),
    _set_cuda_states,
)

"""The process's state that a host depends on, compared around a plugin's code and put back; numbers' own in ``numeric``."""

from __future__ import annotations

import builtins
import gc
import locale
import logging
import os
import random
import re
import signal
import sys
import threading
import warnings
from typing import Any

from crysmm_attn_plugin.hooks.contract import numeric
from crysmm_attn_plugin.hooks.contract.aspect import Aspect, not_same, unequal

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

#: Signals whose handlers are looked at; SIGINT is the interrupt watch's (see isolation.py).
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE", "SIGQUIT")
    if hasattr(signal, name)
)
_LIMITS = tuple(
    getattr(resource, name) for name in ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CPU") if hasattr(resource, name)
)  # fmt: skip
_STATUS = "/proc/self/status"


def snapshot() -> list[tuple[Aspect, Any]]:
    """Every aspect as it is now; of numpy and torch only what is loaded."""
    found = []
    for aspect in _aspects():
        try:
            found.append((aspect, aspect.read()))
        except Exception:  # what cannot be read on this system or by this version cannot be compared
            continue
    return found


def put_back(before: list[tuple[Aspect, Any]]) -> list[str]:
    """Restore what is not as it was; returns the names of what had changed."""
    changed = []
    for aspect, value in before:
        try:
            if aspect.differ(value, aspect.read()):
                aspect.restore(value)
                changed.append(aspect.name)
        except Exception as error:
            changed.append(f"{aspect.name} (which could not be put back: {error})")
    return changed


def _aspects() -> list[Aspect]:
    found = list(_PLAIN)
    if threading.current_thread() is threading.main_thread():
        found += _OF_MAIN_THREAD
    return found + numeric.aspects()


# -- folders, variables, warnings ------------------------------------------------------------------------------


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


def _warnings() -> tuple[Any, ...]:
    return list(warnings.filters), warnings.showwarning, warnings.formatwarning


def _set_warnings(before: tuple[Any, ...]) -> None:
    warnings.filters[:], warnings.showwarning, warnings.formatwarning = before  # type: ignore[index]
    mutated = getattr(warnings, "_filters_mutated", None)
    if mutated is not None:
        mutated()


def _logging() -> tuple[Any, ...]:
    return logging.root.level, list(logging.root.handlers), logging.root.manager.disable


def _set_logging(before: tuple[Any, ...]) -> None:
    logging.root.level, logging.root.handlers[:], logging.root.manager.disable = before
    logging.root.manager._clear_cache()  # type: ignore[attr-defined]


def _umask() -> int | None:
    """Without setting it, which other threads would see; None where the system does not say."""
    try:
        with open(_STATUS, "rb", buffering=0) as status:
            found = re.search(rb"^Umask:\s*([0-7]+)", status.read(512), re.M)
    except OSError:
        return None
    return int(found[1], 8) if found else None


def _set_umask(before: int | None) -> None:
    if before is not None:
        os.umask(before)


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(limit) for limit in _LIMITS]


def _set_limits(before: list[tuple[int, int]]) -> None:
    for limit, value in zip(_LIMITS, before):
        if resource.getrlimit(limit) != value:
            resource.setrlimit(limit, value)


def _processors() -> Any:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


# -- the interpreter -------------------------------------------------------------------------------------------


def _paths() -> tuple[list[Any], ...]:
    return list(sys.path), list(sys.argv), list(sys.meta_path), list(sys.path_hooks)


def _other_paths(a: tuple[list[Any], ...], b: tuple[list[Any], ...]) -> bool:
    """An import hook that a library adds when it is imported is there for whoever imports it next: no change."""
    return a[:2] != b[:2] or any(_without_new(x, y) != x for x, y in zip(a[2:], b[2:]))


def _without_new(before: list[Any], now: list[Any]) -> list[Any]:
    return [hook for hook in now if hook in before]


def _set_paths(before: tuple[list[Any], ...]) -> None:
    sys.path[:], sys.argv[:] = before[:2]
    now: tuple[list[Any], ...] = (sys.meta_path, sys.path_hooks)
    for hooks, old in zip(now, before[2:]):
        if _without_new(old, hooks) != old:
            hooks[:] = [*(hook for hook in hooks if hook not in old), *old]


def _callables() -> tuple[Any, ...]:
    return (
        sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook, builtins.print, builtins.open,
        builtins.input, builtins.__import__,
    )  # fmt: skip


def _set_callables(before: tuple[Any, ...]) -> None:
    (
        sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook, builtins.print, builtins.open,
        builtins.input, builtins.__import__,
    ) = before  # fmt: skip


def _any_not_same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return any(x is not y for x, y in zip(a, b))


def _interpreter() -> tuple[Any, ...]:
    return sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()


def _set_interpreter(before: tuple[Any, ...]) -> None:
    sys.setrecursionlimit(before[0])
    sys.setswitchinterval(before[1])
    (gc.enable if before[2] else gc.disable)()
    gc.set_threshold(*before[3])


def _socket_timeout() -> Any:
    socket = sys.modules.get("socket")
    return socket.getdefaulttimeout() if socket is not None else None


def _set_socket_timeout(before: Any) -> None:
    sys.modules["socket"].setdefaulttimeout(before)


def _start_method() -> Any:
    multiprocessing = sys.modules.get("multiprocessing")
    return multiprocessing.get_start_method(allow_none=True) if multiprocessing is not None else None


def _set_start_method(before: Any) -> None:
    sys.modules["multiprocessing"].set_start_method(before, force=True)


# -- signals ---------------------------------------------------------------------------------------------------


def _handlers() -> dict[int, Any]:
    return {s: signal.getsignal(s) for s in SIGNALS}


def _set_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _timer() -> tuple[float, float]:
    return signal.getitimer(signal.ITIMER_REAL)


def _other_timer(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """A timer that ran goes on running; one that began, ended early or was set anew is a plugin's doing."""
    return (a[0] > 0) != (b[0] > 0) or a[1] != b[1] or b[0] > a[0]


def _mask() -> Any:
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _set_mask(before: Any) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


_PLAIN = (
    Aspect("the state of random", random.getstate, unequal, random.setstate),
    Aspect("the working directory", _cwd, unequal, _set_cwd),
    Aspect("the environment", lambda: dict(os.environ), unequal, _set_environ),
    Aspect("the warning filters", _warnings, unequal, _set_warnings),
    Aspect("the root logger", _logging, unequal, _set_logging),
    Aspect("sys.path, sys.argv or the import hooks", _paths, _other_paths, _set_paths),
    Aspect("hooks of sys or built-in functions", _callables, _any_not_same, _set_callables),
    Aspect("the interpreter's limits or garbage collection", _interpreter, unequal, _set_interpreter),
    Aspect("the trace function", sys.gettrace, not_same, sys.settrace),
    Aspect("the profile function", sys.getprofile, not_same, sys.setprofile),
    Aspect("the locale", lambda: locale.setlocale(locale.LC_ALL), unequal, lambda value: locale.setlocale(locale.LC_ALL, value)),
    Aspect("the umask", _umask, unequal, _set_umask),
    Aspect("the process's limits", _limits, unequal, _set_limits),
    Aspect("the processors it may use", _processors, unequal, lambda value: os.sched_setaffinity(0, value)),
    Aspect("the default timeout of sockets", _socket_timeout, unequal, _set_socket_timeout),
    Aspect("the start method of processes", _start_method, unequal, _set_start_method),
)  # fmt: skip
_OF_MAIN_THREAD = [Aspect("signal handlers", _handlers, unequal, _set_handlers)]
if hasattr(signal, "pthread_sigmask"):
    _OF_MAIN_THREAD += [
        Aspect("an alarm", _timer, _other_timer, lambda value: signal.setitimer(signal.ITIMER_REAL, *value)),
        Aspect("the signal mask", _mask, unequal, _set_mask),
    ]

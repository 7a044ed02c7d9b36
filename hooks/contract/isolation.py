"""A plugin's code, kept from the host: what it raises is told and costs itself alone, what it changes is put back.

Each implementation is wrapped once, when its plugin is registered; pluggy's own dispatch calls the wrapped one.
"""

from __future__ import annotations

import functools
import inspect
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from crysmm_attn_plugin.hooks.contract import handed, state
from crysmm_attn_plugin.hooks.contract.streams import Streams

#: (hook, what went wrong)
Told = Callable[[str, str], None]
#: (hook, seconds, whether there was an answer)
Called = Callable[[str, float, bool], None]
#: (hook, value) -> (value to use, what is wrong with it or "")
Checked = Callable[[str, Any], "tuple[Any, str]"]


class Interrupts:
    """Tells a Ctrl-C that came to the process from a KeyboardInterrupt that a plugin raised by itself.

    While it is entered, SIGINT is noted before the handler that was there gets it.
    """

    def __init__(self) -> None:
        self.came = False
        self.replaced = False
        self._before: Any = None
        self._watching = False

    def _note(self, number: int, frame: FrameType | None) -> Any:
        self.came = True
        return self._before(number, frame)

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if callable(self._before):
                self._mine = self._note
                signal.signal(signal.SIGINT, self._mine)
                self._watching = True
            elif self._before is None:  # a handler that is not Python's: nothing can be told apart
                self.came = True
        return self

    def __exit__(self, *exc: object) -> None:
        if self._watching:
            self._watching = False
            self.replaced = signal.getsignal(signal.SIGINT) is not self._mine
            signal.signal(signal.SIGINT, self._before)


class Changed(str):
    """What a plugin changed of the process and was put back, as a clause: it did not fail."""

    __slots__ = ()


def sentence(error: BaseException) -> str:
    """What was raised, in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def protected(
    told: Callable[[str], None], *, trusted: bool = False, kept: handed.Kept | None = None
) -> Iterator[None]:
    """Run a plugin's code: what it raises is told and stops here, but for a Ctrl-C; what it changes is put back.

    Args:
        told: Called with what went wrong.
        trusted: The project's own code: its state is not compared.
        kept: The host's objects that it is handed.
    """
    before = None if trusted else state.snapshot()
    streams = None if trusted else Streams()
    interrupts = Interrupts()
    try:
        with interrupts:
            yield
    except KeyboardInterrupt as error:
        if interrupts.came:
            raise
        told(sentence(error))
    except BaseException as error:  # SystemExit too: a plugin does not end a host
        told(sentence(error))
    finally:
        changed = [] if streams is None else streams.put_back()
        changed += state.put_back(before) if before is not None else []
        changed += kept.put_back() if kept is not None else []
        if interrupts.replaced:
            changed.append("the handler of SIGINT")
        if changed:
            told(Changed(f"changed {', '.join(changed)}; put back"))


def isolate(
    function: Callable[..., Any],
    hook: str,
    *,
    told: Told,
    checked: Checked,
    trusted: bool = False,
    called: Called | None = None,
) -> Callable[..., Any]:
    """An implementation that never raises on a plugin's behalf; None where it failed.

    Args:
        function: The plugin's implementation.
        hook: Name of the hook.
        told: Called with what went wrong.
        checked: Looks at what it returned.
        trusted: See ``protected``.
        called: Told of each call: the seconds it took, and whether it answered.
    """

    names = _arguments_of(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        value = None
        started = time.perf_counter()
        kept = _kept(hook, names, args, trusted)
        with protected(functools.partial(told, hook), trusted=trusted, kept=kept):
            value = function(*_handed(hook, args, trusted, kept))
            value, wrong = checked(hook, value)
            if wrong:
                told(hook, wrong)
        if called is not None:
            called(hook, time.perf_counter() - started, value is not None)
        return value

    return call


def _arguments_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """Names of the arguments that a hook function asks for, in order."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _handed(hook: str, args: tuple[Any, ...], trusted: bool, kept: handed.Kept | None) -> tuple[Any, ...]:
    """The arguments as a plugin gets them; a fault of making them is told, and the plugin not called."""
    if kept is not None:
        kept.look()
    return tuple(map(handed.copied, args)) if hook in handed.COPIED and not trusted else args


def _kept(hook: str, names: tuple[str, ...], args: tuple[Any, ...], trusted: bool) -> handed.Kept | None:
    """What of a host's objects is to be compared afterwards."""
    return handed.Kept(hook, dict(zip(names, args))) if hook in handed.LIVE and not trusted else None


def isolate_wrapper(
    function: Callable[..., Any], hook: str, *, told: Told, many: bool, old_style: bool, trusted: bool = False
) -> Callable[..., Any]:
    """A hook wrapper that passes on what it wraps when it fails, before or after its yield.

    Args:
        function: The plugin's generator function.
        hook: Name of the hook.
        told: Called with what went wrong.
        many: The hook collects results in a list (it is not a first-result hook).
        old_style: ``hookwrapper=True``: it gets pluggy's result object and returns nothing.
        trusted: See ``protected``.
    """

    names = _arguments_of(function)

    @functools.wraps(function)
    def wrapped(*args: Any) -> Generator[Any, Any, Any]:
        inner: Generator[Any, Any, Any] | None = None
        fault = functools.partial(told, hook)
        kept = _kept(hook, names, args, trusted)
        with protected(fault, trusted=trusted, kept=kept):
            inner = function(*_handed(hook, args, trusted, kept))
            try:
                next(inner)
            except StopIteration:
                inner = None
                fault("the wrapper did not yield")
        try:
            result = yield
        except BaseException as error:
            if inner is not None:
                _throw(inner, error, fault, trusted)
            raise
        if inner is None:
            return result
        value, finished = result, False
        kept = _kept(hook, names, args, trusted)
        with protected(fault, trusted=trusted, kept=kept):
            if kept is not None:
                kept.look()
            try:
                inner.send(result)
            except StopIteration as stop:
                value, finished = stop.value, True
            else:
                inner.close()
                fault("the wrapper yielded twice")
        if old_style or not finished:
            return result
        if many and not isinstance(value, list):
            fault(f"the wrapper returned {type(value).__name__} instead of the list it was given")
            return result
        return value

    return wrapped


def _throw(
    inner: Generator[Any, Any, Any], error: BaseException, fault: Callable[[str], None], trusted: bool
) -> None:
    """Let a wrapper clean up after an exception that is not its own; the exception goes on whatever it does."""
    with protected(fault, trusted=trusted):
        try:
            inner.throw(error)
        except StopIteration:
            return
        except BaseException as raised:
            if raised is not error:
                raise
        else:
            inner.close()

"""The contract: pluggy's own dispatch, and a plugin that misbehaves costs itself alone."""

from __future__ import annotations

import builtins
import functools
import gc
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from crysmm_attn_plugin import catalogue
from crysmm_attn_plugin.capture.rows import MetricContext
from crysmm_attn_plugin.descriptors import AlarmKind, Command, Language, Metric
from crysmm_attn_plugin.hooks import hookimpl
from crysmm_attn_plugin.hooks.contract import isolation
from crysmm_attn_plugin.hooks.contract.manager import BUILT_IN, PluginManager, get_plugin_manager
from crysmm_attn_plugin.hooks.contract.specs import AttnSpecs
from crysmm_attn_plugin.records import BatchIdentity, Window

ROOT = Path(__file__).resolve().parent.parent
WINDOW = Window("w", "0" * 32, "test")
HOOKS = [n for n in vars(AttnSpecs) if n.startswith("attn_")]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """As in a terminal: a process started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def plugin(**hooks: Any) -> Any:
    """An object with these functions as hook implementations."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


@pytest.fixture
def manager() -> Iterator[PluginManager]:
    made = PluginManager()
    yield made
    for name, _ in made.pm.list_name_plugin():
        made.pm.unregister(name=name)


# -- dispatch --------------------------------------------------------------------------------------------------


def test_a_wrapper_that_does_nothing_changes_nothing(manager: PluginManager) -> None:
    class Wrapper:
        @hookimpl(wrapper=True)
        def attn_batch_metrics(self):  # type: ignore[no-untyped-def]
            return (yield)

        @hookimpl(hookwrapper=True)
        def attn_identify_batch(self):  # type: ignore[no-untyped-def]
            yield

    mine = BatchIdentity(("a",), (("Na",),))
    manager.register(plugin(attn_batch_metrics=lambda weights: {"m": weights}), "plain")
    manager.register(plugin(attn_identify_batch=lambda inputs: mine), "ids")
    manager.register(Wrapper(), "wrapper")
    assert manager.hooks.identify_batch(inputs=None, window=None) is mine  # type: ignore[arg-type]
    assert manager.pm.hook.attn_batch_metrics(weights=1, query_mask=2, key_mask=3, context=4) == [{"m": 1}]
    assert manager.failures == {}


def test_a_wrapper_can_change_what_it_wraps(manager: PluginManager) -> None:
    class Doubling:
        @hookimpl(wrapper=True)
        def attn_batch_metrics(self):  # type: ignore[no-untyped-def]
            found = yield
            return [{k: 2 * v for k, v in x.items()} for x in found]

    manager.register(plugin(attn_batch_metrics=lambda weights: {"m": weights}), "plain")
    manager.register(Doubling(), "doubling")
    assert manager.pm.hook.attn_batch_metrics(weights=3, query_mask=0, key_mask=0, context=0) == [{"m": 6}]


@pytest.mark.parametrize("where", ["before", "after", "never yields", "yields twice", "returns nothing"])
@pytest.mark.parametrize("raised", [RuntimeError("no luck"), SystemExit(3), KeyboardInterrupt()])
def test_a_broken_wrapper_costs_itself_alone(
    manager: PluginManager, where: str, raised: BaseException
) -> None:
    class Broken:
        @hookimpl(wrapper=True)
        def attn_batch_metrics(self):  # type: ignore[no-untyped-def]
            if where == "before":
                raise raised
            if where == "never yields":
                return []
            found = yield
            if where == "after":
                raise raised
            if where == "yields twice":
                yield
            return None if where == "returns nothing" else found

    manager.register(plugin(attn_batch_metrics=lambda weights: {"m": weights}), "plain")
    manager.register(Broken(), "broken")
    assert manager.pm.hook.attn_batch_metrics(weights=1, query_mask=0, key_mask=0, context=0) == [{"m": 1}]
    assert list(manager.failures) == ["broken"]


def test_first_and_last_are_respected(manager: PluginManager) -> None:
    order: list[str] = []

    class Late:
        @hookimpl(trylast=True)
        def attn_window_opened(self) -> None:
            order.append("late")

    class Early:
        @hookimpl(tryfirst=True)
        def attn_window_opened(self) -> None:
            order.append("early")

    manager.register(Early(), "early")
    manager.register(plugin(attn_window_opened=lambda: order.append("plain")), "plain")
    manager.register(Late(), "late")
    manager.hooks.window_opened(window=WINDOW)
    assert order == ["early", "plain", "late"]


def test_calls_can_be_monitored(manager: PluginManager) -> None:
    seen: list[str] = []
    manager.register(plugin(attn_window_opened=lambda window: None), "plain")
    undo = manager.pm.add_hookcall_monitoring(
        lambda name, impls, kwargs: seen.append(name), lambda outcome, name, impls, kwargs: None
    )
    manager.hooks.window_opened(window=WINDOW)
    undo()
    assert seen == ["attn_window_opened"]


# -- what a plugin raises --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    "raised", [ValueError("no\nluck"), SystemExit(7), KeyboardInterrupt(), GeneratorExit()]
)
def test_nothing_that_a_hook_raises_reaches_the_caller(
    manager: PluginManager, hook: str, raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise raised

    heard: list[str] = []
    with caplog.at_level(logging.WARNING, "crysmm_attn"):
        manager.register(plugin(**{hook: broken}), "broken")
        manager.register(plugin(**{hook: lambda: heard.append("good")}), "good")
        arguments = dict.fromkeys(manager.pm.hook.__dict__[hook].spec.argnames)
        for _ in range(3):
            getattr(manager.pm.hook, hook)(**arguments)
    assert heard.count("good") >= 3
    assert [(f.hook, f.count >= 3) for f in manager.failures["broken"]] == [(hook, True)]
    told = [r for r in caplog.records if "plugin broken" in r.message]
    assert len(told) == 1
    assert "\n" not in told[0].getMessage()


def test_a_real_interrupt_reaches_the_host(manager: PluginManager) -> None:
    manager.register(plugin(attn_window_opened=lambda: signal.raise_signal(signal.SIGINT)), "during")
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        manager.hooks.window_opened(window=WINDOW)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_value_that_does_not_fit_is_left_out(manager: PluginManager) -> None:
    good = Metric("fine_metric", {"en": "fine"})
    manager.register(plugin(attn_metrics=lambda: [good, 3]), "mixed")
    manager.register(plugin(attn_identify_batch=lambda: "JVASP-1"), "ids")
    manager.register(plugin(attn_batch_metrics=lambda: [1]), "numbers")
    assert manager.hooks.identify_batch(inputs=None, window=None) is None  # type: ignore[arg-type]
    assert manager.pm.hook.attn_batch_metrics(weights=1, query_mask=0, key_mask=0, context=0) == []
    assert catalogue.BY_NAME["fine_metric"] is good
    assert set(manager.failures) == {"mixed", "ids", "numbers"}


# -- what a plugin changes -------------------------------------------------------------------------------------


def _handler(number: int, frame: Any) -> None:
    return None


def _modes_left_on() -> None:
    from torch.overrides import TorchFunctionMode

    TorchFunctionMode().__enter__()


def _close_the_descriptor() -> None:
    sys.stdout.flush()
    os.close(1)


CHANGES = {
    "random": lambda: random.seed(3),
    "numpy": lambda: np.random.rand(3),
    "torch": lambda: torch.rand(3),
    "dtype": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "grad": lambda: torch.set_grad_enabled(False),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "numpy errors": lambda: np.seterr(all="raise"),
    "folder": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(CUDA_VISIBLE_DEVICES="7", NEW_ONE="1"),
    "removed variable": lambda: os.environ.pop("PATH"),
    "filters": lambda: warnings.simplefilter("error"),
    "sigterm": lambda: signal.signal(signal.SIGTERM, _handler),
    "sigint": lambda: signal.signal(signal.SIGINT, _handler),
    "path": lambda: sys.path.insert(0, "/elsewhere"),
    "stdout": lambda: setattr(sys, "stdout", sys.stderr),
    "standard input": lambda: setattr(sys, "stdin", None),
    "descriptor": _close_the_descriptor,
    "redirected": lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 1),
    "argv": lambda: sys.argv.append("--mine"),
    "import hooks": lambda: sys.meta_path.clear(),
    "print": lambda: setattr(builtins, "print", len),
    "excepthook": lambda: setattr(sys, "unraisablehook", print),
    "recursion": lambda: sys.setrecursionlimit(333),
    "collection": lambda: gc.set_threshold(1),
    "trace": lambda: sys.settrace(lambda *a: None),
    "profile": lambda: sys.setprofile(lambda *a: None),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "umask": lambda: os.umask(0o777),
    "limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
    "processors": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "sockets": lambda: socket.setdefaulttimeout(1e-3),
    "start method": lambda: multiprocessing.set_start_method("spawn", force=True),
    "alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 500),
    "signal mask": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}),
    "showwarning": lambda: setattr(warnings, "showwarning", print),
    "logging": lambda: logging.disable(logging.CRITICAL),
    "log level": lambda: logging.getLogger().setLevel(5),
    "numpy prints": lambda: np.set_printoptions(precision=2),
    "torch prints": lambda: torch.set_printoptions(precision=2),
    "kernels": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "matmul": lambda: torch.set_float32_matmul_precision("medium"),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "modes": _modes_left_on,
}  # fmt: skip


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def _state() -> tuple[Any, ...]:
    numpy = np.random.get_state()
    return (
        random.getstate(), numpy[1].tolist(), numpy[2:], torch.get_rng_state().tolist(), torch.get_default_dtype(),  # type: ignore[union-attr]
        torch.get_default_device(), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(), np.geterr(),
        os.getcwd(), dict(os.environ), list(warnings.filters), signal.getsignal(signal.SIGTERM),
        signal.getsignal(signal.SIGINT), list(sys.path), sys.stdout, sys.stdin, os.fstat(1)[1:3], list(sys.argv), list(sys.meta_path),
        builtins.print, sys.unraisablehook, sys.getrecursionlimit(), gc.get_threshold(), sys.gettrace(), sys.getprofile(),
        locale.setlocale(locale.LC_ALL), _umask(), resource.getrlimit(resource.RLIMIT_NOFILE), os.sched_getaffinity(0),
        socket.getdefaulttimeout(), multiprocessing.get_start_method(allow_none=True), signal.getitimer(signal.ITIMER_REAL),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()), warnings.showwarning, logging.root.manager.disable, logging.root.level,
        str(np.get_printoptions()), str(vars(torch._tensor_str.PRINT_OPTS)), torch.backends.cudnn.benchmark,
        torch.get_float32_matmul_precision(), torch.is_anomaly_enabled(), torch._C._len_torch_function_stack(),
    )  # fmt: skip


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_what_a_plugin_changes_is_put_back_and_told(
    manager: PluginManager, change: str, raises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing() -> None:
        CHANGES[change]()
        if raises:
            raise RuntimeError("and fails")

    manager.register(plugin(attn_window_opened=changing), "changing")
    before = _state()
    manager.hooks.window_opened(window=WINDOW)
    assert _state() == before
    told = [f.error for f in manager.failures["changing"]]
    assert sum(t.startswith("changed ") for t in told) == 1
    assert len(told) == 1 + raises


def test_an_import_hook_that_a_library_adds_stays(
    manager: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = SimpleNamespace(find_spec=lambda *a: None)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    manager.register(plugin(attn_window_opened=lambda: sys.meta_path.append(hook)), "importing")
    manager.hooks.window_opened(window=None)  # type: ignore[arg-type]
    assert sys.meta_path[-1] is hook
    assert manager.failures == {}


def test_a_stream_that_a_plugin_closed_is_opened_again() -> None:
    code = """
        import sys
        from types import SimpleNamespace
        from crysmm_attn_plugin.hooks import hookimpl
        from crysmm_attn_plugin.hooks.contract.manager import PluginManager
        manager = PluginManager()
        manager.register(SimpleNamespace(attn_window_opened=hookimpl(lambda: (sys.stdout.close(), sys.stderr.close()))), "p")
        print("before", flush=True)
        manager.hooks.window_opened(window=None)
        print("after")
        print(manager.failures["p"][0].error, file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "before\nafter\n"
    assert "the standard streams" in done.stderr


class _Graph:
    """As much of a graph as holds data of nodes and edges."""

    def __init__(self) -> None:
        self.ndata, self.edata = {"z": torch.arange(4)}, {}

    def batch_num_nodes(self) -> torch.Tensor:
        return torch.tensor([2, 2])


def _batch() -> dict[str, Any]:
    return {
        "x": torch.tensor([1.0, float("nan"), 3.0]), "y": np.arange(3.0), "ids": ["a", "b"],
        "deep": ({"w": torch.ones(2)}, SimpleNamespace(v=torch.zeros(2))), "graph": _Graph(),
    }  # fmt: skip


TAMPERING = {
    "tensor in place": lambda b: b["x"].zero_(),
    "through numpy": lambda b: b["x"].numpy().fill(0),
    "other data": lambda b: setattr(b["x"], "data", torch.zeros(7)),
    "gradients": lambda b: b["x"].requires_grad_(),
    "array": lambda b: b["y"].__setitem__(0, 9),
    "list": lambda b: b["ids"].reverse(),
    "key taken": lambda b: b.pop("ids"),
    "key added": lambda b: b.update(z=1),
    "value exchanged": lambda b: b.update(x=torch.ones(3)),
    "nested": lambda b: b["deep"][0]["w"].mul_(2),
    "attribute": lambda b: setattr(b["deep"][1], "v", None),
    "graph": lambda b: b["graph"].ndata["z"].add_(1),
}


@pytest.mark.parametrize("change", TAMPERING)
def test_a_batch_that_a_plugin_altered_is_put_back_and_told(manager: PluginManager, change: str) -> None:
    batch, untouched = _batch(), _batch()
    inputs = SimpleNamespace(batch=batch, given=[((batch["x"],), {})], tokenizer_calls=[])

    def tampering(inputs: Any) -> None:
        TAMPERING[change](inputs.batch)

    manager.register(plugin(attn_identify_batch=tampering), "tampering")
    manager.hooks.identify_batch(inputs=inputs, window=None)  # type: ignore[arg-type]
    assert [f.error for f in manager.failures["tampering"]] == ["changed the batch; put back"]
    assert list(batch) == list(untouched)
    assert torch.equal(batch["x"].nan_to_num(-1), untouched["x"].nan_to_num(-1))
    assert not batch["x"].requires_grad
    assert batch["y"].tolist() == untouched["y"].tolist()
    assert batch["ids"] == untouched["ids"]
    assert torch.equal(batch["deep"][0]["w"], torch.ones(2))
    assert torch.equal(batch["deep"][1].v, torch.zeros(2))
    assert torch.equal(batch["graph"].ndata["z"], torch.arange(4))


class _Remembering:
    @functools.cached_property
    def sizes(self) -> list[int]:
        return [2, 2]


def test_a_batch_that_is_only_read_is_not_told(manager: PluginManager) -> None:
    meta = torch.ones(2, device="meta")
    inputs = SimpleNamespace(batch={**_batch(), "r": _Remembering(), "m": meta}, given=[], tokenizer_calls=[])
    manager.register(
        plugin(attn_identify_batch=lambda inputs: print(inputs.batch, inputs.batch["r"].sizes)), "reading"
    )
    manager.hooks.identify_batch(inputs=inputs, window=None)  # type: ignore[arg-type]
    assert manager.failures == {}


def test_a_module_that_a_plugin_altered_is_put_back_or_told(manager: PluginManager) -> None:
    model = torch.nn.Linear(2, 2).eval()
    call = SimpleNamespace(name="m", module=model, args=(torch.ones(2),), kwargs={}, output=torch.zeros(2))

    def altering(call: Any) -> None:
        call.module.train()
        call.output.add_(1)
        with torch.no_grad():
            call.module.weight.add_(1)

    manager.register(plugin(attn_read_attention=altering), "altering")
    manager.hooks.read_attention(call=call, window=None)  # type: ignore[arg-type]
    assert not model.training
    assert torch.equal(call.output, torch.zeros(2))
    (told,) = manager.failures["altering"]
    for words in ("the batch", "the mode of the model", "the weights of the model"):
        assert words in told.error


@pytest.mark.parametrize("as_metric", [False, True])
def test_weights_altered_in_place_reach_no_other_plugin(manager: PluginManager, as_metric: bool) -> None:
    def spoiling(weights: Any, query_mask: Any, key_mask: Any, context: Any) -> Any:
        for value in (weights, query_mask, key_mask, context.categories["element"]):
            value.zero_()
        return None if as_metric else {}

    if as_metric:
        manager.register(
            plugin(attn_metrics=lambda: [Metric("spoiling", {"en": "s"}, compute=spoiling)]), "spoiling"
        )
    else:
        manager.register(plugin(attn_batch_metrics=spoiling), "spoiling")
    manager.register(plugin(attn_batch_metrics=lambda weights: {"mine": weights.sum((2, 3))}), "mine")
    handed = [torch.ones(1, 1, 2, 2), torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 2, dtype=torch.bool)]
    mask = torch.ones(1, 2, dtype=torch.bool)
    identity = BatchIdentity(("a",), (("Na",),))
    context = MetricContext("fine", "atom_to_text", True, False, identity, {"element": mask})
    for _ in range(2):
        found = manager.hooks.batch_metrics(
            weights=handed[0], query_mask=handed[1], key_mask=handed[2], context=context
        )
        assert {"mine": torch.tensor([[4.0]])} in found
    assert all(bool(value.all()) for value in (*handed, mask))


def test_a_metric_of_a_descriptor_is_isolated_too(manager: PluginManager) -> None:
    def compute(weights: Any, query_mask: Any, key_mask: Any, context: Any) -> Any:
        torch.manual_seed(0)
        raise SystemExit(1)

    manager.register(plugin(attn_metrics=lambda: [Metric("bad", {"en": "bad"}, compute=compute)]), "bad")
    context = SimpleNamespace(direction="atom_to_text", identity=BatchIdentity(("a",), (("Na",),)))
    before = torch.get_rng_state()
    found = manager.hooks.batch_metrics(weights=1, query_mask=1, key_mask=1, context=context)  # type: ignore[arg-type]
    assert found == []
    assert torch.equal(torch.get_rng_state(), before)
    assert {f.hook for f in manager.failures["bad"]} == {"metric bad"}


# -- names -----------------------------------------------------------------------------------------------------


def test_doubled_names_are_told_and_the_first_stays(
    manager: PluginManager, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Metric("doubled", {"en": "first"}), Metric("doubled", {"en": "second"})
    shadow = Metric("entropy", {"en": "mine"})
    with caplog.at_level(logging.WARNING, "crysmm_attn"):
        manager.register(plugin(attn_metrics=lambda: [first]), "one")
        manager.register(plugin(attn_metrics=lambda: [second, shadow]), "two")
        manager.register(plugin(attn_languages=lambda: [Language("en", "Mine")]), "three")
        manager.register(plugin(attn_alarms=lambda: [AlarmKind("single_key", {"en": "mine"})]), "four")
        assert not manager.register(plugin(), "one", "other-package 1.0")
    assert catalogue.BY_NAME["doubled"] is first
    assert catalogue.BY_NAME["entropy"].family == "primary"
    text = caplog.text
    for words in ("'doubled' is there already (of one)", "'entropy' is there already (built in)",
                  "'en' is there already", "'single_key' is there already", "a plugin of this name is loaded already"):  # fmt: skip
        assert words in text


def test_a_plugins_metric_is_never_primary(manager: PluginManager) -> None:
    manager.register(plugin(attn_metrics=lambda: [Metric("big", {"en": "big"}, family="primary")]), "big")
    assert "big" not in catalogue.BY_NAME
    assert "cannot be primary" in manager.loaded[-1].notes[0]


def test_a_plugin_can_be_blocked_before_and_after_it_is_loaded() -> None:
    manager = PluginManager(disabled={"early"})
    hooks = {"attn_metrics": lambda: [Metric("blocked_metric", {"en": "x"})]}
    assert not manager.register(plugin(**hooks), "early")
    assert "blocked_metric" not in catalogue.BY_NAME
    assert manager.register(plugin(**hooks), "late")
    assert "blocked_metric" in catalogue.BY_NAME
    manager.block(["late"])
    assert "blocked_metric" not in catalogue.BY_NAME
    assert {p.name: p.error for p in manager.loaded} == {"early": "disabled", "late": "disabled"}


def test_hooks_are_timed_on_request() -> None:
    manager = PluginManager(timing=True)
    manager.register(plugin(attn_window_opened=lambda: None), "timed")
    for _ in range(3):
        manager.hooks.window_opened(window=WINDOW)
    calls, seconds = manager.timings["timed", "attn_window_opened"]
    assert calls == 3
    assert seconds > 0


def test_a_broken_built_in_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from crysmm_attn_plugin.errors import PluginError
    from crysmm_attn_plugin.hooks.contract import manager as module

    monkeypatch.setitem(module.BUILT_IN, "reports", "crysmm_attn_plugin.reports.no_such_module")
    with pytest.raises(PluginError, match="built-in plugin reports"):
        PluginManager().load_built_in()


def test_every_built_in_is_registered_and_its_descriptors_are_those_of_the_catalogue() -> None:
    manager = get_plugin_manager()
    names = {p.name for p in manager.loaded if not p.error}
    assert set(BUILT_IN) <= names
    assert [m.name for m in manager.hooks.metrics() if m.family == "primary"] == list(catalogue.PRIMARY)
    assert {a.name for a in manager.hooks.host_adapters()} >= {"crysmmnet", "alignn"}
    assert manager.record() == [] or all(p["name"] not in BUILT_IN for p in manager.record())


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_says_since_when_it_exists(hook: str) -> None:
    assert ".. versionadded::" in (vars(AttnSpecs)[hook].__doc__ or "")


# -- found on the path, in real processes ----------------------------------------------------------------------


def distribution(folder: Path, name: str, entry_points: str, module: str = "") -> None:
    """A distribution as pip would have left it in ``folder``."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(entry_points.encode("utf-8", "surrogateescape"))
    (folder / f"{name.replace('-', '_')}.py").write_text(textwrap.dedent(module))


def crysmm_attn(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(folder), **variables}
    return subprocess.run(
        [sys.executable, "-m", "crysmm_attn_plugin.cli", *words],
        capture_output=True, text=True, cwd=ROOT, env=environ, check=False, timeout=120,
    )  # fmt: skip


def test_broken_distributions_do_not_end_the_command_line(tmp_path: Path) -> None:
    entry = "[crysmm_attn]\n{0} = {0}\n"
    distribution(tmp_path, "exits", entry.format("exits"), "raise SystemExit(5)")
    distribution(tmp_path, "interrupts", entry.format("interrupts"), "raise KeyboardInterrupt")
    distribution(tmp_path, "syntax", entry.format("syntax"), "def (")
    distribution(tmp_path, "nowhere", "[crysmm_attn]\nnowhere = no_such_module_at_all\n")
    distribution(tmp_path, "invalid", "[crysmm_attn]\ninvalid = ::: [\n")
    distribution(tmp_path, "garbage", "[crysmm_attn]\nno equals sign\n\x00\x01")
    distribution(
        tmp_path, "changes", entry.format("changes"), "import os; os.chdir('/'); os.environ['A_B'] = 'c'"
    )
    distribution(
        tmp_path, "fine", entry.format("fine"),
        """
        from crysmm_attn_plugin.descriptors import Command
        from crysmm_attn_plugin.hooks import hookimpl
        @hookimpl
        def attn_add_commands(cli):
            Command("greet", "say hello", lambda args: print("hello"), examples=("crysmm-attn greet",)).add_to(cli)
        """,
    )  # fmt: skip
    # torch reads every distribution's entry points when it is imported, and ends by a garbled one unless told not to
    quiet = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    done = crysmm_attn("plugins", folder=tmp_path, **quiet)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for name in ("exits", "interrupts", "syntax", "nowhere", "invalid", "garbage"):
        assert any(name in line and "not loaded" in line for line in done.stdout.splitlines()), name
    assert any(
        line.startswith("fine (fine 1.0)") and "attn_add_commands" in line
        for line in done.stdout.splitlines()
    )
    assert "the working directory, the environment" in done.stderr
    help_text = crysmm_attn("--help", folder=tmp_path, **quiet)
    assert help_text.returncode == 0
    assert "greet" in help_text.stdout
    said = crysmm_attn("greet", folder=tmp_path, **quiet)
    assert (said.returncode, said.stdout) == (0, "hello\n")


def test_plugins_are_listed_without_being_imported(tmp_path: Path) -> None:
    distribution(tmp_path, "loud", "[crysmm_attn]\nloud = loud\n", "print('imported')")
    done = crysmm_attn("plugins", "--no-load", folder=tmp_path)
    assert done.returncode == 0
    assert "loud (loud 1.0): would import loud" in done.stdout
    assert "imported" not in done.stdout
    blocked = crysmm_attn("plugins", folder=tmp_path, CRYSMM_ATTN_DISABLE_PLUGINS="loud")
    assert "imported" not in blocked.stdout
    assert "loud (loud 1.0): not loaded: disabled" in blocked.stdout


def test_an_interrupt_is_told_from_a_plugins_own() -> None:
    told: list[str] = []
    with isolation.protected(told.append):
        raise KeyboardInterrupt
    assert told == ["KeyboardInterrupt"]


def test_a_command_runs_through_its_descriptor() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    Command("hello", "say hello", lambda args: args.n, lambda p: p.add_argument("--n", type=int)).add_to(  # type: ignore[arg-type]
        parser.add_subparsers()
    )
    args = parser.parse_args(["hello", "--n", "4"])
    assert args.handler(args) == 4

"""``doctor``: at the host's first forward, say what would be attached, and stop the process."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.bootstrap.process import HostProcess

PREFIX = "CRYSMM_ATTN_INTERNAL_"


def stop_at_first_forward(
    process: HostProcess, loader: Any, batch: Any, positions: tuple[int, ...] | None
) -> None:
    """Hook the next outermost module call; report and leave when it has returned."""
    if process.probing is not None:
        process.probing.update(loader=loader, batch=batch, positions=positions)
        return
    from torch.nn.modules.module import register_module_forward_pre_hook

    process.probing = {"loader": loader, "batch": batch, "positions": positions}
    known: dict[int, list[Any]] = {}

    def before(module: Any, args: Any) -> None:
        from crysmm_attn_plugin.capture.discovery import is_text_encoder
        from crysmm_attn_plugin.capture.models import find_taps
        from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
        from crysmm_attn_plugin.settings import Settings

        if id(module) in known:
            return
        known[id(module)] = taps = find_taps(module, get_plugin_manager(), Settings())
        if taps and not is_text_encoder(module):
            handle.remove()
            _probe_forward(process, module, taps)

    handle = register_module_forward_pre_hook(before)


def _probe_forward(process: HostProcess, model: Any, taps: list[Any]) -> None:
    from crysmm_attn_plugin.hooks.taps.guard import install_guarded
    from crysmm_attn_plugin.hooks.tokens import TokenizerWatch

    raw: list[Any] = []
    watch = TokenizerWatch()
    watch.start()
    faults: list[str] = []
    for tap in taps:
        install_guarded(
            tap, raw.append, lambda tap, error: faults.append(f"the tap on {tap.name} failed: {error}")
        )

    def after(module: Any, args: Any, output: Any) -> None:
        watch.stop()
        found = _describe(process, model, taps, raw, watch.calls, args, output)
        found["problems"] += faults
        write_probe(process, found)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # nothing of the host's is run to its end, its own exit handlers included

    model.register_forward_hook(after)


def _describe(
    process: HostProcess,
    model: Any,
    taps: list[Any],
    raw: list[Any],
    calls: list[Any],
    args: Any,
    output: Any,
) -> dict[str, Any]:
    from crysmm_attn_plugin.capture.accumulator import prediction_tensor
    from crysmm_attn_plugin.capture.directions import NotCrossModal, resolve
    from crysmm_attn_plugin.errors import AttnError
    from crysmm_attn_plugin.hooks.identity import BatchInputs, identify

    now = process.probing or {}
    loader = now["loader"]
    found: dict[str, Any] = {
        "model": type(model).__name__,
        "taps": [{"module": t.name, "class": type(t.module).__name__, "how": t.how} for t in taps],
        "problems": [],
    }
    inputs = BatchInputs(now["batch"], now["positions"], args, {}, getattr(loader, "dataset", None), calls)
    try:
        identity = identify(inputs)
    except AttnError as error:
        found["problems"].append(str(error))
        return found
    found["ids"] = list(identity.ids[:3])
    found["tokens"] = list(identity.tokens[0].tokens[:8]) if identity.tokens else None
    found["elements"] = list(identity.elements[0][:8])
    found["predictions"] = prediction_tensor(output, len(identity)) is not None
    maps = []
    for item in raw:
        result = resolve(item, identity, 0)
        shape = "x".join(map(str, item.weights.shape))
        if isinstance(result, NotCrossModal):
            maps.append(f"{item.module} {shape}: left out ({result.why}: {result.detail})")
        else:
            maps.append(f"{item.module} {shape}: {result.direction}")
    found["maps"] = maps
    if not any("left out" not in m for m in maps):
        found["problems"].append("no atom-token attention was seen in this forward")
    if identity.tokens is None:
        found["problems"].append("the host's tokens could not be read")
    return found


def write_probe(process: HostProcess, found: dict[str, Any] | None) -> None:
    """Leave what was found where the launcher looks for it; the first process to find something wins."""
    folder = os.environ.get(PREFIX + "STATUS")
    if not folder:
        return
    path = Path(folder) / f"probe-{os.getpid()}.json"
    if found is None and path.exists():
        return
    values = {**(found or {}), "loaders": process.seen_loaders, "torch": "torch" in sys.modules}
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")

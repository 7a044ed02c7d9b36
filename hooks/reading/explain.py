"""Why a pass gave nothing, or why one attention of it is left out, as clauses that a reader can act on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import torch
from torch import nn

from crysmm_attn_plugin.hooks.reading.sites import Reading, Site

if TYPE_CHECKING:
    from crysmm_attn_plugin.hooks.reading.reader import PassReader

UNSEEN = "the loader was iterated but no model was called on its batches"
RECORDED = (
    "the model is recorded as a CUDA graph within the loop, and what is replayed makes no call that could be seen; run the "
    "test loop on the model itself"
)
UNSEEN_ON_A_DEVICE = (
    f"{UNSEEN}; where it is a CUDA graph that is replayed, run the test loop on the model itself"
)
_WHY = {
    "single_key": "attends to a single key, so its weights are always exactly 1",
    "self": "is self attention, within the atoms or within the text",
    "pooling": "is a pooling with one query, not a map between atoms and tokens",
    "gate": "spreads atoms or words over the same few entries in every batch, as a gate or a router does",
    "unrelated": "fits neither the atoms nor the tokens of the batches",
    "ambiguous": "fits atoms and tokens alike, because they are equally many in every batch, so it stays undirected",
    "layout": "is laid out in a way that does not add up to the batch's crystals",
    "diverged": "is not a number (NaN): the model has diverged",
    "order": "is formed on the crystals in another order than the batch's (the model sorts or shuffles them inside), so nobody "
    "can tell whose row is whose",
    "inside": "is formed on atoms or words in another order than the batch's (the model sorts or reverses them inside), so "
    "labels would stand at the wrong entries",
    "no_mask": "masks nothing although its lengths vary and nobody knows them, so padding cannot be told from data",
}

#: Reasons in the order in which they say most about a host's cross attention.
_TELLING = ("single_key", "unrelated", "pooling", "gate", "self")


def left_out(site: Site, why: str) -> str:
    """Why one attention is left out, with the module's name and the shape of its maps."""
    return f"{site.module} ({shape_of(site)}) {clause(why)}"


def shape_of(site: Site) -> str:
    """Shape of a site's maps, as text."""
    return " x ".join(map(str, site.shape))


def clause(why: str) -> str:
    """A reason's code as a clause about the module."""
    return _WHY[why]


def why_nothing(reader: PassReader, loader_batches: int) -> str:
    """Why a pass has no rows."""
    if reader.hidden_calls["recorded"]:
        return RECORDED
    if not reader.n_batches and not reader.naming.outer_names:
        return UNSEEN_ON_A_DEVICE if torch.cuda.is_initialized() else UNSEEN
    reasons = [(s, c) for s, c in reader.decisions.chosen.items() if isinstance(c, str)]
    for kind in ("diverged", "order", "inside", "no_mask", "layout", "ambiguous"):
        for site, why in reasons:
            if why == kind:
                return left_out(site, why)
    if reader.n_unmatched and not reader.n_batches:
        return (
            "the host fetched its batches before it called the model, and what the model was given is in none of them, so "
            "nobody can tell whose attention it is; iterate the loader without fetching ahead"
        )
    models = reader.naming.outer
    names = ", ".join(reader.naming.outer_names) or "the script"
    for model in models:
        compiled = compiled_part(model)
        if compiled is not None or reader.hidden_calls["compiled"]:
            return (
                f"{compiled or names} is compiled by torch.compile, so what happens inside cannot be seen; run the test loop "
                "on the uncompiled model"
            )
    if any(kind != "gate" for _, kind in reasons):
        # a text model's own attention is the least of what a reader wants to hear of
        first, kind = min(reasons, key=lambda r: _TELLING.index(r[1]) if r[1] in _TELLING else len(_TELLING))
        return f"no attention between atoms and tokens was seen in {names}: {left_out(first, kind)}"
    if not any(isinstance(c, Reading) for c in reader.decisions.chosen.values()):
        return (
            f"no attention was seen in {names}: it has none, or forms it where it cannot be seen (a softmax written out as "
            "exp and sum, a compiled region, a fused kernel of another package)"
        )
    return f"the attention of {names} is in directions that the setting directions leaves out"


def compiled_part(model: nn.Module) -> str | None:
    """Name of a part (empty: the model itself) that torch.compile has taken over, or None."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    wrapper = getattr(dynamo, "OptimizedModule", ())
    for name, module in model.named_modules():
        if isinstance(module, wrapper) or getattr(module, "_compiled_call_impl", None) is not None:
            return str(name)
    return None

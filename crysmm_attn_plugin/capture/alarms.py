"""What a reader must know before trusting a number, found while a window closes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crysmm_attn_plugin.alarms import raised
from crysmm_attn_plugin.capture.accumulator import Accumulator
from crysmm_attn_plugin.hooks.reading.explain import clause, shape_of
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.hooks.reading.sites import Reading, Site
from crysmm_attn_plugin.records import Alarm, Window
from crysmm_attn_plugin.text.alignment import TRUSTED_SHARE

#: Mean between-atom variation below which every atom of a crystal reads practically the same tokens.
COLLAPSED_BELOW = 0.01
#: Share of attention on padding that rounding can explain.
PADDING_ABOVE = 1e-6
#: Reasons that a reader is told; the others (a text model's own attention) are as they should be.
TOLD = {"single_key": "single_key", "ambiguous": "site_left_out", "layout": "site_left_out", "no_mask": "padding_unknown",
        "diverged": "not_finite"}  # fmt: skip


def window_alarms(
    gathered: Accumulator,
    reader: PassReader,
    window: Window,
    without_mask: Iterable[str],
    untrained: Sequence[tuple[str, str]],
    unaligned: Sequence[float] = (),
) -> tuple[Alarm, ...]:
    """Alarms of one window.

    Args:
        gathered: What the window gathered.
        reader: What read it.
        window: What is known of it.
        without_mask: Modules whose keys were padded and that masked nothing.
        untrained: (module, direction) pairs no gradient ever reached.
        unaligned: Of each crystal whose tokens are not those of its text, the share that is.
    """
    alarms = [
        raised("untrained_direction", module=module, direction=direction) for module, direction in untrained
    ]
    alarms += _sites(reader)
    if gathered.worst_padding > PADDING_ABOVE:
        alarms += [raised("missing_mask", module=module) for module in sorted(without_mask)]
        alarms.append(raised("padding_mass", largest_share=gathered.worst_padding))
    if reader.decisions.missing:
        alarms.append(raised("attention_missing", missing=reader.decisions.missing, batches=reader.n_batches))
    if reader.hidden_calls["compiled"]:
        alarms.append(raised("compiled_region"))
    if reader.hidden_calls["recorded"]:
        alarms.append(raised("recorded_graph"))
    alarms += _collapsed(gathered)
    alarms += [
        raised("metric_left_out", metric=name, why=why) for name, why in gathered.metric_faults.items()
    ]
    if gathered.n_truncated:
        alarms.append(raised("text_truncated", n=gathered.n_truncated, total=gathered.n_crystals))
    if gathered.tokens_unknown:
        alarms.append(raised("tokens_unknown"))
    if unaligned:
        total, lowest = gathered.n_crystals, min(unaligned)
        alarms.append(
            raised("tokens_unaligned", n=len(unaligned), total=total, least=TRUSTED_SHARE, lowest=lowest)
        )
    alarms += _identity(reader)
    if window.training_mode:
        alarms.append(raised("training_mode"))
    return tuple(alarms)


def _sites(reader: PassReader) -> list[Alarm]:
    alarms: dict[tuple[str, str], Alarm] = {}
    for site, choice in reader.decisions.chosen.items():
        if isinstance(choice, str):
            found = _left_out(site, choice)
        else:
            found = _read(reader, site, choice)
        if found is not None:
            alarms.setdefault((found.code, site.module), found)
    return list(alarms.values())


def _left_out(site: Site, why: str) -> Alarm | None:
    code = TOLD.get(why)
    if code is None:
        return None
    return raised(code, module=site.module, shape=shape_of(site), why=clause(why))


def _read(reader: PassReader, site: Site, choice: Reading) -> Alarm | None:
    sides = {
        "queries": choice.queries or "unnamed queries",
        "keys": choice.keys or "unnamed keys",
    }
    if not choice.direction:
        return raised("undirected", module=site.module, **sides)
    if len(reader.decisions.lengths.get(site, ())) <= 1 and reader.n_batches > 1:
        return raised("thin_evidence", module=site.module, direction=choice.direction, **sides)
    return None


def _identity(reader: PassReader) -> list[Alarm]:
    alarms = []
    if reader.ids_from:
        alarms.append(raised("ids_from_order", example=f"{reader.ids_from}17"))
    if reader.elements_unknown:
        alarms.append(raised("elements_unknown", n=reader.elements_unknown))
    if reader.n_without_prediction:
        alarms.append(raised("predictions_unknown", n=reader.n_without_prediction))
    return alarms


def _collapsed(gathered: Accumulator) -> list[Alarm]:
    return [
        raised("collapsed_attention", module=module, direction=direction, between_atom_tv=mean)
        for (module, direction), mean in gathered.variation().items()
        if mean < COLLAPSED_BELOW
    ]


def directions_of(reader: PassReader) -> dict[Site, str]:
    """Direction of every attention that was read."""
    return {s: c.direction for s, c in reader.decisions.chosen.items() if isinstance(c, Reading)}

"""What a reader must know before trusting a number, found while a window closes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crysmm_attn_plugin.capture.accumulator import Accumulator
from crysmm_attn_plugin.hooks.reading.explain import left_out
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.hooks.reading.sites import Reading, Site
from crysmm_attn_plugin.records import Alarm, Window
from crysmm_attn_plugin.text import TOKENS_UNALIGNED, unaligned_message

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
    by_elimination: bool = False,
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
        by_elimination: Nobody named this loop: it ran without gradients and no other was named.
    """
    alarms = [
        Alarm(
            "untrained_direction",
            f"no gradient ever reached the {direction} weights of {module}: that direction is not used by the loss "
            "and keeps its random initial weights.",
            module,
            direction,
        )
        for module, direction in untrained
    ]
    alarms += _sites(reader)
    if gathered.worst_padding > PADDING_ABOVE:
        alarms += [
            Alarm(
                "missing_mask",
                f"{module} masked nothing although batches were padded: attention falls on padding. Metrics are over real "
                "tokens, renormalised.",
                module,
            )
            for module in sorted(without_mask)
        ]
        alarms.append(
            Alarm(
                "padding_mass",
                f"up to {gathered.worst_padding:.2g} of a row's attention lay on padding; it is removed and rows are "
                "renormalised.",
                detail={"largest_share": gathered.worst_padding},
            )
        )
    if reader.decisions.missing:
        alarms.append(
            Alarm(
                "attention_missing",
                f"attention was not formed in {reader.decisions.missing} of {reader.n_batches} batches: some calls were not seen.",
                detail={"missing": reader.decisions.missing, "batches": reader.n_batches},
            )
        )
    if reader.n_hidden:
        alarms.append(
            Alarm(
                "compiled_region",
                "part of the model is compiled by torch.compile: attention formed there cannot be told apart and is missing.",
            )
        )
    alarms += _collapsed(gathered)
    for name, why in gathered.metric_faults.items():
        alarms.append(Alarm("metric_left_out", f"{why}; it is left out.", detail={"metric": name}))
    if gathered.n_truncated:
        alarms.append(
            Alarm(
                "text_truncated",
                f"{gathered.n_truncated} of {gathered.n_crystals} descriptions were cut at the tokenizer's maximum length; "
                "their ends were never read.",
                detail={"n": gathered.n_truncated},
            )
        )
    if gathered.tokens_unknown:
        alarms.append(
            Alarm(
                "tokens_unknown",
                "the host's tokens could not be read, so special tokens and stop words cannot be told apart.",
            )
        )
    if unaligned:
        message = unaligned_message(len(unaligned), gathered.n_crystals, min(unaligned))
        alarms.append(
            Alarm(TOKENS_UNALIGNED, message, detail={"n": len(unaligned), "lowest": min(unaligned)})
        )
    alarms += _identity(reader)
    if window.training_mode:
        alarms.append(
            Alarm(
                "training_mode",
                "the host ran this pass with the model in training mode (dropout active); its numbers are not those of "
                "the evaluated model.",
            )
        )
    if by_elimination:
        alarms.append(
            Alarm(
                "split_by_elimination",
                "nobody named this loop: it is taken for the test pass because nothing was trained in it and no loop was "
                "named; name it with --loader.",
            )
        )
    return tuple(alarms)


def _sites(reader: PassReader) -> list[Alarm]:
    alarms: dict[tuple[str, str], Alarm] = {}
    for site, choice in reader.decisions.chosen.items():
        if isinstance(choice, str):
            code = TOLD.get(choice)
            if code is not None:
                alarms.setdefault(
                    (code, site.module),
                    Alarm(code, f"{left_out(site, choice)}; it is left out.", site.module),
                )
        elif not choice.direction:
            names = f"{choice.queries or 'unnamed queries'} over {choice.keys or 'unnamed keys'}"
            alarms.setdefault(
                ("undirected", site.module),
                Alarm(
                    "undirected", f"{site.module} reads {names}: its maps are stored undirected.", site.module
                ),
            )
        elif len(reader.decisions.lengths.get(site, ())) <= 1 and reader.n_batches > 1:
            alarms.setdefault(
                ("thin_evidence", site.module),
                Alarm(
                    "thin_evidence",
                    f"all batches had the same lengths, so that {site.module} reads {choice.queries} over {choice.keys} "
                    "rests on one agreement.",
                    site.module,
                    choice.direction,
                ),
            )
    return list(alarms.values())


def _identity(reader: PassReader) -> list[Alarm]:
    alarms = []
    if reader.ids_from:
        what = {"#": "positions in its data set (#17)", "~": "the order of its stream (~17)"}[reader.ids_from]
        alarms.append(
            Alarm(
                "ids_from_order",
                f"neither the data set nor the batch has ids: crystals are named by {what}. Runs compare only where the test "
                "set is the same in the same order.",
            )
        )
    if reader.elements_unknown:
        alarms.append(
            Alarm(
                "elements_unknown",
                f"the elements of {reader.elements_unknown} crystals are not known, so numbers that need them are missing.",
                detail={"n": reader.elements_unknown},
            )
        )
    if reader.n_without_prediction:
        alarms.append(
            Alarm(
                "predictions_unknown",
                f"the model's prediction could not be told for {reader.n_without_prediction} crystals; errors need it.",
                detail={"n": reader.n_without_prediction},
            )
        )
    return alarms


def _collapsed(gathered: Accumulator) -> list[Alarm]:
    return [
        Alarm(
            "collapsed_attention",
            f"the rows of {module} ({direction or 'undirected'}) differ by {mean:.2g} in total variation on average: "
            "attention has collapsed, every row reads the same.",
            module,
            direction,
            {"between_atom_tv": mean},
        )
        for (module, direction), mean in gathered.variation().items()
        if mean < COLLAPSED_BELOW
    ]


def directions_of(reader: PassReader) -> dict[Site, str]:
    """Direction of every attention that was read."""
    return {s: c.direction for s, c in reader.decisions.chosen.items() if isinstance(c, Reading)}

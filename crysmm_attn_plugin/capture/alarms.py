"""What a reader must know before trusting a number, found while a window closes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crysmm_attn_plugin.capture.accumulator import Accumulator
from crysmm_attn_plugin.capture.directions import NotCrossModal
from crysmm_attn_plugin.records import Alarm

#: Mean between-atom variation below which every atom of a crystal reads practically the same tokens.
COLLAPSED_BELOW = 0.01
#: Share of attention on padding that rounding can explain.
PADDING_ABOVE = 1e-6


def window_alarms(
    gathered: Accumulator,
    *,
    training_mode: bool,
    expected_calls: int,
    actual_calls: int,
    left_out: Iterable[NotCrossModal],
    masks_missing: Iterable[str],
    silent: Sequence[str],
    untrained: Sequence[tuple[str, str]],
) -> tuple[Alarm, ...]:
    """Alarms of one window.

    Args:
        gathered: What the window gathered.
        training_mode: True when the host left the model in training mode.
        expected_calls, actual_calls: Forwards times tapped modules, and module calls that gave weights.
        left_out: Maps that are not cross-modal.
        masks_missing: Modules that were given no mask and whose attention fell on padding.
        silent: Attention modules that were not called once through their hooks.
        untrained: (module, direction) pairs no gradient ever reached.
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
    for module in sorted({x.module for x in left_out if x.why == "single_key"}):
        alarms.append(
            Alarm(
                "single_key",
                f"{module} attends to a single key, so its weights are always exactly 1; it is left out.",
                module,
            )
        )
    for module in sorted(set(masks_missing)):
        alarms.append(
            Alarm(
                "missing_mask",
                f"{module} was given no mask although batches were padded: attention falls on padding. Metrics are over "
                "real tokens, renormalised.",
                module,
            )
        )
    worst = gathered.worst_padding
    if worst > PADDING_ABOVE:
        alarms.append(
            Alarm(
                "padding_mass",
                f"up to {worst:.2g} of a row's attention lay on padding; it is removed and rows are renormalised.",
                detail={"largest_share": worst},
            )
        )
    counts = {"expected": expected_calls, "actual": actual_calls}
    if silent:
        others = f" and {len(silent) - 1} others" if len(silent) > 1 else ""
        alarms.append(
            Alarm(
                "hooks_did_not_fire",
                f"no call of {silent[0]}{others} was seen: unused in this pass, or called past the hooks (compiled, scripted, "
                "or by .forward), in which case attention is missing here.",
                silent[0],
                detail={**counts, "modules": list(silent)},
            )
        )
    elif actual_calls < expected_calls:
        alarms.append(
            Alarm(
                "hooks_did_not_fire",
                f"{actual_calls} of {expected_calls} expected module calls were seen; a compiled or scripted model skips "
                "hooks. Run the test loop uncompiled.",
                detail=counts,
            )
        )
    alarms += _collapsed(gathered)
    for name, why in gathered.metric_faults.items():
        alarms.append(Alarm("metric_left_out", f"{why}; it is left out.", detail={"metric": name}))
    n_truncated = gathered.n_truncated
    if n_truncated:
        alarms.append(
            Alarm(
                "text_truncated",
                f"{n_truncated} of {gathered.n_crystals} descriptions were cut at the tokenizer's maximum length; their "
                "ends were never read.",
                detail={"n": n_truncated},
            )
        )
    if gathered.tokens_unknown:
        alarms.append(
            Alarm(
                "tokens_unknown",
                "the host's tokens could not be read, so special tokens and stop words cannot be told apart.",
            )
        )
    if training_mode:
        alarms.append(
            Alarm(
                "training_mode",
                "the host ran this pass with the model in training mode (dropout active); its numbers are not those of "
                "the evaluated model.",
            )
        )
    return tuple(alarms)


def _collapsed(gathered: Accumulator) -> list[Alarm]:
    alarms = []
    for (module, direction), mean in gathered.variation().items():
        if mean < COLLAPSED_BELOW:
            alarms.append(
                Alarm(
                    "collapsed_attention",
                    f"the rows of {module} ({direction}) differ by {mean:.2g} in total variation on average: attention "
                    "has collapsed, every row reads the same.",
                    module,
                    direction,
                    {"between_atom_tv": mean},
                )
            )
    return alarms

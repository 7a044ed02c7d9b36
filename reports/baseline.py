"""Which arm the others are compared with: by name or by the host's own settings, never by the alphabet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crysmm_attn_plugin.errors import AttnError, UsageError
from crysmm_attn_plugin.reports.arm_names import BASELINE_NAMES
from crysmm_attn_plugin.store.reader import Run

#: Host settings that say whether middle fusion is on; the one arm without any is the baseline.
FUSION_KEYS = ("use_middle_fusion", "middle_fusion", "middle_fusion_layers")


def choose_baseline(arms: Mapping[str, Sequence[Run]]) -> str | None:
    """The baseline by rule: an arm so named, in either language; the one whose host config has middle fusion off.

    Args:
        arms: Arm name -> its runs.

    Returns:
        An arm's name; None for one arm, and where nothing says which it is.
    """
    if len(arms) < 2:
        return None
    for name in BASELINE_NAMES:
        for arm in arms:
            if " ".join(arm.split()).lower() == name:
                return arm
    without = [arm for arm, runs in arms.items() if runs and middle_fusion(runs[0]) is False]
    return without[0] if len(without) == 1 else None


def name_baseline(arms: Mapping[str, Sequence[Run]], wanted: str | None) -> str | None:
    """The baseline that was named, or the one the rule finds; None for one arm.

    Args:
        arms: Arm name -> its runs.
        wanted: Name of an arm, or None.

    Raises:
        UsageError: When there is no such arm, or nothing says which arm is the baseline.
    """
    if wanted is not None:
        if wanted not in arms:
            raise UsageError(f"baseline {wanted!r}: no such arm; the runs are of {', '.join(arms)}.")
        return wanted
    chosen = choose_baseline(arms)
    if chosen is None and len(arms) > 1:
        raise UsageError(
            f"the runs are of {len(arms)} arms ({', '.join(arms)}) and nothing says which is the baseline; name it: "
            f"--baseline {next(iter(arms))} (in Python: baseline={next(iter(arms))!r})."
        )
    return chosen


def stand_in(arms: Mapping[str, Sequence[Run]]) -> str:
    """The arm that differences are taken against where nobody can say which is the baseline: the one captured first."""
    return min(arms, key=lambda arm: min((run.run_id for run in arms[arm]), default=""))


def middle_fusion(run: Run) -> bool | None:
    """Whether the host's configuration has middle fusion on; None when it does not say."""
    config = run.info.get("host_config") or {}
    for holder in (config, config.get("model") or {}):
        for key in FUSION_KEYS:
            if isinstance(holder, Mapping) and key in holder:
                return bool(holder[key])
    return None


def refuse_same_weights(arms: Mapping[str, Sequence[Run]], *, checkpoint: str, split: str) -> None:
    """No checkpoint may stand in two arms.

    Raises:
        UsageError: When one does.
    """
    seen: dict[str, tuple[str, Run]] = {}
    for arm, runs in arms.items():
        for run in runs:
            try:
                digest = run.checkpoint(checkpoint, split=split).digest
            except AttnError:
                continue  # said with its reason when the runs are read
            other, first = seen.setdefault(digest, (arm, run))
            if other != arm:
                raise UsageError(
                    f"arms {other} and {arm} hold the same weights ({digest[:8]}: {first.path} and {run.path}); this compares "
                    "a checkpoint with itself. Give each arm a checkpoint of its own, or choose with --checkpoint."
                )

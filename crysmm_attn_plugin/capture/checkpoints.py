"""Which weights the host's files hold: told by its own saves, matched with windows by digest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crysmm_attn_plugin.hooks.checkpoint_files import find_state_dict, role_of
from crysmm_attn_plugin.hooks.digests import weight_digest
from crysmm_attn_plugin.records import Checkpoint, WindowOutcome


class KnownCheckpoints:
    """Files and names of weights seen in one process."""

    def __init__(self) -> None:
        self._files: dict[str, Checkpoint] = {}
        self._named: set[str] = set()
        self._saved_at: dict[str, int] = {}

    def saved(self, path: str | os.PathLike[str], obj: Any, step: int) -> None:
        """The host saved ``obj`` to ``path`` after ``step`` training steps."""
        state = find_state_dict(obj)
        if state is None:
            return
        values = obj if isinstance(obj, Mapping) else {}
        metrics = {
            str(k): float(v)
            for k, v in values.items()
            if isinstance(v, (int, float)) and not isinstance(v, bool) and k != "epoch"
        }
        epoch = values.get("epoch")
        key = os.path.abspath(os.fspath(path))
        self._saved_at[key] = step
        self._files[key] = Checkpoint(
            weight_digest(state),
            (os.fspath(path),),
            role_of(path),
            epoch if isinstance(epoch, int) else None,
            metrics,
        )

    def name(self, path: str, checkpoint: Checkpoint) -> None:
        """Give weights that are known by digest a file, a role and an epoch, whether or not the file is there."""
        key = os.path.abspath(path) if path else checkpoint.digest
        self._files[key] = checkpoint
        self._named.add(key)

    def held(self, digest: str) -> list[Checkpoint]:
        """Files that still hold these weights (hosts rename and rotate what they save)."""
        return [
            c
            for path, c in self._files.items()
            if c.digest == digest and (path in self._named or os.path.exists(path))
        ]

    def saved_before(self, step: int) -> set[str]:
        """Digests that a file held before a training step."""
        return {c.digest for path, c in self._files.items() if self._saved_at.get(path, 0) < step}

    def of(
        self, outcomes: Sequence[WindowOutcome], *, last: str | None, current: str, untrained: Sequence[str]
    ) -> Iterator[Checkpoint]:
        """One entry for each set of weights that a window was captured of, with every role its files give it.

        Args:
            outcomes: Windows captured.
            last: Digest of the weights training ended with, or None.
            current: Digest of the weights seen last; they are told too when a file names them.
            untrained: Directions that no gradient reached.
        """
        named = [c.digest for c in self._files.values() if c.digest == current]
        for digest in dict.fromkeys([*(o.window.checkpoint for o in outcomes), *named]):
            held = self.held(digest)
            roles = list(dict.fromkeys(c.role for c in held))
            if digest == last and "last" not in roles:
                roles.append("last")
            epochs = [o.window.epoch for o in outcomes if o.window.checkpoint == digest]
            stored = [c.epoch for c in held if c.epoch is not None]
            yield Checkpoint(
                digest,
                tuple(f for c in held for f in c.files),
                "+".join(r for r in roles if r != "epoch" or len(roles) == 1),
                stored[0] if stored else (epochs[0] if epochs else None),
                {k: v for c in held for k, v in c.metrics.items()},
                tuple(untrained),
            )

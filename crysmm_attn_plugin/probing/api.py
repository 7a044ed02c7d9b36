"""``probe``: interventions on the attention of a model over batches that a user hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader

from crysmm_attn_plugin.errors import CaptureError, UsageError
from crysmm_attn_plugin.hooks.contract.manager import PluginManager, get_plugin_manager
from crysmm_attn_plugin.hooks.reading.deciding import ReadBatch
from crysmm_attn_plugin.hooks.reading.explain import why_nothing
from crysmm_attn_plugin.hooks.reading.facts import facts_of
from crysmm_attn_plugin.hooks.reading.loops import listen
from crysmm_attn_plugin.hooks.reading.reader import PassReader
from crysmm_attn_plugin.probing.prober import ProbeOptions, Prober
from crysmm_attn_plugin.probing.replay import copied_inputs, copied_model, random_states_kept
from crysmm_attn_plugin.settings import INTERVENTIONS
from crysmm_attn_plugin.stats.interventions import faithfulness
from crysmm_attn_plugin.stats.use_results import Contrast, Effect, Faithfulness, Use

__all__ = ["ProbeResult", "probe"]

SENTENCES: dict[str, str] = {
    "used": "The most attended {units} are used: hiding {size} of them shifted predictions by "
    "{most:.3g} on average, hiding {size} random ones by {random:.3g} (difference {low:.3g} to {high:.3g}, {n} crystals).",
    "not_used": "The attention is not used for these predictions: neither hiding the {size} most attended {units} nor other "
    "attention in its place shifted them by 1 % of their spread ({n} crystals).",
    "unclear": "Use of the most attended {units} was not established: hiding {size} of them "
    "shifted predictions by {most:.3g} on average, hiding {size} random ones by {random:.3g} ({n} crystals).",
    "nothing": "Whether the attention is used was not asked: no words were knocked out.",
}


@dataclass(frozen=True)
class ProbeResult:
    """What interventions did.

    Attributes:
        effects: A row per crystal and extra pass, columns of ``store.schema.INTERVENTIONS``.
        costs: Intervention -> time of one of its passes as a multiple of one plain pass of the model.
        refused: Intervention that was asked for -> why it gave no number.
        direction: Of the attention that was changed.
    """

    effects: pd.DataFrame
    costs: Mapping[str, float]
    refused: Mapping[str, str]
    direction: str

    @cached_property
    def faithfulness(self) -> Faithfulness:
        """Means, intervals and contrasts over crystals."""
        return faithfulness(self.effects)

    def summary(self) -> pd.DataFrame:
        """Mean effect of each intervention with its interval, heads apart."""
        return _frame(self.faithfulness.effects)

    def heads(self) -> pd.DataFrame:
        """Mean effect of making each head even, the most important first."""
        frame = _frame(self.faithfulness.heads)
        return (
            frame.sort_values(["measure", "mean"], ascending=[False, False], ignore_index=True)
            if len(frame)
            else frame
        )

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Against random words."""
        return self.faithfulness.contrasts

    @property
    def used(self) -> Use:
        """See ``stats.interventions.Faithfulness.use``."""
        return self.faithfulness.use

    @property
    def sentence(self) -> str:
        """``used`` in words."""
        found = self.faithfulness
        key = ("most_attended", "shift", found.tested_size)
        paired = next((c.paired for c in found.contrasts if (c.name, c.measure, c.size) == key), None)
        if paired is None:
            return SENTENCES["nothing"]
        units = "words" if self.direction == "atom_to_text" else "atoms"
        return SENTENCES[found.use].format(
            size=found.tested_size, units=units, most=paired.mean_a, random=paired.mean_b, low=paired.ci_low,
            high=paired.ci_high, n=paired.n,
        )  # fmt: skip


def _frame(effects: Sequence[Effect]) -> pd.DataFrame:
    return pd.DataFrame([vars(e) for e in effects])


def probe(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    forward: Callable[[nn.Module, Any], Any] | None = None,
    interventions: Sequence[str] | None = None,
    sizes: Sequence[int] = (1, 2, 4, 8),
    draws: int = 2,
    direction: str = "atom_to_text",
    seed: int = 0,
    manager: PluginManager | None = None,
    on_read: Callable[[ReadBatch], object] | None = None,
) -> ProbeResult:
    """Intervene on a model's attention and see what its predictions do.

    A copy of the model in evaluation mode is run; the model, the random states and the batches stay as they are. A loader is
    iterated once, and at most a few batches are held at a time.

    Args:
        model: The model.
        batches: A ``DataLoader`` (its data set says which crystals are in a batch) or batches one after another.
        forward: Calls a model on a batch as the host's test loop does and returns its predictions, one a crystal;
            ``model(batch)`` when None.
        interventions: Of ``INTERVENTIONS``; all when None.
        sizes: Numbers of most attended words that are knocked out, or kept alone.
        draws: Random choices of as many words that each is set against.
        direction: ``atom_to_text`` or ``text_to_atom``.
        seed: Of the random choices; a crystal's are the same for every model.
        manager: Plugins that identify batches; the process's own when None.
        on_read: Told of each batch as it was read, its maps included.

    Raises:
        UsageError: On an intervention, size or direction that there is not.
        CaptureError: When the attention cannot be changed, or the model cannot be called again with the same result.
    """
    options = checked_options(interventions, sizes, draws, direction, seed)
    call = forward or (lambda one, batch: one(batch))
    with random_states_kept():
        twin = copied_model(model)
        return _probed(twin, batches, call, options, manager or get_plugin_manager(), on_read)


def checked_options(
    interventions: Sequence[str] | None, sizes: Sequence[int], draws: int, direction: str, seed: int
) -> ProbeOptions:
    """Options that can be followed.

    Raises:
        UsageError: Otherwise.
    """
    wanted = tuple(INTERVENTIONS if interventions is None else dict.fromkeys(interventions))
    wrong = [w for w in wanted if w not in INTERVENTIONS]
    if wrong or not wanted:
        raise UsageError(
            f"there is no intervention {(wrong or [''])[0]!r}; there are {', '.join(INTERVENTIONS)}."
        )
    if direction not in ("atom_to_text", "text_to_atom"):
        raise UsageError(f"direction is atom_to_text or text_to_atom, not {direction!r}.")
    if not sizes or any(type(s) is not int or s < 1 for s in sizes):
        raise UsageError(f"sizes are whole numbers of words from 1 on, not {list(sizes)!r}.")
    if type(draws) is not int or draws < 1:
        raise UsageError(f"draws is a whole number from 1 on, not {draws!r}.")
    return ProbeOptions(wanted, tuple(sorted(set(sizes))), draws, direction, seed)


class _Window:
    """What identifying plugins are told of the pass."""

    split = "test"

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    @property
    def dataset(self) -> Any:
        return getattr(self.loader, "dataset", None)


class _Positions:
    """Hears from a loader which items of its data set are in each batch."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.latest: tuple[int, ...] | None = None

    def loader_started(self, loader: Any) -> bool:
        return loader is self._loader

    def batch_yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        self.latest = positions

    def batch_over(self, loader: Any) -> None:
        self.latest = None

    def loader_finished(self, loader: Any, complete: bool) -> None:
        self.latest = None


def _probed(
    twin: nn.Module,
    batches: Iterable[Any],
    call: Callable[[nn.Module, Any], Any],
    options: ProbeOptions,
    manager: PluginManager,
    on_read: Callable[[ReadBatch], object] | None,
) -> ProbeResult:
    positions, window = _Positions(batches), _Window(batches)
    prober = Prober(options)
    waiting: list[Any] = []

    def take(last: bool) -> None:
        for read in reader.take(last=last):
            if on_read is not None:
                on_read(read)
            again = partial(_again, call, waiting.pop(0))
            prober.add(
                read, reader.decisions.chosen, again, twin, lambda: why_nothing(reader, reader.n_yielded)
            )

    reader = PassReader(batches, lambda inputs: facts_of(inputs, manager, window), twin)
    with ExitStack() as stack:
        stack.callback(reader.abandon)
        if isinstance(batches, DataLoader):
            stack.callback(listen(type(batches), positions))
        for batch in batches:
            kept = copied_inputs(batch)
            seen = reader.n_batches
            reader.yielded(batch, positions.latest)
            with torch.no_grad():
                call(twin, batch)
            reader.over()
            if reader.n_batches > seen:
                waiting.append(kept)
            take(last=False)
        reader.close()
        take(last=True)
    if not prober.n_crystals:
        raise CaptureError(
            f"interventions are not made: {why_nothing(reader, reader.n_yielded)}."
            if reader.n_yielded
            else "there is no batch to probe."
        )
    effects = pd.DataFrame(prober.taken())
    return ProbeResult(
        effects, prober.costs, prober.missing(list(effects["intervention"].unique())), options.direction
    )


def _again(call: Callable[[nn.Module, Any], Any], batch: Any, model: nn.Module) -> Any:
    return call(model, copied_inputs(batch))

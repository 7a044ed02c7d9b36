"""Whose row is whose: collate functions and models that exchange what a batch holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader

from crysmm_attn_plugin.hooks.reading import collating, layers, loops
from crysmm_attn_plugin.hooks.reading.batch import Snapshot, leaves, tensors_in
from crysmm_attn_plugin.hooks.reading.order import OrderWatch, order_of
from crysmm_attn_plugin.hooks.reading.sites import Facts, Side

Positions = tuple[int, ...] | None
ITEMS = [
    {"x": torch.tensor([i + 1] * (1 + i % 3)), "y": i * 0.37 + 0.1, "name": f"crystal {i}"} for i in range(12)
]


class Everything:
    """Wants every loop and keeps what it is told of its batches."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, Positions]] = []

    def loader_started(self, loader: Any) -> bool:
        return True

    def batch_yielded(self, loader: Any, batch: Any, positions: Positions) -> None:
        self.told.append((batch, positions))

    def batch_over(self, loader: Any) -> None:
        return None

    def loader_finished(self, loader: Any, complete: bool) -> None:
        return None


@pytest.fixture
def listener() -> Iterator[Everything]:
    found = Everything()
    undo = loops.listen(DataLoader, found)
    yield found
    undo()


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "x": nn.utils.rnn.pad_sequence([r["x"] for r in rows], True),
        "y": torch.tensor([r["y"] for r in rows]),
    }


def by_size(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows.sort(key=lambda r: -len(r["x"]))  # in place, as hosts do
    return rows


def big(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in rows if len(r["x"]) > 1]


@pytest.mark.parametrize("arrange", [list, by_size, big], ids=["as they are", "sorted", "left out"])
def test_positions_are_those_of_the_rows_whatever_the_collate_function_does(
    arrange: Callable[..., Any], listener: Everything
) -> None:
    one_is_left = [0, 3, 6, 1]
    for order in (torch.randperm(len(ITEMS)).tolist(), one_is_left):
        loader = DataLoader(ITEMS, 4, sampler=order, collate_fn=lambda rows: collate(arrange(rows)))  # type: ignore[arg-type]
        for _ in loader:
            pass
    for batch, positions in listener.told:
        assert positions is not None
        assert torch.tensor([ITEMS[i]["y"] for i in positions]).equal(batch["y"])


@pytest.mark.parametrize("arrange", [by_size, big], ids=["sorted", "left out"])
def test_workers_tell_that_items_do_not_stand_where_the_sampler_put_them(
    arrange: Callable[..., Any], listener: Everything
) -> None:
    loader = DataLoader(ITEMS, 4, num_workers=1, collate_fn=lambda rows: collate(arrange(rows)))  # type: ignore[arg-type]
    for _ in range(2):
        for _ in loader:
            pass
    assert [positions for _, positions in listener.told] == [None] * 6
    listener.told.clear()
    for _ in DataLoader(ITEMS, 4, num_workers=1, collate_fn=collate):  # type: ignore[arg-type]
        pass
    assert [positions for _, positions in listener.told] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)]


def test_nothing_of_torch_stays_exchanged_after_the_listener_is_gone() -> None:
    from torch.utils.data._utils import fetch

    before = fetch._MapDatasetFetcher.fetch
    undo = loops.listen(DataLoader, Everything())
    assert fetch._MapDatasetFetcher.fetch is not before
    undo()
    assert fetch._MapDatasetFetcher.fetch is before


@given(st.permutations(range(6)), st.integers(2, 6), st.booleans())
def test_the_order_of_rows_is_found_from_numbers_and_from_padded_rows(
    order: list[int], kept: int, numbers: bool
) -> None:
    rows = [ITEMS[i] for i in order[:kept]]
    batch = {"y": torch.tensor([r["y"] for r in rows])} if numbers else {"x": collate(rows)["x"]}
    found = collating.order_of_rows(collating.columns_of_items(ITEMS[:6]), batch)
    if (
        not numbers and batch["x"].shape[1] == 1
    ):  # two whole numbers are found anywhere: nothing is said of them
        assert found is None
    else:
        assert found == tuple(order[:kept])


def test_values_that_come_twice_say_that_rows_were_exchanged_and_not_how() -> None:
    items = [{"y": v} for v in (0.1, 0.1, 0.7)]
    columns = collating.columns_of_items(items)
    assert collating.order_of_rows(columns, {"y": torch.tensor([0.1, 0.1, 0.7])}) == (0, 1, 2)
    assert collating.order_of_rows(columns, {"y": torch.tensor([0.7, 0.1, 0.1])}) == ()
    assert (
        collating.order_of_rows(columns, {"y": torch.tensor([1.7, 2.1, 3.1])}) is None
    )  # scaled: says nothing


# -- the model ---------------------------------------------------------------------------------------------------

COUNTS = (3, 5, 2, 4)


def mask(counts: tuple[int, ...], width: int = 6) -> torch.Tensor:
    return torch.arange(width)[None] < torch.tensor(counts)[:, None]


@given(st.permutations(COUNTS))
def test_a_mask_says_whether_crystals_stand_in_the_batchs_order(counts: list[int]) -> None:
    shown = mask(tuple(counts))
    expected = tuple(counts) == COUNTS
    by_counts = Facts(4, Side(), Side(COUNTS))
    by_mask = Facts(4, Side(), Side(), {"mask": mask(COUNTS)})
    assert order_of(shown, "tokens", by_counts) is expected
    assert order_of(shown, "", by_mask) is expected
    assert order_of(shown, "tokens", Facts(4, Side(COUNTS), Side())) is None  # nothing is known of the tokens


def watched(batch: Any, work: Callable[[], Any]) -> OrderWatch:
    watch = OrderWatch()
    watch.start([batch])
    assert torch.embedding is not layers._embedding
    try:
        work()
    finally:
        watch.stop()
    assert torch.embedding is layers._embedding
    assert nn.functional.linear is layers._linear
    return watch


IDS = torch.tensor([[5, 1, 2, 0], [3, 3, 0, 0], [7, 8, 9, 4]])
TABLE, LINEAR = nn.Embedding(12, 4), nn.Linear(3, 2)
FEATURES = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("given_to_the_model", "exchanged", "inside"),
    [
        (IDS, False, False), (IDS.clone(), False, False), (IDS[:, :3], False, False), (IDS[[2, 0, 1]], True, False),
        (IDS[[2, 0, 1], :3], True, False), (IDS.flip(1), False, True), (IDS.sort(1).values, False, True),
        (torch.tensor([[0, 5, 1, 2], [0, 0, 3, 3], [7, 8, 9, 4]]), False, False),  # padding moved to the left
        (IDS + 1, False, False),
    ],
    ids=["as it is", "a copy", "cut", "rows", "rows, cut", "flipped", "sorted", "padded at the left", "other"],
)  # fmt: skip
def test_look_ups_tell_what_a_model_exchanges(
    given_to_the_model: torch.Tensor, exchanged: bool, inside: bool
) -> None:
    watch = watched({"ids": IDS}, lambda: TABLE(given_to_the_model))
    assert (watch.exchanged, watch.inside) == (exchanged, {"ids"} if inside else set())


def test_linear_layers_tell_it_too_and_a_field_that_is_also_seen_straight_is_none() -> None:
    assert watched((FEATURES,), lambda: LINEAR(FEATURES[[1, 2, 0]])).exchanged
    assert watched({"f": FEATURES}, lambda: LINEAR(FEATURES.flip(1))).inside == {"f"}
    assert not watched({"f": FEATURES}, lambda: (LINEAR(FEATURES), LINEAR(FEATURES.flip(1)))).inside


# -- what stands in a batch --------------------------------------------------------------------------------------


def test_a_snapshot_is_what_the_batch_was() -> None:
    batch = {
        "ids": IDS.clone(),
        "text": ["a b", "c d", "e f"],
        "z": [torch.tensor([1, 2]), torch.tensor([3])],
    }
    kept = Snapshot(batch)
    batch["ids"].zero_()
    batch["text"][0] = "x"
    batch["z"][0].zero_()
    found = dict(kept.leaves)
    assert found["ids"].equal(IDS)
    assert found["text"] == ["a b", "c d", "e f"]
    assert [t.tolist() for t in found["z"]] == [[1, 2], [3]]
    assert list(leaves(kept)) == kept.leaves


def test_a_batch_of_several_mappings_is_looked_into_and_items_are_columns() -> None:
    graph, text = {"z": torch.ones(2, 3)}, {"ids": torch.zeros(2, 5)}
    assert [t.shape[1] for t in tensors_in((graph, text))] == [3, 5]
    assert [t.shape[1] for t in tensors_in([graph, text])] == [3, 5]
    assert [t.shape[1] for t in tensors_in(({**graph, "n": 2},))] == [3]  # the arguments of a call
    items = [{"id": "a", "y": 1.0}, {"id": "b", "y": 2.0}]
    assert list(leaves(items)) == list(leaves(tuple(items))) == [("id", ["a", "b"]), ("y", [1.0, 2.0])]

"""Which loop this is, who is in a batch, which weights are in the model: matched, or refused in one sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from host_kit import Crystals, CrystalTextNet, OwnDropout, collate, make_loader
from torch import nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    IterableDataset,
    Sampler,
    Subset,
    WeightedRandomSampler,
)
from torch.utils.data.dataloader import _BaseDataLoaderIter

from crysmm_attn_plugin.errors import IdentityError, UsageError
from crysmm_attn_plugin.hooks.checkpoint_files import (
    find_state_dict,
    fitted,
    load_checkpoint,
    require_state_dict,
    role_of,
)
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.hooks.digests import weight_digest
from crysmm_attn_plugin.hooks.reading.facts import facts_of
from crysmm_attn_plugin.hooks.reading.identity import BatchInputs
from crysmm_attn_plugin.hooks.reading.loops import listen
from crysmm_attn_plugin.hooks.reading.outputs import belongs
from crysmm_attn_plugin.hooks.reading.tokenizers import TokenizerWatch
from crysmm_attn_plugin.records import BatchIdentity, Checkpoint

# -- loops over loaders ----------------------------------------------------------------------------------------


@dataclass
class Listener:
    """Keeps what it is told."""

    wanted: list[Any] | None = None
    started: list[Any] = field(default_factory=list)
    batches: list[tuple[Any, Any, tuple[int, ...] | None]] = field(default_factory=list)
    ended: list[tuple[Any, bool]] = field(default_factory=list)
    over: int = 0

    def loader_started(self, loader: Any) -> bool:
        self.started.append(loader)
        return self.wanted is None or any(loader is w for w in self.wanted)

    def batch_yielded(self, loader: Any, batch: Any, positions: tuple[int, ...] | None) -> None:
        self.batches.append((loader, batch, positions))

    def batch_over(self, loader: Any) -> None:
        self.over += 1

    def loader_finished(self, loader: Any, complete: bool) -> None:
        self.ended.append((loader, complete))

    @property
    def positions(self) -> list[tuple[int, ...] | None]:
        return [p for _, _, p in self.batches]


@pytest.fixture
def listener():
    mine = Listener()
    undo = listen(DataLoader, mine)
    yield mine
    undo()


def assert_positions_are_true(listener: Listener) -> None:
    """Every batch holds exactly the items at its recorded positions, in order."""
    assert listener.batches
    for loader, batch, positions in listener.batches:
        assert positions is not None
        expected = collate([loader.dataset[p] for p in positions])
        assert all(torch.equal(a, b) for a, b in zip(batch, expected))


OPTIONS: dict[str, dict[str, Any]] = {
    "in_order": {},
    "shuffled": {"shuffle": True},
    "last_dropped": {"drop_last": True, "batch_size": 5},
    "sampler": {"sampler": WeightedRandomSampler([1.0] * 12, 20, generator=torch.Generator().manual_seed(1))},
    "batch_sampler": {"batch_sampler": [[3, 1], [0], [11, 10, 9]], "batch_size": 1},
    "workers": {"num_workers": 2, "shuffle": True},
    "persistent_workers": {"num_workers": 2, "shuffle": True, "persistent_workers": True},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_positions_follow_the_loader_in_every_loop(listener: Listener, options: dict[str, Any]) -> None:
    loader = make_loader(12, **{"batch_size": 4, **options})
    plain_sampler = loader.batch_sampler
    for _ in range(2):
        listener.batches.clear()
        for _ in loader:
            pass
        assert_positions_are_true(listener)
        assert loader.batch_sampler is plain_sampler
    assert listener.ended == [(loader, True), (loader, True)]
    assert listener.over == len(loader) * 2


def test_a_loop_that_was_not_followed_before_is_followed_with_persistent_workers() -> None:
    loader = make_loader(12, 4, shuffle=True, num_workers=1, persistent_workers=True)
    for _ in loader:
        pass
    mine = Listener()
    undo = listen(DataLoader, mine)
    for _ in loader:
        pass
    undo()
    assert_positions_are_true(mine)
    assert len(list(loader)) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_and_their_order_are_what_they_are_without_a_listener(workers: int) -> None:
    def batches() -> list[Any]:
        torch.manual_seed(5)
        return list(make_loader(12, 4, shuffle=True, num_workers=workers))

    plain = batches()
    state = torch.get_rng_state()
    undo = listen(DataLoader, Listener())
    watched = batches()
    assert torch.equal(torch.get_rng_state(), state)
    undo()
    assert len(plain) == len(watched)
    assert all(torch.equal(a, b) for x, y in zip(plain, watched) for a, b in zip(x, y))


def test_a_break_ends_the_loop_as_incomplete(listener: Listener) -> None:
    loader = make_loader(12, 4)
    for _ in loader:
        break
    assert listener.ended == [(loader, False)]
    assert listener.positions == [(0, 1, 2, 3)]


def test_a_data_set_that_raises_ends_the_loop_as_incomplete_and_the_error_is_the_hosts(
    listener: Listener,
) -> None:
    class Broken(Crystals):
        def __getitem__(self, i: int) -> Any:
            if i == 5:
                raise ZeroDivisionError("crystal 5")
            return super().__getitem__(i)

    loader = make_loader(dataset=Broken(12), batch_size=4)
    with pytest.raises(ZeroDivisionError, match="crystal 5"):
        list(loader)
    assert listener.ended == [(loader, False)]


def test_two_loaders_side_by_side_are_kept_apart(listener: Listener) -> None:
    first, second = make_loader(12, 4), make_loader(9, 3, shuffle=True)
    for _ in zip(first, second):
        pass
    assert_positions_are_true(listener)
    assert {id(x) for x, _, _ in listener.batches} == {id(first), id(second)}


def test_loaders_nobody_asked_for_are_left_alone() -> None:
    wanted, other = make_loader(8, 4), make_loader(8, 4)
    mine = Listener(wanted=[wanted])
    undo = listen(DataLoader, mine)
    list(other)
    list(wanted)
    undo()
    assert [x is wanted for x, _, _ in mine.batches] == [True, True]


def test_two_loops_over_one_loader_at_once_have_their_own_positions(listener: Listener) -> None:
    loader = make_loader(8, 4, shuffle=True)
    one, two = iter(loader), iter(loader)
    for _ in range(2):
        next(one), next(two)
    assert_positions_are_true(listener)


def test_an_iterable_data_set_has_no_positions(listener: Listener) -> None:
    class Stream(IterableDataset):
        def __iter__(self):
            yield from (Crystals(6)[i] for i in range(6))

    loader = DataLoader(Stream(), batch_size=2, collate_fn=collate)
    assert len(list(loader)) == 3
    assert listener.positions == [None] * 3
    assert listener.ended == [(loader, True)]


def test_samples_without_batching_have_one_position_each(listener: Listener) -> None:
    assert len(list(DataLoader(Crystals(3), batch_size=None))) == 3
    assert listener.positions == [(0,), (1,), (2,)]


def test_a_sampler_of_tensors_is_followed(listener: Listener) -> None:
    class Backwards(Sampler):
        def __iter__(self):
            yield torch.tensor([5, 4])
            yield torch.tensor([1])

        def __len__(self) -> int:
            return 2

    loader = DataLoader(Crystals(6), batch_sampler=Backwards(), collate_fn=collate)
    list(loader)
    assert listener.positions == [(5, 4), (1,)]


@pytest.mark.parametrize("workers", [0, 1])
def test_the_hosts_iterator_is_the_one_it_would_have_without_us(listener: Listener, workers: int) -> None:
    loader = make_loader(12, 5, num_workers=workers)
    loop = iter(loader)
    assert type(loop).__module__ == "torch.utils.data.dataloader"
    assert loop._index_sampler is loader.batch_sampler
    assert len(loop) == 3
    assert loop._num_yielded == 0
    next(loop)
    assert loop._num_yielded == 1
    assert iter(loop) is loop


def test_the_class_is_put_back_when_the_last_listener_is_gone() -> None:
    places = [
        (DataLoader, "__iter__"),
        (_BaseDataLoaderIter, "__next__"),
        (_BaseDataLoaderIter, "_next_index"),
    ]
    originals = [vars(owner)[name] for owner, name in places]
    undo_one, undo_two = listen(DataLoader, Listener()), listen(DataLoader, Listener())
    undo_one()
    assert all(vars(o)[n] is not was for (o, n), was in zip(places, originals))
    undo_two()
    undo_two()
    assert [vars(owner)[name] for owner, name in places] == originals


def test_loaders_of_another_kind_are_followed_and_keep_their_iterators_type() -> None:
    class Ahead:
        """Hands out what a torch loader inside it makes."""

        def __init__(self, inner: DataLoader) -> None:
            self.inner, self.dataset = inner, inner.dataset

        def __iter__(self) -> Any:
            yield from self.inner

    loader = Ahead(make_loader(12, 4, shuffle=True))
    plain = type(iter(loader))
    mine = Listener()
    undo = listen(Ahead, mine)
    assert type(iter(loader)) is plain
    mine.ended.clear()
    assert len(list(loader)) == 3
    undo()
    assert_positions_are_true(mine)
    assert mine.ended == [(loader, True)]
    assert type(iter(loader)) is plain


def test_a_subclass_of_the_loader_is_followed(listener: Listener) -> None:
    class HostLoader(DataLoader):
        pass

    loader = HostLoader(Crystals(6), batch_size=4, collate_fn=collate)
    list(loader)
    assert_positions_are_true(listener)


@pytest.mark.parametrize("kind", [list, tuple, dict])
def test_a_plain_container_cannot_be_followed_and_says_what_can(kind: type) -> None:
    with pytest.raises(TypeError, match="use a torch DataLoader"):
        listen(kind, Listener())


# -- who is in a batch -----------------------------------------------------------------------------------------


def inputs_of(dataset: Any, positions: tuple[int, ...] | None, **changes: Any) -> BatchInputs:
    chosen = positions or (0, 1)
    batch = changes.pop("batch", None) or collate([dataset[p] for p in chosen])
    return BatchInputs(batch, positions, dataset, **changes)


def identify(inputs: BatchInputs) -> BatchIdentity:
    return facts_of(inputs, get_plugin_manager(), None)[0]


def test_ids_elements_tokens_and_targets_are_the_data_sets_at_the_positions() -> None:
    dataset = Crystals(12)
    found = identify(inputs_of(dataset, (7, 2, 11)))
    assert found.ids == ("JVASP-107", "JVASP-102", "JVASP-111")
    assert found.elements == tuple(dataset.elements(i) for i in (7, 2, 11))
    assert found.tokens == tuple(dataset.token_labels(i) for i in (7, 2, 11))
    assert found.targets == pytest.approx([dataset.labels[i] for i in (7, 2, 11)])
    assert found.n_atoms == tuple(dataset.n_atoms[i] for i in (7, 2, 11))


def test_a_stream_is_named_by_its_order_and_marked() -> None:
    found = identify(inputs_of(Crystals(4), None, seen_before=10))
    assert found.ids == ("~10", "~11")


def test_a_data_set_without_ids_is_named_by_its_places_and_marked() -> None:
    dataset = Crystals(4)
    del dataset.ids
    assert identify(inputs_of(dataset, (3, 1))).ids == ("#3", "#1")


def test_ids_in_the_batch_are_taken_where_the_data_set_has_none() -> None:
    batch = {"x": torch.zeros(2, 3), "material_id": ["mp-7", "mp-9"], "target": torch.ones(2)}
    assert identify(BatchInputs(batch, (0, 1), None)).ids == ("mp-7", "mp-9")


def test_ids_are_found_through_subsets_and_concatenations() -> None:
    first, second = Crystals(6), Crystals(9)
    second.ids = [f"other-{i}" for i in range(9)]
    dataset = Subset(ConcatDataset([Subset(first, [5, 2]), second]), [1, 4, 0])
    batch = collate([dataset[i] for i in range(3)])
    found = identify(BatchInputs(batch, (0, 1, 2), dataset))
    assert found.ids == (first.ids[2], "other-2", first.ids[5])
    assert found.elements == (first.elements(2), second.elements(2), first.elements(5))


def test_atomic_numbers_in_the_batch_give_elements() -> None:
    padded = {"z": torch.tensor([[11, 17, 0], [22, 8, 8]]), "id": ["salt", "rutile"]}
    assert identify(BatchInputs(padded, None, None)).elements == (SALT, RUTILE)
    flat = {
        "atomic_numbers": torch.tensor([11, 17, 22, 8, 8]),
        "batch": torch.tensor([0, 0, 1, 1, 1]),
        "id": ["s", "r"],
    }
    assert identify(BatchInputs(flat, None, None)).elements == (SALT, RUTILE)


def test_elements_that_disagree_are_refused_with_both_values() -> None:
    class Known(GraphTexts):
        def elements(self, i: int) -> tuple[str, ...]:
            return (("K", "Cl"), RUTILE, ("Fe",))[i]

    batch = {"z": torch.tensor([[11, 17]]), "y": torch.tensor([1.0])}
    with pytest.raises(IdentityError, match="'A-1' is K Cl in the data set but Na Cl in the batch"):
        identify(BatchInputs(batch, (0,), Known()))


@pytest.mark.parametrize("labels", [("Na1+", "Cl1-"), ("na", "CL"), ("Na1", "Cl2"), (11, 17), ("Na ", " Cl")])
def test_element_labels_are_read_whatever_their_style(labels: tuple[Any, ...]) -> None:
    class Labelled(GraphTexts):
        def elements(self, i: int) -> tuple[Any, ...]:
            return labels

    assert identify(BatchInputs((torch.zeros(1, 2, 3),), (0,), Labelled())).elements == (SALT,)


def test_fewer_ids_than_items_are_refused() -> None:
    dataset = Crystals(4)
    dataset.ids = dataset.ids[:2]
    with pytest.raises(IdentityError, match="has 2 ids but the loader asked for item 3"):
        identify(inputs_of(dataset, (0, 3)))


def test_targets_that_disagree_with_the_batch_are_refused_with_both_values() -> None:
    dataset = Crystals(4)
    batch = collate([dataset[2], dataset[1]])
    with pytest.raises(IdentityError, match=r"'JVASP-100' has target .* in the data set but .* in the batch"):
        identify(inputs_of(dataset, (0, 1), batch=batch))


@pytest.mark.parametrize(
    "ids", [np.array(["a", "b", "c", "d"]), ("a", "b", "c", "d"), torch.arange(4)], ids=str
)
def test_ids_may_be_any_sequence(ids: Any) -> None:
    dataset = Crystals(4)
    dataset.ids = ids
    expected = ("3", "0") if isinstance(ids, torch.Tensor) else ("d", "a")
    assert identify(inputs_of(dataset, (3, 0))).ids == expected


def graph_of(*symbols: tuple[str, ...], width: int = 92) -> Any:
    dgl = pytest.importorskip("dgl")
    from jarvis.core.specie import get_node_attributes

    graphs = []
    for crystal in symbols:
        graph = dgl.graph(([0], [0]), num_nodes=len(crystal))
        rows = [get_node_attributes(s, atom_features="cgcnn") for s in crystal]
        graph.ndata["atom_features"] = torch.tensor(np.array(rows), dtype=torch.float32)
        graphs.append(graph)
    return dgl.batch(graphs)


class GraphTexts:
    """A data set as CrysMMNet descendants have it: ids, texts and targets; elements only in the graph."""

    ids = ("A-1", "A-2", "A-3")
    text = ("NaCl is rock salt", "TiO2 is rutile", "Fe is iron")
    labels = (1.0, 2.0, 3.0)


def graph_batch(
    symbols: tuple[tuple[str, ...], ...], texts: tuple[str, ...], targets: tuple[float, ...]
) -> Any:
    return graph_of(*symbols), None, list(texts), torch.tensor(targets)


SALT, RUTILE = ("Na", "Cl"), ("Ti", "O", "O")


def test_elements_are_read_from_the_graph_where_the_data_set_has_none() -> None:
    batch = graph_batch((RUTILE, SALT), GraphTexts.text[1::-1], (2.0, 1.0))
    found = identify(BatchInputs(batch, (1, 0), GraphTexts()))
    assert found.ids == ("A-2", "A-1")
    assert found.elements == (RUTILE, SALT)
    assert found.tokens is None


def test_a_graph_with_other_atom_counts_is_refused() -> None:
    class Known(GraphTexts):
        def elements(self, i: int) -> tuple[str, ...]:
            return (SALT, RUTILE, ("Fe",))[i]

    batch = graph_batch((RUTILE, SALT), GraphTexts.text[:2], (1.0, 2.0))
    with pytest.raises(IdentityError, match="'A-1' has 2 atoms in the data set but 3 in the batch"):
        identify(BatchInputs(batch, (0, 1), Known()))


def test_a_graph_with_another_number_of_crystals_is_refused() -> None:
    batch = graph_batch((SALT,), GraphTexts.text[:1], (1.0,))
    with pytest.raises(IdentityError, match="holds 1 crystals, its positions name 2"):
        identify(BatchInputs(batch, (0, 1), GraphTexts()))


def test_elements_known_to_nobody_stay_unknown() -> None:
    class Bare:
        ids = ("a", "b")

    assert identify(BatchInputs((torch.zeros(2, 3),), (0, 1), Bare())).elements == (None, None)


def test_jarvis_dictionaries_give_elements_and_structures() -> None:
    pandas = pytest.importorskip("pandas")

    class Jarvis:
        ids = ("J-1",)
        df = pandas.DataFrame(
            {
                "atoms": [
                    {
                        "lattice_mat": [[2.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]],
                        "coords": [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]],
                        "elements": ["Na ", "Cl"],
                        "cartesian": True,
                    }
                ]
            }
        )

    found = identify(BatchInputs((torch.zeros(1, 2),), (0,), Jarvis()))
    assert found.elements == (("Na", "Cl"),)
    assert found.structures is not None
    assert found.structures[0].frac_coords[0] == pytest.approx((0.5, 0.5, 0.0))


def test_inputs_are_matched_to_the_batch_they_were_made_from() -> None:
    dataset = Crystals(8)
    one, two = collate([dataset[0], dataset[1]]), collate([dataset[2], dataset[3]])
    assert belongs(one, (one,))
    assert belongs(one, (tuple(t.clone() for t in one),))
    assert not belongs(two, (one,))
    assert belongs((None, ["a", "b"]), ((["a", "b"],), {}))
    assert not belongs((None, ["a", "c"]), ((["a", "b"],), {}))


# -- tokens as the host's tokenizer was called ------------------------------------------------------------------

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "na", "##cl", "is", "rock", "salt", "iron", "##s"]


def tokenizer() -> Any:
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    inner = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]")
    )
    inner.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    inner.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]", model_max_length=6,
    )  # fmt: skip


def test_tokens_of_the_host_are_taken_when_the_texts_are_the_data_sets() -> None:
    tok = tokenizer()
    texts = list(GraphTexts.text[:2])
    batch = graph_batch((SALT, RUTILE), tuple(texts), (1.0, 2.0))
    watch = TokenizerWatch()
    watch.start()
    tok([t.lower() for t in texts], padding=True, truncation=True)  # the host normalises first
    calls = list(watch.calls)
    watch.stop()
    found = identify(BatchInputs(batch, (0, 1), GraphTexts(), tokenizer_calls=calls))
    assert found.tokens is not None
    assert found.tokens[0].tokens == ("[CLS]", "na", "##cl", "is", "rock", "[SEP]")
    assert found.tokens[0].truncated


def test_texts_in_another_order_than_the_data_sets_are_refused() -> None:
    tok = tokenizer()
    batch = graph_batch((SALT, RUTILE), GraphTexts.text[1::-1], (1.0, 2.0))
    watch = TokenizerWatch()
    watch.start()
    tok(list(batch[2]), padding=True, truncation=True)
    calls = list(watch.calls)
    watch.stop()
    with pytest.raises(IdentityError, match="text for crystal 'A-1' begins 'TiO2 is rutile'"):
        identify(BatchInputs(batch, (0, 1), GraphTexts(), tokenizer_calls=calls))


# -- which weights ---------------------------------------------------------------------------------------------


def net(seed: int = 0) -> CrystalTextNet:
    torch.manual_seed(seed)
    return CrystalTextNet(OwnDropout)


def test_a_digest_names_weights_and_nothing_else() -> None:
    digest = weight_digest(net().state_dict())
    assert re.fullmatch("x3[0-9a-f]{32}", digest)
    assert digest == weight_digest(net().state_dict())
    assert digest == weight_digest(dict(reversed(net().state_dict().items())))
    assert digest == weight_digest(nn.DataParallel(net()).state_dict())
    assert digest == weight_digest(torch.compile(net()).state_dict())
    assert digest != weight_digest(net(1).state_dict())
    spread = {name: torch.stack([t, t], -1)[..., 0] for name, t in net().state_dict().items()}
    assert not all(t.is_contiguous() for t in spread.values())
    assert digest == weight_digest(spread)


def test_digests_of_two_algorithms_are_told_apart() -> None:
    assert Checkpoint(weight_digest(net().state_dict())).algorithm == "xxh3"
    assert Checkpoint("0f" * 16).algorithm == "blake2b"


def test_a_digest_changes_with_the_last_bit_the_type_the_name_and_the_shape() -> None:
    state = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    digests = {weight_digest(state)}
    bit = {**state, "a": state["a"].clone()}
    bit["a"][1, 2] = torch.tensor(1e-45)
    digests.add(weight_digest(bit))
    digests.add(weight_digest({**state, "a": state["a"].double()}))
    digests.add(weight_digest({"c": state["a"], "b": state["b"]}))
    digests.add(weight_digest({**state, "a": state["a"].reshape(3, 2)}))
    digests.add(weight_digest({"a": state["a"]}))
    assert len(digests) == 6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.int64, torch.complex64], ids=str)
def test_any_kind_of_tensor_can_be_digested(dtype: torch.dtype) -> None:
    state = {
        "a": torch.ones(3).to(dtype),
        "scalar": torch.tensor(1).to(dtype),
        "none": torch.zeros(0).to(dtype),
    }
    assert weight_digest(state) != weight_digest({**state, "a": torch.zeros(3).to(dtype)})


@pytest.mark.parametrize(
    "shape",
    [
        "model",
        "model_state_dict",
        "state_dict",
        "model_state",
        "bare",
        "module",
        "module_under_key",
        "prefixed",
    ],
)
def test_the_weights_are_found_wherever_hosts_keep_them(tmp_path: Path, shape: str) -> None:
    model = net()
    state = model.state_dict()
    saved: Any = {shape: state, "epoch": 3, "optimizer": {"state": {}}}
    if shape == "bare":
        saved = state
    elif shape == "module":
        saved = model
    elif shape == "module_under_key":
        saved = {"model": model}
    elif shape == "prefixed":
        saved = {"model": nn.DataParallel(model).state_dict()}
    found = find_state_dict(saved)
    assert found is not None
    assert weight_digest(found) == weight_digest(state)
    if "module" not in shape:
        path = tmp_path / "best_val_model.pt"
        torch.save(saved, path)
        assert weight_digest(require_state_dict(load_checkpoint(path), path)) == weight_digest(state)


def test_a_checkpoint_without_weights_says_what_is_in_it() -> None:
    with pytest.raises(UsageError, match="found epoch, history; looked for model, model_state_dict"):
        require_state_dict({"epoch": 1, "history": [0.1]}, "run.pt")


def test_a_missing_checkpoint_names_those_that_are_there(tmp_path: Path) -> None:
    torch.save(net().state_dict(), tmp_path / "best_test_model.pt")
    with pytest.raises(UsageError, match=r"does not exist. Files there: best_test_model.pt"):
        load_checkpoint(tmp_path / "best_val_model.pt")


class HostConfig:
    """A host's own class inside a checkpoint."""


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "model._orig_mod.", "net.module."])
def test_weights_fit_their_model_whatever_was_wrapped_around_it(prefix: str) -> None:
    model = net(3)
    stored = {f"{prefix}{k}": v for k, v in model.state_dict().items()}
    found = fitted(
        {**stored, "criterion.weight": torch.ones(2)} if "model." in prefix else stored, model.state_dict()
    )
    net(4).load_state_dict(found)
    assert weight_digest(found) == weight_digest(model.state_dict())


def test_an_average_beside_the_weights_is_told_and_can_be_chosen(caplog: Any) -> None:
    raw, average = net(1).state_dict(), net(2).state_dict()
    checkpoint = {"model": raw, "ema": {"shadow": average, "decay": 0.99}}
    assert weight_digest(require_state_dict(checkpoint, "c.pt")) == weight_digest(raw)
    assert "holds an average of its weights beside them" in caplog.text
    assert weight_digest(require_state_dict(checkpoint, "c.pt", weights="average")) == weight_digest(average)
    with pytest.raises(UsageError, match="holds no average of model weights: found model; looked for ema"):
        require_state_dict({"model": raw}, "c.pt", weights="average")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n",
            "a pointer to one .*git lfs pull",
        ),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page.*download the file again"),
        (b"", "an empty file"),
        (b"epoch,mae\n1,0.2\n", "a text file"),
    ],
)
def test_a_file_that_stands_where_a_checkpoint_should_is_named(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "best_val_model.pt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        load_checkpoint(path)
    assert "--unsafe-load" not in str(caught.value)


def test_code_in_a_checkpoint_is_not_run_unless_it_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"model": net().state_dict(), "config": HostConfig()}, path)
    with pytest.raises(UsageError, match=r"HostConfig.*add --unsafe-load"):
        load_checkpoint(path)
    assert isinstance(load_checkpoint(path, allowed=(HostConfig,))["config"], HostConfig)
    assert isinstance(load_checkpoint(path, unsafe=True)["config"], HostConfig)


def test_a_file_that_is_no_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_text("not a checkpoint", encoding="utf-8")
    with pytest.raises(UsageError, match=r"model\.pt"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("best_val_model.pt", "best_val"),
        ("out/best_test_model.pt", "best_test"),
        ("best_model.pt", "best"),
        ("last_model.pt", "last"),
        ("checkpoint_12.pt", "epoch"),
        ("epoch-3.pth", "epoch"),
        ("my_weights.pt", "my_weights"),
    ],
)
def test_the_role_of_a_file_is_in_its_name(name: str, role: str) -> None:
    assert role_of(name) == role

"""Graphs, splits and loaders."""

import random

import dgl
import pandas as pd
import torch
from alignn.graphs import Graph
from jarvis.core.atoms import Atoms
from torch.utils.data import DataLoader, Dataset


class StructureTextDataset(Dataset):
    """Crystals of one split: graphs, descriptions, targets; ``ids`` by position."""

    def __init__(self, rows, target, id_tag, cutoff, max_neighbors):
        self.df = pd.DataFrame(rows)
        self.ids = list(self.df[id_tag])
        self.text = list(self.df["text"])
        self.labels = torch.tensor(list(self.df[target]), dtype=torch.get_default_dtype())
        self.graphs = [
            Graph.atom_dgl_multigraph(
                Atoms.from_dict(row["atoms"]), neighbor_strategy="k-nearest", cutoff=cutoff,
                max_neighbors=max_neighbors, atom_features="cgcnn", compute_line_graph=True, use_canonize=True,
            )
            for row in rows
        ]  # fmt: skip

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        g, lg = self.graphs[i]
        return g, lg, self.text[i], self.labels[i]

    @staticmethod
    def collate_line_graph(samples):
        graphs, line_graphs, texts, labels = map(list, zip(*samples))
        return dgl.batch(graphs), dgl.batch(line_graphs), texts, torch.stack(labels)


def get_id_train_val_test(
    total, split_seed, train_ratio, val_ratio, test_ratio, n_train, n_val, n_test, keep_order
):
    """Positions of the three splits: shuffled, training first, test last."""
    n_train = n_train or int((train_ratio or 1 - val_ratio - test_ratio) * total)
    n_val, n_test = n_val or int(val_ratio * total), n_test or int(test_ratio * total)
    order = list(range(total))
    if not keep_order:
        random.seed(split_seed)
        random.shuffle(order)
    return order[:n_train], order[total - n_val - n_test : total - n_test], order[total - n_test :]


def get_train_val_loaders(
    dataset="user_data", dataset_array=(), target="target", n_train=None, n_val=None, n_test=None, train_ratio=None,
    val_ratio=0.1, test_ratio=0.1, batch_size=5, split_seed=123, workers=0, pin_memory=False, id_tag="jid", cutoff=8.0,
    max_neighbors=4, keep_data_order=False, output_dir=None,
):  # fmt: skip
    """Loaders over training, validation and test crystals, and how a batch becomes input and target."""
    parts = get_id_train_val_test(
        len(dataset_array),
        split_seed,
        train_ratio,
        val_ratio,
        test_ratio,
        n_train,
        n_val,
        n_test,
        keep_data_order,
    )
    loaders = []
    for number, part in enumerate(parts):
        crystals = StructureTextDataset(
            [dataset_array[i] for i in part], target, id_tag, cutoff, max_neighbors
        )
        loaders.append(
            DataLoader(
                crystals, batch_size=batch_size, shuffle=number == 0, drop_last=number == 0, num_workers=workers,
                pin_memory=pin_memory, collate_fn=crystals.collate_line_graph,
            )
        )  # fmt: skip
    return (*loaders, prepare_batch)


def prepare_batch(batch, device=None, non_blocking=False):
    """The model's input and the targets."""
    g, lg, text, target = batch
    return (g.to(device), lg.to(device), text), target.to(device)

"""The command line: a folder of CIF files with descriptions, a model with or without middle fusion."""

import argparse
import csv
import os

import torch
from config import TrainingConfig
from data import get_train_val_loaders
from jarvis.core.atoms import Atoms
from models.alignn import ALIGNNConfig
from train import train_dgl


def flag(word):
    return word.lower() in ("true", "yes", "1")


def get_parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root_dir", required=True)
    parser.add_argument("--dataset", default="jarvis")
    parser.add_argument("--property", default="mbj_bandgap")
    parser.add_argument("--use_middle_fusion", type=flag, default=False)
    parser.add_argument("--use_fine_grained_attention", type=flag, default=True)
    parser.add_argument("--use_cross_modal", type=flag, default=True)
    parser.add_argument("--train_ratio", type=float, default=0.8)
    parser.add_argument("--val_ratio", type=float, default=0.1)
    parser.add_argument("--test_ratio", type=float, default=0.1)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning_rate", type=float, default=0.01)
    parser.add_argument("--random_seed", type=int, default=0)
    parser.add_argument("--num_workers", type=int, default=0)
    parser.add_argument("--output_dir", default="output")
    return parser


def get_dataset_paths(root_dir, dataset, property_name):
    """The folder of CIF files and the table of a property."""
    if dataset not in ("jarvis", "mp"):
        raise ValueError(f"unknown dataset {dataset}")
    folder = os.path.join(root_dir, dataset, property_name)
    return os.path.join(folder, "cif") + os.sep, os.path.join(folder, "description.csv")


def load_dataset(cif_dir, id_prop_file, dataset, property_name):
    """A mapping for each line of the table."""
    with open(id_prop_file, newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    rows = []
    for identifier, _, target, text, _ in lines:
        atoms = Atoms.from_cif(
            os.path.join(cif_dir, f"{identifier}.cif"), use_cif2cell=False, get_primitive_atoms=False
        )
        rows.append({"jid": identifier, "atoms": atoms.to_dict(), "text": text, "target": float(target)})
    return rows


def main(words=None):
    args = get_parser().parse_args(words)
    torch.set_num_threads(1)
    cif_dir, table = get_dataset_paths(args.root_dir, args.dataset, args.property)
    crystals = load_dataset(cif_dir, table, args.dataset, args.property)
    config = TrainingConfig(
        filename=f"{args.dataset}_{args.property}", random_seed=args.random_seed, train_ratio=args.train_ratio,
        val_ratio=args.val_ratio, test_ratio=args.test_ratio, epochs=args.epochs, batch_size=args.batch_size,
        learning_rate=args.learning_rate, output_dir=os.path.join(args.output_dir, args.property),
        model=ALIGNNConfig(
            use_middle_fusion=args.use_middle_fusion, use_cross_modal_attention=args.use_cross_modal,
            use_fine_grained_attention=args.use_fine_grained_attention,
        ),
    )  # fmt: skip
    loaders = get_train_val_loaders(
        dataset="user_data", dataset_array=crystals, target=config.target, n_train=config.n_train, n_val=config.n_val,
        n_test=config.n_test, train_ratio=config.train_ratio, val_ratio=config.val_ratio, test_ratio=config.test_ratio,
        batch_size=config.batch_size, workers=args.num_workers, id_tag=config.id_tag, cutoff=config.cutoff,
        max_neighbors=config.max_neighbors, keep_data_order=config.keep_data_order, output_dir=config.output_dir,
    )  # fmt: skip
    train_dgl(config, train_val_test_loaders=loaders)
    print("training done")


if __name__ == "__main__":
    main()

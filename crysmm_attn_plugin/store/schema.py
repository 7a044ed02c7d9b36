"""Column names and types of the tables, and the version of the layout."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 2

#: Type of every metric column.
METRIC = pa.float32()

#: Columns that say what a row of ``attention`` is about; every other column is a metric (float).
ATTENTION_KEYS = pa.schema(
    [
        ("crystal", pa.string()),
        ("module", pa.string()),
        ("call", pa.int16()),
        ("direction", pa.string()),
        # head index; -1 for the row computed on weights averaged over heads first
        ("head", pa.int16()),
        # False: special tokens removed from the keys (or, for text_to_atom, from the rows) and renormalised
        ("with_special_tokens", pa.bool_()),
        # True: stop words and punctuation removed as well
        ("stopwords_removed", pa.bool_()),
        # "model", or "reinitialised" for the same module with fresh random weights
        ("weights", pa.string()),
        ("n_queries", pa.int32()),
        ("n_keys", pa.int32()),
    ]
)

SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("window", pa.string()),
        ("formula", pa.string()),
        ("n_atoms", pa.int32()),
        ("n_tokens", pa.int32()),
        ("tokens_hash", pa.string()),
        ("text_truncated", pa.bool_()),
        ("target", pa.float64()),
        ("prediction", pa.float64()),
    ]
)

CRYSTALS = pa.schema(
    [
        ("id", pa.string()),
        ("formula", pa.string()),
        ("elements", pa.list_(pa.string())),
        ("tokens", pa.list_(pa.string())),
        ("word_ids", pa.list_(pa.int32())),
        ("special", pa.list_(pa.bool_())),
        ("text", pa.string()),
        ("text_truncated", pa.bool_()),
        ("tokens_hash", pa.string()),
        ("lattice", pa.list_(pa.float64())),
        ("frac_coords", pa.list_(pa.float64())),
    ]
)


#: Interventions in extra passes: a row per crystal and extra pass.
INTERVENTIONS = pa.schema(
    [
        ("id", pa.string()),
        # "*": all modules of the direction at once
        ("module", pa.string()),
        ("call", pa.int16()),
        ("direction", pa.string()),
        ("intervention", pa.string()),
        # words (or atoms) that were knocked out or kept
        ("size", pa.int16()),
        ("draw", pa.int16()),
        ("head", pa.int16()),
        ("n_units", pa.int32()),
        ("target", pa.float64()),
        # of the unchanged model, and with its attention changed
        ("prediction", pa.float64()),
        ("changed", pa.float64()),
        # |changed - prediction|
        ("shift", pa.float64()),
        # |changed - target| - |prediction - target|
        ("error_change", pa.float64()),
    ]
)


def attention_schema(metric_names: list[str]) -> pa.Schema:
    """Schema of the attention table with the given metric columns, float32."""
    schema = ATTENTION_KEYS
    for name in metric_names:
        schema = schema.append(pa.field(name, METRIC))
    return schema

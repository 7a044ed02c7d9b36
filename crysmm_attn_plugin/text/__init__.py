"""The text contract: tokens of any tokenizer laid on a description, its words, their classes, what they mention. Torch-free."""

from crysmm_attn_plugin.text.reading import (
    Reading,
    Word,
    merge_tokens,
    read_text,
    token_categories,
    token_elements,
)
from crysmm_attn_plugin.text.segment import ELEMENT, is_punctuation, is_stopword

__all__ = [
    "ELEMENT",
    "Reading",
    "Word",
    "is_punctuation",
    "is_stopword",
    "merge_tokens",
    "read_text",
    "token_categories",
    "token_elements",
]

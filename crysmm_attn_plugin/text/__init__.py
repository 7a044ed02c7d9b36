"""The text contract: tokens of any tokenizer laid on a description, its words, their classes, what they mention. Torch-free."""

from crysmm_attn_plugin.text.reading import (
    TOKENS_UNALIGNED,
    Reading,
    Word,
    merge_tokens,
    read_text,
    token_categories,
    token_elements,
    unaligned_message,
)
from crysmm_attn_plugin.text.segment import ELEMENT, is_punctuation, is_stopword

__all__ = [
    "ELEMENT",
    "TOKENS_UNALIGNED",
    "Reading",
    "Word",
    "is_punctuation",
    "is_stopword",
    "merge_tokens",
    "read_text",
    "token_categories",
    "token_elements",
    "unaligned_message",
]

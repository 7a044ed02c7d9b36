"""Token states: labelled, cut when too long, the same from the cache."""

from __future__ import annotations

import pytest
import torch

from crysmm_attn_plugin.demo.text import encode_texts
from crysmm_attn_plugin.errors import UsageError

TEXTS = ["NaCl crystallizes in the cubic Fm-3m space group.", "Cu is bonded to twelve Cu atoms at 2.55 Å."]


def test_states_and_labels_have_one_entry_a_token() -> None:
    for encoded, text in zip(encode_texts(TEXTS), TEXTS):
        labels = encoded.labels
        assert encoded.states.shape == (len(labels.tokens), 384)
        assert labels.tokens[0] == "[CLS]"
        assert labels.tokens[-1] == "[SEP]"
        assert [t for t, s in zip(labels.tokens, labels.special) if s] == ["[CLS]", "[SEP]"]
        assert all((w < 0) == s for w, s in zip(labels.word_ids, labels.special))
        assert labels.text == text
        assert not labels.truncated


def test_a_text_longer_than_the_limit_is_cut_and_says_so() -> None:
    short, long = encode_texts([TEXTS[0], " ".join(TEXTS * 4)], max_tokens=20)
    assert long.labels.truncated
    assert len(long.labels.tokens) == 20
    assert not short.labels.truncated


def test_states_come_back_from_the_cache_as_they_were_computed(tmp_path) -> None:
    first = encode_texts(TEXTS, cache_dir=tmp_path)
    called = []
    second = encode_texts(TEXTS, cache_dir=tmp_path, progress=called.append)
    assert called == []
    for a, b in zip(first, second):
        assert torch.equal(a.states, b.states)
        assert a.labels == b.labels


def test_other_texts_do_not_meet_the_cache(tmp_path) -> None:
    encode_texts(TEXTS, cache_dir=tmp_path)
    called = []
    encode_texts(TEXTS[:1], cache_dir=tmp_path, progress=called.append)
    assert sum(called) == 1


def test_a_folder_that_holds_no_model_is_refused_with_the_way_out(tmp_path) -> None:
    with pytest.raises(UsageError, match="cannot be loaded"):
        encode_texts(TEXTS, model=str(tmp_path))

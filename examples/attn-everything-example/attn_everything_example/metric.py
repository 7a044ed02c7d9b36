"""From weights to a number per crystal and head."""

from crysmm_attn_plugin.descriptors import Metric


def own_element_hits(weights, query_mask, key_mask, context):
    """Share of real atoms whose most attended real token is a mention of their own element.

    Args:
        weights: (batch, heads, atoms, tokens), rows summing to one, zero on padding.
        query_mask: (batch, atoms) bool, True where real.
        key_mask: (batch, tokens) bool, True where real.
        context: ``categories["own_element"]`` is (batch, atoms, tokens) bool.

    Returns (batch, heads), between 0 and 1; None where the mentions are not known.
    """
    own = context.categories.get("own_element")
    if own is None:
        return None
    heaviest = weights.argmax(-1, keepdim=True)
    mentions = (own & key_mask[:, None, :])[:, None].expand(weights.shape)
    hits = mentions.gather(-1, heaviest).squeeze(-1) & query_mask[:, None, :]
    return hits.sum(-1) / query_mask.sum(-1, keepdim=True).clamp(min=1)


METRIC = Metric(
    "own_element_hits",
    {
        "en": "share of atoms reading their own element first",
        "zh": "首先关注自身元素的原子比例",
        "de": "Anteil der Atome, die zuerst ihr eigenes Element lesen",
    },
    expected_sign=1,
    compute=own_element_hits,
    needs=frozenset({"elements", "tokens"}),
    directions=("atom_to_text",),
)

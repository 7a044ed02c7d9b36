"""Kinds of command-line arguments whose words the project and its plugins know: languages, interventions."""

from __future__ import annotations

from crysmm_attn_plugin.catalogue import known_languages
from crysmm_attn_plugin.commands.arguments import choice, words
from crysmm_attn_plugin.hooks.contract.manager import get_plugin_manager
from crysmm_attn_plugin.settings import INTERVENTIONS


def languages(value: str) -> str:
    """Languages that reports can be written in, separated by commas, those of plugins included."""
    asked = words(value)
    if not set(asked) <= set(known_languages()):
        get_plugin_manager()
    return ",".join(choice(code, known_languages(), "language") for code in asked)


def interventions(value: str) -> tuple[str, ...]:
    """Interventions on the attention, separated by commas, or ``all``."""
    known = (*INTERVENTIONS, "all")
    asked = tuple(choice(w, known, "intervention") for w in words(value))
    return INTERVENTIONS if "all" in asked else asked

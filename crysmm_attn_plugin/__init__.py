"""crysmm-attn: look at the cross-modal attention of crystal-text models, and trust what you see.

Importing this package imports neither torch nor matplotlib; everything below is loaded on first use.
"""

from __future__ import annotations

import os

# This file is read at every start of Python (see startup.py): typing and pathlib would be most of its cost.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.2.0"

# In a checkout that is not installed, hooks/ and reports/ stand at the top of the repository.
_here = os.path.dirname(os.path.realpath(__file__))
_root = os.path.dirname(_here)
if not os.path.isdir(os.path.join(_here, "hooks")) and os.path.isfile(
    os.path.join(_root, "hooks", "contract", "specs.py")
):
    __path__.append(_root)

_LAZY = {
    "attach": ("crysmm_attn_plugin.plugin", "attach"),
    "probe": ("crysmm_attn_plugin.probing.api", "probe"),
    "new_run_id": ("crysmm_attn_plugin.store.writer", "new_run_id"),
    "open_run": ("crysmm_attn_plugin.store.reader", "open_run"),
    "Run": ("crysmm_attn_plugin.store.reader", "Run"),
    "compare_runs": ("crysmm_attn_plugin.reports.comparison", "compare_runs"),
    "Comparison": ("crysmm_attn_plugin.reports.comparison", "Comparison"),
}
_SUBMODULES = ("catalogue", "errors", "hooks", "metrics", "records", "reports", "settings", "stats", "store")

__all__ = ["__version__", *_LAZY, *_SUBMODULES]

if TYPE_CHECKING:
    from crysmm_attn_plugin import metrics as metrics
    from crysmm_attn_plugin import stats as stats
    from crysmm_attn_plugin.plugin import attach as attach
    from crysmm_attn_plugin.probing.api import probe as probe
    from crysmm_attn_plugin.reports.comparison import Comparison as Comparison
    from crysmm_attn_plugin.reports.comparison import compare_runs as compare_runs
    from crysmm_attn_plugin.store.reader import Run as Run
    from crysmm_attn_plugin.store.reader import open_run as open_run
    from crysmm_attn_plugin.store.writer import new_run_id as new_run_id


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(module), attribute)
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""What the site does: links to files outside ``docs/`` become their paths, and the Python interface is read as it is installed."""

import re
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).resolve().parent.parent
_PLACE = tempfile.TemporaryDirectory(prefix="crysmm-attn-site-")
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)")


@event_priority(100)
def on_config(config: Any, **_: Any) -> Any:
    """Show mkdocstrings one package: ``hooks/`` and ``reports/`` stand beside it in a checkout, inside it when installed."""
    package = Path(_PLACE.name) / "crysmm_attn_plugin"
    package.mkdir(exist_ok=True)
    for entry in [*(ROOT / "crysmm_attn_plugin").iterdir(), ROOT / "hooks", ROOT / "reports"]:
        if not (package / entry.name).exists():
            (package / entry.name).symlink_to(entry)
    handlers = config.plugins["mkdocstrings"].config.handlers
    handlers["python"]["paths"] = [_PLACE.name]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for every page."""
    return _OUTSIDE.sub(lambda m: f"{m[1]} (`{m[2]}`)" if m[1] not in m[2] else f"`{m[2]}`", markdown)

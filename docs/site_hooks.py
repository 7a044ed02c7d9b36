"""What the site does to a page: links to files outside ``docs/`` become their paths, because the site does not hold them."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for every page."""
    return _OUTSIDE.sub(lambda m: f"{m[1]} (`{m[2]}`)" if m[1] not in m[2] else f"`{m[2]}`", markdown)

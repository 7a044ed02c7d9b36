"""Draws ``docs/images/page.png``, the picture in the READMEs, from the demo's report.

crysmm-attn demo && python docs/make_picture.py crysmm_attn_demo/report/report.html
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

TARGET = Path(__file__).parent / "images" / "page.png"


def draw(page: Path) -> None:
    """Photograph the top of a page at 1280 x 900, with few colours so that the file stays small."""
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.resolve().as_uri())
        tab.wait_for_timeout(1500)
        shot = tab.screenshot()
        browser.close()
    TARGET.parent.mkdir(exist_ok=True)
    Image.open(BytesIO(shot)).convert("RGB").quantize(128).save(TARGET, optimize=True)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))

"""The page as a reader meets it: headless Chromium, opened from disk, the network off."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import page_kit
import pytest
from page_kit import HOSTILE, capture, crystals, page, two_arms

from crysmm_attn_plugin.reports.comparison import compare_runs
from crysmm_attn_plugin.reports.figures import vectors
from crysmm_attn_plugin.reports.figures.style import add_axes, context, new_figure
from crysmm_attn_plugin.reports.part_texts import as_html
from crysmm_attn_plugin.reports.sections import Section

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(
    (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH"),
]

Open = Callable[..., Any]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class Tabs:
    """Tabs that one test leaves for the next, emptied of what was stored: a new one costs more than most tests."""

    def __init__(self, browser: Any) -> None:
        self.browser, self.free, self.lent = browser, [], []
        self.complaints: list[str] = []

    def _new(self, options: dict[str, Any]) -> Any:
        tab = self.browser.new_context(offline=True, **options).new_page()
        tab.on("console", lambda m: m.type == "error" and self.complaints.append(f"console: {m.text}"))
        tab.on("pageerror", lambda e: self.complaints.append(f"error: {e}"))
        tab.on("request", self._request)
        return tab

    def _request(self, one: Any) -> None:
        if not one.url.startswith(("file:", "data:", "blob:", "about:")):
            self.complaints.append(f"request: {one.url}")

    def lend(self, path: Path, width: int, height: int, scheme: str, options: dict[str, Any]) -> Any:
        kept = next((entry for entry in self.free if entry[0] == options), None)
        if kept:
            self.free.remove(kept)
        tab = kept[1] if kept else self._new(options)
        self.lent.append((options, tab))
        tab.set_viewport_size({"width": width, "height": height})
        tab.emulate_media(media="screen", color_scheme=scheme)
        tab.goto(path.as_uri())
        tab.wait_for_selector("html[data-ready=true]", timeout=20_000)
        return tab

    def take_back(self) -> None:
        for options, tab in self.lent:
            tab.mouse.move(0, 0)
            tab.evaluate("localStorage.clear(), sessionStorage.clear()")
            tab.goto("about:blank")
            self.free.append((options, tab))
        self.lent = []


@pytest.fixture(scope="module")
def tabs(browser: Any) -> Tabs:
    return Tabs(browser)


@pytest.fixture
def opened(tabs: Tabs) -> Iterator[Open]:
    """Opens a file without a network; at the end no error and no request may have been seen."""
    tabs.complaints.clear()

    def open(
        path: Path, *, width: int = 1360, height: int = 900, color_scheme: str = "light", **options: Any
    ) -> Any:
        return tabs.lend(path, width, height, color_scheme, options)

    yield open
    tabs.take_back()
    assert tabs.complaints == []


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ordinary")
    return page(two_arms(folder / "runs", crystals(), both=True), folder / "report")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    return page(two_arms(folder / "runs", [*HOSTILE, *crystals(10)]), folder / "report")


@pytest.fixture(scope="module")
def three_arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    arms = {
        arm: [capture(folder / "runs", arm, crystals(20), sharpness=s, seed=k) for k in (0, 1)]
        for arm, s in (("full", 1.6), ("late", 1.2), ("no_middle", 1.0))
    }
    return page(compare_runs(baseline="no_middle", n_resamples=200, **arms), folder / "report")


def choose(tab: Any, query: str) -> None:
    """Search and open the first crystal found."""
    tab.fill("#search", query)
    tab.press("#search", "Enter")


def shading(tab: Any, arm: str = "full") -> list[str]:
    return tab.eval_on_selector_all(
        f'.prose[data-arm="{arm}"] .w', "words => words.map(w => w.style.backgroundColor)"
    )


def pixels(tab: Any, nth: int = 0) -> str:
    return tab.locator("canvas.cells").nth(nth).evaluate("c => c.toDataURL()")


def luminance(colour: str) -> float:
    red, green, blue = (int(v) for v in re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_page_opens_from_disk_on_its_verdict(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    assert tab.locator("h1").bounding_box()["y"] < 300
    assert tab.locator(".grid-row[aria-selected=true]").count() == 1
    assert tab.locator("canvas.cells").count() == 3


def test_languages_switch_everywhere_and_the_choice_is_remembered(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    assert tab.locator("#crystals-head").inner_text() == "Crystal explorer"
    tab.click("[data-set-lang=zh]")
    assert tab.locator("#crystals-head").inner_text() == "晶体浏览器"
    assert tab.locator("html").get_attribute("lang") == "zh-CN"
    assert "全部原子" in tab.locator(".chip").first.inner_text()
    assert tab.locator("#search").get_attribute("placeholder").startswith("编号")
    assert tab.locator("#text .paragraphs:visible").count() == 1
    tab.reload()
    tab.wait_for_selector("html[data-ready=true]")
    assert tab.locator("#crystals-head").inner_text() == "晶体浏览器"


def test_a_crystal_is_found_by_id_formula_and_elements_and_an_unknown_word_finds_nothing(
    opened: Open, ordinary: Path
) -> None:
    tab = opened(ordinary)
    for query, expected in (("JVASP-1003", "MgO"), ("ga", "GaAs"), ("Sr O", "SrTiO3"), ("Cl", "NaCl")):
        choose(tab, query)
        playwright.expect(tab.locator(".crystal-head h3")).to_have_text(expected)
        assert set(tab.locator(".grid-row b").all_inner_texts()) == {expected}
    tab.fill("#search", "unobtainium")
    assert tab.locator("#found").inner_text() == "No crystal matches."


def test_the_list_sorts_by_change(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    read = "rows => rows.map(r => Number(r.children[1].textContent.replace('\u2212', '-')))"
    tab.select_option("#sort", "down")
    down = tab.eval_on_selector_all(".grid-row", read)
    assert down == sorted(down)
    tab.select_option("#sort", "up")
    up = tab.eval_on_selector_all(".grid-row", read)
    assert up == sorted(up, reverse=True)
    tab.select_option("#metric", "1")
    assert tab.eval_on_selector_all(".grid-row", read) != up


def test_the_arrow_keys_walk_through_the_crystals(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    tab.focus(".grid-row[aria-selected=true]")
    ids = tab.locator(".grid-row .row-id").all_inner_texts()
    for step in (1, 2):
        tab.keyboard.press("ArrowDown")
        playwright.expect(tab.locator(".crystal-head .id")).to_have_text(ids[step])
    tab.keyboard.press("End")
    playwright.expect(tab.locator("#found")).to_contain_text("30")
    assert tab.evaluate("document.activeElement.getAttribute('aria-rowindex')") == "31"
    tab.keyboard.press("Home")
    playwright.expect(tab.locator(".crystal-head .id")).to_have_text(ids[0])


def test_clicking_an_atom_changes_the_shading_of_the_text(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    choose(tab, "Sr")
    playwright.expect(tab.locator(".crystal-head h3")).to_have_text("SrTiO3")
    mean = shading(tab)
    tab.locator(".chip.atom", has_text="Ti2").click()
    atom = shading(tab)
    assert atom != mean
    playwright.expect(tab.locator(".chip.atom", has_text="Ti2")).to_have_attribute("aria-pressed", "true")
    tab.locator(".chip.element", has_text="O").click()
    assert shading(tab) not in (mean, atom)
    tab.locator(".chip.all").click()
    assert shading(tab) == mean


def test_clicking_a_cell_of_the_map_chooses_its_atom_and_its_word(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    choose(tab, "Sr")
    playwright.expect(tab.locator(".crystal-head h3")).to_have_text("SrTiO3")
    words = tab.locator('.prose[data-arm="full"] .w').all_inner_texts()
    box = tab.locator("canvas.cells").first.bounding_box()
    cell = (box["width"] - 1) / len(words)
    tab.locator("canvas.cells").first.click(position={"x": 4.5 * cell, "y": 20})
    playwright.expect(tab.locator(".chip.atom[aria-pressed=true]")).to_have_text("Ti2")
    assert f"“{words[4]}”" in tab.locator("#atoms-head").inner_text()
    tab.locator("canvas.cells").first.hover(position={"x": 6.5 * cell, "y": 5})
    tip = tab.locator("#tip").inner_text()
    assert tip.startswith("Sr1 → " + words[6])
    assert re.search(r"full model\s+0\.\d{4}", tip)
    assert re.search(r"without middle fusion\s+0\.\d{4}", tip)


def test_the_map_is_read_with_the_arrow_keys_too(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    tab.locator("canvas.cells").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    assert "→" in tab.locator("#live").text_content()
    tab.keyboard.press("Enter")
    assert tab.locator(".chip.atom[aria-pressed=true]").count() == 1


def test_choosing_a_word_lists_the_atoms_that_read_it(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    before = tab.locator("#cell .number").all_inner_texts()
    tab.locator(".prose .w", has_text="bond").first.click()
    assert "bond" in tab.locator("#atoms-head").inner_text()
    assert tab.locator("#cell .number").all_inner_texts() != before


def test_the_weights_shown_are_the_captured_ones(opened: Open, tmp_path: Path) -> None:
    comparison = two_arms(tmp_path / "runs", crystals(12))
    tab = opened(page(comparison, tmp_path / "report"))
    choose(tab, "JVASP-1000")
    playwright.expect(tab.locator(".crystal-head .id")).to_have_text("JVASP-1000")
    tab.locator(".chip.atom").first.click()
    shown = tab.eval_on_selector_all('.prose[data-arm="full"] .w', "words => words.map(w => Number(w.title))")
    row = comparison.maps("JVASP-1000", "full").weights.mean(0)[0]
    assert sum(shown) == pytest.approx(1, abs=0.03)
    assert shown[0] == pytest.approx(float(row[0]), abs=0.004 * float(row.max()) + 1e-4)


def test_heads_and_special_tokens_switch(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    mean, colours = pixels(tab), shading(tab)
    tab.click('[data-control=head] [data-value="1"]')
    assert pixels(tab) != mean
    assert shading(tab) != colours
    assert "Heads are not matched" in tab.locator(".stage").inner_text()
    tab.click('[data-control=head] [data-value="-1"]')
    assert pixels(tab) == mean
    assert tab.locator('.prose[data-arm="full"] .special').count() == 2
    tab.uncheck("#switch-special")
    assert tab.locator('.prose[data-arm="full"] .special').count() == 0
    shown = tab.eval_on_selector_all('.prose[data-arm="full"] .w', "words => words.map(w => Number(w.title))")
    assert sum(shown) == pytest.approx(1, abs=0.01)


def test_the_difference_map_and_the_direction_switch(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    forward = pixels(tab)
    assert tab.locator(".map figcaption").all_inner_texts() == [
        "full model",
        "model without middle fusion",
        "full model minus model without middle fusion",
    ]
    tab.uncheck("#switch-difference")
    assert tab.locator(".map").count() == 2
    tab.click("[data-control=direction] [data-value=text_to_atom]")
    assert pixels(tab) != forward
    assert "words read atoms" in tab.locator(".stage h4").first.inner_text()


def test_side_by_side_maps_stand_at_one_height(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    tab.click("[data-control=layout] [data-value=beside]")
    first, second = (tab.locator(".map").nth(i).bounding_box() for i in (0, 1))
    assert first["y"] == second["y"]
    assert second["x"] > first["x"]


def test_the_copy_button_copies_the_paragraph(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary, permissions=["clipboard-read", "clipboard-write"])
    button = tab.locator('[data-copy="p-en-0-results"]')
    button.click()
    playwright.expect(button).to_contain_text("Copied")
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == tab.locator("#p-en-0-results").inner_text()


def test_the_unit_cell_is_open_turns_and_is_linked_to_the_map(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    choose(tab, "Sr")
    playwright.expect(tab.locator(".crystal-head h3")).to_have_text("SrTiO3")
    cell = tab.locator(".cell-canvas").first
    cell.scroll_into_view_if_needed()
    assert tab.locator(".cell-canvas").count() == 2
    assert "a = 4.000, b = 4.500, c = 5.000 Å" in tab.locator("#cell-text").inner_text()
    assert tab.evaluate("window.crysmm.scene(window.crysmm.current).bonds.length") > 0
    first = cell.evaluate("c => c.toDataURL()")
    box = cell.bounding_box()
    tab.mouse.move(box["x"] + 20, box["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 120, box["y"] + 60, steps=4)
    tab.mouse.up()
    turned = tab.locator(".cell-canvas").first.evaluate("c => c.toDataURL()")
    assert turned != first
    # both arms are seen from the same side: the other one turned too
    tab.click("#reset-view")
    assert tab.locator(".cell-canvas").first.evaluate("c => c.toDataURL()") == first
    spot = tab.evaluate(
        """() => { const app = window.crysmm, c = document.querySelector(".cell-canvas");
        const d = app.paintCell(app.current, c, { matrix: app.firstView(), zoom: 1 }, app.current.labels.map(() => 0), 1);
        const last = d[d.length - 1]; return [last.x, last.y, last.atom]; }"""
    )
    tab.locator(".cell-canvas").first.click(position={"x": spot[0], "y": spot[1]})
    labels = tab.evaluate("window.crysmm.current.labels")
    playwright.expect(tab.locator(".chip.atom[aria-pressed=true]")).to_have_text(labels[spot[2]])


def test_the_cell_is_turned_with_the_arrow_keys(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    cell = tab.locator(".cell-canvas").first
    cell.focus()
    before = cell.evaluate("c => c.toDataURL()")
    tab.keyboard.press("ArrowRight")
    assert cell.evaluate("c => c.toDataURL()") != before


def dot(tab: Any, number: int = 0) -> tuple[float, float, int]:
    """Where a dot of the first figure lies on the screen, and its crystal's number."""
    tab.locator(".plot:visible .plot-in").first.scroll_into_view_if_needed()
    tab.locator(".plot:visible .plot-in").first.hover(position={"x": 2, "y": 2})
    tab.wait_for_selector(".plot-layer .ring.here", state="attached")
    return tuple(
        tab.evaluate(
            """async (n) => { const app = window.crysmm, node = document.querySelector(".plot[lang=" + app.lang() + "]");
            const bytes = await app.unzip(document.getElementById(node.dataset.dots).textContent);
            const count = bytes.length / 8, view = new DataView(bytes.buffer), box = node.querySelector(".plot-in").getBoundingClientRect();
            return [box.left + box.width * view.getUint16(2 * n, true) / 65535,
              box.top + box.height * view.getUint16(2 * (count + n), true) / 65535, view.getUint32(4 * count + 4 * n, true)]; }""",
            number,
        )
    )


def test_a_dot_of_a_figure_chooses_its_crystal(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    x, y, row = dot(tab, 7)
    tab.mouse.click(x, y)
    identifier = tab.evaluate(f"window.crysmm.data.crystals.id[{row}]")
    playwright.expect(tab.locator(".crystal-head .id")).to_have_text(identifier)
    assert identifier in tab.locator(".plot-status").first.inner_text()
    tab.locator(".to-maps").first.click()
    playwright.expect(tab.locator("#crystals-head")).to_be_in_viewport()
    tab.mouse.move(0, 0)


def test_a_line_drawn_around_dots_filters_the_list(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    dot(tab)
    box = tab.locator(".plot:visible .plot-in").first.bounding_box()
    middle = box["x"] + box["width"] / 2
    corners = [
        (middle, 1),
        (box["x"] + box["width"] - 1, 1),
        (box["x"] + box["width"] - 1, box["height"] - 1),
        (middle, box["height"] - 1),
    ]
    tab.mouse.move(corners[0][0], box["y"] + corners[0][1])
    tab.mouse.down()
    for x, y in corners[1:]:
        tab.mouse.move(x, box["y"] + y, steps=3)
    tab.mouse.up()
    playwright.expect(tab.locator("#lasso")).to_be_visible()
    inside = tab.evaluate("window.crysmm.state.lasso.size")
    assert 0 < inside < 30
    assert tab.locator("#found").inner_text() == f"{inside} of 30 crystals"
    assert f"{inside} crystals from figure 1" in tab.locator("#lasso").inner_text()
    tab.click("#lasso-clear")
    assert tab.locator("#found").inner_text() == "30 of 30 crystals"


def test_an_address_brings_back_the_view_it_was_copied_from(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary, permissions=["clipboard-read", "clipboard-write"])
    choose(tab, "Sr")
    playwright.expect(tab.locator(".crystal-head h3")).to_have_text("SrTiO3")
    tab.click('[data-control=head] [data-value="1"]')
    tab.click("[data-control=colour_scale] [data-value=root]")
    tab.locator(".chip.atom", has_text="Ti2").click()
    tab.locator(".prose .w").nth(6).click()
    tab.click("#copy-link")
    playwright.expect(tab.locator("#copy-link")).to_have_text("Link copied")
    link = tab.evaluate("navigator.clipboard.readText()")
    assert link == tab.evaluate("location.href")
    for part in ("crystal=", "arm=full", "head=2", "atom=2", "word=7", "scale=root"):
        assert part in link
    map_of, text = pixels(tab), shading(tab)
    identifier = tab.locator(".crystal-head .id").inner_text()
    other = opened(ordinary)
    other.goto("about:blank")
    other.goto(link)
    other.wait_for_selector("html[data-ready=true]")
    playwright.expect(other.locator(".crystal-head .id")).to_have_text(identifier)
    playwright.expect(other.locator(".chip.atom[aria-pressed=true]")).to_have_text("Ti2")
    assert other.locator("[data-control=head] [aria-pressed=true]").inner_text() == "2"
    assert pixels(other) == map_of
    assert shading(other) == text


def test_an_address_that_names_what_is_not_there_harms_nothing(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    for wrong in (
        "#crystal=nothing",
        "#crystal=JVASP-1001&head=99&word=100000&atom=500&run=7&arm=who",
        "#crystal=%3Cscript%3E",
        "#=",
    ):
        tab.goto("about:blank")
        tab.goto(ordinary.as_uri() + wrong)
        tab.wait_for_selector("html[data-ready=true]")
        assert tab.locator("canvas.cells").count() == 3, wrong
        assert tab.locator(".prose").first.inner_text(), wrong


def test_the_scale_switch_keeps_its_state_and_goes_back(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    linear = pixels(tab)
    tab.click("[data-control=colour_scale] [data-value=root]")
    rooted = pixels(tab)
    assert rooted != linear
    here = tab.locator(".crystal-head .id").inner_text()
    tab.focus(".grid-row[aria-selected=true]")
    tab.keyboard.press("ArrowDown")
    playwright.expect(tab.locator(".crystal-head .id")).not_to_have_text(here)
    pressed = tab.locator("[data-control=colour_scale] [aria-pressed=true]")
    assert pressed.get_attribute("data-value") == "root"
    tab.keyboard.press("ArrowUp")
    playwright.expect(tab.locator(".crystal-head .id")).to_have_text(here)
    assert pixels(tab) == rooted
    tab.click("[data-control=colour_scale] [data-value=linear]")
    assert pixels(tab) == linear


@pytest.mark.parametrize("width", [390, 1440])
def test_words_below_a_map_never_touch_and_wider_columns_name_more(
    opened: Open, hostile: Path, width: int
) -> None:
    tab = opened(hostile, width=width)
    choose(tab, "long")
    playwright.expect(tab.locator(".crystal-head .id")).to_have_text("long")
    # every label drawn below a map, by its place across
    watch = """() => { const app = window.crysmm, seen = []; const real = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          if (this.canvas.classList.contains("cells")) { const m = this.getTransform(); seen.push(m.e / (window.devicePixelRatio || 1)); }
          return real.call(this, text, x, y); };
        app.redrawStage(); CanvasRenderingContext2D.prototype.fillText = real; return seen.sort((a, b) => a - b); }"""
    places = tab.evaluate(watch)
    gaps = [b - a for a, b in itertools.pairwise(places) if b - a > 0.01]
    assert len(places) > 10
    assert min(gaps) >= 11
    for _ in range(5):
        tab.click('[data-zoom="zoom_in"]')
    wider = tab.evaluate(watch)
    assert len(wider) > len(places)


def test_words_and_space_groups_of_descriptions_are_found(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    tab.evaluate("window.crysmm.loadDescriptions()")
    for query, shown in (
        ("fm-3m", 30),
        ("bonded", 30),
        ('"six Cl atoms"', 6),
        ("octahedra", 0),
        ("onded", 0),
        ("Ga bonded", 6),
    ):
        tab.fill("#search", query)
        text = f"{shown} of 30 crystals" if shown else "No crystal matches."
        playwright.expect(tab.locator("#found")).to_have_text(text)
    assert "Fm-3m" in tab.locator(".crystal-head .group").inner_text()


def test_runs_and_all_arms_are_switched(opened: Open, three_arms: Path) -> None:
    tab = opened(three_arms)
    first = pixels(tab)
    tab.click('[data-control=run_number] [data-value="1"]')
    playwright.expect(tab.locator(".stage")).to_contain_text("Maps of run 2")
    assert pixels(tab) != first
    assert "run=2" in tab.evaluate("location.hash")
    assert tab.locator(".map").count() == 3
    tab.check("#switch-all_arms")
    assert tab.locator(".map").count() == 4
    assert tab.locator(".cell-canvas").count() == 3
    assert tab.locator(".prose").count() == 3


def test_figures_and_the_result_are_saved_from_the_file_alone(
    opened: Open, ordinary: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "sent alone.html"
    shutil.copyfile(ordinary, alone)
    tab = opened(alone, color_scheme="dark", accept_downloads=True)
    for kind, name in (("svg", "example.svg"), ("png", "example.png"), ("result", "result.json")):
        with tab.expect_download() as waiting:
            tab.locator(f'[data-save="{kind}"]:visible').first.click()
        assert waiting.value.suggested_filename == name
        content = Path(waiting.value.path()).read_bytes()
        if kind == "svg":
            root = ElementTree.fromstring(content.decode())
            assert root.tag.endswith("}svg")
            assert b"var(--" not in content
        elif kind == "png":
            assert content.startswith(b"\x89PNG")
        else:
            assert json.loads(content)["pairs"]
    dead = tab.eval_on_selector_all(
        "a[href]", "links => links.map(l => l.getAttribute('href')).filter(h => !h.startsWith('#'))"
    )
    assert dead == []


def test_figures_take_the_ink_of_the_theme(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary, color_scheme="light")
    ink = "getComputedStyle(document.querySelector('.plot:not([hidden]) svg text')).fill"
    assert luminance(tab.evaluate(ink)) < 60
    tab.click("[data-set-theme=dark]")
    assert luminance(tab.evaluate(ink)) > 180


def test_dark_mode_follows_the_system_and_the_switch(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary, color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    assert luminance(tab.evaluate(back)) < 60
    tab.click("[data-set-theme=light]")
    assert luminance(tab.evaluate(back)) > 200
    tab.click("[data-set-theme=dark]")
    assert luminance(tab.evaluate(back)) < 60
    light = opened(ordinary, color_scheme="light")
    assert luminance(light.evaluate(back)) > 200


def drawn_words(tab: Any) -> list[str]:
    """The words written below the maps while the stage is drawn anew."""
    return tab.evaluate(
        """() => { const seen = [], real = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
          if (this.canvas.classList.contains("cells")) seen.push(text);
          return real.call(this, text, x, y); };
        window.dispatchEvent(new Event("beforeprint")); CanvasRenderingContext2D.prototype.fillText = real; return seen; }"""
    )


@pytest.mark.parametrize("width", [390, 1440])
def test_maps_on_paper_are_whole_and_name_every_word(opened: Open, hostile: Path, width: int) -> None:
    tab = opened(hostile, width=width, color_scheme="dark")
    for _ in range(3):
        tab.click('[data-zoom="zoom_in"]')
    paper = 180 / 25.4 * 96
    for query, whole in (("large", True), ("long", False)):
        choose(tab, query)
        playwright.expect(tab.locator(".crystal-head .id")).to_have_text(query)
        words = drawn_words(tab)
        words = words[: len(words) // 2]  # the second half is the same again, with the selection
        reach = tab.eval_on_selector_all(
            ".map-scroll",
            "nodes => nodes.map(n => [...n.children].reduce((sum, c) => sum + c.offsetWidth, 0))",
        )
        assert max(reach) <= paper
        everything = tab.locator('.prose[data-arm="full"] .w').all_inner_texts()
        if whole:
            assert [w[:12] for w in words] == [w.strip()[:12] for w in everything]
        else:
            assert len(words) > 30
            assert "widen" not in tab.locator("#stage").inner_text()
        assert luminance(shading(tab)[1]) > 120  # tints of paper, though the reader's theme is dark
        tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert tab.locator("canvas.cells").count() == 3


def test_print_keeps_the_shading_of_the_description(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary)
    tab.emulate_media(media="print")
    kept = "getComputedStyle(document.querySelector('.prose .w')).printColorAdjust"
    assert tab.evaluate(kept) == "exact"


def test_what_scrolls_sideways_says_so(opened: Open, three_arms: Path) -> None:
    tab = opened(three_arms, width=390)
    tab.evaluate(
        "document.querySelectorAll('.scroll')[0].firstElementChild.style.minWidth = '60rem'; crysmm.markScrolls()"
    )
    tab.wait_for_timeout(200)
    shown = tab.locator(".scroll-hint:visible").all_inner_texts()
    assert shown
    assert set(shown) == {"⇄ Scroll sideways to see the rest."}
    tab.click("[data-set-lang=zh]")
    tab.wait_for_timeout(200)
    assert set(tab.locator(".scroll-hint:visible").all_inner_texts()) == {"⇄ 左右滑动可查看其余部分。"}
    beyond = """nodes => nodes.filter(n => n.offsetParent && n.scrollWidth > n.clientWidth + 4
        && !n.classList.contains('scrolls')).map(n => n.className)"""
    assert tab.eval_on_selector_all(".plot, .scroll, .map-scroll", beyond) == []
    for _ in range(4):
        tab.click('[data-zoom="zoom_in"]')
    tab.wait_for_timeout(200)
    tab.evaluate("document.querySelector('.map-scroll.scrolls').scrollLeft = 9999")
    tab.wait_for_timeout(100)
    assert "at-end" in tab.locator(".map-scroll.scrolls").first.get_attribute("class")
    wide = opened(three_arms, width=1440)
    assert wide.locator(".scroll-hint:visible").count() == 0


@pytest.mark.parametrize("width", [390, 1024, 1440])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_hint_in_the_search_field_is_whole(opened: Open, ordinary: Path, width: int, lang: str) -> None:
    tab = opened(ordinary, width=width)
    tab.click(f"[data-set-lang={lang}]")
    room = tab.evaluate(
        """() => { const field = document.getElementById('search'), style = getComputedStyle(field);
        const pen = document.createElement('canvas').getContext('2d'); pen.font = style.font;
        return field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - pen.measureText(field.placeholder).width; }"""
    )
    assert room > 0


def test_the_chinese_page_is_punctuated_as_chinese(opened: Open, three_arms: Path) -> None:
    tab = opened(three_arms)
    tab.click("[data-set-lang=zh]")
    text = tab.locator("main").inner_text()
    assert not re.findall(r".{6}[\u4e00-\u9fff][,:;()].{6}", text)
    assert not re.findall(r".{6}[,:;(] ?[\u4e00-\u9fff].{6}", text)
    assert not re.findall(r"\[[−\d][^\]]*, ?[^\]]*\]", text), "ranges are written with ～"
    assert not re.search(r"\bnats?\b|test 划分", text)
    assert "奈特" in text


def test_print_is_dark_on_white_without_the_controls(opened: Open, ordinary: Path) -> None:
    tab = opened(ordinary, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert luminance(tab.evaluate("getComputedStyle(document.body).backgroundColor")) > 250
    assert luminance(tab.evaluate("getComputedStyle(document.body).color")) < 5
    for hidden in (".bar", ".picker", ".controls", ".copy"):
        assert not tab.locator(hidden).first.is_visible()
    assert tab.pdf(format="A4").startswith(b"%PDF")


def test_no_width_makes_the_page_scroll_sideways(opened: Open, hostile: Path) -> None:
    for width in (390, 768, 1024, 1440):
        tab = opened(hostile, width=width)
        for query in ("large", "long", "script"):
            choose(tab, query)
            playwright.expect(tab.locator(".crystal-head .id")).to_have_text(query)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, (width, query)


def serious(tab: Any) -> list[str]:
    """What axe finds; its rules run from the driver's own world, so the page's policy stays in force."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(tab).response["violations"]
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in SERIOUS]


@pytest.fixture(scope="module")
def with_part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a part's table and drawing, wider than a telephone."""
    folder = tmp_path_factory.mktemp("part")
    columns = [(f"Column {i}", f"第 {i} 列") for i in range(9)]
    with context():
        figure = new_figure(160, 40)
        add_axes(figure, 12, 4, 140, 26)
        drawing = vectors.of_figure(figure, "part-", "A drawing.")
    texts = {
        lang: as_html(
            ["A sentence."], columns, [("word", *(["0.123456"] * 8))], lang, drawing, ("Caption.", "图题。")
        )
        for lang in ("en", "zh")
    }
    section = Section("part", {"en": "Part", "zh": "部分"}, texts, {"en": "", "zh": ""})
    comparison = two_arms(folder / "runs", crystals(6), both=True)
    return page(comparison, folder / "report", sections=[section])


@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_no_serious_fault(opened: Open, with_part: Path, width: int) -> None:
    tab = opened(with_part, width=width)
    for lang, scheme in itertools.product(("en", "zh"), ("light", "dark")):
        tab.emulate_media(color_scheme=scheme)
        tab.click(f"[data-set-lang={lang}]")
        tab.locator(".chip.atom").first.click()
        tab.locator(".prose .w").nth(3).click()
        tab.wait_for_timeout(100)
        assert serious(tab) == [], (lang, scheme)


def test_axe_finds_no_serious_fault_with_several_pairs(opened: Open, three_arms: Path) -> None:
    tab = opened(three_arms)
    for lang, scheme in (("en", "dark"), ("zh", "light")):
        tab.emulate_media(color_scheme=scheme)
        tab.click(f"[data-set-lang={lang}]")
        tab.wait_for_timeout(100)
        assert serious(tab) == [], (lang, scheme)


def test_pairs_of_arms_switch_verdict_text_and_maps_together(opened: Open, three_arms: Path) -> None:
    tab = opened(three_arms)
    assert tab.locator(".map figcaption").first.inner_text() == "full model"
    tab.locator("[data-set-pair]").nth(1).click()
    playwright.expect(tab.locator(".map figcaption").first).to_have_text("late model")
    assert "late" in tab.locator("h1:visible").inner_text()
    assert tab.locator("#text .paragraphs:visible").count() == 1


def test_one_arm_has_one_map_and_no_difference(opened: Open, tmp_path: Path) -> None:
    run = capture(tmp_path / "runs", "full", crystals(12))
    tab = opened(page(compare_runs(full=[run], n_resamples=200), tmp_path / "report"))
    assert tab.locator("canvas.cells").count() == 1
    assert tab.locator("#switch-difference").count() == 0


def test_without_maps_the_crystals_are_still_listed(opened: Open, tmp_path: Path) -> None:
    tab = opened(page(two_arms(tmp_path / "runs", crystals(12), maps=False), tmp_path / "report"))
    assert tab.locator(".grid-row").count() == 12
    assert "No attention map of this crystal" in tab.locator("#stage").inner_text()


def test_hostile_data_are_shown_as_they_are_and_do_nothing(opened: Open, hostile: Path) -> None:
    tab = opened(hostile)
    for crystal in HOSTILE:
        choose(tab, crystal.id)
        playwright.expect(tab.locator(".crystal-head .id")).to_have_text(crystal.id)
        assert tab.locator(".crystal-head h3").inner_text() == crystal.shown_formula
        assert tab.locator("canvas.cells").count() == 3, crystal.id
        assert tab.evaluate("window.harmed === undefined"), crystal.id
        inserted = "main script, main iframe, main img[onerror], .prose img, .prose script"
        assert tab.locator(inserted).count() == 0, crystal.id
        if crystal.text:
            shown = tab.locator('.prose[data-arm="full"]').inner_text()
            assert re.sub(r"\s+", "", crystal.text) in re.sub(r"\s+", "", shown)
        last = tab.locator(".chip.atom").last
        last.click()
        assert last.inner_text() == f"{crystal.elements[-1]}{len(crystal.elements)}"
        assert tab.locator(".cell-canvas").count() == (2 if crystal.structure else 0), crystal.id


def test_a_damaged_map_is_reported_where_it_would_stand(opened: Open, ordinary: Path, tmp_path: Path) -> None:
    html = ordinary.read_text(encoding="utf-8")
    broken = re.sub(r'(id="map-5">)[^<]{40}', r"\1" + "A" * 40, html)
    path = tmp_path / "broken.html"
    path.write_text(broken, encoding="utf-8")
    tab = opened(path)
    identifier = tab.evaluate("window.crysmm.data.crystals.id[5]")
    choose(tab, identifier)
    playwright.expect(tab.locator("#stage")).to_contain_text("could not be read")


def test_a_thousand_crystals_keep_only_the_seen_rows_in_the_document(opened: Open, tmp_path: Path) -> None:
    many = [page_kit.Crystal(f"JVASP-{i}", ("Na", "Cl")) for i in range(1000)]
    tab = opened(page(two_arms(tmp_path / "runs", many, maps=False), tmp_path / "report"))
    assert tab.locator(".grid-row").count() < 60
    choose(tab, "JVASP-777")
    playwright.expect(tab.locator(".crystal-head .id")).to_have_text("JVASP-777")

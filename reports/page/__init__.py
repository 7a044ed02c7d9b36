"""The report as one page: a single HTML file, opened from disk, that loads nothing from any network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from crysmm_attn_plugin.reports.markup import to_html, to_plain
from crysmm_attn_plugin.reports.page import data, sensitivity, verdict
from crysmm_attn_plugin.reports.page.maps import BUDGET, pack_all
from crysmm_attn_plugin.reports.page.texts import TEXTS, text
from crysmm_attn_plugin.store.files import write_atomic

#: In the order they depend on each other; one inline script.
SCRIPTS = (
    "store.js",
    "i18n.js",
    "colours.js",
    "maps.js",
    "text.js",
    "structure.js",
    "table.js",
    "explorer.js",
    "page.js",
)

#: CSS pixels a figure's pixel takes: 300 dots an inch drawn at one and a half times its size on paper.
SCREEN_SCALE = 1.5 * 96 / 300

_HERE = Path(__file__).parent


def write_page(
    comparison: Any,
    out: str | os.PathLike[str],
    *,
    figures: Sequence[Any],
    paragraphs: Mapping[str, Sequence[Any]],
    table: Any,
    sections: Sequence[Any],
    langs: Sequence[str],
    maps_budget: int = BUDGET,
) -> Path:
    """Write ``report.html``.

    Args:
        comparison: A ``reports.comparison.Comparison``.
        out: The report's folder.
        figures: ``FigureRecord`` list; their PNGs are embedded.
        paragraphs: Language -> ``Paragraphs``, one a pair (one for a single arm).
        table: The main table.
        sections: Sections of plugins; their HTML is theirs to escape, scripts in it do not run.
        langs: Languages of the page; with one, there is no switch.
        maps_budget: Characters of base64 the attention maps may take.

    Returns:
        The file.
    """
    result = comparison.result
    captured = _captured(comparison)
    order = data.ranked(result, comparison.samples)
    shown = [id for id in order[: data.MOST_ROWS] if id in captured]
    packed = pack_all(comparison, shown, data.ordered_arms(result), budget=maps_budget)
    script = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    boot = (_HERE / "boot.js").read_text(encoding="utf-8")
    viewer, viewer_hash = _viewer() if _any_structure(comparison, packed.forward) else ("", "")
    hashes = " ".join(h for h in (_csp_hash(boot), _csp_hash(script), viewer_hash) if h)
    listed = min(len(comparison.samples), data.MOST_ROWS)
    metric = data.ranking_metric(comparison.samples, data.ordered_arms(result))
    html = (
        _environment()
        .get_template("template.html.j2")
        .render(
            result=result,
            langs=tuple(langs),
            pairs=[
                {
                    "view": verdict.verdict_view(result, pair),
                    "ways": sensitivity.sensitivity(result, pair),
                    "tests": sensitivity.other_tests(result, pair),
                    "legacy": sensitivity.legacy_rows(result, pair),
                }
                for pair in result.pairs
            ],
            metrics=sensitivity.SEED_METRICS,
            p_columns=sensitivity.P_COLUMNS,
            notes=verdict.notes(result),
            arms=data.ordered_arms(result),
            colours=data.colours(result),
            table=table,
            figures=[_figure(record, langs) for record in figures],
            paragraphs=paragraphs,
            sections=sections,
            packed=packed,
            listed=listed,
            ranking={lang: verdict.metric_label(metric, lang) if metric else "" for lang in langs},
            first_run=data.first_run_note(comparison),
            payload=Markup(data.script_json(data.payload(comparison, packed, langs))),
            numbers={id: n for n, id in enumerate(order)},
            css=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
            boot=Markup(boot),
            script=Markup(script),
            viewer=viewer,
            hashes=Markup(hashes),
        )
    )
    path = Path(out) / "report.html"

    def write(target: Path) -> None:
        target.write_text(html, encoding="utf-8")

    return write_atomic(path, write)


def _captured(comparison: Any) -> frozenset[str]:
    try:
        return frozenset(str(i) for i in comparison.map_ids())
    except (AttributeError, KeyError):
        return frozenset()


def _any_structure(comparison: Any, ids: Mapping[str, str]) -> bool:
    from crysmm_attn_plugin.errors import AttnError

    for id in ids:
        try:
            if comparison.structure(id) is not None:
                return True
        except (AttnError, KeyError, AttributeError):
            return False
    return False


def _figure(record: Any, langs: Sequence[str]) -> dict[str, Any]:
    """A figure's pictures as data addresses, equal ones once."""
    images: dict[str, list[str]] = {}
    width, height = 1, 1
    for lang in langs:
        path = record.path("png", lang)
        if path is not None and Path(path).is_file():
            address = "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode("ascii")
            images.setdefault(address, []).append(lang)
            width, height = _size(Path(path).read_bytes())
    return {
        "name": record.name,
        "images": list(images.items()),
        "width": round(width * SCREEN_SCALE),
        "height": round(height * SCREEN_SCALE),
        "captions": record.captions,
        "alts": record.alts,
        "files": [f for f in record.files if Path(f).parent.name == "figures"],
    }


def _size(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG in pixels."""
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@lru_cache(maxsize=1)
def _viewer() -> tuple[str, str]:
    """plotly's own script as gzip in base64, and its hash for the content security policy."""
    from plotly.offline import get_plotlyjs

    source = get_plotlyjs().replace("\r\n", "\n")
    packed = base64.b64encode(gzip.compress(source.encode(), 9, mtime=0)).decode("ascii")
    return packed, _csp_hash(source)


def _csp_hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode('ascii')}'"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(text=text, texts=TEXTS)
    environment.filters["prose"] = lambda value: Markup(to_html(str(value)))
    environment.filters["plain"] = lambda value: to_plain(str(value))
    return environment

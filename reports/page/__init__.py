"""The report as one page: a single HTML file, opened from disk, that loads nothing from any network."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.figures import vectors
from crysmm_attn_plugin.reports.figures.arms import label
from crysmm_attn_plugin.reports.figures.typefaces import FOLDER
from crysmm_attn_plugin.reports.figures.wording import mae_decimals
from crysmm_attn_plugin.reports.numbers import fixed
from crysmm_attn_plugin.reports.page import blocks, data, sensitivity, verdict
from crysmm_attn_plugin.reports.page.chart import Chart
from crysmm_attn_plugin.reports.page.maps import BUDGET, pack_all
from crysmm_attn_plugin.reports.page.texts import TEXTS, text
from crysmm_attn_plugin.reports.prose.markup import to_html, to_plain
from crysmm_attn_plugin.reports.prose.paragraphs import TITLES
from crysmm_attn_plugin.reports.prose.property_names import shown, split_name, unit_name
from crysmm_attn_plugin.reports.tables import SEED_METRICS
from crysmm_attn_plugin.store.files import write_atomic

#: In the order they depend on each other; one inline script.
SCRIPTS = (
    "store.js",
    "i18n.js",
    "colours.js",
    "maps.js",
    "text.js",
    "cell.js",
    "structure.js",
    "table.js",
    "explorer.js",
    "plots.js",
    "address.js",
    "scroll.js",
    "page.js",
)

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
        figures: ``FigureRecord`` list; their SVGs become part of the page.
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
    hashes = " ".join((_csp_hash(boot), _csp_hash(script)))
    numbers = {id: n for n, id in enumerate(order)}
    listed_numbers = [
        n if (n := numbers[str(i)]) < data.MOST_ROWS else None for i in comparison.samples["id"]
    ]
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
            metrics=SEED_METRICS,
            p_columns=sensitivity.P_COLUMNS,
            notes=verdict.notes(result),
            arms=data.ordered_arms(result),
            colours=data.colours(result),
            table=table,
            figures=[_figure(n, record, langs, listed_numbers) for n, record in enumerate(figures, start=1)],
            paragraphs=paragraphs,
            sections=sections,
            packed=packed,
            listed=listed,
            ranking={lang: language.metric_heading(metric, lang) if metric else "" for lang in langs},
            first_run=data.first_run_note(comparison),
            payload=Markup(data.script_json(data.payload(comparison, packed, langs))),
            numbers=numbers,
            descriptions=blocks.descriptions_block(blocks.descriptions(comparison, order[: data.MOST_ROWS])),
            result_file=blocks.result_block(result),
            font=base64.b64encode((FOLDER / "CrysmmSans-Regular.ttf").read_bytes()).decode("ascii"),
            css=Markup((_HERE / "page.css").read_text(encoding="utf-8")),
            boot=Markup(boot),
            script=Markup(script),
            hashes=Markup(hashes),
        )
    )
    path = Path(out) / "report.html"

    def write(target: Path) -> None:
        target.write_text(html, encoding="utf-8")

    return write_atomic(path, write)


def _chart_notes(chart: Chart, lang: str) -> str:
    """What stands below the chart: only what is drawn."""
    drawn = {
        "chart_note": True,
        "chart_guide": chart.has_guide,
        "chart_together": chart.together,
        "chart_runs": chart.has_runs,
    }
    return language.marks(lang).space.join(text(key, lang) for key, shown in drawn.items() if shown)


def _mae_of(result: Any, arm: Any) -> str:
    """An arm's error with the spread of its runs, at one precision for all arms."""
    decimals = mae_decimals(result)
    spread = f" ± {fixed(arm.mae_sd, decimals)}" if arm.mae_sd is not None else ""
    return fixed(arm.mae, decimals) + spread


def _captured(comparison: Any) -> frozenset[str]:
    try:
        return frozenset(str(i) for i in comparison.map_ids())
    except (AttributeError, KeyError):
        return frozenset()


def _figure(number: int, record: Any, langs: Sequence[str], listed: Sequence[int | None]) -> dict[str, Any]:
    """A figure's drawings by language, and the block that says where in them crystals lie."""
    drawings = []
    for lang in langs:
        path = record.path("svg", lang)
        if path is None or not Path(path).is_file():
            continue
        drawing, width, height = vectors.inline(Path(path), f"f{number}{lang}-")
        dots = record.dots.get(lang)
        drawings.append(
            {
                "lang": lang,
                "svg": Markup(drawing),
                "width": width,
                "height": height,
                "dots": blocks.dots_block(dots, listed) if dots is not None else "",
            }
        )
    return {"name": record.name, "drawings": drawings, "captions": record.captions, "alts": record.alts}


def _paragraph_title(name: str, lang: str) -> str:
    """Title of a paragraph for a paper; one that has none is called by its name."""
    return language.pick(TITLES[name], lang) if name in TITLES else name.replace("_", " ")


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
    environment.globals.update(
        arm_name=label,
        paragraph_title=_paragraph_title,
        spoken=language.pick,
        language_name=language.name,
        marks=language.marks,
        nearest=language.nearest,
        figure_stem=language.figure_stem,
        shown_name=shown,
        split_name=split_name,
        unit_name=unit_name,
        chart_notes=_chart_notes,
        mae_of=_mae_of,
    )
    environment.filters["plain"] = lambda value: to_plain(str(value))
    return environment

"""A third language is complete everywhere: nothing in the readers asks for English or Chinese by name."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docx import Document
from page_kit import crystals, two_arms

from crysmm_attn_plugin.catalogue import LANGUAGES
from crysmm_attn_plugin.descriptors import Language
from crysmm_attn_plugin.language_forms import LatexForm, Marks, NumberForms
from crysmm_attn_plugin.reports import language
from crysmm_attn_plugin.reports.prose.references import REFERENCES, short_in
from crysmm_attn_plugin.reports.request import known_formats
from crysmm_attn_plugin.stats.results import ComparisonResult

ROOT = Path(__file__).resolve().parent.parent
CODES = {"en", "zh"}
#: Text of a language whose every word is written with one letter: Latin words in a report are then not its own.
LETTER = "ö"


def sources() -> Iterator[Path]:
    for folder in ("reports", "crysmm_attn_plugin", "hooks"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def branches(path: Path) -> list[str]:
    """Comparisons of something with a built-in language's code, and its texts indexed by the outcome of one."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(isinstance(s, ast.Constant) and s.value in CODES for s in sides):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    return found


def test_nothing_asks_whether_it_writes_english_or_chinese() -> None:
    found = [line for path in sources() for line in branches(path)]
    found += [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in sorted((ROOT / "reports").rglob("*"))
        if path.suffix in (".js", ".j2")
        for match in re.finditer(r"[=!]==? *[\"'](?:en|zh)[\"']", path.read_text(encoding="utf-8"))
    ]
    # a metric without an English label is refused: all other languages translate it
    allowed = ["crysmm_attn_plugin/descriptors.py"]
    assert [line for line in found if line.partition(":")[0] not in allowed] == []


class Written(dict[str, str]):
    """A translation of every text there is."""

    def __contains__(self, key: object) -> bool:
        return True

    def __getitem__(self, key: str) -> str:
        return "".join(
            part if part.startswith("{") else re.sub("[A-Za-z]", LETTER, part)
            for part in re.split(r"(\{[^}]*\})", key)
        )


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates that say nothing of their own but print what the others print."""
    folder = tmp_path_factory.mktemp("templates")
    values = "{{ A }} {{ split }} {{ direction }} {{ test_name }} {{ interval_name }} {{ adjustment_name }} "
    values += "{{ declared }} {{ scenario_sentence }} {{ w.count(3) }} {{ resamples }} {{ cite('holm', 'hedges') }} "
    values += "{% for f in metrics %}{{ f.label }} {{ f.change }} {{ f.interval }}; {% endfor %}"
    values += "{% if reasons %}{{ w.join(reasons) }}{% endif %} {% for c in checkpoints %}{{ c.label }} {{ c.rule }}{% endfor %}"
    for path in (language.TEMPLATES / "en").glob("[!_]*.j2"):
        lines = "öö|" + values if path.stem == "summary" else values
        (folder / path.name).write_text(lines.replace("scenario_sentence", "scenario_sentence | default('')"))
    return folder


@pytest.fixture(scope="module")
def third(templates: Path) -> Iterator[str]:
    LANGUAGES.add(
        Language(
            "qx", "Öö", Written(), templates, Written(), Marks(last=" öö "), NumberForms(range={"": "{low}…{high}"},
            interval={"": "{low}…{high}"}, cell={"": "{value} ({low}…{high})"}, fold="{ratio}×"),
            LatexForm(babel="ngerman"),
        ),
        "test",
    )  # fmt: skip
    yield "qx"
    LANGUAGES.remove("test")


@pytest.fixture(scope="module")
def report(third: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every part whose words are read below; pictures are drawn for the page alone."""
    comparison = two_arms(tmp_path_factory.mktemp("runs"), crystals(24))
    parts = [name for name in known_formats() if name not in ("figures", "csv", "samples", "chemiscope")]
    return comparison.write(tmp_path_factory.mktemp("out") / "report", lang=(third,), formats=parts)


#: What is nobody's language: names of arms, crystals, columns, files, methods, programs.
NAMES = re.compile(
    r"\b(?:full|no_middle|bootstrap|test|JVASP-\d+|NaCl|SrTiO\d?|Spearman|Python|JavaScript|crysmm-attn|[a-z]+(?:_[a-z]+)+)\b"
    r"|[\w/]+\.(?:png|pdf|svg|json|parquet|csv|tex|bib)"
)


def foreign(text: str, result: ComparisonResult) -> set[str]:
    """Latin words of four letters or more that are no name, no work of others and no sentence that is quoted."""
    quoted = [r.full for r in REFERENCES.values()] + [short_in(r.short, "qx") for r in REFERENCES.values()]
    quoted += [*result.versions]
    quoted += [run for arm in result.arms for run in arm.run_ids]
    plain = re.sub(r"\]\([^)]*\)", "]", text).replace("\\", "")
    for phrase in sorted(quoted, key=len, reverse=True):
        plain = plain.replace(phrase, " ")
    return set(re.findall(r"(?<!\w)[A-Za-z]{4,}", NAMES.sub(" ", plain)))


def visible(page: str) -> str:
    page = re.sub(r"<(script|style|svg|title|code)\b.*?</\1>", " ", page, flags=re.S)
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["report.md", "table.csv", "reporting_summary.md", "paragraphs.qx.md", "paragraphs.docx", "report.html"]
)  # fmt: skip
def test_a_whole_report_in_a_third_language_has_no_sentence_of_another(report: Path, name: str) -> None:
    if name.endswith(".docx"):
        document = Document(str(report / name))
        cells = [c.text for t in document.tables for row in t.rows for c in row.cells]
        text = "\n".join([*(p.text for p in document.paragraphs), *cells])
    else:
        text = (report / name).read_text(encoding="utf-8-sig")
    text = visible(text) if name.endswith(".html") else text
    assert LETTER * 3 in text
    assert not re.search(r"[\u4e00-\u9fff]", text)
    result = ComparisonResult.from_dict(json.loads((report / "result.json").read_text(encoding="utf-8")))
    assert " ".join(sorted(foreign(text, result))) == ""

"""Captured runs small enough for a test, and the page made from them: real stores, real comparison, real page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from figure_fixtures import simple_labels

from crysmm_attn_plugin.records import (
    Alarm,
    BatchIdentity,
    Checkpoint,
    Structure,
    TokenLabels,
    Window,
    WindowOutcome,
)
from crysmm_attn_plugin.reports import tables
from crysmm_attn_plugin.reports.comparison import Comparison, compare_runs
from crysmm_attn_plugin.reports.figures import marks
from crysmm_attn_plugin.reports.figures.style import FigureRecord, add_axes, context, new_figure, save
from crysmm_attn_plugin.reports.page import write_page
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.store.writer import RunWriter, crystal_columns, seal
from crysmm_attn_plugin.text.elements import reduced_formula

TEXT = "{f} crystallizes in the cubic Fm-3m space group. {a} is bonded to six {b} atoms; all bond lengths are 2.82 Å."


@dataclass(frozen=True)
class Crystal:
    """One crystal of a test: what is not given is made up from the elements."""

    id: str
    elements: tuple[str, ...]
    text: str = ""
    formula: str = ""
    labelled: bool = True
    structure: bool = True

    @property
    def shown_formula(self) -> str:
        return self.formula or reduced_formula(self.elements)

    def labels(self) -> TokenLabels | None:
        if not self.labelled:
            return None
        names = list(dict.fromkeys(self.elements))
        return simple_labels(
            self.text or TEXT.format(f=reduced_formula(self.elements), a=names[0], b=names[-1])
        )

    def cell(self) -> Structure | None:
        if not self.structure:
            return None
        n = len(self.elements)
        coords = tuple((i / n, (i * 0.37) % 1, (i * 0.61) % 1) for i in range(n))
        return Structure(((4.0, 0, 0), (0, 4.5, 0), (0, 0, 5.0)), coords, self.elements)


CELLS = (("Na", "Cl"), ("Sr", "Ti", "O", "O", "O"), ("Ga", "As"), ("Mg", "O"), ("Si", "O", "O"))


def crystals(n: int = 30) -> list[Crystal]:
    """Ordinary crystals."""
    return [Crystal(f"JVASP-{1000 + i}", CELLS[i % len(CELLS)]) for i in range(n)]


def capture(
    out: Path,
    arm: str,
    chosen: Sequence[Crystal],
    *,
    heads: int = 2,
    sharpness: float = 1.0,
    seed: int = 0,
    maps: bool = True,
    both: bool = False,
    alarms: tuple[Alarm, ...] = (),
    tokens: int = 0,
) -> Path:
    """Write one run: attention drawn at random, metrics computed from it.

    Args:
        out: Folder of runs.
        arm: Arm name.
        chosen: The crystals.
        heads: Attention heads.
        sharpness: Spread of the logits.
        seed: Of the random weights; also the run's.
        maps: Keep the maps.
        both: Capture text-to-atom too.
        alarms: Alarms of the pass.
        tokens: Number of keys for crystals without labels.
    """
    rng = np.random.default_rng([seed, len(arm)])
    writer = RunWriter(
        out,
        arm,
        run_id=f"{arm}-seed{seed}",
        info={"host_seed": seed, "property": "mbj_bandgap", "dataset": "dft_3d", "unit": "eV"},
    )
    directions = ("atom_to_text", "text_to_atom") if both else ("atom_to_text",)
    rows: dict[str, list[Any]] = {}
    stored, index = {}, []
    labels = [c.labels() for c in chosen]
    for crystal, label in zip(chosen, labels):
        n_words, n_atoms = len(label.tokens) if label else tokens or 12, len(crystal.elements)
        for direction in directions:
            shape = (heads, n_atoms, n_words) if direction == "atom_to_text" else (heads, n_words, n_atoms)
            logits = rng.normal(size=(heads, 1, shape[2])) * sharpness + rng.normal(size=shape) * 0.7
            weights = np.exp(logits)
            weights /= weights.sum(-1, keepdims=True)
            if maps:
                key = f"m{len(stored)}"
                stored[key] = weights.astype(np.float16)
                index.append(
                    {"key": key, "id": crystal.id, "module": "fine", "call": 0, "direction": direction}
                )
            _add_rows(rows, crystal.id, direction, weights)
    target = np.random.default_rng(9).gamma(2.0, 1.0, len(chosen))
    formulas = [c.shown_formula for c in chosen]
    samples = {
        "id": [c.id for c in chosen],
        "split": ["test"] * len(chosen),
        "window": ["w"] * len(chosen),
        "formula": formulas,
        "n_atoms": [len(c.elements) for c in chosen],
        "n_tokens": [len(x.tokens) if x else 12 for x in labels],
        "tokens_hash": ["h"] * len(chosen),
        "text_truncated": [False] * len(chosen),
        "target": target,
        "prediction": target + rng.normal(0, 0.3, len(chosen)),
    }
    digest = f"{seed:02d}{arm}".encode().hex()[:16]
    identity = BatchIdentity(
        tuple(c.id for c in chosen),
        tuple(c.elements for c in chosen),
        tuple(labels),  # type: ignore[arg-type]
        tuple(target),
        tuple(c.cell() for c in chosen),
    )
    outcome = WindowOutcome(
        Window("w", digest, "test"), "complete", n_batches=1, n_crystals=len(chosen), alarms=alarms
    )
    writer.write_window(
        outcome,
        attention=rows,
        samples=samples,
        crystals=crystal_columns(identity, formulas, ["h"] * len(chosen)),
        maps=stored or None,
        maps_index=index,
    )
    writer.write_checkpoint(Checkpoint(digest, ("best_val_model.pt",), "best_val", 3, {}, ()))
    seal(writer.path)
    return writer.path


def _add_rows(rows: dict[str, list[Any]], id: str, direction: str, weights: np.ndarray) -> None:
    logs = np.log(weights)
    entropy = -(weights * logs).sum(-1)
    n = weights.shape[-1]
    ordered = np.sort(weights, axis=-1)
    gini = (2 * (np.arange(1, n + 1) * ordered).sum(-1) - (n + 1)) / max(n - 1, 1)
    for head in range(weights.shape[0]):
        values = {
            "crystal": id, "module": "fine", "call": 0, "direction": direction, "head": head,
            "with_special_tokens": True, "stopwords_removed": False, "weights": "model",
            "n_queries": weights.shape[1], "n_keys": n, "entropy": entropy[head].mean(),
            "max_weight": weights[head].max(-1).mean(), "effective_tokens_hill": np.exp(entropy[head]).mean(),
            "gini": gini[head].mean(),
        }  # fmt: skip
        for key, value in values.items():
            rows.setdefault(key, []).append(value)


def two_arms(out: Path, chosen: Sequence[Crystal], **options: Any) -> Comparison:
    """``full`` (sharper) against ``no_middle`` on the same crystals."""
    full = capture(out, "full", chosen, sharpness=1.6, **options)
    plain = capture(out, "no_middle", chosen, sharpness=1.0, **options)
    return compare_runs(full=[full], no_middle=[plain], n_resamples=200)


def example_figure(comparison: Comparison, out: Path, langs: Sequence[str]) -> FigureRecord:
    """A real scatter of the crystals, small: the change in entropy against the error of the first arm."""
    samples, arms = comparison.samples, [a.name for a in comparison.result.arms]
    files: list[Path] = []
    dots = {}
    for lang in langs:
        with context():
            figure = new_figure(89, 50)
            axes = add_axes(figure, 12, 4, 72, 36)
            x, y = (samples[f"{name}.{arms[0]}"].to_numpy(float) for name in ("entropy", "abs_error"))
            marks.cloud(axes, x, y, "#0072B2")
            axes.set_xlabel({"en": "entropy <b>", "zh": "熵"}[lang])
            files += save(figure, out / "figures", "example", ("svg",), lang)
            dots[lang] = marks.crystal_dots(figure)
    return FigureRecord(
        "example",
        tuple(files),
        {"en": "An *p* example & <caption>.", "zh": "示例图题。"},
        {"en": "An example.", "zh": "示例。"},
        {},
        dots,
    )


def page(comparison: Comparison, out: Path, *, langs: tuple[str, ...] = ("en", "zh"), **options: Any) -> Path:
    """The page of a comparison with its real paragraphs and table, and one small figure."""
    out.mkdir(parents=True, exist_ok=True)
    result = comparison.result
    record = example_figure(comparison, out, langs)
    prose = {
        lang: [paragraphs.render(result, lang=lang, pair=i) for i in range(max(len(result.pairs), 1))]  # type: ignore[arg-type]
        for lang in langs
    }
    settings: dict[str, Any] = {"figures": [record], "sections": [], **options}
    return write_page(
        comparison, out, paragraphs=prose, table=tables.main_table(result), langs=langs, **settings
    )


#: What a data set can hold that a page must survive.
HOSTILE = (
    Crystal("script", ("Na", "Cl"), text="NaCl <script>window.harmed = 1</script> & <img src=x onerror='window.harmed=2'>"),
    Crystal("closing", ("Ga", "As"), text="GaAs </script><script>window.harmed = 3</script> <!-- <b>bold</b>"),
    Crystal("=HYPERLINK", ("Mg", "O"), formula='=HYPERLINK("http://example.org")'),
    Crystal("../../etc/passwd", ("Si", "O", "O")),
    Crystal("long", ("Ti", "O", "O"), text=" ".join(f"word{i:03d}," for i in range(334))),
    Crystal("large", ("Ca",) * 50 + ("Al",) * 60 + ("O",) * 90),
    Crystal("single", ("Cu",)),
    Crystal("unlabelled", ("Fe", "O"), labelled=False),
    Crystal("cell-less", ("Zn", "S"), structure=False),
    Crystal("<b>id</b>", ("K", "Br"), formula="<i>KBr</i>"),
)  # fmt: skip

"""One crystal's explanation as files: a page, a picture of the map, and every number."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from crysmm_attn_plugin.explanation import Explanation
from crysmm_attn_plugin.notebook import axes, label
from crysmm_attn_plugin.reports.escape import printable
from crysmm_attn_plugin.store.files import make_folder, write_atomic, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = ("explain.html", "explain.png", "explain.json")
#: Words of a map that are drawn; those read least are left out, and it is said.
MOST_WORDS = 50
NAMES = {
    "knock_out_most": "most attended words hidden", "knock_out_random": "random words hidden",
    "keep_most": "only the most attended words kept", "keep_random": "only random words kept",
    "uniform": "attention made even", "own_element": "own element's mentions hidden",
    "own_element_random": "as many other tokens hidden", "head": "head made even",
}  # fmt: skip
DIRECTIONS = {"atom_to_text": "atoms reading words", "text_to_atom": "words reading atoms"}
_STYLE = (
    "body{font:15px/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222;background:#fff}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.1rem .6rem;text-align:left;border-bottom:1px solid #ccc}"
    "img{max-width:100%}.side{display:flex;flex-wrap:wrap;gap:2rem}.text{line-height:1.9}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}img{background:#fff}}"
)


def write(explanation: Explanation, folder: Path) -> list[Path]:
    """Write page, picture and numbers; every text that came from data is escaped.

    Args:
        explanation: What is shown.
        folder: Made when it is not there.
    """
    from crysmm_attn_plugin.reports.figures import style  # matplotlib

    with style.context():
        figure = draw(explanation)
        make_folder(folder)
        picture = write_atomic(folder / "explain.png", lambda p: figure.savefig(p, format="png", dpi=200))
    content = page(explanation, Path(picture).read_bytes())
    html = write_atomic(folder / "explain.html", lambda p: p.write_text(content, encoding="utf-8"))
    return [Path(html), Path(picture), Path(write_json(folder / "explain.json", explanation.to_dict()))]


def page(e: Explanation, picture: bytes) -> str:
    """The page, complete in itself."""
    parts = [
        Markup("<h1>{}</h1><p>{}, predicted {}. Description: {}.{}</p>").format(
            printable(e.id), e.formula, f"{e.prediction:.5g}", printable(e.text_from),
            " The tokenizer cut it; what is cut off was not read." if e.truncated else "",
        ),
        Markup("<h2>Description, shaded by what the atoms read</h2>"), shaded(e),
        Markup('<h2>Map</h2><p><img alt="{}" src="data:image/png;base64,{}"></p>').format(
            "attention of atoms over words", base64.b64encode(picture).decode("ascii")
        ),
        Markup("<h2>Rankings</h2><div class=side>"),
        _table("Words by share of the atoms' attention", ("Word", "Share"), e.ranked("words", "atom_to_text")[:20]),
        _table("Atoms by share of the words' attention", ("Atom", "Share"), e.ranked("atoms", "text_to_atom")[:20]),
        _table("Atoms by how few words they read", ("Atom", "Effective words"), e.spread_of_atoms()[:20]),
        Markup("</div><h2>Key pairs</h2><div class=side>"),
        *(_table(DIRECTIONS.get(d, d), ("Reads", "Read", "Weight"), e.pairs(d)) for d in e.directions),
        Markup("</div><h2>What changes the prediction</h2>"), _interventions(e),
        Markup("<p>{}</p>").format(
            "Weights alone cannot show use: a shift says that the model reads what was changed. One crystal is one crystal; "
            "for a claim about a model, probe its test set."
        ),
    ]  # fmt: skip
    head = Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"><title>{}</title><style>{}</style>"
    ).format(printable(e.id), Markup(_STYLE))
    return str(Markup("\n").join([head, *parts, Markup("</html>")]))


def shaded(e: Explanation) -> Markup:
    """The description, each word on a ground as dark as its share."""
    maps = [m.mean.mean(0) for m in e.maps if m.direction == "atom_to_text"]
    share = np.mean(maps, 0) if maps else np.zeros(len(e.words))
    top = max((s for s, mark in zip(share, e.special) if not mark), default=0.0) or 1.0
    spans = []
    for word, mark, space, s in zip(e.words, e.special, e.spaces, share):
        if mark:
            continue
        spans.append(
            Markup('{}<span style="background:rgba(0,114,178,{})" title="{}">{}</span>').format(
                " " if space else "", f"{0.85 * np.sqrt(s / top):.2f}", f"{s:.4f}", printable(word)
            )
        )
    special = sum(s for s, mark in zip(share, e.special) if mark)
    return Markup("<p class=text>{}</p><p>{}</p>").format(
        Markup("").join(spans),
        f"Special tokens, which are no words, receive {100 * special:.1f} % of the attention.",
    )


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markup:
    if not rows:
        return Markup("")
    top = Markup("").join(Markup('<th scope="col">{}</th>').format(h) for h in heads)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td>{}</td>").format(f"{c:.4g}" if isinstance(c, float) else printable(c))
                for c in row
            )
        )
        for row in rows
    )
    return Markup("<div><h3>{}</h3><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>").format(
        title, top, body
    )


def _interventions(e: Explanation) -> Markup:
    rows = []
    for i in e.interventions:
        of = f" {i['head']} of {i['module']}" if i["intervention"] == "head" else ""
        size = f" ({i['size']})" if i["size"] else ""
        name = NAMES.get(i["intervention"], i["intervention"])
        rows.append((f"{name}{size}{of}", float(i["changed"]), float(i["shift"])))
    refused = Markup("").join(Markup("<p>{}: {}.</p>").format(k, v) for k, v in e.refused.items())
    return _table("", ("Intervention", "Prediction", "Shift"), rows) + refused


def draw(e: Explanation) -> Figure:
    """One panel a direction, the mean over heads and modules: atoms down, the most attended words across."""
    import matplotlib.pyplot as plt

    chosen = {d: np.mean([m.mean for m in e.maps if m.direction == d], 0) for d in e.directions}
    by_atom = {d: w if d == "atom_to_text" else w.T for d, w in chosen.items()}
    height = 1.6 + 0.16 * min(len(e.atoms), 60)
    figure, panels = plt.subplots(
        len(by_atom), 1, figsize=(8.5, height * len(by_atom)), layout="constrained", squeeze=False
    )
    for (direction, weights), ax in zip(by_atom.items(), panels[:, 0]):
        kept = np.sort(np.argsort(-weights.mean(0), kind="stable")[:MOST_WORDS])
        axes(ax, (8.5, height))
        image = ax.imshow(weights[:, kept], aspect="auto", cmap="cividis", vmin=0, interpolation="nearest")
        ax.set_xticks(
            range(len(kept)), [label(printable(e.words[k])[:24]) for k in kept], rotation=90, fontsize=6
        )
        step = -(-len(e.atoms) // 60)
        ax.set_yticks(range(0, len(e.atoms), step), [label(a) for a in e.atoms[::step]], fontsize=6)
        left = len(e.words) - len(kept)
        note = f"; {left} words that are read least are left out" if left > 0 else ""
        ax.set_title(label(f"{DIRECTIONS.get(direction, direction)}{note}"), fontsize=7)
        figure.colorbar(image, ax=ax, label="attention weight")
    plt.close(figure)
    return figure

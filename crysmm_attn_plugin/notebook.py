"""What a notebook shows of a run and of a map, and their ``plot``: matplotlib axes for figures of one's own."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from crysmm_attn_plugin.catalogue import BY_NAME, PRIMARY
from crysmm_attn_plugin.errors import UsageError

if TYPE_CHECKING:
    from crysmm_attn_plugin.records import AttentionMap

#: Of more names than this only every second, third, ... is drawn.
_MOST_LABELS = 60


def run_html(run: Any) -> str:
    """What the run holds."""
    passes = [
        (
            o.window.split,
            o.window.checkpoint[:8],
            str(o.n_crystals),
            o.state + (f" ({o.reason})" if o.reason else ""),
        )
        for o in run.windows
    ]
    head = f"<p><b>Run</b> of arm <b>{html.escape(run.arm)}</b>, {html.escape(run.state)}"
    head += f" ({html.escape(run.reason)})" if run.reason else ""
    return f"{head}<br><code>{html.escape(str(run.path))}</code></p>" + grid(
        ("Split", "Checkpoint", "Crystals", "Pass"), passes
    )


def map_html(attention_map: AttentionMap) -> str:
    """Mean over heads as a table shaded by weight, at most 40 keys: the ones read most."""
    weights = np.asarray(attention_map.weights, float).mean(0)
    rows, columns = axis_labels(attention_map)
    kept = np.sort(np.argsort(-weights.mean(0), kind="stable")[:40])
    top = float(weights.max()) or 1.0
    heads = "".join(f"<th>{html.escape(columns[k])}</th>" for k in kept)
    body = []
    for name, line in zip(rows[:40], weights[:40]):
        cells = "".join(
            f'<td style="background:rgba(0,114,178,{np.sqrt(line[k] / top):.2f})" title="{line[k]:.3f}">&nbsp;</td>'
            for k in kept
        )
        body.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
    shape = " x ".join(map(str, attention_map.weights.shape))
    left_out = len(columns) - len(kept)
    note = f"{attention_map.direction}, {shape} (heads, queries, keys); mean over heads"
    note += f"; {left_out} keys that are read least are left out" if left_out else ""
    return (
        f"<p><b>{html.escape(attention_map.id)}</b> {html.escape(note)}</p><table><tr><th></th>{heads}</tr>"
        + "".join(body)
        + "</table>"
    )


def axis_labels(attention_map: AttentionMap) -> tuple[list[str], list[str]]:
    """Labels of a map's rows (queries) and columns (keys)."""
    _, queries, keys = attention_map.weights.shape
    n_tokens = keys if attention_map.direction == "atom_to_text" else queries
    tokens = list(attention_map.tokens.tokens) if attention_map.tokens else [str(i) for i in range(n_tokens)]
    atoms = list(attention_map.atom_labels)
    return (atoms, tokens) if attention_map.direction == "atom_to_text" else (tokens, atoms)


def plot_map(attention_map: AttentionMap, *, head: int | None = None, ax: Any = None) -> Any:
    """Draw one map.

    Args:
        attention_map: The map.
        head: One head; the mean over heads when None.
        ax: matplotlib axes; a new figure's when None.

    Returns:
        The axes.

    Raises:
        UsageError: When there is no such head.
    """
    weights = np.asarray(attention_map.weights, float)
    if head is not None and not 0 <= head < len(weights):
        raise UsageError(f"the map has heads 0 to {len(weights) - 1}; there is no head {head}.")
    shown = weights.mean(0) if head is None else weights[head]
    rows, columns = axis_labels(attention_map)
    ax = axes(ax, (min(2 + 0.16 * shown.shape[1], 14), min(1.2 + 0.2 * shown.shape[0], 10)))
    image = ax.imshow(shown, aspect="auto", cmap="cividis", vmin=0, interpolation="nearest")
    for axis, labels in ((ax.xaxis, columns), (ax.yaxis, rows)):
        step = -(-len(labels) // _MOST_LABELS)
        axis.set_ticks(range(0, len(labels), step), [label(t) for t in labels[::step]])
    ax.tick_params(axis="x", rotation=90)
    ax.tick_params(labelsize=7)
    ax.figure.colorbar(image, ax=ax, label="attention weight")
    ax.set_title(label(attention_map.id), fontsize=9)
    return ax


def plot_run(run: Any, metric: str = "entropy", *, ax: Any = None) -> Any:
    """Distribution of one metric over the run's test crystals (mean over heads, special tokens kept).

    Args:
        run: The run.
        metric: A metric's name.
        ax: matplotlib axes; a new figure's when None.

    Returns:
        The axes.

    Raises:
        UsageError: When the run holds no such metric.
    """
    frame = run.attention
    if metric not in frame:
        raise UsageError(
            f"the run holds no metric {metric!r}; it has {', '.join(m for m in BY_NAME if m in frame)}."
        )
    frame = frame[
        (frame["checkpoint"] == run.checkpoint().digest)
        & frame["with_special_tokens"]
        & ~frame["stopwords_removed"]
    ]
    if "weights" in frame:
        frame = frame[frame["weights"] == "model"]
    directions = list(dict.fromkeys(frame["direction"]))
    first = "atom_to_text" if "atom_to_text" in directions else directions[0]
    values = frame[frame["direction"] == first].groupby("crystal")[metric].mean().to_numpy(float)
    values = values[np.isfinite(values)]
    ax = axes(ax, (3.5, 2.6))
    ax.hist(values, bins=min(max(len(values) // 4, 5), 40), color="#0072B2")
    ax.axvline(values.mean(), color="black", linewidth=1)
    ax.set_xlabel(_axis_label(metric))
    ax.set_ylabel("crystals")
    ax.set_title(f"{label(run.arm)}, N = {len(values)}", fontsize=9)
    return ax


def grid(heads: Any, rows: Any) -> str:
    top = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def axes(ax: Any, size: tuple[float, float]) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    _, made = plt.subplots(figsize=size, layout="constrained")
    return made


def label(text: object) -> str:
    """Text from data: matplotlib must not read it as mathematics."""
    return str(text).replace("$", r"\$")


def _axis_label(metric: str) -> str:
    spec = BY_NAME.get(metric)
    if spec is None:
        return label(metric)
    return spec.label("en") + (f" ({spec.unit})" if spec.unit and metric in PRIMARY else "")

"""Figures of a report in journal size and style: PNG, PDF and SVG, with captions and alternative texts."""

from __future__ import annotations

from crysmm_attn_plugin.reports.figures.forest import write_forest
from crysmm_attn_plugin.reports.figures.style import FigureRecord
from crysmm_attn_plugin.reports.figures.write import FORMATS as FIGURE_FORMATS
from crysmm_attn_plugin.reports.figures.write import write_figures

__all__ = ["FIGURE_FORMATS", "FigureRecord", "write_figures", "write_forest"]

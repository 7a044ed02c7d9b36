"""The page as a part of the report."""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports.page import write_page


def make(request: PartRequest) -> PartOutput:
    """The page."""
    draft = request.draft
    figures, paragraphs = draft.figures, draft.paragraphs
    draft.progress("page")
    path = write_page(
        request.comparison, request.folder, figures=figures, paragraphs=paragraphs, table=draft.table,
        sections=draft.sections, langs=request.langs,
    )  # fmt: skip
    return PartOutput(files=[path])

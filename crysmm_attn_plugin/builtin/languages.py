"""English and Chinese. Their texts stand side by side where they are used; a further language brings its own."""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import Language, Marks

LANGUAGES: tuple[Language, ...] = (
    Language("en", "English"),
    Language(
        "zh",
        "中文",
        marks=Marks(
            stop="。", comma="，", list="、", semicolon="；", colon="：", space="", open="（", close="）"
        ),
    ),
)

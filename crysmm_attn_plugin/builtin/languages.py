"""English and Chinese. Their texts stand side by side where they are used; a further language brings its own."""

from __future__ import annotations

from crysmm_attn_plugin.builtin.chinese_alarms import ALARMS
from crysmm_attn_plugin.descriptors import Language
from crysmm_attn_plugin.language_forms import LatexForm, Marks, NumberForms

_HAN_UNITS = {"": "{label}（{unit}）", "gbt": "{label}/{unit}"}
_CHINESE_LATEX = LatexForm(
    engine="xelatex",
    # the last ships with TeX Live
    cjk_fonts=("Noto Serif CJK SC", "Source Han Serif SC", "Songti SC", "SimSun", "FandolSong-Regular.otf"),
    preamble="\n".join(
        [
            r"\xeCJKsetup{CJKmath=true}",
            r"\linespread{1.3}\setlength{\parindent}{2em}",
            r"\renewcommand{\figurename}{图}\renewcommand{\tablename}{表}\renewcommand{\refname}{参考文献}",
        ]
    ),
)

LANGUAGES: tuple[Language, ...] = (
    Language(
        "en",
        "English",
        numbers=NumberForms(
            words=("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
        ),
    ),
    Language(
        "zh",
        "中文",
        alarms=ALARMS,
        tag="zh-CN",
        marks=Marks(
            stop="。", comma="，", list="、", last="和", semicolon="；", colon="：", space="", open="（", close="）"
        ),
        numbers=NumberForms(
            range={"": "{low}～{high}"},
            interval={"": "{low}～{high}"},
            cell={"": "{value}（{low}～{high}）"},
            unit=_HAN_UNITS,
            fold="{ratio} 倍",
            thousands="",
        ),
        latex=_CHINESE_LATEX,
        citation=((" & ", "和"), (" et al.", "等"), (", ", "，")),
    ),
)  # fmt: skip

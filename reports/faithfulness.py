"""Whether the attention is used, as a part of the report: what interventions in extra passes did to the predictions."""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import PartOutput, PartRequest
from crysmm_attn_plugin.reports.arm_names import arm_heading, arm_label
from crysmm_attn_plugin.reports.language import pick
from crysmm_attn_plugin.reports.part_texts import section
from crysmm_attn_plugin.reports.prose import paragraphs
from crysmm_attn_plugin.reports.prose.wording import Wording
from crysmm_attn_plugin.stats.results import ArmUse
from crysmm_attn_plugin.stats.use_results import Effect

NAME = "faithfulness"
TITLE = ("Is the attention used?", "注意力是否被使用")
LIMITS = (
    "Attention weights alone cannot show use; here they were changed in extra passes of the same model, and the predictions of "
    "the test pass itself were left as they were. A shift says that the model reads what was changed, not that its reading is "
    "right; hidden words also leave inputs that the model was not trained on, which is why random words are hidden beside them.",
    "仅凭注意力权重无法说明其是否被使用；此处在同一模型的额外前向中改变权重，测试过程本身的预测保持不变。预测发生偏移说明模型读取了被改变的内容，"
    "并不说明其读取正确；遮蔽词语也会使输入偏离训练分布，因此同时遮蔽等量的随机词作为对照。",
)
HEAD = (
    "The most important head of the {arm}{which} is head {head} of {module}: made even, it shifts predictions by {shift}.",
    "{arm}{which}中最重要的注意力头为 {module} 的第 {head} 头：将其均匀化后预测偏移 {shift}。",
)
#: A head's number means nothing across trainings: with several, heads are those of the first.
FIRST_TRAINING = (" (its first training)", "（第一次训练）")
COLUMNS = (("Arm", "实验组"), ("Intervention", "干预"), ("Words", "词数"), ("Shift", "预测偏移"), ("Change of error", "误差变化"))  # fmt: skip
NAMES = {
    "knock_out_most": ("most attended hidden", "遮蔽注意力最高者"),
    "knock_out_random": ("random ones hidden", "遮蔽随机词"),
    "keep_most": ("only the most attended kept", "仅保留注意力最高者"),
    "keep_random": ("only random ones kept", "仅保留随机词"),
    "uniform": ("attention made even", "注意力均匀化"),
    "swap": ("another crystal's attention", "换为另一晶体的注意力"),
    "own_element": ("own element's mentions hidden", "遮蔽本元素的提及"),
    "own_element_random": ("as many other tokens hidden", "遮蔽等量的其他 token"),
}


def make(request: PartRequest) -> PartOutput | None:
    """The part, or None where no run was probed; its numbers are the result's ``use`` and each pair's ``use``."""
    result = request.comparison.result
    if not result.use:
        return None

    def sentences(lang: str) -> list[str]:
        heads = [s for use in result.use if (s := _head_sentence(use, lang))]
        return [*paragraphs.render_use(result, lang=lang), *heads, pick(LIMITS, lang)]

    part = section(
        NAME,
        TITLE,
        request.langs,
        sentences,
        COLUMNS,
        lambda lang: [row for use in result.use for row in _rows(use, lang)],
    )
    return PartOutput([part])


def _head_sentence(use: ArmUse, lang: str) -> str:
    heads = [h for h in use.found.heads if h.measure == "shift"]
    if not heads:
        return ""
    first = max(heads, key=lambda h: h.mean)
    return pick(HEAD, lang).format(
        arm=arm_label(use.arm, lang), which=pick(FIRST_TRAINING, lang) if use.n_runs > 1 else "", head=first.head + 1,
        module=first.module, shift=Wording(lang, "nature").with_interval(first.mean, first.ci_low, first.ci_high),
    )  # fmt: skip


def _rows(use: ArmUse, lang: str) -> list[tuple[str, ...]]:
    errors = {(e.intervention, e.size): e for e in use.found.effects if e.measure == "error_change"}
    return [
        (
            arm_heading(use.arm, lang), pick(NAMES[e.intervention], lang), str(e.size or ""), _cell(e, lang),
            _cell(errors.get((e.intervention, e.size)), lang),
        )
        for e in use.found.effects
        if e.measure == "shift"
    ]  # fmt: skip


def _cell(e: Effect | None, lang: str) -> str:
    if e is None:
        return ""
    return Wording(lang, "nature").with_interval(
        e.mean, e.ci_low, e.ci_high, sign=e.measure == "error_change"
    )

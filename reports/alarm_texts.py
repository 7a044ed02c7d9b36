"""Alarms of the capture in the reader's language; the English sentence comes with the alarm."""

from __future__ import annotations

from crysmm_attn_plugin.records import Alarm

DIRECTIONS = {"atom_to_text": ("atom-to-text", "原子到文本"), "text_to_atom": ("text-to-atom", "文本到原子")}
#: alarm code -> Chinese sentence
ZH = {
    "untrained_direction": "{direction}方向的权重未参与损失函数，始终保持随机初始值，该方向的数值不具解释意义。",
    "single_key": "模块 {module} 只有一个键，其权重恒为 1，未纳入分析。",
    "missing_mask": "模块 {module} 未收到掩码而批内存在填充，部分注意力落在填充位上；指标仅在真实 token 上重新归一化后计算。",
    "padding_mass": "部分注意力落在填充位上，已去除并重新归一化。",
    "hooks_did_not_fire": "部分模块调用未被记录，模型可能经过编译。",
    "text_truncated": "部分描述文本超过分词器的最大长度而被截断，截断之后的内容未被读取。",
    "metric_left_out": "有插件指标的返回值不符合要求，该指标未予保留，其余数值不受影响。",
    "tokens_unknown": "无法读取宿主模型的 token，因而不能区分特殊 token 与停用词。",
    "training_mode": "该次测试在训练模式下进行（dropout 生效），其数值并非评估状态下的模型。",
    "collapsed_attention": "模块 {module} 各行的注意力几乎相同，注意力已发生坍缩。",
}


def alarm_text(alarm: Alarm, lang: str) -> str:
    """One sentence; in Chinese a code that is not known points to ``result.json``.

    Args:
        alarm: The alarm.
        lang: ``en`` or ``zh``.
    """
    if lang != "zh":
        text = " ".join(alarm.message.split())
        if alarm.module and text.startswith(alarm.module):
            return text  # a name is written as it is
        return text[:1].upper() + text[1:]
    direction = DIRECTIONS.get(alarm.direction, (alarm.direction,) * 2)[1]
    known = ZH.get(alarm.code)
    if known is None:
        return f"记录时另有一项警示（代码 {alarm.code}），原文见 result.json。"
    return known.format(module=alarm.module, direction=direction)

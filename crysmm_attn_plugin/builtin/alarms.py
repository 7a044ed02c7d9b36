"""The built-in alarms. Their English sentence is made where they are raised, with what was seen there."""

from __future__ import annotations

from crysmm_attn_plugin.descriptors import AlarmKind

ALARM_KINDS: tuple[AlarmKind, ...] = (
    AlarmKind(
        "untrained_direction",
        {"zh": "{direction}方向的权重未参与损失函数，始终保持随机初始值，该方向的数值不具解释意义。"},
        "serious",
    ),
    AlarmKind("single_key", {"zh": "模块 {module} 只有一个键，其权重恒为 1，未纳入分析。"}, "note"),
    AlarmKind(
        "missing_mask",
        {
            "zh": "模块 {module} 未收到掩码而批内存在填充，部分注意力落在填充位上；指标仅在真实 token 上重新归一化后计算。"
        },
    ),
    AlarmKind("padding_mass", {"zh": "部分注意力落在填充位上，已去除并重新归一化。"}),
    AlarmKind("hooks_did_not_fire", {"zh": "部分模块调用未被记录，模型可能经过编译。"}),
    AlarmKind(
        "text_truncated", {"zh": "部分描述文本超过分词器的最大长度而被截断，截断之后的内容未被读取。"}, "note"
    ),
    AlarmKind("metric_left_out", {"zh": "有插件指标的返回值不符合要求，该指标未予保留，其余数值不受影响。"}),
    AlarmKind("tokens_unknown", {"zh": "无法读取宿主模型的 token，因而不能区分特殊 token 与停用词。"}),
    AlarmKind(
        "training_mode",
        {"zh": "该次测试在训练模式下进行（dropout 生效），其数值并非评估状态下的模型。"},
        "serious",
    ),
    AlarmKind(
        "collapsed_attention", {"zh": "模块 {module} 各行的注意力几乎相同，注意力已发生坍缩。"}, "serious"
    ),
    AlarmKind(
        "plugin_failed",
        {
            "en": "the plugin {plugin} failed in {hook} ({count} times): {error}. What it adds is missing or incomplete.",
            "zh": "插件 {plugin} 在 {hook} 中出错（{count} 次）：{error}。其内容缺失或不完整。",
        },
    ),
)

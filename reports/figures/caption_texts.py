"""The sentences captions and alternative texts are made of, English and Chinese side by side."""

from __future__ import annotations

#: Part of a method's English name -> what it is called; ``{name}`` is the statistics' own name.
METHODS = {
    "sign-flip": ("{name}", "符号翻转置换检验"),
    "bootstrap-t": ("{name}", "bootstrap-t 法"),
    "two-way": ("{name}", "双因素 t 法"),
    "max-T": ("{name}", "逐步 max-T 法"),
    "Holm": ("{name}", "Holm 法"),
    "Benjamini": ("{name}", "Benjamini-Hochberg 法"),
    "t test": ("{name}", "配对 t 检验"),
}

#: Key -> English and Chinese template.
TEXT: dict[str, tuple[str, str]] = {
    "statistics": (
        "Concentration of the {direction} attention on the {n} {split} crystals. Left in each panel: every "
        "crystal in every arm (dots; a line joins one crystal; densities and faint dots replace lines "
        "for many "
        "crystals), the arm's mean (bar){levels}.",
        "{n} 个{split}集晶体上{direction}注意力的集中程度。各分图左侧：每个晶体在各组中的取值（点；同一晶"
        "体以线相连，"
        "晶体较多时以密度和浅色点代替连线）、各组均值（短横）{levels}。",
    ),
    "levels_uniform": (
        ", and the metric under uniform attention (dashed)",
        "，以及均匀注意力下的取值（虚线）",
    ),
    "levels_both": (
        ", and the metric under uniform attention and under re-initialised weights (dashed and dotted)",
        "，以及均匀注意力和重新初始化权重下的取值（虚线与点线）",
    ),
    "statistics_differences": (
        "Right: each crystal's difference from the {baseline} with its density, and the mean difference with its "
        "{confidence}% interval ({interval}).",
        "右侧：各晶体相对 {baseline} 的差值及其密度，平均差值及其 {confidence}% 区间（{interval}）。",
    ),
    "statistics_runs": (
        "Hollow diamonds: the mean of each training run over the crystals.",
        "空心菱形：各次训练在全部晶体上的均值。",
    ),
    "statistics_guide": (
        "Grey bands: the ranges that the analysis guide expects of middle fusion.",
        "灰色区域：分析指南对中期融合的预期范围。",
    ),
    "one_head": ("one head", "仅一个头"),
    "heads": ("mean over {heads} heads", "对 {heads} 个头取平均"),
    "statistics_tests": (
        "p values: two-sided {test}, adjusted over the four metrics ({adjustment}).",
        "p 值：双侧{test}，对四项指标校正（{adjustment}）。",
    ),
    "statistics_raw": ("p values: two-sided {test}, not adjusted.", "p 值：双侧{test}，未校正。"),
    "statistics_one": (
        "Concentration of the {direction} attention of the {arm} on the {n} {split} crystals: every crystal "
        "(dots), its "
        "density, the mean (bar), and the metric under uniform attention (dashed). One arm alone; "
        "nothing is compared.",
        "{arm} 在 {n} 个{split}集晶体上{direction}注意力的集中程度：每个晶体（点）、密度、均值（短横）以"
        "及均匀注意力下的"
        "取值（虚线）。仅有一组，不作比较。",
    ),
    "estimate": (
        "{metric}: the {arm} minus the {baseline}, {estimate}{change}, {p}, N = {n}.",
        "{metric}：{arm} 减 {baseline} 为 {estimate}{change}，{p}，N = {n}。",
    ),
    "estimate_change": (", {change}% of the {baseline}'s mean", "，相对 {baseline} 均值 {change}%"),
    "too_few": ("Too few crystals for a test.", "晶体过少，未作检验。"),
    "claim_checkpoints": (
        "With one run per arm the figure compares these checkpoints, not the architectures.",
        "每组仅一次训练，图中比较的是这些检查点，而非架构本身。",
    ),
    "claim_estimates": (
        "With two or three runs per arm these are estimates.",
        "每组仅两至三次训练，结果为估计值。",
    ),
    "claim_verdict": (
        "Values are means over the runs of each arm; the intervals include the variation between runs.",
        "取值为各组多次训练的平均，区间已计入训练间差异。",
    ),
    "heatmap": (
        "Attention of the atoms of {formula} ({id}) to the words of its description, {heads}; word pieces are merged, "
        "atoms grouped by element. {selection} The same words in the same order and one colour scale for all arms, by "
        "the square root of the weight. Bars above a map: mean over the atoms; bars at its right: an atom's highest "
        "weight; ticks: words left out.{difference}",
        "{formula}（{id}）各原子对描述文本中各词的注意力，{heads}，子词已合并，原子按元素分组。{selection}各组词序"
        "相同，共用同一色标，按权重的平方根取色。图上方的条形为对各原子的平均，右侧条形为各原子的最高权重，短线表示"
        "此处略去了词。{difference}",
    ),
    "heatmap_selection": (
        "Chosen by rule: {rule} of {metric} among the crystals whose maps were kept.",
        "在保存了注意力图的晶体中按规则选取：{metric}{rule}。",
    ),
    "heatmap_values": (
        " {metric}: {arm_value} in the {arm}, {baseline_value} in the {baseline}.",
        "{metric}：{arm} 为 {arm_value}，{baseline} 为 {baseline_value}。",
    ),
    "heatmap_difference": (
        " The difference panel shows the {arm} minus the {baseline}; red is more attention in the {arm}.",
        "差值图为 {arm} 减 {baseline}，红色表示 {arm} 的注意力更高。",
    ),
    "categories": (
        "Share of the atom-to-text attention on each kind of word, mean over the {n} {split} crystals "
        "with {level}% t "
        "intervals. The intervals describe each arm; they are not a test of the difference between arms.",
        "原子到文本注意力在各类词上的占比：{n} 个{split}集晶体的均值及 {level}% t 区间。区间描述各组自身"
        "，不是组间差异的检验。",
    ),
    "categories_top": (
        " Highest in the {arm}: {category}, {share}%.",
        "{arm} 中占比最高的是{category}，为 {share}%。",
    ),
    "coupling": (
        "Change in attention against change in absolute error, one dot per {split} crystal ({arm} minus the "
        "{baseline}; "
        "contours replace single dots where there are many). Spearman correlations with intervals; a "
        "pair of "
        "quantities counts as co-varying only when the regression that adjusts for baseline error, text "
        "length and "
        "number of atoms agrees. Co-variation is not a cause.",
        "注意力变化与绝对误差变化，每点为一个{split}集晶体（{arm} 减 {baseline}；点多时另绘等密度线）。图"
        "中为 Spearman 相关及其"
        "区间；仅当校正了基线误差、文本长度和原子数的回归一致时，才视为共同变化。共同变化不等于因果。",
    ),
    "coupling_one": (
        " {metric}: ρ = {rho}, {p}, N = {n}, {words}.",
        "{metric}：ρ = {rho}，{p}，N = {n}，{words}。",
    ),
    "epochs": (
        "Concentration over training: mean over the {split} crystals at each captured epoch, one line "
        "per run, band: "
        "{level}% t interval over crystals.",
        "训练过程中的集中程度：各已采集轮次上{split}集晶体的均值，每次训练一条线，色带为晶体间 {level}% "
        "t 区间。",
    ),
    "specification": (
        "The difference of the {arm} minus the {baseline} under every combination of the choices marked below the "
        "curve, sorted, "
        "with {level}% intervals (not adjusted). Coloured intervals exclude zero (blue below, "
        "vermillion above); the "
        "circle marks the specification that the text reports.",
        "{arm} 减 {baseline} 的差值在下方所示各种选择组合下的取值，按大小排序，附 {level}% 区间（未校正）"
        "。彩色区间不含零"
        "（蓝色为负，朱红为正），圆圈为正文所报告的方案。",
    ),
    "performance": (
        "Predictions against targets for each arm on the {n} {split} crystals, and the absolute error of "
        "each arm "
        "against that of the baseline; points below the diagonal have the lower error in the arm.",
        "各组在 {n} 个{split}集晶体上的预测值与目标值，以及各组与基线的绝对误差对照；对角线下方的点表示该"
        "组误差更低。",
    ),
    "performance_arm": (" MAE of the {arm}: {mae}.", "{arm} 的 MAE 为 {mae}。"),
    "the_arm": ("the {arm}", "{arm}"),
    "alt_statistics": (
        "{panels} panels, one a metric: dots of every crystal in {arms}, and the paired differences with "
        "intervals. ",
        "{panels} 个分图，每个为一项指标：{arms}中每个晶体的点，以及配对差值与区间。",
    ),
    "alt_heatmap": (
        "Heat maps of {formula}: rows are atoms, columns are words; one map for each of {arms}.{difference}",
        "{formula} 的热图：行为原子，列为词；{arms}各一幅。{difference}",
    ),
    "alt_heatmap_difference": (" A further map shows the difference.", "另有差值图。"),
    "alt_categories": (
        "Dot plot of the share of attention on each word category for {arms}.",
        "{arms}在各词类上注意力占比的点图。",
    ),
    "alt_coupling": (
        "Scatter plots of the change in each attention metric against the change in absolute error.",
        "各注意力指标的变化对绝对误差变化的散点图。",
    ),
    "alt_epochs": (
        "Line plots of the metrics over training epochs for {arms}.",
        "{arms}各指标随训练轮次变化的折线图。",
    ),
    "alt_specification": (
        "Specification curves: sorted differences with intervals, and marks showing the choices behind each.",
        "方案曲线：排序后的差值与区间，下方标记表示各自的选择。",
    ),
    "alt_performance": (
        "Scatter plots of predictions against targets for {arms}, and of paired absolute errors.",
        "{arms}预测值对目标值的散点图，以及配对绝对误差的散点图。",
    ),
    "split.test": ("test", "测试"),
    "split.val": ("validation", "验证"),
    "split.train": ("training", "训练"),
}

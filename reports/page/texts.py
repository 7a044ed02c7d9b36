"""Every word of the page's own interface, once, in both languages: key -> (English, Chinese)."""

from __future__ import annotations

from collections.abc import Sequence

from crysmm_attn_plugin.reports.language import pick

TEXTS: dict[str, tuple[str, str]] = {
    # frame
    "title": ("Attention report", "注意力报告"),
    "skip": ("Skip to the verdict", "跳到结论"),
    "contents": ("Contents", "目录"),
    "language": ("Language", "语言"),
    "theme": ("Colour theme", "配色"),
    "theme_auto": ("Auto", "自动"),
    "theme_light": ("Light", "浅色"),
    "theme_dark": ("Dark", "深色"),
    "print": ("Print", "打印"),
    "nav_verdict": ("Verdict", "结论"),
    "nav_crystals": ("Crystals", "晶体"),
    "nav_figures": ("Figures", "图"),
    "nav_text": ("Text", "文字"),
    "nav_sensitivity": ("Sensitivity", "敏感性"),
    "nav_provenance": ("Provenance", "来源"),
    "needs_script": (
        "The crystal explorer needs JavaScript; everything else on this page can be read without it.",
        "晶体浏览器需要 JavaScript；本页其余内容无需脚本即可阅读。",
    ),
    "comparison": ("Comparison", "对比"),
    "against": ("against", "对比"),
    "baseline": ("baseline", "基线"),
    "crystals": ("crystals", "个晶体"),
    # verdict
    "chart_title": ("Change against the baseline", "相对基线的变化"),
    "chart_note": (
        "Ratio to the baseline's mean on a logarithmic scale, with its interval. Grey band: changes below the smallest "
        "effect of interest. Triangle: the predicted direction.",
        "与基线均值之比（对数刻度）及其区间。灰带：小于最小关注效应的变化；三角：假设预测的方向。",
    ),
    "chart_guide": ("Hatched: the range the guide expects.", "斜线：指南的预期范围。"),
    "chart_together": (
        "A row can be inconclusive although its own interval lies beyond the grey band: all primary metrics considered "
        "together, it does not.",
        "某行的区间单独看超出灰带而仍为“未定”，是因为各项主要指标一并考虑时不能认为超出。",
    ),
    "chart_runs": (
        "Small marks: the mean of each run, filled for the arm, hollow for the baseline.",
        "小标记：各次训练的均值，实心为该组，空心为基线。",
    ),
    "no_interval": ("not tested", "未检验"),
    "fact_n": ("Paired crystals", "配对晶体"),
    "fact_error": ("Prediction error", "预测误差"),
    "fact_claim": ("What may be claimed", "可作的论断"),
    "fact_headline": ("Attention entropy", "注意力熵"),
    "fact_alignment": ("Alignment (AUC)", "对齐度（AUC）"),
    "fact_use": ("Is the attention used?", "注意力是否被使用"),
    "numbers": ("The numbers", "数值"),
    "before": ("Before using these numbers", "使用这些数值之前"),
    "none_reported": ("No alarm was raised and no warning given.", "没有警报，也没有警告。"),
    "alarm": ("alarm", "警报"),
    "warning": ("warning", "警告"),
    # explorer
    "explorer": ("Crystal explorer", "晶体浏览器"),
    "explorer_lead": (
        "What does each atom read? Choose a crystal, then an atom, an element or a word.",
        "每个原子在读什么？先选晶体，再选原子、元素或词。",
    ),
    "search": ("Search by id, formula, element, space group or words", "搜索编号、化学式、元素、空间群或描述文本"),
    "search_hint": ("id, element, space group, word", "编号、元素、空间群、词语"),
    "lasso_filter": ("{n} crystals from figure {figure}", "图 {figure} 圈选的 {n} 个晶体"),
    "lasso_clear": ("Show all", "显示全部"),
    "lasso_empty": ("No crystal lies inside.", "圈内没有晶体。"),
    "dots_hint": (
        "Click a dot to choose its crystal; draw around several to list only them.",
        "点击一个点选中其晶体；圈出若干点则列表仅显示这些晶体。",
    ),
    "dot_chosen": ("Chosen: {name}.", "已选：{name}。"),
    "to_maps": ("See its maps", "查看其注意力图"),
    "save_svg": ("Save SVG", "保存 SVG"),
    "save_png": ("Save PNG", "保存 PNG"),
    "save_result": ("Save result.json", "保存 result.json"),
    "copy_link": ("Copy link to this view", "复制此视图的链接"),
    "link_copied": ("Link copied", "链接已复制"),
    "link_failed": ("The address line holds it", "链接见地址栏"),
    "run_number": ("Run", "训练"),
    "run_note": ("Maps of run {n} of each arm; the table holds means over the runs.", "图为各组第 {n} 次训练；表中为各次训练的均值。"),
    "all_arms": ("All arms", "全部各组"),
    "zoom": ("Columns", "列宽"),
    "zoom_in": ("Wider", "放宽"),
    "zoom_out": ("Narrower", "收窄"),
    "labels_left_out": ("Words with the most attention are named; widen the columns for the rest.", "仅标注注意力最高的词；放宽列可显示其余。"),
    "labels_on_paper": ("Words with the most attention are named.", "仅标注注意力最高的词。"),
    "scroll_hint": ("⇄ Scroll sideways to see the rest.", "⇄ 左右滑动可查看其余部分。"),
    "reset_view": ("Reset the view", "重置视角"),
    "found": ("{shown} of {total} crystals", "共 {total} 个晶体，显示 {shown} 个"),
    "none_found": ("No crystal matches.", "没有符合的晶体。"),
    "metric": ("Metric", "指标"),
    "list_of_crystals": ("Crystals", "晶体列表"),
    "column_crystal": ("Crystal", "晶体"),
    "column_value": ("Value", "数值"),
    "column_change": ("Change", "变化"),
    "column_error": ("Δ|error|", "Δ|误差|"),
    "column_abs_error": ("|error|", "|误差|"),
    "column_atoms": ("Atoms", "原子数"),
    "sort": ("Sort", "排序"),
    "sort_size": ("largest change", "变化最大"),
    "sort_down": ("largest decrease", "下降最大"),
    "sort_up": ("largest increase", "上升最大"),
    "sort_high": ("highest value", "数值最高"),
    "sort_low": ("lowest value", "数值最低"),
    "sort_error": ("error change", "误差变化"),
    "sort_id": ("id", "编号"),
    "sort_formula": ("formula", "化学式"),
    "no_map_mark": ("no map kept", "未保存注意力图"),
    "head": ("Head", "注意力头"),
    "head_mean": ("Mean", "平均"),
    "head_note": (
        "Heads are not matched: head {h} of one arm does not correspond to head {h} of the other.",
        "两组的注意力头互不对应：一组的第 {h} 头与另一组的第 {h} 头不可直接比较。",
    ),
    "special": ("Special tokens", "特殊 token"),
    "special_off_note": (
        "Special tokens removed; the remaining weights are renormalised to 1.",
        "已去除特殊 token，其余权重重新归一化为 1。",
    ),
    "difference": ("Difference", "差值"),
    "layout": ("Layout", "排列"),
    "layout_stacked": ("Stacked", "上下"),
    "layout_beside": ("Side by side", "并排"),
    "colour_scale": ("Scale", "色标"),
    "scale_linear": ("linear", "线性"),
    "scale_root": ("√", "√"),
    "root_note": ("Colours follow the square root of the weight.", "颜色按权重的平方根取值。"),
    "direction": ("Direction", "方向"),
    "atom_to_text": ("atoms read words", "原子读词"),
    "text_to_atom": ("words read atoms", "词读原子"),
    "maps_of": ("Atom × word maps, {direction}", "原子 × 词注意力图（{direction}）"),
    "scale": ("One scale for all arms: 0 to {max}", "各组共用一个色标：0 至 {max}"),
    "scale_cut": (
        "One scale for all arms: 0 to {max}, the highest word; special tokens reach {special}",
        "各组共用一个色标：0 至 {max}（以最高的词为上限；特殊 token 达 {special}）",
    ),
    "scale_difference": ("more in {baseline} ← 0 → more in {arm}; ends at ±{max}", "{baseline}更多 ← 0 → {arm}更多；端点 ±{max}"),
    "map_label": (
        "Attention map of {formula} in {arm}: {atoms} atoms, {words} words. Arrow keys move, Enter chooses.",
        "{formula} 在{arm}中的注意力图：{atoms} 个原子，{words} 个词。方向键移动，回车选择。",
    ),
    "difference_label": (
        "Difference map of {formula}: {arm} minus {baseline}. Arrow keys move, Enter chooses.",
        "{formula} 的差值图：{arm}减{baseline}。方向键移动，回车选择。",
    ),
    "minus": ("{arm} minus {baseline}", "{arm}减{baseline}"),
    "atoms": ("Atoms", "原子"),
    "choose_atoms": ("Whose attention", "查看谁的注意力"),
    "all_atoms": ("All atoms", "全部原子"),
    "description": ("Description", "描述文本"),
    "text_shaded_by": (
        "Shaded by what {who} attends to.",
        "按{who}的注意力着色。",
    ),
    "text_shaded_back": (
        "Shaded by how strongly each word attends to {who}.",
        "按各词对{who}的注意力着色。",
    ),
    "click_word": ("Click a word to see which atoms read it.", "点击一个词，查看哪些原子在读它。"),
    "click_word_back": ("Click a word to see its atoms.", "点击一个词，查看它关注的原子。"),
    "mean_atom": ("the mean over all atoms", "全部原子的平均"),
    "mean_element": ("the mean {element} atom", "{element} 原子的平均"),
    "shading_label": ("Description shaded by attention, {arm}", "按注意力着色的描述文本，{arm}"),
    "top_words": ("Reads most", "关注最多"),
    "top_atoms": ("Atoms by attention to “{word}”", "各原子对“{word}”的注意力"),
    "top_atoms_back": ("Attention of “{word}” to the atoms", "“{word}”对各原子的注意力"),
    "structure": ("Unit cell", "晶胞"),
    "structure_note": (
        "Atoms coloured by attention to the chosen word, 0 to {max} on one scale for all arms. Drag or use the arrow "
        "keys to turn; click an atom to choose it.",
        "原子按对所选词的注意力着色，各组共用色标 0 至 {max}。拖动或用方向键旋转，点击原子可选中。",
    ),
    "no_structure": ("No structure was captured for this crystal.", "未保存该晶体的结构。"),
    "no_stream": (
        "This browser cannot unpack the stored maps (no DecompressionStream); any browser from 2023 on can.",
        "此浏览器无法解压已存的注意力图（缺少 DecompressionStream）；2023 年以后的浏览器均可。",
    ),
    "cell_text": (
        "a = {a}, b = {b}, c = {c} Å; α = {alpha}, β = {beta}, γ = {gamma}°; {n} atoms",
        "a = {a}、b = {b}、c = {c} Å；α = {alpha}、β = {beta}、γ = {gamma}°；{n} 个原子",
    ),
    "no_map": (
        "No attention map of this crystal is on the page.",
        "本页没有该晶体的注意力图。",
    ),
    "no_maps_at_all": (
        "No attention maps were captured in every arm, so only the table of crystals is shown. "
        "Set “maps” to a number or to “all” and capture again.",
        "并非各组都保存了注意力图，因此仅显示晶体列表。将 “maps” 设为数目或 “all” 后重新采集。",
    ),
    "no_tokens": (
        "The host's text could not be labelled; words are numbered by position.",
        "宿主的文本无法标注，词以位置编号。",
    ),
    "truncated": (
        "The tokenizer cut this text; the model never saw the rest.",
        "分词器截断了该文本，模型未见其余部分。",
    ),
    "first_run": (
        "Maps and shading show one run of each arm, at first the first run of each arm (checkpoint {digests}); the table "
        "shows means over seeds.",
        "注意力图与着色取各组的一次训练，初始为第一次（检查点：{digests}）；表中为各种子的均值。",
    ),
    "precision": (
        "Weights are stored with 8 bits on a square-root scale: within 0.4% of the highest weight of the atom's row.",
        "权重以 8 位平方根刻度存储，误差不超过该原子行最大权重的 0.4%。",
    ),
    "kept": (
        "Maps of {kept} of {total} crystals are on this page, to keep it small: the examples first, then those with "
        "the largest change in {metric}. The others are in the captured runs.",
        "为控制页面大小，仅含 {total} 个晶体中 {kept} 个的注意力图：先取示例，再取{metric}变化最大者；其余见采集数据。",
    ),
    "kept_direction": (
        "The direction “words read atoms” is kept for {kept} of them.",
        "其中 {kept} 个另含“词读原子”方向。",
    ),
    "listed": (
        "The list holds {kept} of {total} crystals, those with the largest change in {metric}.",
        "列表仅含 {total} 个晶体中{metric}变化最大的 {kept} 个。",
    ),
    "target": ("target", "目标值"),
    "prediction": ("prediction", "预测"),
    "word": ("word", "词"),
    "atom": ("atom", "原子"),
    "choose_crystal": ("Choose a crystal from the list.", "请从列表中选择晶体。"),
    "damaged": ("This crystal's maps could not be read: {reason}", "无法读取该晶体的注意力图：{reason}"),
    # figures, text, sensitivity, provenance
    "figures": ("Figures", "图"),
    "figure": ("Figure", "图"),
    "paragraphs": ("Text for the paper", "论文用文字"),
    "paragraphs_lead": (
        "Each sentence is limited to what the statistics allow. Copy, then adapt.",
        "每句话都限于统计结果所允许的范围。可复制后修改。",
    ),
    "copy": ("Copy", "复制"),
    "copied": ("Copied", "已复制"),
    "copy_failed": ("Press Ctrl+C", "请按 Ctrl+C"),
    "methods": ("Methods", "方法"),
    "results": ("Results", "结果"),
    "caption": ("Figure caption", "图题"),
    "limitations": ("Limitations", "局限性"),
    "sensitivity": ("Sensitivity", "敏感性分析"),
    "sensitivity_lead": (
        "The same question asked in other ways. Bold: the way that carries the verdict.",
        "以其他方式提出同一问题。粗体为作出结论所依据的方式。",
    ),
    "tests": ("Other tests of the same difference", "同一差值的其他检验"),
    "scope": ("Tokens", "token 范围"),
    "aggregation": ("Averaging", "平均顺序"),
    "with_special": ("all tokens", "全部 token"),
    "without_special": ("without special tokens", "去除特殊 token"),
    "without_stopwords": ("without special tokens and stop words", "去除特殊 token 与停用词"),
    "metric_then_heads": ("metric, then heads", "先算指标再平均各头"),
    "heads_then_metric": ("heads, then metric", "先平均各头再算指标"),
    "p_primary": ("p (reported)", "p（正文）"),
    "p_adjusted": ("adjusted p", "校正后 p"),
    "p_t": ("paired t", "配对 t"),
    "p_wilcoxon": ("Wilcoxon", "Wilcoxon"),
    "p_cluster": ("clustered by composition", "按成分聚类"),
    "p_tost": ("equivalence (TOST)", "等效性（TOST）"),
    "legacy": (
        "The original script's numbers, padding included",
        "原脚本的数值（含填充）",
    ),
    "legacy_note": (
        "Batches of {batch}; {share} of the averaged entries were padding. For reconciliation only.",
        "批大小 {batch}；所平均的元素中 {share} 为填充。仅供核对。",
    ),
    "arms": ("Arms", "各组"),
    "arm": ("Arm", "组"),
    "seeds": ("Seeds", "种子数"),
    "checkpoint": ("Checkpoint", "检查点"),
    "run": ("Run", "运行"),
    "mae": ("MAE", "MAE"),
    "file": ("File", "文件"),
    "method": ("How it was computed", "计算方式"),
    "created": ("Created", "生成时间"),
    "data": ("Data", "数据"),
    "module": ("Module", "模块"),
    "level": ("Level, resamples, seed", "水平、重采样次数、随机种子"),
    "versions": ("Versions", "版本"),
    "excluded": ("Excluded", "剔除"),
    "offline": (
        "This file is self-contained: it loads nothing from any network, and holds every number.",
        "本文件自成一体，不从任何网络加载内容，并包含全部数值。",
    ),
}  # fmt: skip


def text(key: str, lang: str) -> str:
    """One text in one language."""
    return pick(TEXTS[key], lang)


def dictionary(langs: Sequence[str]) -> dict[str, dict[str, str]]:
    """Every text, by language, for the page's scripts."""
    return {lang: {key: text(key, lang) for key in TEXTS} for lang in langs}

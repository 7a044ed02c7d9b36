"""A part of the report, an alarm and a command, all from the comparison's own result."""

from html import escape as html

from crysmm_attn_plugin.descriptors import AlarmKind, Command, PartOutput, ReportPart
from crysmm_attn_plugin.reports import escape
from crysmm_attn_plugin.reports.sections import Section

NAME = "own_element_hits"
TITLE = {"en": "Elements first", "zh": "先看自身元素", "de": "Zuerst das Element"}
LINE = "{arm}: {share:.1%}"


def shares(comparison):
    """Mean of the metric in each arm that has it."""
    return {arm.name: arm.means[NAME] for arm in comparison.result.arms if NAME in arm.means}


def part(request):
    """A list of the arms in every language, and a text file."""
    found = shares(request.comparison)
    path = request.folder / "elements_first.csv"
    path.write_text("".join(f"{arm},{share}\n" for arm, share in found.items()), encoding="utf-8")
    lines = [LINE.format(arm=arm, share=share) for arm, share in found.items()]
    page = dict.fromkeys(TITLE, "".join(f"<p>{html(line)}</p>" for line in lines))
    markdown = dict.fromkeys(TITLE, "\n\n".join(map(escape.markdown, lines)))
    return PartOutput([Section("elements-first", TITLE, page, markdown)], [path], found)


def check(comparison):
    """Details of the alarm, or None."""
    low = [arm for arm, share in shares(comparison).items() if share < 0.5]
    return {"arms": ", ".join(low)} if low else None


def run(args):
    """Print the mean of each run."""
    from crysmm_attn_plugin.store.reader import find_runs

    for found in find_runs(args.runs):
        rows = found.attention.query("weights == 'model' and with_special_tokens and not stopwords_removed")
        print(f"{found.arm} {rows[NAME].mean():.4f}")


PART = ReportPart("elements_first", part, "how many atoms read their own element first",
                  needs=lambda comparison: "" if shares(comparison) else "the metric was not captured")  # fmt: skip
ALARM = AlarmKind(
    "elements_not_first",
    {"en": "in {arms} fewer than half of the atoms read their own element first.",
     "zh": "在 {arms} 中，首先关注自身元素的原子不足一半。",
     "de": "In {arms} lesen weniger als die Hälfte der Atome zuerst ihr eigenes Element."},
    check=check,
)  # fmt: skip
COMMAND = Command(
    "elements-first",
    "say how many atoms read their own element first",
    run,
    lambda parser: parser.add_argument("runs", help="folder of runs"),
    ("crysmm-attn elements-first attention_runs",),
)

"""Text that came from data, made safe for where it goes, and nothing more: what a reader pastes stays readable."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "−": r"$-$", "–": "--", "—": "---", "×": r"$\times$", "†": r"\textdagger{}", "→": r"$\to$",
    "‘": "`", "’": "'", "“": "``", "”": "''", "\u00a0": "~",
}  # fmt: skip
#: Characters that a LaTeX run of any engine cannot take: controls, surrogates, and marks that turn text round.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_PUNCTUATION = r"""!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~"""
_BLOCK = re.compile(r"#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|\d{1,9}(?=[.)](?:\s|$))|(?:[-_*]\s*){3,}$|=+$|~~~")


def printable(text: object) -> str:
    """``text`` without control characters and marks of direction, which Word, TeX and spreadsheets refuse or obey."""
    return _UNPRINTABLE.sub("", str(text))


def latex(text: object) -> str:
    """``text`` with every character that LaTeX treats specially escaped, and pairs that it would join kept apart."""
    apart = re.sub(r"([-`',])(?=\1)|[!?](?=`)", lambda m: m.group() + "\0", printable(text))
    broken = _LONG.sub(
        lambda m: re.sub(r"[\x00-\x7f]{8}(?=.)", lambda part: part.group() + "\1", m.group()), apart
    )
    return "".join(_MARKS.get(c) or _LATEX.get(c, c) for c in broken)


#: A word this long may be broken anywhere, without a hyphen, or it would run out of the page.
_LONG = re.compile(r"[^\s\u2e80-\uffef]{25,}")
_MARKS = {"\0": "{}", "\1": r"\allowbreak{}"}


def csv_cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe; numbers are left alone."""
    if isinstance(value, str):
        value = printable(value)
        start = value.lstrip()[:1]
        if (start in tuple("=+-@＝＋－＠") or value[:1] in ("\t", "\r", "\n")) and not _NUMBER.fullmatch(
            value
        ):
            return "'" + value
    return value


def markdown(text: object, *, table: bool = False) -> str:
    """``text`` as literal Markdown on one line, escaped only where a reader of Markdown would see something else.

    Args:
        text: Any text.
        table: Also keeps the cell of a table whole.
    """
    line = " ".join(printable(text).split())
    found = re.sub(rf"\\(?=[{_PUNCTUATION}]|$)", r"\\\\", line)
    found = found.replace("`", r"\`")
    found = re.sub(r"&(?=#?\w+;)", "&amp;", found)
    found = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", found)
    found = re.sub(r"\[(?=[^\]]*\][(\[:])|(?<=!)\[|\[(?=\^)", r"\\[", found)
    found = re.sub(r"[*_~]+", lambda m: _emphasis(m, found), found)
    found = re.sub(r"\$(?=\S)", r"\\$", found)
    if table:
        found = found.replace("|", r"\|")
    start = _BLOCK.match(found)
    if start and not found.startswith("\\"):
        # a number is a list only with its dot: the dot is what is escaped
        at = start.end() if found[0].isdigit() else 0
        found = found[:at] + "\\" + found[at:]
    return found


def _emphasis(m: re.Match[str], text: str) -> str:
    """A run of ``*``, ``_`` or ``~`` escaped where it could open emphasis (CommonMark's left-flanking rule)."""
    run, before, after = m.group(), text[m.start() - 1 : m.start()], text[m.end() : m.end() + 1]
    space_before, space_after = not before or before.isspace(), not after or after.isspace()
    mark_before, mark_after = _is_mark(before), _is_mark(after)
    left = not space_after and (not mark_after or space_before or mark_before)
    right = not space_before and (not mark_before or space_after or mark_after)
    opens = left and (run[0] != "_" or not right or mark_before)
    return "".join("\\" + c for c in run) if opens else run


def _is_mark(character: str) -> bool:
    return bool(character) and not character.isalnum() and not character.isspace()

"""What anyone may add, as frozen descriptors: metrics, hosts, languages, report parts, alarms, trackers, commands.

Plugins hand them over through the hooks of ``hooks/contract/specs.py``; ``catalogue.py`` keeps what was handed over.
Nothing here imports torch, so that every room can name them.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from crysmm_attn_plugin.command_help import sentence, show_examples
from crysmm_attn_plugin.language_forms import Citation, Fonts, LatexForm, Marks, NumberForms

if TYPE_CHECKING:
    import torch

    from crysmm_attn_plugin.records import BatchIdentity

Family = Literal["primary", "alignment", "exploratory"]
Severity = Literal["note", "warning", "serious"]
#: What a name of a plugin's own may look like: it becomes a column, a flag's value, a word on the command line.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
#: A language code as BCP 47 has them, the short kind.
CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")


class BatchContext(Protocol):
    """What a metric may know besides weights and masks (``metrics.MetricContext``)."""

    @property
    def module(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def identity(self) -> BatchIdentity: ...
    @property
    def categories(self) -> Mapping[str, torch.Tensor]: ...


BatchMetric = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor", BatchContext], "torch.Tensor | None"]


@dataclass(frozen=True)
class Metric:
    """One attention metric: a number per crystal and head.

    Attributes:
        name: Column name, unique among all metrics.
        labels: Language code -> label, in the middle of a sentence ("attention entropy"). English is required.
        units: Language code -> unit; empty for a number without one. One entry serves all languages.
        formula: LaTeX, per row w over n real keys.
        expected_sign: Sign of (arm - baseline) that "attention is more concentrated, or better aligned" predicts: -1
            where lower is more concentrated, 1 where higher is, 0 where nothing is predicted.
        family: ``primary`` is reserved for the four metrics that carry the verdict, ``alignment`` for the one that says
            whether attention is aligned with the text.
        sesoi_percent: Smallest effect of interest, percent of the baseline's mean.
        seed_name: The original script's name for it.
        compute: (weights (B, heads, queries, keys), query_mask (B, queries), key_mask (B, keys), context) -> (B, heads),
            on the model's device, without gradients; None leaves the metric out for this call. None for built-ins, which
            ``metrics/`` computes.
        needs: What must be known of a batch for ``compute`` to be called: ``elements``, ``tokens``.
        directions: Directions it is meant for; empty for all.
    """

    name: str
    labels: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)
    formula: str = ""
    expected_sign: Literal[-1, 0, 1] = 0
    family: Family = "exploratory"
    sesoi_percent: float = 5.0
    seed_name: str = ""
    compute: BatchMetric | None = field(default=None, compare=False, repr=False)
    needs: frozenset[str] = frozenset()
    directions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.labels, Mapping) or "en" not in self.labels:
            raise ValueError(f"metric {self.name}: labels must hold an English one, {{'en': ...}}")
        if self.expected_sign not in (-1, 0, 1):
            raise ValueError(
                f"metric {self.name}: expected_sign must be -1, 0 or 1, got {self.expected_sign!r}"
            )
        if not 0 < self.sesoi_percent < 1e6:
            raise ValueError(
                f"metric {self.name}: sesoi_percent must be positive, got {self.sesoi_percent!r}"
            )
        unknown = set(self.needs) - {"elements", "tokens"}
        if unknown:
            raise ValueError(f"metric {self.name}: needs knows elements and tokens, not {sorted(unknown)}")

    def label(self, lang: str) -> str:
        """The label in a language, else the English one."""
        return self.labels.get(lang) or self.labels["en"]

    def unit_in(self, lang: str) -> str:
        """The unit in a language; empty for a number without one."""
        return self.units.get(lang) or self.units.get("en", "")

    @property
    def unit(self) -> str:
        return self.unit_in("en")

    def to_dict(self) -> dict[str, Any]:
        """Everything but ``compute``, JSON-ready: what ``run.json`` keeps."""
        return {
            "name": self.name,
            "labels": dict(self.labels),
            "units": dict(self.units),
            "formula": self.formula,
            "expected_sign": self.expected_sign,
            "family": self.family,
            "sesoi_percent": self.sesoi_percent,
            "needs": sorted(self.needs),
            "directions": list(self.directions),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Metric:
        """From ``to_dict``'s values.

        Raises:
            ValueError: When they describe no metric.
        """
        try:
            return cls(
                name=str(values["name"]),
                labels={str(k): str(v) for k, v in dict(values["labels"]).items()},
                units={str(k): str(v) for k, v in dict(values.get("units") or {}).items()},
                formula=str(values.get("formula") or ""),
                expected_sign=values.get("expected_sign", 0),
                sesoi_percent=float(values.get("sesoi_percent", 5.0)),
                needs=frozenset(values.get("needs") or ()),
                directions=tuple(values.get("directions") or ()),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a metric's description: {values!r}") from error


@dataclass(frozen=True)
class Language:
    """A language of reports.

    Attributes:
        code: ``en``, ``zh``, ``de``.
        name: Its own name, as a reader of it calls it.
        texts: English text -> its own. Format fields ({arm}) stay as they are. What is not there is shown in ``fallback``.
        templates: Folder of Jinja2 templates named as in ``reports/templates/en``; those that are not there come from
            ``fallback``'s.
        alarms: Code of an alarm -> its sentence, of built-in alarms and of any plugin's; fields are those of the English
            one. The empty code is said, with {code}, of an alarm that has none; without it such an alarm is in English.
        marks: Punctuation.
        numbers: Numbers in words around them.
        latex, fonts: How documents in it are set.
        citation: Replacements that turn an English citation into its own.
        tag: Its BCP 47 tag on the page, where it is more than ``code``.
        fallback: Language of what is missing.
    """

    code: str
    name: str
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    templates: Path | None = None
    alarms: Mapping[str, str] = field(default_factory=dict, repr=False)
    marks: Marks = field(default_factory=Marks)
    numbers: NumberForms = field(default_factory=NumberForms)
    latex: LatexForm = field(default_factory=LatexForm)
    fonts: Fonts = field(default_factory=Fonts)
    citation: Citation = ()
    tag: str = ""
    fallback: str = "en"

    def __post_init__(self) -> None:
        if not isinstance(self.code, str) or not CODE.fullmatch(self.code):
            raise ValueError(f"a language's code is two or three small letters such as de, got {self.code!r}")
        if not self.name:
            raise ValueError(f"language {self.code}: name is empty")


@dataclass(frozen=True)
class AlarmKind:
    """A kind of alarm: what a reader must know before trusting a number. What is raised is a ``records.Alarm``.

    Attributes:
        code: Stable identifier.
        texts: Language code -> sentence; fields are ``{module}``, ``{direction}`` and the alarm's ``detail``.
        severity: ``note``, ``warning`` or ``serious`` (the numbers should not be used as they are).
        check: Looks at a comparison (``reports.comparison.Comparison``) and returns the details of the alarm, or None.
    """

    code: str
    texts: Mapping[str, str]
    severity: Severity = "warning"
    check: Callable[[Any], Mapping[str, Any] | None] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        _named("alarm", self.code)
        if not isinstance(self.texts, Mapping) or not all(isinstance(t, str) for t in self.texts.values()):
            raise ValueError(f"alarm {self.code}: texts must be language -> sentence")
        if self.severity not in ("note", "warning", "serious"):
            raise ValueError(
                f"alarm {self.code}: severity is note, warning or serious, got {self.severity!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Code, texts and severity, JSON-ready."""
        return {"code": self.code, "texts": dict(self.texts), "severity": self.severity}


@dataclass(frozen=True)
class PartRequest:
    """What a part of a report is made from.

    Attributes:
        comparison: ``reports.comparison.Comparison``.
        folder: The report's folder in the making; files go here, under names of the part's own.
        langs: Languages asked for.
        style: ``nature``, ``apa`` or ``gbt``.
        draft: ``reports.draft.Draft``: table, figures, paragraphs, and the sections of the parts made before.
    """

    comparison: Any
    folder: Path
    langs: tuple[str, ...]
    style: str = "nature"
    draft: Any = None


@dataclass(frozen=True)
class PartOutput:
    """What a part made.

    Attributes:
        sections: ``reports.sections.Section`` objects for the page and ``report.md``.
        files: Files written below the folder.
        numbers: Numbers behind it, kept in ``result.json`` under ``parts``.
    """

    sections: Sequence[Any] = ()
    files: Sequence[Path] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


#: In ``ReportPart.after``: made when the others are, because it shows their sections.
LAST = "*"


@dataclass(frozen=True)
class ReportPart:
    """A part of a report.

    Attributes:
        name: A word of ``report --format``.
        make: Makes it.
        summary: One line of what it is.
        needs: Why it cannot be made from a comparison, or an empty text; asked before ``make``.
        after: Names of parts that must be made before it; ``LAST`` for all that are not ``LAST`` themselves.
        files: Patterns of the files it writes, ``{lang}`` for a language's code.
        replaces: It takes the place of the part of that name, built in or not; one that makes nothing blocks it.
    """

    name: str
    make: Callable[[PartRequest], PartOutput | None]
    summary: str = ""
    needs: Callable[[Any], str] | None = None
    after: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    replaces: bool = False

    def __post_init__(self) -> None:
        _named("report part", self.name)
        if not callable(self.make):
            raise ValueError(f"report part {self.name}: make is no function")


@dataclass(frozen=True)
class HostSeams:
    """Where a host is entered without a line of its own being changed.

    The launcher and ``doctor`` need no more. For the flag in a host's config to be enough, the adapter's package announces
    each training and loader function as an entry point in ``crysmm_attn.seams`` (``announced.py``).

    Attributes:
        training_modules: Module names under which the training function is imported, and looked for at start-up.
        training_function: Its name in them; empty when the host has none.
        config_argument: Its parameter that holds the configuration.
        loaders_argument: Its parameter that holds ready loaders.
        loader_modules: Modules with the function that makes loaders.
        loader_function: Its name in them.
        splits: Split of each loader it returns, in order.
        model_modules: Modules that only a process of this host imports.
        switch: Configuration key of the ablation, and ``arms`` the arm's name by its value.
        property_of: Configuration -> the property trained on.
        dataset_of: Configuration -> the name of the data set, empty where nothing says it; its key ``dataset`` when None.
    """

    training_modules: tuple[str, ...] = ()
    training_function: str = ""
    config_argument: str = "config"
    loaders_argument: str = ""
    loader_modules: tuple[str, ...] = ()
    loader_function: str = ""
    splits: tuple[str, ...] = ("train", "val", "test")
    model_modules: tuple[str, ...] = ()
    switch: str = ""
    arms: Mapping[Any, str] = field(default_factory=dict)
    property_of: Callable[[Mapping[str, Any]], str] | None = None
    dataset_of: Callable[[Mapping[str, Any]], str] | None = None


class CommandParsers(Protocol):
    """The sub-parsers of ``argparse``, as ``attn_add_commands`` gets them."""

    def add_parser(self, name: str, **options: Any) -> argparse.ArgumentParser: ...


@dataclass(frozen=True)
class Command:
    """A command of ``crysmm-attn``.

    Attributes:
        name: The word on the command line.
        summary: One line for ``--help``, without a full stop.
        add_arguments: Fills in its parser.
        run: Runs it; returns the exit code (None is 0).
        examples: Whole command lines shown under its ``--help``.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace], int | None]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _named("command", self.name)

    def add_to(self, cli: CommandParsers) -> argparse.ArgumentParser:
        """Add it to the sub-parsers that ``attn_add_commands`` hands over."""
        parser = cli.add_parser(self.name, help=self.summary, description=sentence(self.summary))
        if self.add_arguments is not None:
            self.add_arguments(parser)
        show_examples(parser, self.examples)
        parser.set_defaults(handler=self.run)
        return parser


def _named(what: str, name: Any) -> None:
    """Refuse a name that cannot be a column, a flag's value or a word on the command line."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"a {what}'s name begins with a letter and has letters, digits, _ . - (64 at most), got {name!r}"
        )

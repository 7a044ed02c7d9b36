"""One settings object; layers from lowest to highest: defaults, ``crysmm_attn.toml``, the host config's key
``crysmm_attn``, ``CRYSMM_ATTN_*``, flags."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomllib

from crysmm_attn_plugin.catalogue import known_languages
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.records import DIRECTIONS
from crysmm_attn_plugin.urls import refuse_no_text, refuse_url

ENV_PREFIX = "CRYSMM_ATTN_"
TOML_NAME = "crysmm_attn.toml"
#: What can be done to the attention of a test pass in extra passes (see ``probing``).
INTERVENTIONS = ("knock_out", "keep_only", "uniform", "swap", "own_element", "heads")


@dataclass(frozen=True)
class ReportSettings:
    """How the automatic report is made.

    Attributes:
        auto: Make the report when the host's training returns and the runs to compare are there.
        baseline: Arm that others are compared with; empty chooses by rule (see docs).
        lang: Languages of paragraphs and page.
        style: Number and prose style: ``nature``, ``apa`` or ``gbt``.
        alpha: Two-sided significance level.
        seed: Seed of every resampling.
        track: Log it to the experiment tracker that the host uses, if any.
    """

    auto: bool = True
    baseline: str = ""
    lang: tuple[str, ...] = ("en", "zh")
    style: Literal["nature", "apa", "gbt"] = "nature"
    alpha: float = 0.05
    seed: int = 0
    track: bool = True


@dataclass(frozen=True)
class PluginSettings:
    """Which plugins take part.

    Attributes:
        disabled: Names of plugins that are not loaded.
        timing: Keep the seconds that each plugin spent in each hook, in ``run.json``.
    """

    disabled: tuple[str, ...] = ()
    timing: bool = False


@dataclass(frozen=True)
class Settings:
    """Everything a user can choose about capture.

    Attributes:
        enabled: Capture at all.
        arm: Name of this ablation arm, for example ``full`` or ``no_middle``.
        strict: Raise on a failure of ours instead of letting the host go on.
        splits: Splits whose passes are captured.
        loader: The test loader, where nothing says which it is: the name it is bound to in the host's script, or its
            place among the loaders in the order their first loops begin, from 1.
        windows: ``final``, ``all``, or an integer N for every N-th epoch besides the final ones.
        directions: Directions to reduce to metrics.
        maps: ``none``, ``all`` or how many crystals' full maps to keep (chosen by a hash of the id, so every
            arm keeps the same ones).
        metrics: Metric names to keep; empty keeps all.
        reinitialised: Also reduce the same module with fresh random weights, as a baseline.
        probe: Interventions made in extra passes of a copy of the model after each batch: of ``INTERVENTIONS``, or ``all``;
            empty makes none.
        memory_mb: Ceiling for rows and maps held before they are written.
        out_dir: Folder that holds ``<arm>/<run id>/``.
        report: See ``ReportSettings``.
        plugins: See ``PluginSettings``.
    """

    enabled: bool = False
    arm: str = ""
    strict: bool = False
    splits: tuple[str, ...] = ("test",)
    loader: str = ""
    windows: str | int = "final"
    directions: tuple[str, ...] = DIRECTIONS
    maps: str | int = 200
    metrics: tuple[str, ...] = ()
    reinitialised: bool = True
    probe: tuple[str, ...] = ()
    memory_mb: int = 512
    out_dir: str = "attention_runs"
    report: ReportSettings = field(default_factory=ReportSettings)
    plugins: PluginSettings = field(default_factory=PluginSettings)

    def replaced(self, **values: Any) -> Settings:
        """A copy with ``values`` laid over it; None values are ignored; keys may be ``report.alpha``.

        Raises:
            UsageError: On an unknown key or a value of the wrong kind.
        """
        return merge(self, {k: v for k, v in values.items() if v is not None}, source="settings")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, JSON-ready."""
        return dataclasses.asdict(self)


#: Tables inside the settings: name -> its class.
GROUPS: dict[str, type] = {"report": ReportSettings, "plugins": PluginSettings}
SETTING_KEYS: tuple[str, ...] = tuple(
    [f.name for f in dataclasses.fields(Settings) if f.name not in GROUPS]
    + [f"{group}.{f.name}" for group, cls in GROUPS.items() for f in dataclasses.fields(cls)]
)
#: Variables with a name of their own -> the key they set.
VARIABLES = {ENV_PREFIX + "DISABLE_PLUGINS": "plugins.disabled"}


def merge(base: Settings, values: Mapping[str, Any] | bool, *, source: str) -> Settings:
    """Lay ``values`` over ``base``.

    Args:
        base: Settings so far.
        values: ``True``/``False`` (sets ``enabled``) or a table; ``report`` may be a nested table or a bool.
        source: Where the values come from, named in the error.

    Raises:
        UsageError: On an unknown key or a value that cannot be read.
    """
    if isinstance(values, bool):
        return dataclasses.replace(base, enabled=values)
    if not isinstance(values, Mapping):
        raise UsageError(f"{source}: expected true, false or a table of settings, got {values!r}.")
    top: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for key, value in values.items():
        group, _, rest = str(key).partition(".")
        if group in GROUPS and rest:
            tables[group][rest] = value
        elif group in GROUPS and isinstance(value, Mapping):
            tables[group].update({str(k): v for k, v in value.items()})
        elif group == "report" and isinstance(value, bool):
            tables["report"]["auto"] = value
        elif group in GROUPS:
            raise UsageError(f"{source}: {group} must be a table of settings, got {value!r}.")
        else:
            top[str(key)] = value
    groups = {
        group: dataclasses.replace(getattr(base, group), **_read(cls, tables[group], source, f"{group}."))
        for group, cls in GROUPS.items()
    }
    return dataclasses.replace(base, **_read(Settings, top, source, ""), **groups)


def load_settings(
    *,
    host_config: Mapping[str, Any] | bool | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] = ".",
) -> Settings:
    """Settings from every layer.

    Args:
        host_config: Value of the host config's key ``crysmm_attn``, or None.
        flags: Command-line values; None values are ignored.
        environ: Environment, ``os.environ`` when None.
        directory: Where ``crysmm_attn.toml`` is looked for.

    Raises:
        UsageError: On an unknown key or unreadable value in any layer; the message names the layer.
    """
    settings = Settings()
    toml = Path(directory) / TOML_NAME
    if toml.is_file():
        settings = merge(settings, _asking(_read_toml(toml)), source=str(toml))
    if host_config is not None:
        settings = merge(settings, _asking(host_config), source="the host config's key crysmm_attn")
    env = os.environ if environ is None else environ
    from_env = {}
    for name, value in env.items():
        if name.startswith(ENV_PREFIX) and not name.startswith(ENV_PREFIX + "INTERNAL_"):
            key = name.removeprefix(ENV_PREFIX).lower()
            for group in GROUPS:
                if key.startswith(f"{group}_"):
                    key = f"{group}." + key.removeprefix(f"{group}_")
            from_env[VARIABLES.get(name, key)] = value
    if from_env:
        settings = merge(settings, from_env, source="the environment (CRYSMM_ATTN_*)")
    if flags:
        settings = merge(settings, {k: v for k, v in flags.items() if v is not None}, source="flags")
    return settings


def _asking(values: Any) -> Any:
    """A table of settings asks for capture unless it says ``enabled = false``."""
    return {"enabled": True, **values} if isinstance(values, Mapping) else values


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}). Correct it or remove it.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML ({error}). Correct it or remove it.") from error


def _read(cls: type, values: Mapping[str, Any], source: str, prefix: str) -> dict[str, Any]:
    fields = {f.name: f for f in dataclasses.fields(cls) if f.name not in GROUPS}
    out = {}
    for key, value in values.items():
        if key not in fields:
            near = difflib.get_close_matches(prefix + key, SETTING_KEYS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"{source}: unknown setting {prefix + key!r}.{hint} Known: {', '.join(SETTING_KEYS)}."
            )
        out[key] = _coerce(prefix + key, value, fields[key].default, source)
    return out


_CHOICES: dict[str, tuple[str, ...]] = {
    "report.style": ("nature", "apa", "gbt"),
    "directions": DIRECTIONS,
    "probe": (*INTERVENTIONS, "all"),
}
#: Limits of whole numbers.
_LIMITS = {"memory_mb": (1, 1_000_000), "report.seed": (0, 2**32 - 1)}
_WORDS: dict[str, tuple[str, ...]] = {"windows": ("final", "all"), "maps": ("none", "all")}


def _coerce(key: str, value: Any, default: Any, source: str) -> Any:
    """Read ``value`` (possibly text from the environment) as the kind of ``default``."""
    wrong = UsageError(f"{source}: cannot read {key} = {value!r}; expected {_expected(key, default)}.")
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text in {"1", "true", "yes", "on"}:
            return True
        if text in {"0", "false", "no", "off", ""}:
            return False
        raise wrong
    if key in _WORDS:
        if isinstance(value, bool):
            raise wrong
        if isinstance(value, str) and value in _WORDS[key]:
            return value
        number = _whole(value)
        if number is None:
            raise wrong
        if number < (1 if key == "windows" else 0):
            raise wrong
        return number
    if isinstance(default, tuple):
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise wrong
        cleaned = tuple(str(item).strip() for item in items if str(item).strip())
        if key in _CHOICES and not set(cleaned) <= set(_CHOICES[key]):
            raise wrong
        if key == "report.lang" and not set(cleaned) <= set(known_languages()):
            raise wrong
        if not cleaned and default:
            raise wrong
        return cleaned
    if isinstance(default, int):
        whole = _whole(value)
        low, high = _LIMITS[key]
        if whole is None or not low <= whole <= high:
            raise wrong
        return whole
    if isinstance(default, float):
        try:
            amount = float(value)
        except (TypeError, ValueError):
            raise wrong from None
        if isinstance(value, bool) or not 0 < amount < 1:
            raise wrong
        return amount
    if key == "loader" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # a place among the loaders
    if not isinstance(value, (str, os.PathLike)):
        raise wrong
    text = os.fspath(value)
    if not isinstance(text, str) or "\0" in text or (default and not text.strip()):
        raise wrong
    if key in _CHOICES and text not in _CHOICES[key]:
        raise wrong
    if key == "out_dir":
        refuse_url(text, f"{source}: out_dir")
        refuse_no_text(text)
    return text


def _whole(value: Any) -> int | None:
    """A whole number, from text too; None for anything else."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _expected(key: str, default: Any) -> str:
    if key in _WORDS:
        return f"{' or '.join(_WORDS[key])} or a whole number"
    if key in _CHOICES:
        return "one or more of " + ", ".join(_CHOICES[key])
    if key == "report.lang":
        return f"one or more of {', '.join(known_languages())}"
    if key in _LIMITS:
        return "a whole number between {:,} and {:,}".format(*_LIMITS[key])
    if key == "report.alpha":
        return "a number between 0 and 1"
    return {bool: "true or false", int: "a whole number", float: "a number", tuple: "a list"}.get(
        type(default), "text"
    )

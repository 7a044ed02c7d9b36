"""Settings: layers in order, unknown keys refused with a hint, every kind of value read or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.settings import SETTING_KEYS, Settings, load_settings, merge


def test_later_layers_win(tmp_path: Path) -> None:
    (tmp_path / "crysmm_attn.toml").write_text('arm = "toml"\nmemory_mb = 7\n[report]\nalpha = 0.01\n')
    settings = load_settings(
        host_config={"arm": "host", "report": {"style": "gbt"}},
        environ={"CRYSMM_ATTN_ARM": "env", "CRYSMM_ATTN_REPORT_LANG": "zh"},
        flags={"arm": "flag", "strict": None},
        directory=tmp_path,
    )
    assert settings.arm == "flag"
    assert settings.memory_mb == 7
    assert settings.report.alpha == 0.01
    assert settings.report.style == "gbt"
    assert settings.report.lang == ("zh",)
    assert settings.strict is False


@pytest.mark.parametrize("value", [True, False])
def test_the_host_flag_may_be_a_plain_bool(value: bool, tmp_path: Path) -> None:
    assert load_settings(host_config=value, environ={}, directory=tmp_path).enabled is value


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(UsageError, match=r"out_dri.*Did you mean 'out_dir'"):
        merge(Settings(), {"out_dri": "x"}, source="a test")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("windows", "sometimes"), ("windows", 0), ("maps", -1), ("maps", "few"), ("memory_mb", "much"),
        ("directions", "sideways"), ("report.alpha", 2), ("report.style", "mla"), ("report.lang", "fr"),
        ("strict", "perhaps"), ("splits", 3), ("out_dir", 5),
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind_are_refused_naming_key_and_value(key: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        merge(Settings(), {key: value}, source="a test")
    assert key in str(caught.value)
    assert repr(value) in str(caught.value)


def test_environment_text_is_read_as_the_settings_kind() -> None:
    settings = load_settings(
        environ={
            "CRYSMM_ATTN_ENABLED": "1",
            "CRYSMM_ATTN_WINDOWS": "5",
            "CRYSMM_ATTN_MAPS": "all",
            "CRYSMM_ATTN_SPLITS": "val, test",
            "CRYSMM_ATTN_INTERNAL_RUN_ID": "not a setting",
        },
        directory="/nonexistent",
    )
    assert (settings.enabled, settings.windows, settings.maps, settings.splits) == (
        True,
        5,
        "all",
        ("val", "test"),
    )


def test_broken_toml_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "crysmm_attn.toml").write_text("arm = ")
    with pytest.raises(UsageError, match=r"crysmm_attn\.toml is not valid TOML"):
        load_settings(environ={}, directory=tmp_path)


def test_report_may_be_switched_off_by_a_bool() -> None:
    assert merge(Settings(), {"report": False}, source="a test").report.auto is False


def test_settings_survive_a_round_trip_through_plain_values() -> None:
    settings = Settings(enabled=True, arm="full", windows=3)
    assert merge(Settings(), settings.to_dict(), source="a test") == settings


def test_every_key_is_listed() -> None:
    assert "report.baseline" in SETTING_KEYS
    assert "windows" in SETTING_KEYS
    assert len(SETTING_KEYS) == len(set(SETTING_KEYS))


@pytest.mark.parametrize("table", [{}, {"arm": "full"}, {"enabled": True}])
def test_a_table_in_the_hosts_config_or_the_toml_file_asks_for_capture(table, tmp_path):
    assert load_settings(host_config=table, environ={}, directory=tmp_path).enabled
    (tmp_path / "crysmm_attn.toml").write_text('arm = "full"\n', encoding="utf-8")
    assert load_settings(environ={}, directory=tmp_path).enabled
    assert not load_settings(host_config={"enabled": False}, environ={}, directory=tmp_path).enabled


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("windows", 2.5), ("windows", True), ("windows", float("inf")), ("maps", 1.5), ("maps", float("nan")),
        ("memory_mb", float("inf")), ("memory_mb", 0), ("memory_mb", True), ("memory_mb", "1e3"), ("memory_mb", 10**9),
        ("report.alpha", float("nan")), ("report.alpha", True), ("report.alpha", "inf"), ("report.seed", -1),
        ("report.seed", 2**32), ("report.seed", 1.5), ("report.lang", ""), ("report.lang", []), ("splits", ""),
        ("directions", []), ("out_dir", ""), ("out_dir", "a\0b"), ("arm", b"full"), ("report", 3), ("plugins", True),
        ("plugins.disabled", 3), ("report", ["en"]), (3, "full"), ("plugins.timing", "slow"),
    ],
)  # fmt: skip
def test_values_that_only_look_right_are_refused(key: object, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        merge(Settings(), {key: value}, source="a test")  # type: ignore[dict-item]
    assert "\n" not in str(caught.value)


def test_plugins_are_disabled_by_either_variable(tmp_path: Path) -> None:
    for name in ("CRYSMM_ATTN_DISABLE_PLUGINS", "CRYSMM_ATTN_PLUGINS_DISABLED"):
        found = load_settings(environ={name: "one, two"}, directory=tmp_path)
        assert found.plugins.disabled == ("one", "two")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"a" * 3 + b"=" * 3, b"[[[[" * 500, b"\xef\xbb\xbfarm = 3"]
)
def test_a_damaged_file_is_a_usage_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "crysmm_attn.toml").write_bytes(content)
    with pytest.raises(UsageError):
        load_settings(environ={}, directory=tmp_path)

"""config.json: every key optional, unknown ones refused, the capture key in each of its forms."""

from __future__ import annotations

import json

import pytest

from crysmm_attn_plugin.demo.config import HostConfig, config_from, load_config
from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.settings import load_settings


def test_an_empty_file_gives_the_defaults(tmp_path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert load_config(tmp_path / "config.json") == HostConfig()


def test_a_configuration_survives_being_written_and_read() -> None:
    config = HostConfig(middle_fusion_layers=(2,), crysmm_attn={"arm": "full", "windows": 5}, epochs=3)
    assert config_from(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("key", "enabled", "arm"),
    [
        (True, True, ""),
        (False, False, ""),
        ({"enabled": True, "arm": "mine"}, True, "mine"),
        ({"arm": "mine"}, True, "mine"),
        ({"enabled": False, "arm": "mine"}, False, "mine"),
    ],
)
def test_the_capture_key_is_a_flag_or_a_table(tmp_path, key, enabled, arm) -> None:
    config = config_from({"crysmm_attn": key})
    settings = load_settings(host_config=config.crysmm_attn, environ={}, directory=tmp_path)
    assert settings.enabled is enabled
    assert settings.arm == arm


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"epochs": "3"}, "epochs = '3'"),
        ({"epochs": True}, "epochs = True"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"crysmm_attn": "yes"}, "crysmm_attn must be"),
        ({"width": 10, "heads": 4}, "multiple of heads"),
        ({"middle_fusion_layers": [5]}, "outside the ALIGNN layers"),
        ({"middle_fusion_layers": 1}, "middle_fusion_layers"),
        ({"val_ratio": 0.5, "test_ratio": 0.5}, "nothing to train on"),
        ({"device": 0}, "device = 0"),
    ],
)
def test_a_wrong_value_is_refused_naming_it(values, words) -> None:
    with pytest.raises(UsageError, match=words):
        config_from(values)


@pytest.mark.parametrize("content", ["[1]", "{", "\udcff"])
def test_a_file_that_is_no_object_is_refused(tmp_path, content) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"config\.json"):
        load_config(path)


def test_arms_are_named_after_the_fusion() -> None:
    assert HostConfig().arm == "full"
    assert HostConfig(middle_fusion_layers=()).arm == "no_middle"

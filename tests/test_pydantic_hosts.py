"""A host whose configuration is a strict pydantic class, whichever version of pydantic it brings."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pytest
from process_kit import BODY, our_lines, run_host, write_host

import crysmm_attn_plugin as attn

pytestmark = pytest.mark.slow

#: Pydantic 1 and 2 spell "no other key" differently.
CONFIG = """
import json, pydantic
if pydantic.VERSION.startswith("1."):
    class Config(pydantic.BaseModel):
        class Config:
            extra = "forbid"
        epochs: int = 1
    values = Config.parse_obj
else:
    class Config(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="forbid")
        epochs: int = 1
    values = Config.model_validate
config = values(json.load(open("config.json")))
print(config.epochs, sorted(vars(config)))
"""


@pytest.mark.parametrize(
    "value", ['{"maps": 2, "out_dir": "runs", "arm": "full", "report": false}', "true", '{"mapz": 1}']
)
def test_the_key_is_taken_before_a_strict_class_sees_it(value: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"epochs": 3, "crysmm_attn": {value}}}', encoding="utf-8")
    write_host(tmp_path, CONFIG + BODY)
    done = run_host(tmp_path)
    assert done.stdout == "3 ['epochs']\nhost is done\n", (pydantic.VERSION, done.stderr)
    if "mapz" in value:
        assert any("mapz" in line for line in our_lines(done))
        return
    assert done.returncode == 0, done.stderr
    assert len(attn.open_run(tmp_path / "runs" / "full").samples) == 12

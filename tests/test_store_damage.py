"""No damage to a stored run is read as data, none ends in a traceback, and repair keeps what is whole."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from store_kit import from_entropy, write_run

import crysmm_attn_plugin as attn
from crysmm_attn_plugin.cli import main
from crysmm_attn_plugin.errors import DamagedStoreError, PartialStoreError, StoreError
from crysmm_attn_plugin.store.manifest import write_manifest
from crysmm_attn_plugin.store.reader import Run, open_run
from crysmm_attn_plugin.store.repair import repair

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.store_damage import recut, study


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("damage")
    run = write_run(out / "one", "full", from_entropy(np.linspace(2, 3, 12)))
    return {name: recut(run, out / name, sealed=name == "sealed", group=3) for name in ("sealed", "unsealed")}


@pytest.fixture
def sealed(runs: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs["sealed"], tmp_path / "full" / "run"))


def parts(run: Path, table: str) -> list[Path]:
    return sorted((run / table).rglob("*.parquet"))


def test_random_damage_is_told_and_never_read(runs: dict[str, Path], tmp_path: Path) -> None:
    counts, bad = study(runs, tmp_path, 60, seed=1)
    assert not bad, "\n".join(bad)
    assert counts["as it is", "told"] >= 50


def test_one_flipped_bit_names_the_file_and_the_rest_is_read_on_request(sealed: Path) -> None:
    victim = parts(sealed, "attention")[1]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    relative = victim.relative_to(sealed).as_posix()
    run = open_run(sealed)  # sizes agree: nothing was read yet
    with pytest.raises(DamagedStoreError, match="digest differs") as error:
        _ = run.attention
    assert relative in str(error.value)
    assert "repair" in str(error.value)
    assert isinstance(error.value, StoreError)
    rest = open_run(sealed, damaged="skip")
    assert [d.path for d in rest.damage] == [relative]
    assert rest.state == "partial"
    assert rest.attention["crystal"].nunique() == 9
    assert rest.samples["id"].nunique() == 12


def test_status_verify_names_the_damage_and_repair_keeps_the_rest(
    sealed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(sealed), "--verify"]) == 0
    assert "every byte of" in capsys.readouterr().out
    victim = parts(sealed, "samples")[2]
    victim.write_bytes(victim.read_bytes()[:-1])
    assert main(["status", str(sealed), "--verify"]) == 4
    relative = victim.relative_to(sealed).as_posix()
    assert f"damaged: {relative}" in capsys.readouterr().out
    assert main(["repair", str(sealed)]) == 4
    assert f"set aside: {relative}" in capsys.readouterr().out
    assert (sealed / "damaged" / relative).is_file()
    with pytest.raises(PartialStoreError, match="repaired"):
        open_run(sealed)
    run = open_run(sealed, allow_partial=True)
    assert not run.damage
    assert run.samples["id"].nunique() == 9
    assert main(["status", str(sealed), "--verify"]) == 4, "partial, but sound"
    assert "every byte of" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["run.json", "windows/w.json", "checkpoints/full-0.json"])
def test_damaged_records_come_back_from_the_journal_word_for_word(sealed: Path, name: str) -> None:
    before = (sealed / name).read_bytes()
    (sealed / name).write_bytes(before.replace(b"full", b"null").replace(b"complete", b"comXlete"))
    with pytest.raises(DamagedStoreError, match=name):
        open_run(sealed)
    done = repair(sealed)
    assert (done.restored, done.state) == ((name,), "complete")
    assert (sealed / name).read_bytes() == before
    assert open_run(sealed).state == "complete"


def test_a_lost_or_damaged_manifest_is_rebuilt_from_the_journal(sealed: Path) -> None:
    manifest = sealed / "manifest.json"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace('"rows": ', '"rows":  ', 1), encoding="utf-8"
    )
    with pytest.raises(DamagedStoreError, match=r"manifest\.json was altered"):
        open_run(sealed)
    done = repair(sealed)
    assert done.state == "partial"
    assert "manifest.json" in done.reason
    assert len(open_run(sealed, allow_partial=True).samples) == 12
    manifest.unlink()
    assert repair(sealed).reason.startswith("the run did not finish")
    assert len(open_run(sealed, allow_partial=True).samples) == 12


def test_a_run_without_its_run_json_is_still_found(sealed: Path) -> None:
    (sealed / "run.json").unlink()
    with pytest.raises(DamagedStoreError, match=r"run\.json"):
        attn.open_run(sealed.parent)
    assert open_run(sealed.parent, damaged="skip").arm == "full"


# -- files made to do harm ---------------------------------------------------------------------------------


def forge(run: Path, name: str, /, **changes: object) -> None:
    """A manifest with a valid signature that says something else about one file."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        if entry["path"] == name:
            entry.update(changes)
    write_manifest(run, {k: v for k, v in manifest.items() if k not in ("digest", "schema_version")})


@pytest.mark.parametrize(
    "place", ["../../secret.json", "/etc/passwd", "windows/../../x.json", "a\\b.json", "C:/x.json"]
)
def test_a_manifest_that_points_outside_is_refused(sealed: Path, place: str) -> None:
    forge(sealed, "run.json", path=place)
    with pytest.raises(DamagedStoreError, match="not a file of a run"):
        Run(sealed, allow_partial=True)


def test_a_link_that_leads_outside_and_a_pipe_are_not_read(sealed: Path, tmp_path: Path) -> None:
    import os

    victim = parts(sealed, "attention")[0]
    shutil.move(victim, tmp_path / "elsewhere.parquet")
    victim.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(DamagedStoreError, match="leads out of the run's folder"):
        open_run(sealed)
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(DamagedStoreError, match="is not a file"):
        open_run(sealed)


def _forged_table(
    run: Path, table: pd.DataFrame | None = None, content: bytes | None = None, rows: int | None = None
):
    from crysmm_attn_plugin.store.files import digest_of

    victim = parts(run, "attention")[0]
    if table is not None:
        table.to_parquet(victim, compression="zstd")
    else:
        victim.write_bytes(content or b"")
    found = victim.read_bytes()
    changes = {"bytes": len(found), "digest": digest_of(found), "schema": None, "ranges": {}, "rows": rows}
    forge(run, victim.relative_to(run).as_posix(), **changes)


def test_tables_that_unpack_to_more_than_they_can_hold_are_not_read(sealed: Path) -> None:
    bomb = pd.DataFrame({"crystal": ["x" * 40_000_000] * 8})
    _forged_table(sealed, bomb, rows=8)
    with pytest.raises(DamagedStoreError, match="unpack"):
        _ = open_run(sealed).attention
    _forged_table(sealed, bomb, rows=7)
    with pytest.raises(DamagedStoreError, match="7 were said"):
        _ = open_run(sealed).attention
    _forged_table(sealed, content=b"PAR1" + b"\xff" * 100 + b"PAR1")
    with pytest.raises(DamagedStoreError, match="not a readable table"):
        _ = open_run(sealed).attention


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a": ' * 100_000, "9" * 10_000, '"x"', "[]", "null", '{"files": 3}', "{}"]
)
def test_json_that_is_no_manifest_is_told(sealed: Path, text: str) -> None:
    (sealed / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedStoreError, match=r"manifest\.json"):
        open_run(sealed)
    assert len(open_run(sealed, damaged="skip").samples) == 12


def test_hostile_ids_names_and_directions_are_stored_and_stay_inside(tmp_path: Path) -> None:
    ids = ["../../etc/passwd", "a\0b", "\ud800", "", "x" * 5000, "a (2)", "a"]
    run = write_run(tmp_path, "full", from_entropy(np.linspace(2, 3, 7)), ids=ids, direction="")
    assert set(run.samples["id"]) == {i.encode("utf-8", "replace").decode() for i in ids}
    means = run.crystal_means()
    assert {c.direction for c in means.cells} == {""}
    assert all(p.resolve().is_relative_to(tmp_path) for p in tmp_path.rglob("*"))
    assert not run.verify()


def test_a_damaged_older_run_does_not_stand_in_the_way_of_the_newest(tmp_path: Path) -> None:
    older = write_run(tmp_path, "full", from_entropy(np.linspace(2, 3, 3)), seed=0)
    newest = write_run(tmp_path, "full", from_entropy(np.linspace(2, 3, 3)), seed=1)
    (older.path / "windows" / "w.json").write_text("{", encoding="utf-8")
    assert open_run(tmp_path / "full").run_id == newest.run_id
    with pytest.raises(DamagedStoreError, match="run-0"):
        attn.compare_runs(full=[tmp_path / "full"])


@pytest.mark.parametrize(
    "kind", ["no safetensors", "long head", "index", "missing map", "flat map", "nested index"]
)
def test_files_of_maps_made_to_do_harm_are_told(tmp_path: Path, kind: str) -> None:
    import test_store
    from safetensors.numpy import save_file

    from crysmm_attn_plugin.store.files import digest_of
    from crysmm_attn_plugin.store.writer import seal

    writer = test_store._write(tmp_path)
    seal(writer.path)
    victim = next((writer.path / "maps").rglob("*.safetensors"))
    entry = {"key": "m0", "id": "a", "module": "fine", "call": 0, "direction": "atom_to_text"}
    index = {
        "index": '{"a": 1}', "missing map": json.dumps([{**entry, "key": "other"}]), "nested index": "[" * 100_000,
    }.get(kind, json.dumps([entry]))  # fmt: skip
    shape = (4,) if kind == "flat map" else (1, 2, 4)
    save_file({"m0": np.zeros(shape, np.float16)}, victim, metadata={"index": index})
    if kind == "no safetensors":
        victim.write_bytes(b"\0" * 100)
    elif kind == "long head":
        victim.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    content = victim.read_bytes()
    name = victim.relative_to(writer.path).as_posix()
    forge(writer.path, name, bytes=len(content), digest=digest_of(content))
    with pytest.raises(DamagedStoreError, match="map"):
        open_run(writer.path).maps("a")

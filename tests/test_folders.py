"""Report folders: whole or absent, and an edited file is never overwritten."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crysmm_attn_plugin.errors import UsageError
from crysmm_attn_plugin.store.folders import RECORD, write_folder_atomic


def fill(text: str, *names: str):
    def into(folder: Path) -> None:
        for name in (*names, "result.json"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{text} {name}", encoding="utf-8")

    return into


def read(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != RECORD)
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in files}


def test_a_second_report_takes_the_place_of_the_first_without_leftovers(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_folder_atomic(out, fill("one", "a.md", "old.md", "figures/x.png"))
    done = write_folder_atomic(out, fill("two", "a.md", "figures/y.png"))
    assert done.kept == ()
    assert read(out) == {
        "a.md": "two a.md",
        "figures/y.png": "two figures/y.png",
        "result.json": "two result.json",
    }
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_an_edited_paragraph_stays_and_the_new_one_lies_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_folder_atomic(out, fill("one", "p.en.md", "b.md"))
    (out / "p.en.md").write_text("mine", encoding="utf-8")
    done = write_folder_atomic(out, fill("two", "p.en.md", "b.md"))
    assert done.kept == (("p.en.md", "p.en.new.md"),)
    assert read(out)["p.en.md"] == "mine"
    assert read(out)["p.en.new.md"] == "two p.en.md"
    assert read(out)["b.md"] == "two b.md"
    write_folder_atomic(out, fill("three", "p.en.md", "b.md"))
    assert (read(out)["p.en.md"], read(out)["p.en.new.md"]) == ("mine", "three p.en.md")
    assert len(read(out)) == 4
    # taking the new version over ends the matter
    os.replace(out / "p.en.new.md", out / "p.en.md")
    write_folder_atomic(out, fill("four", "p.en.md", "b.md"))
    assert read(out)["p.en.md"] == "four p.en.md"


def test_an_edit_survives_a_report_without_that_part_and_an_edited_new_version_too(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_folder_atomic(out, fill("one", "p.md"))
    (out / "p.md").write_text("mine", encoding="utf-8")
    write_folder_atomic(out, fill("two"))
    assert read(out)["p.md"] == "mine"
    write_folder_atomic(out, fill("three", "p.md"))
    (out / "p.new.md").write_text("mine too", encoding="utf-8")
    write_folder_atomic(out, fill("four", "p.md"))
    found = read(out)
    assert (found["p.md"], found["p.new.md"], found["p.new2.md"]) == ("mine", "mine too", "four p.md")


def test_of_a_folder_without_a_record_texts_are_kept_beside(tmp_path: Path) -> None:
    out = tmp_path / "report"
    out.mkdir()
    fill("older", "p.md", "table.csv")(out)
    done = write_folder_atomic(out, fill("new", "p.md", "table.csv"))
    assert done.kept == (("p.md", "p.new.md"),)
    assert read(out)["table.csv"] == "new table.csv"


def test_files_of_other_origin_stay_where_they_are(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_folder_atomic(out, fill("one", "p.md", "figures/x.png", "gone.csv"))
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    (out / "figures" / "mine.png").write_text("mine", encoding="utf-8")
    write_folder_atomic(out, fill("two", "p.md", "figures/x.png"))
    found = read(out)
    assert (found["notes.txt"], found["figures/mine.png"], found["figures/x.png"]) == (
        "mine",
        "mine",
        "two figures/x.png",
    )
    assert "gone.csv" not in found


def test_a_failure_leaves_the_earlier_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    out = tmp_path / "report"
    write_folder_atomic(out, fill("one", "p.md"))
    before = read(out)

    def fail(folder: Path) -> None:
        (folder / "p.md").write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_folder_atomic(out, fail)
    assert read(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["report"]
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"):
        write_folder_atomic(tmp_path / "file", fill("x"))


CHILD = """
import os, signal, sys
from pathlib import Path
from crysmm_attn_plugin.store import folders
steps, real = [0], {n: getattr(os, n) for n in ("replace", "fsync")}
def counted(name):
    def call(*args, **kwargs):
        steps[0] += 1
        if steps[0] == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real[name](*args, **kwargs)
    return call
for name in real:
    setattr(os, name, counted(name))
if sys.argv[3] == "plain":
    folders._exchange = lambda a, b: False
def fill(folder):
    for name in ("a.md", "b.md", "result.json"):
        (folder / name).write_text("new " + name)
folders.write_folder_atomic(Path(sys.argv[1]), fill)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["exchange", "plain"])
def test_a_kill_at_every_step_leaves_the_old_folder_or_the_new_one(tmp_path: Path, way: str) -> None:
    seen = set()
    for step in range(1, 40):
        out = tmp_path / f"{step}" / "report"
        write_folder_atomic(out, fill("old", "a.md", "b.md"))
        done = subprocess.run([sys.executable, "-c", CHILD, str(out), str(step), way], check=False)
        if out.exists():
            texts = {t.split()[0] for t in read(out).values()}
            assert len(texts) == 1, "a mixture"
            assert len(read(out)) == 3
        else:
            assert way == "plain"
            # what stood there comes back with the next report
            write_folder_atomic(out, fill("next", "a.md", "b.md"))
            texts = {"next"}
            assert len(read(out)) == 3
        seen |= texts
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert {"old", "new"} <= seen

from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.core.errors import InputError
from asa_bench.records.directory import RowLog, RunDirectory


def test_a_torn_last_row_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    log = RowLog(path)
    log.append({"example_id": "a"})
    log.append({"example_id": "b"})
    with path.open("a") as file:
        file.write('{"example_id": "c", "outc')
    again = RowLog(path)
    again.append({"example_id": "d"})
    assert [row["example_id"] for row in RowLog(path).rows] == ["a", "b", "d"]


def test_a_cell_goes_from_todo_to_done_to_changed(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.status("train/x", "key") == "todo"
    directory.begin("train/x", "key")
    assert directory.status("train/x", "key") == "todo"
    directory.end("train/x", {"key": "key", "status": "done"})
    assert directory.status("train/x", "key") == "done"
    assert directory.status("train/x", "other") == "changed"


def test_work_begun_with_another_key_is_thrown_away(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    (directory.begin("attack/x", "old") / "rows.jsonl").write_text("{}\n")
    assert (directory.begin("attack/x", "old") / "rows.jsonl").exists()
    assert not (directory.begin("attack/x", "new") / "rows.jsonl").exists()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "models" / ".0.abc.tmp").mkdir(parents=True)
    (tmp_path / ".results.csv.xyz.tmp").touch()
    (tmp_path / "results.csv").touch()
    with RunDirectory(tmp_path).locked():
        assert not list(tmp_path.rglob("*.tmp"))
    assert (tmp_path / "results.csv").exists()


def test_another_suites_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "suite": {"name": "other"}}')
    message = rf"^--out {tmp_path}: holds a run of suite 'other', not 'mine'$"
    with pytest.raises(InputError, match=message):
        RunDirectory(tmp_path).claim("mine")

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asa_bench.core.errors import DamagedRunError, InputError
from asa_bench.records import schema
from asa_bench.records.store import load_run, read_table, write_table


def test_integers_with_gaps_stay_integers(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"task": "t", "seed": 0, "metric": "m", "value": 0.5, "n": 10},
        {"task": "t", "seed": None, "n": None},
    ]
    write_table(tmp_path / "results.parquet", schema.table(rows, schema.RESULTS), schema.RESULTS)
    back = read_table(tmp_path / "results.parquet", schema.RESULTS)
    assert str(back["seed"].dtype) == "Int64"
    assert back["seed"].isna().tolist() == [False, True]
    assert back["value"].isna().tolist() == [False, True]


def test_a_missing_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{tmp_path / 'no'}: no such run directory$"):
        load_run(tmp_path / "no")


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{tmp_path}: not a run directory \(no run.json in it\)$"):
        load_run(tmp_path)


def test_a_run_of_a_later_format(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match=rf"^{tmp_path / 'run.json'}: format 99 is newer than 1; upgrade$"):
        load_run(tmp_path)


def test_a_damaged_table(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": 1, "suite": {}}')
    (tmp_path / "examples.parquet").write_bytes(b"PAR1 nothing of use PAR1")
    with pytest.raises(InputError, match=rf"^{tmp_path / 'examples.parquet'}: damaged Parquet file: "):
        load_run(tmp_path)


DONE = '{"kind": "attack", "status": "done"}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 1}', "run.json: field 'suite' is missing or damaged"),
        ('{"format": 1, "suite": []}', "run.json: field 'suite' is missing or damaged"),
        ('{"format": 1, "suite": {"attack": ["pwws"]}}', "run.json: field 'suite' is missing or damaged"),
        ('{"format": 1, "suite": {}, "cells": 5}', "run.json: field 'cells' is missing or damaged"),
        ('{"format": 1, "suite": {}, "cells": [{}]}', "run.json: field 'cells' is missing or damaged"),
        ('{"format": 1, "suite": {}, "versions": "1.0"}', "run.json: field 'versions' is missing or damaged"),
        (f'{{"format": 1, "suite": {{}}, "cells": [{DONE}]}}', "examples.parquet: missing, though its cells are done"),
    ],
)  # fmt: skip
def test_what_damages_a_run(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DamagedRunError) as caught:
        load_run(tmp_path)
    assert str(caught.value) == f"{tmp_path}/{message}"

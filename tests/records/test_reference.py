"""References: small, stable, and as good as their run for a comparison."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from asa_bench.core.errors import DamagedRunError, InputError
from asa_bench.records.reference import load_reference, open_run, save_reference
from asa_bench.records.store import load_run
from asa_bench.tracking.compare import compare
from tests.tracking.conftest import MakeRun, make_run, outcomes

__all__ = ["make_run"]


def test_a_reference_compares_like_its_run(make_run: MakeRun, tmp_path: Path) -> None:
    old, new = make_run("old"), make_run("new", {"pwws": outcomes(40)}, clean=330)
    reference = load_reference(save_reference(old, tmp_path / "r.json"))
    pd.testing.assert_frame_equal(compare(reference, new).table, compare(old, new).table)
    assert reference.examples["original_text"].isna().all()
    kept = ["task", "encoder", "defence", "seed", "attack", "example_id", "outcome", "queries", "candidates"]
    pd.testing.assert_frame_equal(reference.examples[kept], old.examples[kept])
    assert compare(reference, new).flips["original_text"].notna().all()  # the new run has them


def test_texts_are_kept_on_demand(make_run: MakeRun, tmp_path: Path) -> None:
    old = make_run("old")
    reference = load_reference(save_reference(old, tmp_path / "r.json", texts=True))
    pd.testing.assert_series_equal(reference.examples["adversarial_text"], old.examples["adversarial_text"])


def test_the_same_run_gives_the_same_bytes_and_a_line_an_example(make_run: MakeRun, tmp_path: Path) -> None:
    old = make_run("old")
    first = save_reference(old, tmp_path / "a.json").read_text()
    assert save_reference(load_run(old.path), tmp_path / "b.json").read_text() == first
    again = save_reference(open_run(tmp_path / "a.json"), tmp_path / "c.json").read_text()
    assert again == first
    changed = make_run("new", {"pwws": outcomes(60)[:-1] + "1"})
    lines = set(first.splitlines()) ^ set(save_reference(changed, tmp_path / "d.json").read_text().splitlines())
    assert len([line for line in lines if "id00199" in line]) == 2


def test_what_is_no_reference(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("", "[]", '{"a": 1}', "no json"):
        path.write_text(text)
        with pytest.raises(InputError, match=rf"^{path}: neither a run directory nor a reference$"):
            open_run(path)
    path.write_text('{"reference_format": 9}')
    with pytest.raises(InputError, match=rf"^{path}: reference format 9 is newer than 1; upgrade$"):
        open_run(path)


def test_a_damaged_reference(make_run: MakeRun, tmp_path: Path) -> None:
    path = save_reference(make_run("old"), tmp_path / "a.json")
    data = json.loads(path.read_text())
    del data["examples"]
    path.write_text(json.dumps(data))
    with pytest.raises(DamagedRunError, match=rf"^{path}: damaged reference: 'examples'$"):
        open_run(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"reference_format": 1', '"reference_format": "one"'), "PATH: damaged reference: reference_format: 'one'"),
        (('"reference_format"', '<<<<<<< HEAD\n "reference_format"'), "damaged reference: PATH: line 2: not JSON: "
         "Expecting property name enclosed in double quotes"),
        (('["id00199", 1, "succeeded"', '["id00199", "x", "succeeded"'), "PATH: damaged reference: invalid literal for "
         "int() with base 10: 'x': Error while type casting for column 'label'"),
        (('"versions": {', '"versions": 3, "more": {'), "PATH: field 'versions' is missing or damaged"),
    ],
)  # fmt: skip
def test_what_damages_a_reference(make_run: MakeRun, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = save_reference(make_run("old"), tmp_path / "a.json")
    text = path.read_text()
    assert text.count(change[0]) == 1
    path.write_text(text.replace(*change))
    with pytest.raises(DamagedRunError) as caught:
        open_run(path)
    assert str(caught.value) == message.replace("PATH", str(path))


def test_a_reference_that_is_cut_short(make_run: MakeRun, tmp_path: Path) -> None:
    path = save_reference(make_run("old"), tmp_path / "a.json")
    path.write_text(path.read_text()[:2000])
    with pytest.raises(DamagedRunError, match=rf"^damaged reference: {path}: line \d+: not JSON: "):
        open_run(path)


def test_runs_of_earlier_versions_lack_the_later_columns(make_run: MakeRun) -> None:
    old = make_run("old")
    for name, column in (("examples", "candidates"), ("predictions", "truncated")):
        path = old.path / f"{name}.parquet"
        pd.read_parquet(path).drop(columns=column).to_parquet(path)
    loaded = load_run(old.path)
    assert loaded.examples["candidates"].isna().all()
    assert loaded.predictions["truncated"].isna().all()
    assert compare(loaded, loaded).rows[0].n == 400

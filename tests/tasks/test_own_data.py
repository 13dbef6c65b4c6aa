"""The user's own data: formats, labels, held-out parts, folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from asa_bench.core.errors import InputError
from asa_bench.tasks import TaskData, TaskSettings, examples_from, label_names, load_task, read_rows

ROWS = [{"text": f"text number {n}, of its own kind {n * n}", "label": ("good", "bad")[n % 2]} for n in range(120)]


def write(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def load(root: Path, **settings: Any) -> TaskData:
    return load_task(TaskSettings(name="mine", **settings), root)


def test_every_format_gives_the_same_task(tmp_path: Path) -> None:
    names = [write(tmp_path / f"train{suffix}").name for suffix in (".csv", ".tsv", ".jsonl", ".parquet")]
    tasks = [load(tmp_path, data=name) for name in names]
    assert {task.digest for task in tasks} == {tasks[0].digest}
    assert tasks[0].labels == ("bad", "good")
    assert sum(map(len, (tasks[0].train, tasks[0].validation, tasks[0].test))) == 120


def test_text_with_quotes_commas_and_line_ends(tmp_path: Path) -> None:
    rows = [{"text": 'she said "no",\nand left', "label": 0}, {"text": "é ü 漢字", "label": 1}]
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        frame = read_rows(write(tmp_path / f"odd{suffix}", rows))
        assert [row.fields[0] for row in examples_from(frame, ["text"], "label", ["0", "1"], "odd")] == [
            row["text"] for row in rows
        ]


def test_given_parts_are_kept(tmp_path: Path) -> None:
    for name, part in (("a", ROWS[:80]), ("b", ROWS[80:100]), ("c", ROWS[100:])):
        write(tmp_path / f"{name}.csv", part)
    task = load(tmp_path, data="a.csv", validation="b.csv", test="c.csv")
    assert (len(task.train), len(task.validation), len(task.test)) == (80, 20, 20)


def test_held_out_validation_does_not_depend_on_the_test_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    one, two = load(tmp_path, data="a.csv"), load(tmp_path, data="a.csv", test="a.csv")
    assert one.validation == two.validation
    assert len(two.test) == 120


def test_repeats_get_their_own_ids_and_stay_together(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", [*ROWS, *ROWS])
    task = load(tmp_path, data="a.csv")
    for rows in (task.train, task.validation, task.test):
        ids = {row.id for row in rows}
        assert all(f"{key}-2" in ids for key in ids if "-" not in key)


def test_several_text_columns(tmp_path: Path) -> None:
    rows = [{"premise": row["text"], "claim": "so it is", "gold": row["label"]} for row in ROWS]
    write(tmp_path / "a.csv", rows)
    task = load(tmp_path, data="a.csv", text=["premise", "claim"], label="gold")
    assert task.text_columns == ("premise", "claim")
    assert {len(row.fields) for row in task.train} == {2}


def frame_of(*labels: object) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"t{n}" for n in range(len(labels))], "label": pd.Series(labels, dtype=object)})


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ((2, 0, 1), ("0", "1", "2")),
        (("10", "9", "-1"), ("-1", "9", "10")),
        ((1.0, 0.0), ("0", "1")),
        (("pos", "neg"), ("neg", "pos")),
        ((True, False), ("False", "True")),
    ],
)
def test_label_names(values: tuple[object, ...], names: tuple[str, ...]) -> None:
    assert label_names(frame_of(*values), "label", "a.csv") == names


def test_labels_match_by_name_without_case_or_by_id() -> None:
    rows = examples_from(frame_of("Positive", "negative", 1, "0"), ["text"], "label", ["NEGATIVE", "POSITIVE"], "a.csv")
    assert [row.label for row in rows] == [1, 0, 1, 0]


def test_labels_that_differ_in_case_alone_stay_apart() -> None:
    rows = examples_from(frame_of("A", "a"), ["text"], "label", ["A", "a"], "a.csv")
    assert [row.label for row in rows] == [0, 1]


def test_golden_id_is_the_start_of_the_texts_sha256() -> None:
    assert examples_from(frame_of("x"), ["text"], "label", ["x"], "a.csv")[0].id == "512f26ada3c3d634"


# datasets leaves the files that it read open
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_local_folder_in_the_hubs_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "reviews"
    folder.mkdir()
    write(folder / "train.csv", ROWS[:80])
    write(folder / "test.csv", ROWS[80:])
    task = load(tmp_path, data="reviews")
    assert len(task.train) + len(task.validation) == 80
    assert len(task.test) == 40
    with pytest.raises(InputError, match=r"^reviews: no split 'tset'; did you mean 'test'\? \(splits: train, test\)$"):
        load(tmp_path, data="reviews", splits={"train": "train", "test": "tset"})
    with pytest.raises(InputError, match=r"^reviews: split 'train': no column 'txt'; .* \(columns: text, label\)$"):
        load(tmp_path, data="reviews", text=["txt"])


def test_saved_data_set_with_declared_labels(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes", "may"])}
    )
    rows = datasets.Dataset.from_list(
        [{"text": row["text"], "label": int(row["label"] == "good")} for row in ROWS], features=features
    )
    datasets.DatasetDict({"train": rows}).save_to_disk(str(tmp_path / "saved"))
    assert load(tmp_path, data="saved").labels == ("no", "yes", "may")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"test": "t.csv"}, "expected 'data' beside 'test', which describes the user's own data"),
        ({"data": "a.csv", "labels": ["a", "a"]}, "expected distinct names in 'labels', got ['a', 'a']"),
        ({"data": "a", "splits": {"dev": "d"}}, "expected splits among train, validation, test, got 'dev'"),
        ({"clean_accuracy_floor": float("nan")}, "finite number"),
        ({"clean_accuracy_floor": 1.1}, "less than or equal to 1"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TaskSettings(name="mine", **settings)
    assert message in str(caught.value)

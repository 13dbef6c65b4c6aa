"""Bad input of the user's own files: one line that names the file, and the row or line and the field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asa_bench.core.errors import InputError
from asa_bench.tasks import TaskSettings, load_task, read_rows

GOOD = "text,label\n" + "".join(f"text {n} and {n * n},{n % 2}\n" for n in range(100))


def message_of(root: Path, **settings: Any) -> str:
    """The message of the error, without the folder."""
    with pytest.raises(InputError) as caught:
        load_task(TaskSettings(name="mine", **settings), root)
    text = str(caught.value).replace(f"{root}/", "")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "a.csv: no rows"),
        ("a.csv", b"text,label\n", "a.csv: no rows"),
        ("a.csv", b"text,label\ncaf\xe9,0\n", "a.csv: not UTF-8 at byte 14; save it as UTF-8"),
        ("a.csv", b"text,label\na,0\nb\n", "a.csv: line 3: 1 fields, 2 in the header"),
        ("a.csv", b"text,label\na,0\nb,1,2\n", "a.csv: line 3: 3 fields, 2 in the header"),
        ("a.csv", b'text,label\n"a,0\nb,1\n', "a.csv: line 3: unexpected end of data"),
        ("a.csv", b"text,text\na,0\n", "a.csv: column 'text' is there twice"),
        (
            "a.csv",
            b"texts,label\na,0\n",
            "a.csv: no column 'text'; did you mean 'texts'? (columns: texts, label)",
        ),
        ("a.csv", b"text,gold\na,0\n", "a.csv: no column 'label' (columns: text, gold)"),
        ("a.csv", b"text,label\na,0\n  ,1\n", "a.csv: row 2: field 'text' is empty"),
        ("a.csv", b"text,label\na,0\nb,\n", "a.csv: row 2: field 'label' is empty"),
        ("a.tsv", b"text\tlabel\na\t0\nb\n", "a.tsv: line 3: 1 fields, 2 in the header"),
        ("a.jsonl", b'{"text": "a", "label": 0}\n{"text"\n', "a.jsonl: line 2: not JSON: Expecting ':' delimiter"),
        (
            "a.jsonl",
            b'{"text": "a", "label": 0}\n' + b'{"a":' * 9_999,
            "a.jsonl: line 2: JSON of too many levels or digits",
        ),
        ("a.jsonl", b'{"text": ' + b"9" * 9_999 + b"}", "a.jsonl: line 1: JSON of too many levels or digits"),
        ("a.jsonl", b'{"text": "a", "label": 0}\n[1]\n', "a.jsonl: line 2: not a JSON object"),
        ("a.jsonl", b'{"text": "a", "label": 0}\n{"text": "b"}\n', "a.jsonl: row 2: field 'label' is empty"),
        ("a.jsonl", b'{"text": "a", "label": 0}\n{"label": 1}\n', "a.jsonl: row 2: field 'text' is empty"),
        ("a.jsonl", b'{"text": 7, "label": 0}\n', "a.jsonl: row 1: field 'text' is not text but int"),
        ("a.xlsx", b"PK", "a.xlsx: unknown file type '.xlsx' (known: .csv, .tsv, .jsonl, .parquet)"),
    ],
)
def test_malformed_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message_of(tmp_path, data=name) == message


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_missing_file(tmp_path: Path, name: str) -> None:
    assert message_of(tmp_path, data=name) == f"{name}: no such file"


def test_damaged_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nonsense")
    assert message_of(tmp_path, data="a.parquet").startswith("a.parquet: not a readable Parquet file: ")


def test_null_in_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, None]}), tmp_path / "a.parquet")
    assert message_of(tmp_path, data="a.parquet") == "a.parquet: row 2: field 'label' is empty"


def test_folder_where_a_file_is_meant(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    (tmp_path / "a.csv").write_text(GOOD)
    assert message_of(tmp_path, data="a.csv", test="t.csv") == "t.csv: Is a directory"


@pytest.mark.parametrize("part", ["validation", "test"])
def test_unknown_label(tmp_path: Path, part: str) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.csv").write_text("text,label\na,0\nb,2\n")
    expected = "b.csv: row 2: field 'label': unknown label '2' (known: 0, 1)"
    assert message_of(tmp_path, data="a.csv", **{part: "b.csv"}) == expected


def test_label_outside_the_given_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD + "one more,maybe\n")
    expected = "a.csv: row 101: field 'label': unknown label 'maybe' (known: no, yes)"
    assert message_of(tmp_path, data="a.csv", labels=["no", "yes"]) == expected


def test_one_class_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(re.sub(",[01]\n", ",pos\n", GOOD))
    assert message_of(tmp_path, data="a.csv") == "a.csv: field 'label' has one class only: 'pos'"


def test_too_few_rows_to_hold_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,0\nb,1\n")
    assert message_of(tmp_path, data="a.csv") == "a.csv: 2 rows are too few to hold out a validation part"


def test_hub_settings_beside_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    expected = "a.csv: field 'subset' goes with a folder or a Hub data set, not with a file"
    assert message_of(tmp_path, data="a.csv", subset="x") == expected


@pytest.mark.parametrize("revision", [None, "main"])
def test_hub_data_set_without_a_pinned_revision(tmp_path: Path, revision: str | None) -> None:
    expected = (
        "stanfordnlp/imdb: no such file or folder; for the Hub data set of that name, "
        "set field 'revision' to a commit (40 hex digits)"
    )
    assert message_of(tmp_path, data="stanfordnlp/imdb", revision=revision) == expected


def test_missing_folder(tmp_path: Path) -> None:
    assert message_of(tmp_path, data="./no/such/folder") == "./no/such/folder: no such file or folder"


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert message_of(tmp_path, data="empty").startswith("empty: cannot load the data set: ")


def test_line_separators_inside_a_json_string(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one\u2028two", "label": 1}\n\n', encoding="utf-8")
    assert list(read_rows(path)["text"]) == ["one\u2028two"]

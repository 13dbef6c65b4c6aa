from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.core.errors import InputError
from asa_bench.core.files import atomic_path, read_json, read_text, read_toml, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def write_half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("new, half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match=r"^half way$"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_malformed_toml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text('name = "a"\nseeds = [\n')
    with pytest.raises(InputError, match=rf"^{path}: not TOML: Invalid value \(at line 3, the end\)$"):
        read_toml(path)


def test_malformed_json_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{\n"a": }\n')
    with pytest.raises(InputError, match=rf"^{path}: line 2: not JSON: Expecting value$"):
        read_json(path)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_bytes("name = 'café'".encode("latin-1"))
    with pytest.raises(InputError, match=rf"^{path}: not UTF-8 at byte 11; save it as UTF-8$"):
        read_text(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{tmp_path / 'no.toml'}: no such file$"):
        read_toml(tmp_path / "no.toml")

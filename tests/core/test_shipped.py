import pytest

from asa_bench.core.errors import InputError
from asa_bench.core.shipped import shipped


def test_shipped_folders_exist() -> None:
    assert shipped("attacks").is_dir()
    assert (shipped("templates") / "report.html.j2").is_file()


def test_unknown_kind() -> None:
    message = r"^unknown kind of shipped file 'template'; did you mean 'templates'\? \(known: attacks, templates\)$"
    with pytest.raises(InputError, match=message):
        shipped("template")

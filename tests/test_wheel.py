"""The wheel adds one top-level name and carries its data files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("asa_bench", "attacks", "reports", "tests", "docs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel that is built from a copy, with its ``__pycache__`` folders, of the checkout."""
    work = tmp_path_factory.mktemp("wheel")
    copy = work / "checkout"
    copy.mkdir()
    for name in filter(lambda name: (ROOT / name).is_dir(), SOURCES):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("references"))
    for path in filter(Path.is_file, ROOT.iterdir()):
        shutil.copy(path, copy / path.name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work / "dist"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (work / "dist").iterdir()
    assert built.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_one_top_level_name(wheel: list[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"asa_bench"}
    assert len(tops) == 2


def test_every_module_is_in_it(wheel: list[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "asa_bench").rglob("*.py")}
    assert {name for name in wheel if name.endswith(".py")} == modules


@pytest.mark.parametrize(
    ("folder", "inside"),
    [("attacks", "asa_bench/_shipped/attacks"), ("reports/templates", "asa_bench/_shipped/templates")],
)
def test_shipped_files_are_in_it(wheel: list[str], folder: str, inside: str) -> None:
    files = {str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob("*") if path.is_file()}
    assert files
    assert {name.removeprefix(f"{inside}/") for name in wheel if name.startswith(inside)} == files


@pytest.mark.parametrize(
    "name", ["py.typed", "suites/quickstart.toml", "protocols/textdefender.toml", "assets/manifest.toml"]
)
def test_data_files_are_in_it(wheel: list[str], name: str) -> None:
    assert f"asa_bench/{name}" in wheel


def test_nothing_else_is_in_it(wheel: list[str]) -> None:
    kinds = {Path(name).suffix for name in wheel if name.startswith("asa_bench/")}
    assert kinds == {".py", ".typed", ".toml", ".j2", ".css", ".js"}
    assert not [name for name in wheel if name.startswith(("asa_bench/tests", "asa_bench/docs"))]
    assert [name for name in wheel if name.endswith("LICENSE")]

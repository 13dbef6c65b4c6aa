"""The report of a committed run is the committed one, word by word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import gold


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return gold.report(tmp_path_factory.mktemp("gold"))


def test_the_report_has_the_committed_files(made: dict[str, str]) -> None:
    assert sorted(made) == sorted(gold.committed())


@pytest.mark.parametrize("name", sorted(gold.committed()))
def test_the_report_made_anew_is_the_committed_one(made: dict[str, str], name: str) -> None:
    """A deliberate change is renewed by ``python -m tests.reporting.gold``."""
    assert made[name] == gold.committed()[name]


def test_the_gold_run_shows_what_a_run_can_show() -> None:
    names = {Path(name).stem for name in gold.committed()}
    tables = ["comparison", "paired-comparisons", "attacks", "controls", "out-of-domain", "temperatures"]
    tables += ["attention-keywords", "masked-ratio", "training-cost", "quality", "transfer"]
    assert names >= {"report", *tables}


def test_the_gold_run_is_small_and_names_no_machine() -> None:
    files = [path for path in gold.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000
    texts = [path.read_text("utf-8") for path in files if path.suffix != ".parquet"]
    assert not [text for text in texts if re.search(r'[\s"\'`(]/[a-z]+/', text)]


def test_numbers_are_compared_to_nine_digits() -> None:
    assert gold.settled("a,0.12345678949999,-1e-05,2.5e-17,12") == "a,0.123456789,-1e-05,0,12"

"""Every table of a report is LaTeX that compiles, as far as its syntax can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from asa_bench.reporting.report import write_report
from asa_bench.reporting.tables import Column, Table, plain, to_latex, words

from . import gold
from .conftest import MakeRun

HOSTILE = r"\input{a}_b^c~d %e $f$ #g & {h} <i> [j] “k” é → 🎬 · ½ −1 …" + "\u202e\n\\\\"


def faults(source: str) -> Iterator[str]:
    """What is wrong with the source of one table, as a reader of LaTeX would say it."""
    lines = [line for line in source.splitlines() if not line.startswith("%")]
    text = "\n".join(line.removesuffix("%") for line in lines)
    bare = re.sub(r"\\[\\&%$#_{}]", "", text)
    yield from _environments(bare)
    if (opened := bare.count("{")) != (closed := bare.count("}")):
        yield f"{opened} braces opened, {closed} closed"
    outside = re.sub(r"\$[^$\n]*\$", "", bare)
    yield from (f"bare {special}" for special in "$#^_%~" if special in re.sub(r"\\label{[^}]*}", "", outside))
    yield from (f"U+{ord(letter):04X} is unknown to LaTeX" for letter in text if not _known(letter))
    yield from _rows(lines)


def _environments(text: str) -> Iterator[str]:
    inside: list[str] = []
    for what, name in re.findall(r"\\(begin|end){(\w+)}", text):
        if what == "begin":
            inside.append(name)
        elif not inside or inside.pop() != name:
            yield f"stray end of {name}"
    yield from (f"{name} does not end" for name in inside)


def _rows(lines: list[str]) -> Iterator[str]:
    (spec,) = re.findall(r"\\begin{tabular}{(.+)}$", "\n".join(lines), re.MULTILINE)
    columns = len(re.findall(r"[lr]|p{0\.5\\linewidth}", spec))
    first, last = (lines.index(rule) for rule in (r"\toprule", r"\bottomrule"))
    for line in lines[first + 1 : last]:
        if line == r"\midrule":
            continue
        cells = re.sub(r"\\&", "", line).count("&") + 1
        if cells != columns:
            yield f"{cells} cells for {columns} columns: {line}"
        if not line.endswith(r" \\"):
            yield f"a row without its end: {line}"
        if line.startswith("["):
            yield f"a row that begins like an option of the one before: {line}"


def _known(letter: str) -> bool:
    """Whether LaTeX's oldest encoding has a letter."""
    return letter.isascii() or letter in "àáâãäåçèéêëìíîïñòóôõöùúûüýßæøœłŁćčěňřšžŻżŹźőű‘’“”—"


def tables_of(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in sorted((folder / "tables").glob("*.tex"))}


def test_every_table_of_the_gold_run(tmp_path: Path) -> None:
    gold.report(tmp_path)
    found = tables_of(tmp_path)
    assert len(found) > 12
    assert {name: list(faults(source)) for name, source in found.items()} == {name: [] for name in found}


def test_every_table_of_a_run_with_hostile_names(make_run: MakeRun, tmp_path: Path) -> None:
    cells = [{"kind": "attack", "status": "failed", "seed": 0, "error": HOSTILE}]
    run = make_run(n=30, seeds=(0, 1), views=True, cells=cells, exclusions=[{"task": HOSTILE, "count": 1}])
    for frame in (run.results, run.examples, run.training):
        frame["defence"] = frame["defence"].replace("asa", HOSTILE)
        if "attack" in frame:
            frame["attack"] = frame["attack"].replace("pwws", HOSTILE)
    write_report(run, tmp_path)
    found = tables_of(tmp_path)
    assert {"comparison", "failed-cells", "exclusions", "attention-keywords"} <= set(found)
    assert {name: list(faults(source)) for name, source in found.items()} == {name: [] for name in found}


def test_a_row_that_begins_with_a_bracket_is_no_option() -> None:
    table = Table("t", "T", "c", [Column("[a]"), Column("b")], [[words("[2em]"), plain(1.0)]] * 2)
    assert list(faults(to_latex(table))) == []


SOUND = to_latex(Table("t", "T", "c_d", [Column("a"), Column("b")], [[plain(1.0), words("x & y")]]))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (r"\end{table}", "", "table does not end"),
        (r"\begin{table}", "", "stray end of table"),
        (r"c\_d}", r"c\_d", "7 braces opened, 6 closed"),
        (r"c\_d", "c_d", "bare _"),
        (r"x \& y", "x % y", "bare %"),
        (r"x \& y", "x → y", "U+2192 is unknown to LaTeX"),
        (r"x \& y", "x & y", r"3 cells for 2 columns: 1.0 & x & y \\"),
        (r"x \& y \\", r"x \& y", r"a row without its end: 1.0 & x \& y"),
        (r"1.0 &", "[1] &", r"a row that begins like an option of the one before: [1] & x \& y \\"),
    ],
)
def test_a_fault_is_found(old: str, new: str, fault: str) -> None:
    assert list(faults(SOUND)) == []
    assert old in SOUND
    assert list(faults(SOUND.replace(old, new))) == [fault]

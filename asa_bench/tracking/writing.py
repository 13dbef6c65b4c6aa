"""Comparisons and verdicts as terminal text, Markdown, JSON and JUnit. Every text of a run is hostile input."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from asa_bench.core.files import write_text
from asa_bench.reporting.formats import p_value, percent, points
from asa_bench.reporting.tables import Cell, Column, Table, markdown, plain, to_markdown, words
from asa_bench.reporting.terminal import rich_table
from asa_bench.reporting.texts import Piece, differences, fields, visible
from asa_bench.tracking.compare import CLEAN, WORST, Comparison, Difference
from asa_bench.tracking.gate import Code, Verdict, evidence
from asa_bench.tracking.measured import name

SHOWN_FLIPS = 5
"""Flips that are shown per direction; ``.flips`` has all of them."""

CAPTION = (
    "Difference: new − reference, in percentage points, on the same examples; brackets: 95 % interval. Lost, gained: "
    "examples that only the reference, or only the new run, gets right. p: after Holm's correction in the primary "
    "family of the task (significant: *); exploratory rows have their plain p value and decide nothing."
)

SHORT = {CLEAN: "clean", WORST: "worst case"}

VERDICTS = {
    Code.PASSED: "✅ No significant loss",
    Code.REGRESSED: "❌ Regressed",
    Code.NOT_MEASURED: "⚠️ Could not measure",
    Code.NOT_COMPARABLE: "⚠️ Not comparable",
}


def comparison_table(rows: Sequence[Difference], title: str) -> Table:
    """Differences as a table for any writer; tasks get a column when there are several."""
    several = len({row.task for row in rows}) > 1
    columns = [Column(text, numeric=False) for text in (*(["Task"] if several else []), "Defence", "Accuracy")]
    columns += [Column(text) for text in ("Ref., %", "New, %", "Difference", "p", "n", "Lost", "Gained")]
    cells = [[*([words(row.task)] if several else []), *_row(row)] for row in rows]
    return Table("comparison", title if several else f"{title} ({rows[0].task})", CAPTION, columns, cells)


def _row(row: Difference) -> list[Cell]:
    p = row.p_adjusted if row.family == "primary" else row.p_value
    mark = " *" if row.significant else ""
    return [
        words(row.defence),
        words(f"under {row.attack}" if row.attack else SHORT[row.metric]),
        Cell(row.reference, percent(row.reference)),
        Cell(row.new, percent(row.new)),
        Cell(row.difference, points(row.difference) + mark, _interval(row), row.low, row.high),
        Cell(p, p_value(p).removeprefix("p = ").removeprefix("p ")),
        plain(row.n, 0),
        plain(row.flips_lost, 0),
        plain(row.flips_gained, 0),
    ]


def _interval(row: Difference) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"{points(row.low)} to {points(row.high)}"


def _families(comparison: Comparison) -> Iterator[Table]:
    for family, title in (("primary", "Primary comparison"), ("exploratory", "Exploratory: each attack by itself")):
        rows = [row for row in comparison.rows if row.family == family]
        if rows:
            yield comparison_table(rows, title)


def _remarks(comparison: Comparison) -> list[str]:
    remarks = [f"not comparable: {sentence}" for sentence in comparison.unlike]
    remarks += [*comparison.unpaired, *comparison.notes]
    if comparison.rows:
        fewest = min(row.seeds for row in comparison.rows)
        subject = next(row.speaks_of for row in comparison.rows if row.seeds == fewest)
        remarks.append(f"{fewest} training seed{'s' if fewest > 1 else ''} a side: a difference is about {subject}")
    return remarks


def to_text(comparison: Comparison) -> RenderableType:
    """A comparison for the terminal: tables, flips with both texts, remarks."""
    parts: list[RenderableType] = [rich_table(table) for table in _families(comparison)]
    parts += [Text("* significant; p after Holm's correction in the primary table", style="dim")] if parts else []
    for direction, attack, flips in _grouped(comparison.flips):
        parts.append(Text(f"\n{direction} under {visible(attack)}: {len(flips)}", style="bold"))
        for flip in flips.head(SHOWN_FLIPS).to_dict("records"):
            parts += [_line(*line) for line in _flip_lines(flip)]
    parts += [
        Text(f"\n{visible(remark)}" if i == 0 else visible(remark)) for i, remark in enumerate(_remarks(comparison))
    ]
    return Group(*parts)


def _grouped(flips: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for direction in ("lost", "gained"):
        for attack, rows in flips[flips["direction"] == direction].groupby("attack"):
            yield direction, str(attack), rows


def _flip_lines(flip: Mapping[Hashable, Any]) -> Iterator[tuple[str, list[Piece]]]:
    """The original of a flipped example, and the text that fooled one side, changed words marked."""
    original, fooling = flip["original_text"], flip["new_adversarial_text"] or flip["reference_adversarial_text"]
    if original is None:
        yield f"{flip['example_id']}", [Piece("(the texts were not kept)", changed=False)]
        return
    before, after = differences(fields(str(original)), fields(str(fooling or "")))
    yield f"{flip['example_id']}", before if fooling else [Piece(visible(fields(str(original))), changed=False)]
    if fooling:
        yield "→", after


def _line(label: str, pieces: Sequence[Piece]) -> Text:
    line = Text(f"  {label:<18} ", style="dim")
    for piece in pieces:
        line.append(" ".join(piece.text.split("\n")), style="bold not dim" if piece.changed else "not dim")
    return line


def to_markdown_text(comparison: Comparison) -> str:
    """A comparison as Markdown."""
    blocks = [f"## {table.title}\n\n{to_markdown(table).rstrip()}" for table in _families(comparison)]
    for direction, attack, flips in _grouped(comparison.flips):
        shown = [line for flip in flips.head(SHOWN_FLIPS).to_dict("records") for line in _flip_markdown(flip)]
        blocks.append("\n".join([f"### {direction} under {markdown(attack)}: {len(flips)}", "", *shown]))
    blocks += ["\n".join(f"- {markdown(remark)}" for remark in _remarks(comparison))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _flip_markdown(flip: Mapping[Hashable, Any]) -> Iterator[str]:
    for position, (label, pieces) in enumerate(_flip_lines(flip)):
        text = "".join(_marked(piece) for piece in pieces)
        yield f"- `{label}` {text}" if position == 0 else f"  {label} {text}"


def _marked(piece: Piece) -> str:
    stripped = markdown(piece.text)
    space = [" " if piece.text[:1].isspace() else "", " " if piece.text[-1:].isspace() else ""]
    return f"{space[0]}**{stripped}**{space[1]}" if piece.changed and stripped else f"{space[0]}{stripped}{space[1]}"


def to_json(comparison: Comparison) -> str:
    """The rows as the Contract's JSON."""
    return json.dumps([asdict(row) for row in comparison.rows], indent=2, ensure_ascii=False, allow_nan=False)


def verdict_markdown(verdict: Verdict) -> str:
    """A verdict for the summary page of a CI step."""
    blocks = [f"## Robustness gate: {VERDICTS[verdict.code]}"]
    blocks.append("\n".join(f"- {markdown(sentence)}" for sentence in verdict.sentences))
    for position, table in enumerate(_families(verdict.comparison) if verdict.comparison else ()):
        body = to_markdown(table).rstrip()
        blocks.append(body if position == 0 else f"<details><summary>{table.title}</summary>\n\n{body}\n\n</details>")
    if verdict.comparison and verdict.comparison.notes:
        blocks.append("\n".join(f"- {markdown(note)}" for note in verdict.comparison.notes))
    return "\n\n".join(blocks) + "\n"


def write_summary(path: Path, text: str) -> None:
    """Write a summary; to the file of ``GITHUB_STEP_SUMMARY``, which a step's commands share, it is added."""
    shared = str(path) == os.environ.get("GITHUB_STEP_SUMMARY") and path.is_file()
    write_text(path, (path.read_text(encoding="utf-8") if shared else "") + text)


def to_junit(verdict: Verdict) -> str:
    """A verdict as JUnit's XML: a test case per primary comparison, and one for the gate as a whole."""
    suite = ET.Element("testsuite", name="asa-bench gate")
    for row in verdict.comparison.rows if verdict.comparison else ():
        if row.family == "primary":
            case = ET.SubElement(suite, "testcase", classname=_xml(row.task), name=_xml(f"{row.defence}: {name(row)}"))
            if row in verdict.regressed:
                ET.SubElement(case, "failure", message=_xml(evidence(row)))
    whole = ET.SubElement(suite, "testcase", classname="asa-bench", name="gate")
    if verdict.code in (Code.NOT_MEASURED, Code.NOT_COMPARABLE):
        ET.SubElement(whole, "error", message=_xml(verdict.sentences[0])).text = _xml("\n".join(verdict.sentences))
    elif verdict.code == Code.REGRESSED:
        ET.SubElement(whole, "failure", message=_xml(verdict.sentences[0])).text = _xml("\n".join(verdict.sentences))
    else:
        ET.SubElement(whole, "system-out").text = _xml("\n".join(verdict.sentences))
    for outcome in ("failure", "error"):
        suite.set(f"{outcome}s", str(len(suite.findall(f"testcase/{outcome}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    """``text`` without what XML cannot hold."""
    return visible(text).replace("\ufffe", "‹U+FFFE›").replace("\uffff", "‹U+FFFF›")

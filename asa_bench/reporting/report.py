"""Writes a run's report: HTML page, Markdown, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from asa_bench.core.files import atomic_path, write_text
from asa_bench.records.store import Run
from asa_bench.reporting import tables
from asa_bench.reporting.contents import Part, parts, run_tables, settings
from asa_bench.reporting.drawing import Plot
from asa_bench.reporting.page import html
from asa_bench.reporting.tables import Table, markdown
from asa_bench.reporting.texts import visible


def write_report(run: Run, out: Path | None = None) -> Path:
    """Write the report of ``run`` into ``out``, by default the run's folder ``report``.

    Cells that are missing are left out; files of an earlier report are replaced one by one.

    Returns:
        The path of ``index.html``.
    """
    run = _with_notice(run)
    folder = run.path / "report" if out is None else out
    content = parts(run)
    for part in content:
        for table in (part.comparison, *part.tables):
            _write_table(folder / "tables", table)
        for plot in part.plots:
            _write_plot(folder / "figures", plot)
    for table in run_tables(run.info):
        _write_table(folder / "tables", table)
    write_text(folder / "report.md", markdown_report(run, content))
    write_text(folder / "index.html", html(run, content))
    return folder / "index.html"


def _with_notice(run: Run) -> Run:
    """The run, with a warning when it was broken off: its tables may then be older than its set-up."""
    if run.info.get("end", "") is not None:
        return run
    notice = "This run is not finished: its tables may be older than its set-up. Run the same command to go on."
    return replace(run, info={**run.info, "warnings": [notice, *(run.info.get("warnings") or [])]})


def markdown_report(run: Run, content: Sequence[Part]) -> str:
    """The report for a code host: answer, tables, figures and set-up, without the examples."""
    blocks = [f"# Robustness report: {markdown(str(run.suite.get('name', run.path.name)))}"]
    blocks += [f"> **Warning:** {markdown(str(warning))}" for warning in run.info.get("warnings") or []]
    for part in content:
        blocks += _part(part, titled=len(content) > 1)
    if not content:
        blocks.append("This run has no results yet.")
    for table in run_tables(run.info):
        blocks += [f"## {markdown(table.title)}", tables.to_markdown(table).rstrip()]
    blocks += _setup(run)
    return "\n\n".join(blocks) + "\n"


def _part(part: Part, *, titled: bool) -> Iterator[str]:
    if titled:
        yield f"## {markdown(part.view.title)}"
    level = "###" if titled else "##"
    yield "\n".join(f"- {markdown(sentence)}" for sentence in part.sentences)
    for table in (part.comparison, *part.tables):
        yield f"{level} {markdown(table.title)}"
        yield tables.to_markdown(table).rstrip()
    for plot in part.plots:
        yield f"{level} Figure: {markdown(plot.title)}"
        yield f"![{markdown(plot.alt)}](figures/{plot.name}.png)"
        yield markdown(plot.caption)


def _setup(run: Run) -> Iterator[str]:
    for title, key in _FACTS:
        rows = list(settings(run.info.get(key) or {}))
        if rows:
            body = "\n".join(f"| {markdown(name)} | {markdown(value)} |" for name, value in rows)
            yield f"## {title}"
            yield f"| Setting | Value |\n| :-- | :-- |\n{body}"
    commands = [each["command"] for each in run.info.get("runs") or [run.info] if each.get("command")]
    if commands:
        yield "## How to reproduce"
        yield from (f"`{_code(str(command))}`" for command in commands)


_FACTS = (("Set-up", "suite"), ("Protocols", "protocols"), ("Versions", "versions"), ("Hardware", "hardware"))


def _code(text: str) -> str:
    """Text for a code span, which ends at a backtick whatever is put before it."""
    return visible(" ".join(text.split())).replace("`", "'")


def _write_table(folder: Path, table: Table) -> None:
    write_text(folder / f"{table.name}.csv", tables.to_csv(table))
    write_text(folder / f"{table.name}.md", tables.to_markdown(table))
    write_text(folder / f"{table.name}.tex", tables.to_latex(table))


def _write_plot(folder: Path, plot: Plot) -> None:
    write_text(folder / f"{plot.name}.svg", plot.svg)
    with atomic_path(folder / f"{plot.name}.png") as temporary:
        temporary.write_bytes(plot.png)

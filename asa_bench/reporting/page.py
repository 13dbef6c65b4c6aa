"""The report as one self-contained HTML page. Every text of a run is hostile input and is shown as text."""

from __future__ import annotations

import base64
import hashlib
import html as stdlib_html
import re
from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from asa_bench.core.shipped import shipped
from asa_bench.records.store import Run
from asa_bench.reporting import browser
from asa_bench.reporting.contents import Part, run_tables, settings
from asa_bench.reporting.drawing import INK, Plot
from asa_bench.reporting.formats import moment
from asa_bench.reporting.tables import Cell, to_csv, to_latex
from asa_bench.reporting.texts import visible

TEMPLATE = "report.html.j2"

SCRIPT = "report.js"
"""What the page runs: the only script that its policy lets run."""


def html(run: Run, parts: Sequence[Part]) -> str:
    """The page, from the shipped template."""
    environment = Environment(
        loader=FileSystemLoader(shipped("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(visible=visible, inline=inline_svg, settings=settings)
    environment.filters.update(value=data_value, csv=to_csv, latex=to_latex, moment=moment)
    script = (shipped("templates") / SCRIPT).read_text(encoding="utf-8")
    return environment.get_template(TEMPLATE).render(
        info=run.info,
        suite=run.suite,
        parts=parts,
        run_tables=run_tables(run.info),
        examples=browser.packed(run) if len(run.examples) else None,
        script=Markup(script),
        script_digest=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def data_value(cell: Cell) -> Markup:
    """The attribute by which a cell is sorted: its unrounded value; none where its text says all."""
    if cell.value is None or isinstance(cell.value, str):
        return Markup("")
    return Markup(' data-value="{}"').format(cell.value)


def inline_svg(plot: Plot) -> Markup:
    """The figure's SVG for use inside a page: its own ids, the page's text colour, its alternative text.

    Matplotlib has escaped the texts in it.
    """
    drawing = plot.svg
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing[drawing.index("<svg") :], flags=re.DOTALL)
    drawing = re.sub(r"<title>.*?</title>", "", drawing, flags=re.DOTALL)
    # Comments repeat the figure's texts, and may hold whatever a name holds.
    drawing = re.sub(r"<!--.*?-->", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'((?: id|xlink:href)="#?|url\(#)', rf"\1{plot.name}-", drawing)
    drawing = drawing.replace(INK, "currentColor")
    label = stdlib_html.escape(visible(plot.alt), quote=True)
    return Markup(drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))

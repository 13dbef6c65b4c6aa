from dataclasses import replace

import pytest

from asa_bench.reporting.tables import (
    Column,
    Table,
    latex,
    markdown,
    percentage,
    plain,
    to_csv,
    to_latex,
    to_markdown,
    words,
)
from asa_bench.stats.intervals import Estimate

TABLE = Table(
    "demo",
    "A_title",
    "All of 100 % & more.",
    [Column("Defence", numeric=False), Column("pwws, %", interval=True), Column("Queries")],
    [
        [words("asa_ratio"), percentage(Estimate(0.99999, 0.5, 1.0, 10)), plain(1234.56)],
        [words("a|b"), percentage(Estimate(None, None, None, 0)), plain(None)],
    ],
)


def test_csv_holds_values_and_bounds() -> None:
    assert to_csv(TABLE) == (
        'Defence,"pwws, %","pwws, % low","pwws, % high",Queries\nasa_ratio,0.99999,0.5,1.0,1234.56\na|b,,,,\n'
    )


def test_markdown_table() -> None:
    assert to_markdown(TABLE) == (
        "All of 100 % &amp; more.\n\n"
        "| Defence | pwws, % | Queries |\n| :-- | --: | --: |\n"
        "| asa\\_ratio | 99.9 (50.0–100.0) | 1,234.6 |\n| a\\|b | – | – |\n"
    )


def test_a_latex_table_that_is_wider_than_the_line_is_scaled_to_it() -> None:
    wide = Table("wide", "Wide", "Many.", [Column(f"column number {place}") for place in range(7)], [[plain(1.0)] * 7])
    lines = to_latex(wide).splitlines()
    assert lines[0] == "% needs \\usepackage{booktabs,graphicx}"
    assert lines[5:7] == [r"\resizebox{\linewidth}{!}{%", r"\begin{tabular}{rrrrrrr}"]
    assert lines[-2:] == [r"\end{tabular}}", r"\end{table}"]
    assert "".join(lines[5:]).count("{") == "".join(lines[5:]).count("}")


def test_readers_see_many_columns_as_rows_and_the_file_keeps_them() -> None:
    def table(attacks: int) -> Table:
        columns = [Column("Defence", numeric=False), *(Column(f"attack-{place}, %") for place in range(attacks))]
        rows = [[words(name), *([plain(value)] * attacks)] for name, value in (("baseline", 1.0), ("asa", 2.0))]
        return Table("t", "T", "c", columns, rows, turned_head="Accuracy, %")

    assert table(5).readable == table(5)
    assert to_markdown(table(6)).splitlines()[2:5] == [
        "| Accuracy, % | baseline | asa |", "| :-- | --: | --: |", "| attack-0 | 1.0 | 2.0 |",
    ]  # fmt: skip
    assert len(to_markdown(table(6)).splitlines()) == 10
    assert to_csv(table(6)).splitlines()[0].startswith('Defence,"attack-0, %",')
    assert replace(table(6), turned_head="").readable.columns == table(6).columns


def test_a_long_text_is_broken_into_lines() -> None:
    rows = [[words("a"), words("why it is so " * 9)], [words("b"), words("short")]]
    table = Table("why", "Why", "c", [Column("Flag", numeric=False), Column("Why", numeric=False)], rows)
    assert r"\begin{tabular}{lp{0.5\linewidth}}" in to_latex(table).splitlines()


def test_latex_table() -> None:
    assert to_latex(TABLE).splitlines() == [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\caption{A\_title. All of 100 \% \& more.}",
        r"\label{tab:demo}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Defence & pwws, \% & Queries \\",
        r"\midrule",
        r"asa\_ratio & 99.9 (50.0--100.0) & 1,234.6 \\",
        r"a\textbar{}b & -- & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("50% of $5 & #1 ~ ^", r"50\% of \$5 \& \#1 \textasciitilde{} \textasciicircum{}"),
        ("−3 × τ ≥ <b>", r"$-$3 $\times$ $\tau$ $\geq$ $<$b$>$"),
        ("two\nlines", "two lines"),
        ("a\u202eb", r"a$\langle$U+202E$\rangle$b"),
        (
            "Zoë’s naïve Łódź 🎬 ½ đ",
            r"Zoë’s naïve Łódź $\langle$U+1F3AC$\rangle$ $\langle$U+00BD$\rangle$ "
            r"$\langle$U+0111$\rangle$",
        ),
    ],
)
def test_latex_escape(text: str, escaped: str) -> None:
    assert latex(text) == escaped


def test_markdown_shows_markup_as_text() -> None:
    assert markdown("<script>*x*\n[a](b) `c` \u200b") == (
        "&lt;script&gt;\\*x\\* \\[a\\](b) \\`c\\` ‹U+200B›"
    )  # fmt: skip

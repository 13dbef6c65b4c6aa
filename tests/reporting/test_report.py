from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from asa_bench.records.store import Run
from asa_bench.reporting.contents import SAMPLES, parts, settings
from asa_bench.reporting.report import write_report

from .conftest import EFFORT, MakeRun

REFERENCE = Path(__file__).parents[2] / "reports" / "references" / "self-pwws.json"

HOSTILE = "<script>alert(1)</script> \u202eevil\u202c zero\u200bwidth <img src=x onerror=alert(1)> &amp; </mark>"


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.bare_headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.addresses += [found[name] or "" for name in ("src", "href", "xlink:href") if name in found]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.bare_headings += tag == "th" and "scope" not in found


def page(run: Run) -> tuple[str, Page]:
    text = write_report(run).read_text(encoding="utf-8")
    return text, Page(text)


def test_every_file_of_the_contract_is_written(make_run: MakeRun) -> None:
    index = write_report(make_run(n=30))
    assert index.name == "index.html"
    names = {str(path.relative_to(index.parent)) for path in index.parent.rglob("*") if path.is_file()}
    stems = {
        "comparison",
        "paired-comparisons",
        "attack-comparisons",
        "attacks",
        "decided",
        "limits",
        "budgets",
        "common-examples",
        "out-of-domain",
        "calibration",
        "training-cost",
        "masked-ratio",
    }
    figures = {"accuracy", *EFFORT, "pareto", "training-cost", "loss", "masked-ratio"}
    expected = {f"tables/{stem}.{kind}" for stem in stems for kind in ("csv", "md", "tex")}
    expected |= {f"figures/{stem}.{kind}" for stem in figures for kind in ("svg", "png")}
    assert names == expected | {"index.html", "report.md"}


def test_the_page_is_self_contained_and_accessible(make_run: MakeRun) -> None:
    text, found = page(make_run(n=30))
    outside = [a for a in found.addresses if not a.startswith(("#", "tables/", "figures/", "data:,"))]
    assert outside == []
    assert found.tags.count("script") == 2  # what the page runs, and the examples as data
    assert found.bare_headings == 0
    assert len(found.ids) == len(set(found.ids))
    assert (
        set(re.findall(r'url\(#([^)]*)\)|href="#([^"]+)"', text))
        - {pair for name in found.ids for pair in ((name, ""), ("", name))}
        == set()
    )
    assert text.count('role="img" aria-label="') == found.tags.count("svg") == 8
    assert "prefers-color-scheme: dark" in text


def test_hostile_text_is_shown_as_text(make_run: MakeRun) -> None:
    run = make_run(n=30, warnings=[HOSTILE], command=HOSTILE, exclusions=[{"task": HOSTILE, "count": 1}])
    run.examples["adversarial_text"] = run.examples["adversarial_text"].mask(
        run.examples["outcome"] == "succeeded", HOSTILE
    )
    for frame in (run.results, run.examples, run.training):
        frame["defence"] = frame["defence"].replace("asa", HOSTILE)
    text, found = page(run)
    assert found.tags.count("script") == 2  # what the page runs, and the examples as data
    assert "img" not in found.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "‹U+202E›evil‹U+202C›" in text
    assert "zero‹U+200B›width" in text
    markdown = (run.path / "report" / "report.md").read_text(encoding="utf-8")
    drawing = (run.path / "report" / "figures" / "accuracy.svg").read_text(encoding="utf-8")
    for output in (text, markdown):
        assert not set(output) & {"\u202e", "\u202c", "\u200b"}
    assert "<script" not in markdown.replace(f"`{markdown.rpartition('`')[0].rpartition('`')[2]}`", "")
    assert "<script" not in drawing


def test_samples_are_marked_and_few(make_run: MakeRun) -> None:
    (part,) = parts(make_run())
    assert [(sample.attack, sample.defence) for sample in part.samples[:2]] == [
        ("deepwordbug", "baseline"),
        ("deepwordbug", "freelb"),
    ]
    assert all(len(sample.examples) <= SAMPLES for sample in part.samples)
    first = part.samples[0].examples[0]
    assert [piece.text for piece in first.original if piece.changed] == ["whose"] or len(first.original) == 3
    assert first.facts.startswith("example ")


def test_texts_that_were_not_kept_are_no_lack_of_success(make_run: MakeRun) -> None:
    kept, bare, held = (make_run(n=20) for _ in range(3))
    bare.examples["adversarial_text"] = held.examples["adversarial_text"] = None
    held.examples["outcome"] = held.examples["outcome"].replace("succeeded", "failed")
    said = ("The texts are not among the records of this run.", "No attack succeeded on any example.")
    for run, expected in ((kept, [False, False]), (bare, [True, False]), (held, [False, True])):
        text, _ = page(run)
        assert [sentence in text for sentence in said] == expected


def test_warnings_and_failures_stand_before_the_answer(make_run: MakeRun) -> None:
    cells = [{"kind": "attack", "status": "failed", "error": "WordNet is missing"}, {"kind": "train", "status": "done"}]
    text, _ = page(make_run(n=20, warnings=["clean accuracy under the floor"], cells=cells))
    answer = text.index('class="answer"')
    assert text.index("clean accuracy under the floor") < answer
    assert text.index("1 of 2 cells failed") < answer < text.index("WordNet is missing")


def test_the_table_stands_first_where_there_is_much_to_say(make_run: MakeRun) -> None:
    few, many = (page(make_run(n=10, defences=("baseline", *"abcdefghi"[:count])))[0] for count in (3, 9))
    assert few.index('class="answer"') < few.index('id="comparison"')
    assert many.index('id="comparison"') < many.index('class="answer long"')


@pytest.mark.parametrize(
    "arguments",
    [
        {"defences": ("asa",)},
        {"defences": ("baseline",), "attacks": ("pwws",)},
        {"attacks": ()},
        {"seeds": (0, 1)},
        {"seeds": (0, 1, 2)},
        {"missing": lambda cell, attack: cell["defence"] == "asa"},
        {"missing": lambda cell, attack: cell["seed"] == 1 and attack == "pwws", "seeds": (0, 1)},
    ],
    ids=["no-baseline", "one-cell", "no-attack", "two-seeds", "three-seeds", "no-asa-rows", "unlike-seeds"],
)
def test_partial_runs_have_a_report(make_run: MakeRun, arguments: dict[str, Any]) -> None:
    text, _ = page(make_run(n=20, **arguments))
    assert "nan" not in re.sub(r"<(svg|script).*?</\1>", "", text, flags=re.DOTALL).lower().replace("nance", "")
    assert "None" not in text
    assert "&lt;NA&gt;" not in text


def test_an_empty_run_has_a_report(empty_run: Run) -> None:
    text, found = page(empty_run)
    assert "This run has no results yet." in text
    assert found.tags.count("svg") == 0


def test_several_tasks_have_files_of_their_own(make_run: MakeRun, tmp_path: Path) -> None:
    index = write_report(make_run(tasks=("a b", "a/b"), n=20), tmp_path / "elsewhere")
    assert index == tmp_path / "elsewhere" / "index.html"
    tables = {path.name for path in (tmp_path / "elsewhere" / "tables").glob("comparison*.csv")}
    assert tables == {"comparison-a-b-minilm.csv", "comparison-a-b-minilm-2.csv"}


def test_the_report_is_the_same_each_time(make_run: MakeRun, tmp_path: Path) -> None:
    first, second = (write_report(make_run(n=20), tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_settings_are_flat_and_named() -> None:
    suite = {
        "name": "q",
        "train": {"epochs": 2, "threads": None},
        "seeds": [0, 1],
        "attack": [{"name": "pwws", "x": True}],
    }
    assert list(settings(suite)) == [
        ("name", "q"), ("train.epochs", "2"), ("train.threads", "–"), ("seeds", "0, 1"), ("attack[pwws].name", "pwws"),
        ("attack[pwws].x", "yes"),
    ]  # fmt: skip


def test_reporting_and_stats_load_no_model_library() -> None:
    code = (
        "import sys, pkgutil, importlib, asa_bench.reporting as r, asa_bench.stats as s\n"
        "for package in (r, s):\n"
        "    for module in pkgutil.iter_modules(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        "print(sorted({'torch', 'transformers', 'textattack', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_needs_neither_torch_nor_textattack(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in ('torch', 'transformers', 'textattack'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from asa_bench.cli import exit_code\n"
        "sys.exit(exit_code())"
    )
    asked = [sys.executable, "-c", code, "report", str(REFERENCE), "--out", str(tmp_path / "report")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report" / "index.html").is_file()

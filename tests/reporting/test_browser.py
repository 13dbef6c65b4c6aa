"""The report in a real browser: tables are sorted, examples filtered, hostile texts shown, nothing is fetched."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.records.store import Run
from asa_bench.reporting.browser import MOST, packed
from asa_bench.reporting.report import write_report

from .conftest import MakeRun
from .test_report import HOSTILE

CHROMIUM = shutil.which("chromium")

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


def unpacked(run: Run) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed(run).packed)))
    return data


def test_every_row_is_packed(make_run: MakeRun) -> None:
    run = make_run(n=30)
    data = unpacked(run)
    columns = data["columns"]
    ranks = run.examples["defence"].map(["baseline", "freelb", "asa", "asa-ratio"].index)
    rows = run.examples.assign(rank=ranks).sort_values(["example_id", "attack", "rank", "seed"])
    assert data["defences"] == ["baseline", "freelb", "asa", "asa-ratio"]
    assert [data["ids"][place] for place in columns["ids"]] == rows["example_id"].tolist()
    assert [data["outcomes"][place] for place in columns["outcomes"]] == rows["outcome"].tolist()
    queries = [None if pd.isna(value) else int(value) for value in rows["queries"]]
    assert columns["queries"] == queries
    texts = [None if place < 0 else data["adversarials"][place] for place in columns["adversarials"]]
    assert [text is None for text in texts] == rows["adversarial_text"].isna().tolist()
    assert len(data["originals"]) < len(rows)  # each text once


def test_a_page_of_very_many_rows_is_small(make_run: MakeRun) -> None:
    run = make_run(n=30)
    copies = -(-(MOST + 1) // len(run.examples))
    parts = [run.examples.assign(example_id=run.examples["example_id"] + f"-{i}") for i in range(copies)]
    many = pd.concat(parts, ignore_index=True)
    many["original_text"] = many["original_text"] + " " + many["example_id"]
    many["adversarial_text"] = many["adversarial_text"] + " " + many["example_id"] + many["defence"]
    found = packed(replace(run, examples=many))
    assert found.shown == MOST < found.total
    assert len(found.packed) < 4_000_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Visit:
    """A page opened from disk, with what it asked for and complained of."""

    def __init__(self, browser: Any, index: Path, fragment: str = "") -> None:
        self.page = browser.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{index.as_uri()}{fragment}")
        self.page.wait_for_selector("#browser details")

    def search(self, text: str, told: str) -> None:
        """Type into the search box, and wait until the count says so."""
        self.page.get_by_label("Search").fill(text)
        self.page.locator("#browser output", has_text=re.compile(f"^{told}")).wait_for()

    def count(self) -> str:
        return str(self.page.locator("#browser output").inner_text())

    def close(self) -> None:
        """Nothing left the page, nothing went wrong."""
        assert self.complaints == []
        assert all(address.startswith(("file:", "data:")) for address in self.requests)
        assert len([address for address in self.requests if address.startswith("file:")]) == 1
        self.page.close()


@needs_browser
def test_examples_are_filtered_searched_and_put_in_order(make_run: MakeRun, browser: Any) -> None:
    run = make_run(n=30)
    visit = Visit(browser, write_report(run))
    assert visit.count().startswith(f"{len(run.examples):,} of {len(run.examples):,} rows, 20 shown")
    chosen = run.examples.query("outcome == 'succeeded' and defence == 'asa'")
    visit.page.locator("select[name=outcome]").select_option("succeeded")
    visit.page.locator("select[name=defence]").select_option("asa")
    visit.page.locator("#browser output", has_text=re.compile(f"^{len(chosen)} of ")).wait_for()
    same = chosen[chosen["example_id"] == chosen["example_id"].iloc[0]]
    visit.search(chosen["example_id"].iloc[0], f"{len(same)} of ")
    visit.search("", f"{len(chosen)} of ")
    visit.page.locator("select[name=order]").select_option("most queries")
    visit.page.locator("#browser summary").first.click()
    assert f"{chosen['queries'].max()} queries" in visit.page.locator("#browser details").first.inner_text()
    visit.search("no text has this in it", "0 of ")
    visit.close()


@needs_browser
def test_a_link_opens_one_example_under_all_defences(make_run: MakeRun, browser: Any) -> None:
    run = make_run(n=30)
    name = run.examples["example_id"].iloc[0]
    visit = Visit(browser, write_report(run), f"#example/{name}")
    entry = visit.page.locator("#browser details[open]").first
    entry.wait_for()
    defences = [who.inner_text() for who in entry.locator(".who strong").all()]
    assert set(defences) == set(run.examples["defence"])
    assert entry.locator("mark").count() > 0
    visit.close()


@needs_browser
def test_tables_are_sorted_and_copied(make_run: MakeRun, browser: Any) -> None:
    index = write_report(make_run(n=30))
    visit = Visit(browser, index)
    table = visit.page.locator("figure.table", has=visit.page.locator("#comparison")).locator("table")
    values = table.locator("tbody tr td:nth-child(2)")

    def shown() -> list[float]:
        return [float(cell.get_attribute("data-value")) for cell in values.all()]

    table.locator("thead button").nth(1).click()
    assert shown() == sorted(shown())
    assert table.locator("thead th").nth(1).get_attribute("aria-sort") == "ascending"
    table.locator("thead button").nth(1).click()
    assert shown() == sorted(shown(), reverse=True)
    copied = visit.page.locator("button.copy", has_text="Copy LaTeX").first.get_attribute("data-text")
    assert copied == (index.parent / "tables" / "comparison.tex").read_text(encoding="utf-8")
    visit.close()


@needs_browser
def test_hostile_texts_are_shown_and_never_run(make_run: MakeRun, browser: Any) -> None:
    run = make_run(n=30)
    succeeded = run.examples["outcome"] == "succeeded"
    run.examples["adversarial_text"] = run.examples["adversarial_text"].mask(succeeded, HOSTILE)
    run.examples["defence"] = run.examples["defence"].replace("asa", HOSTILE)
    visit = Visit(browser, write_report(run))
    visit.page.locator("select[name=outcome]").select_option("succeeded")
    visit.page.locator("#browser summary").first.click()
    text = visit.page.locator("#browser details").first.inner_text()
    assert "<script>alert(1)</script>" in text
    assert "‹U+202E›evil" in text
    assert "zero‹U+200B›width" in text
    assert visit.page.locator("#browser script, #browser img").count() == 0
    visit.close()


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_of_many_attacks_the_headline_is_in_sight(make_run: MakeRun, browser: Any, width: int) -> None:
    attacks = ("deepwordbug", "pwws", *(f"bad-characters-{place}" for place in "abcdef"))
    visit = Visit(browser, write_report(make_run(attacks=attacks, n=20)))
    visit.page.set_viewport_size({"width": width, "height": 900})
    table = visit.page.locator("figure.table", has=visit.page.locator("#comparison"))
    worst = table.locator("tbody tr").nth(1)
    assert worst.locator("th").inner_text() == "Worst case"
    assert table.locator("thead th").nth(1).inner_text().startswith("baseline")
    box = worst.locator("td").first.bounding_box()
    assert box["x"] + box["width"] <= width
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    name = table.locator("tbody th").first
    before = name.bounding_box()["x"]
    table.locator(".scroll").evaluate("region => (region.scrollLeft = 200)")
    assert name.bounding_box()["x"] == before
    visit.close()

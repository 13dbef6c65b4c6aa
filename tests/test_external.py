"""Texts that were found elsewhere, against a real run of tiny models."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import asa_bench
from asa_bench.external import import_external
from asa_bench.records.store import Run, load_run
from tests.conftest import Cli
from tests.test_cli import complaint

Claims = list[dict[str, Any]]
ROW = "{file}: row 1: field"

Write = Callable[[Claims], Path]


@pytest.fixture(scope="module")
def finished(tiny_suite: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asa_bench.run(tiny_suite, tmp_path_factory.mktemp("external") / "run").path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Run:
    return load_run(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(claims: Claims) -> Path:
        path = tmp_path / "claims.csv"
        pd.DataFrame(claims).to_csv(path, index=False)
        return path

    return to_file


def worst(run: Run, metric: str = "worst_case_accuracy") -> dict[tuple[str, int], float]:
    rows = run.results[(run.results["metric"] == metric) & run.results["seed"].notna()]
    return {
        (defence, seed): value for defence, seed, value in rows[["defence", "seed", "value"]].itertuples(index=False)
    }


def opposites(run: Run) -> Claims:
    """For each example that held, the text of one with the other label, which the model has right: it must mislead."""
    claims = []
    for (defence, seed), rows in run.examples.groupby(["defence", "seed"]):
        held = rows[rows["outcome"] == "failed"]
        for row in held.to_dict("records"):
            others = rows[(rows["label"] != row["label"]) & (rows["original_prediction"] == rows["label"])]
            place = {"defence": defence, "seed": seed, "example_id": row["example_id"]}
            claims += [{**place, "adversarial_text": text} for text in others["original_text"].head(1)]
    return claims


def test_what_misleads_lowers_the_worst_case_and_nothing_else(run: Run, write: Write) -> None:
    claims = opposites(run)
    assert claims
    lowered = import_external(run.path, write(claims), "by-hand")
    assert lowered.external["confirmed"].all()
    assert len(lowered.external) == len(claims)
    assert worst(lowered) == worst(run)
    after = worst(lowered, "external_worst_case_accuracy")
    assert after
    assert all(after[model] < worst(run)[model] for model in after)
    others = lowered.results[lowered.results["metric"] != "external_worst_case_accuracy"]
    pd.testing.assert_frame_equal(others.reset_index(drop=True), run.results)


def test_claims_that_do_not_hold_lower_nothing(run: Run, write: Write) -> None:
    """The original itself, and another text for an example that was wrong anyway."""
    untrue = [
        {"defence": row["defence"], "seed": row["seed"], "example_id": row["example_id"],
         "adversarial_text": row["original_text"]}
        for row in run.examples.to_dict("records")
    ]  # fmt: skip
    lowered = import_external(run.path, write(untrue), "boast")
    assert not lowered.external["confirmed"].any()
    assert worst(lowered, "external_worst_case_accuracy") == worst(run)


def test_a_text_for_all_models_is_asked_of_all(run: Run, write: Write) -> None:
    original = run.examples["original_text"].iloc[0]
    lowered = import_external(run.path, write([{"original_text": original, "adversarial_text": "good good"}]), "all")
    models = run.examples[["defence", "seed"]].drop_duplicates()
    assert len(lowered.external) == len(models)
    assert lowered.external["prediction"].notna().all()


def test_the_command_replaces_its_own_and_a_run_that_goes_on_keeps_them(
    cli: Cli, run: Run, write: Write, tiny_suite: dict[str, Any]
) -> None:
    claims = opposites(run)
    hostile = {**claims[0], "adversarial_text": "<script>alert(1)</script> \u202etxet"}
    done = cli("external", "import", run.path, write([hostile, *claims]), "--name", "by-hand")
    told = f"report: {run.path / 'report' / 'index.html'}\n"
    said, shown = done.out.split("\n", 1)
    assert (done.code, shown) == (0, told)
    assert said.startswith("by-hand: ")
    again = cli("external", "import", run.path, write(claims), "--name", "by-hand")
    assert again.out == f"by-hand: {len(claims)} of {len(claims)} claims confirmed\n{told}"
    table = pd.read_csv(run.path / "report" / "tables" / "external.csv")
    assert table["Confirmed"].sum() == len(claims)
    before = (run.path / "results.csv").read_bytes()
    asa_bench.run(tiny_suite, run.path)
    assert (run.path / "results.csv").read_bytes() == before
    assert "<script>alert" not in (run.path / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"adversarial_text": "x"}, "{file}: no column 'example_id'"),
        ({"example_id": "x"}, "{file}: no column 'adversarial_text'"),
        ({"example_id": "x", "adversarial_text": "y"}, f"{ROW} 'example_id': no such example was attacked there"),
        (
            {"example_id": "x", "adversarial_text": "y", "defence": "basline"},
            f"{ROW} 'defence': nothing attacked in this run is of 'basline'",
        ),
        ({"example_id": None, "adversarial_text": "y"}, f"{ROW} 'example_id' is empty"),
        ({"example_id": "x", "adversarial_text": None, "seed": 0}, f"{ROW} 'adversarial_text': expected a text"),
    ],
)  # fmt: skip
def test_wrong_rows(cli: Cli, finished: Path, write: Write, claim: dict[str, Any], message: str) -> None:
    file = write([claim])
    done = cli("external", "import", finished, file, "--name", "x")
    assert done == complaint(message.format(file=file))
    assert not (finished / "external.parquet").exists()


def test_wrong_names_and_models(cli: Cli, run: Run, write: Write) -> None:
    file = write(opposites(run))
    assert cli("external", "import", run.path, file, "--name", "a b") == complaint(
        "--name: expected letters, digits and . _ -, at most 60"
    )
    folder = next((run.path / "models").rglob("config.json")).parent
    folder.rename(folder.with_name("elsewhere"))
    assert cli("external", "import", run.path, file, "--name", "x") == complaint(
        f"{folder}: no checkpoint there to ask; the run did not keep it"
    )

"""Texts that were found elsewhere, against a real run of tiny models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import asa_bench
from asa_bench.external import import_external
from asa_bench.records.reference import open_run, save_reference
from asa_bench.records.store import Run, load_run
from asa_bench.reporting.merging import merged
from tests.conftest import Cli
from tests.test_cli import complaint

Claims = list[dict[str, Any]]
ROW = "{file}: row 1: field"

Write = Callable[[Claims], Path]


@pytest.fixture(scope="module")
def suite(tiny_suite: dict[str, Any]) -> dict[str, Any]:
    """The tiny suite with so few queries that some examples hold."""
    return {**tiny_suite, "attack": [{**attack, "query_budget": 12} for attack in tiny_suite["attack"]]}


@pytest.fixture(scope="module")
def finished(suite: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asa_bench.run(suite, tmp_path_factory.mktemp("external") / "run").path


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
    assert len(claims) > 2
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


def test_a_table_with_gaps_and_remarks_is_read(run: Run, write: Write) -> None:
    """With a gap in it, pandas writes a column of seeds as 0.0; columns of other names are the user's own."""
    name = run.examples["example_id"].iloc[0]
    claims = [
        {"defence": "baseline", "seed": seed, "example_id": name, "note": "x", "attack": "y"} for seed in (0, None)
    ]
    file = write([{**claim, "adversarial_text": f"good {place}"} for place, claim in enumerate(claims)])
    assert ",0.0," in file.read_text(encoding="utf-8")
    assert import_external(run.path, file, "gaps").external["seed"].tolist() == [0, 0]


def test_the_command_adds_to_what_is_there_and_a_run_that_goes_on_keeps_it(
    cli: Cli, run: Run, write: Write, suite: dict[str, Any]
) -> None:
    claims = opposites(run)
    told = f"report: {run.path / 'report' / 'index.html'}\n"
    done = cli("external", "import", run.path, write(claims[:1]), "--name", "by-hand")
    assert done == (0, f"by-hand: 1 of 1 claims confirmed\n{told}", "")
    again = [cli("external", "import", run.path, write(some), "--name", "by-hand") for some in (claims, claims[1:])]
    assert again == [(0, f"by-hand: {len(claims)} of {len(claims)} claims confirmed\n{told}", "")] * 2
    assert len(load_run(run.path).external) == len(claims)
    table = pd.read_csv(run.path / "report" / "tables" / "external.csv")
    assert table["Confirmed"].sum() == len(claims)
    before = (run.path / "results.csv").read_bytes()
    asa_bench.run(suite, run.path)
    assert (run.path / "results.csv").read_bytes() == before
    assert cli("report", run.path) == (0, told, "")
    assert len(pd.read_csv(run.path / "report" / "tables" / "external.csv")) == len(table)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"adversarial_text": "x"}, "{file}: no column 'example_id'"),
        ({"example_id": "x"}, "{file}: no column 'adversarial_text'"),
        (
            {"example_id": "x", "adversarial_text": "y", "defense": "baseline"},
            "{file}: unknown column 'defense'; did you mean 'defence'?",
        ),
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
    folder = run.path / "models" / "reviews" / "tiny-bert" / "baseline" / "0"
    folder.rename(folder.with_name("elsewhere"))
    assert cli("external", "import", run.path, file, "--name", "x") == complaint(
        f"{folder}: no checkpoint there to ask; the run did not keep it"
    )


def test_hostile_texts_are_shown_as_text(cli: Cli, run: Run, write: Write) -> None:
    hostile = " <script>alert(1)</script> \u202etxet"
    claims = [{**claim, "adversarial_text": claim["adversarial_text"] + hostile} for claim in opposites(run)]
    assert cli("external", "import", run.path, write(claims), "--name", "x").code == 0
    assert load_run(run.path).external["confirmed"].any()
    page = (run.path / "report" / "index.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "‹U+202E›txet" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_texts_that_do_not_count_are_told_with_the_reason(cli: Cli, run: Run, write: Write) -> None:
    first = run.examples.query("defence == 'baseline'").iloc[0]
    wrong = first["original_prediction"] != first["label"]
    claims = [{"defence": "baseline", "example_id": first["example_id"], "adversarial_text": first["original_text"]}]
    done = cli("external", "import", run.path, write(claims), "--name", "boast")
    why = "the model was wrong before" if wrong else "the model is still right"
    place = f"baseline seed 0 (reviews, tiny-bert), example {first['example_id']}"
    assert done.out.splitlines()[:2] == ["boast: 0 of 1 claims confirmed", f"not confirmed: {place}: {why}"]
    report = (run.path / "report" / "tables" / "external.md").read_text(encoding="utf-8")
    assert f"| boast | baseline | 1 | 0 | 1 (1: {why}) | " in report
    many = [{"example_id": name, "adversarial_text": f"{text} ."} for name, text in originals(run)] * 2
    many += [{**claim, "adversarial_text": f"{claim['adversarial_text']} ."} for claim in many]
    done = cli("external", "import", run.path, write(many), "--name", "boast")
    own = load_run(run.path).external
    refused = int((~own["confirmed"]).sum())
    assert refused > 20
    assert done.out.count("\nnot confirmed: ") == 21
    assert f"\nnot confirmed: {refused - 20} more, see {run.path / 'external.parquet'}\n" in done.out


def test_an_id_and_a_text_have_to_agree(cli: Cli, run: Run, write: Write) -> None:
    (name, own), (_, other) = originals(run)[:2]
    file = write([{"example_id": name, "original_text": text, "adversarial_text": "good"} for text in (own, other)])
    message = f"{file}: row 2: field 'original_text': no such example was attacked there"
    assert cli("external", "import", run.path, file, "--name", "x") == complaint(message)
    assert not (run.path / "external.parquet").exists()


def originals(run: Run) -> list[tuple[str, str]]:
    rows = run.examples.drop_duplicates("example_id")
    return list(zip(rows["example_id"], rows["original_text"], strict=True))


def test_sources_are_counted_apart_and_together(cli: Cli, run: Run, write: Write) -> None:
    claims = [claim for claim in opposites(run) if claim["defence"] == "baseline"]
    untrue = [{**claims[0], "adversarial_text": dict(originals(run))[claims[0]["example_id"]]}]
    cli("external", "import", run.path, write(claims), "--name", "honest")
    cli("external", "import", run.path, write(untrue), "--name", "boast")
    table = pd.read_csv(run.path / "report" / "tables" / "external.csv").set_index(["Source", "Defence"])
    with_these = table["Worst case with these, %"]
    assert list(table.index) == [(source, "baseline") for source in ("boast", "honest", "all sources")]
    assert with_these["boast", "baseline"] == table["Worst case, %"]["boast", "baseline"]
    assert with_these["honest", "baseline"] < with_these["boast", "baseline"]
    assert with_these["all sources", "baseline"] == with_these["honest", "baseline"]


def test_texts_do_not_count_for_a_model_that_was_replaced(
    cli: Cli, run: Run, write: Write, suite: dict[str, Any]
) -> None:
    file = write(opposites(run))
    brought = import_external(run.path, file, "by-hand").external
    other = {**suite, "train": {**suite["train"], "epochs": 11}}
    trained_anew = asa_bench.run(other, run.path, fresh=True)
    assert not trained_anew.external["confirmed"].any()
    assert trained_anew.external["adversarial_text"].tolist() == brought["adversarial_text"].tolist()
    after = worst(trained_anew, "external_worst_case_accuracy")
    assert after
    assert after.items() <= worst(trained_anew).items()
    report = (run.path / "report" / "tables" / "external.md").read_text(encoding="utf-8")
    assert "the model is another one by now; import again" in report
    again = import_external(run.path, file, "by-hand").external
    assert again["prediction"].notna().all()


def test_a_reference_and_a_report_of_several_runs_keep_what_was_lost(run: Run, write: Write, tmp_path: Path) -> None:
    lowered = import_external(run.path, write(opposites(run)), "by-hand")
    reference = open_run(save_reference(lowered, tmp_path / "kept.json"))
    assert worst(reference, "external_worst_case_accuracy") == worst(lowered, "external_worst_case_accuracy")
    assert reference.external["confirmed"].tolist() == lowered.external["confirmed"].tolist()
    assert reference.external["adversarial_text"].isna().all()
    other = load_run(shutil.copytree(run.path, tmp_path / "other"))
    both = worst(merged([reference, other]), "external_worst_case_accuracy")
    assert sorted(both.values()) == sorted([*worst(lowered, "external_worst_case_accuracy").values()] * 2)
    earlier = json.loads((tmp_path / "kept.json").read_text(encoding="utf-8"))
    del earlier["external"]
    (tmp_path / "earlier.json").write_text(json.dumps(earlier), encoding="utf-8")
    assert open_run(tmp_path / "earlier.json").external.empty


@pytest.mark.parametrize("text", ["\ud800", "film \udfff"])
def test_half_a_character_is_no_text(cli: Cli, finished: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "claims.jsonl"
    name = load_run(finished).examples["example_id"].iloc[0]
    file.write_text(json.dumps({"example_id": name, "adversarial_text": text}), encoding="utf-8")
    message = f"{ROW} 'adversarial_text': half of a character (a lone surrogate)".format(file=file)
    assert cli("external", "import", finished, file, "--name", "x") == complaint(message)


def test_what_cannot_be_printed_is_escaped_in_messages(cli: Cli, finished: Path, write: Write) -> None:
    file = write([{"example_id": "x", "adversarial_text": "y", "defence": "\u202e\x1b[2J"}])
    message = f"{ROW} 'defence': nothing attacked in this run is of '\\u202e\\x1b[2J'".format(file=file)
    assert cli("external", "import", finished, file, "--name", "x") == complaint(message)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_here(cli: Cli, run: Run, write: Write) -> None:
    info = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    info["resolved"]["device"] = "cuda"
    (run.path / "run.json").write_text(json.dumps(info), encoding="utf-8")
    done = cli("external", "import", run.path, write(opposites(run)), "--name", "x")
    assert done == complaint(f"{run.path}: its models were asked on 'cuda'; no such device here")


SETTINGS: dict[str, Any] = {"threads": 1, "query_budget": 10, "number": 4, "control_examples": 0}


def test_a_model_that_the_user_has_is_asked_as_long_as_it_is_the_same(
    cli: Cli, checkpoint: Path, reviews: Path, write: Write, tmp_path: Path
) -> None:
    model = shutil.copytree(checkpoint, tmp_path / "model")
    run = asa_bench.attack(str(model), examples=reviews / "test.csv", out=tmp_path / "run", **SETTINGS)
    name, text = originals(run)[0]
    file = write([{"example_id": name, "adversarial_text": text}])
    same = import_external(run.path, file, "x")
    assert same.external["prediction"].tolist() == [same.examples["original_prediction"].iloc[0]]
    config = json.loads((model / "config.json").read_text()) | {"layer_norm_eps": 1e-6}
    (model / "config.json").write_text(json.dumps(config))
    done = cli("external", "import", run.path, file, "--name", "x")
    assert done == complaint(f"{model}: no longer the model that was attacked")


def test_a_function_cannot_be_asked(cli: Cli, reviews: Path, write: Write, tmp_path: Path) -> None:
    def surely(texts: list[str]) -> list[list[float]]:
        return [[0.9, 0.1]] * len(texts)

    run = asa_bench.attack(
        predict=surely, labels=["neg", "pos"], examples=reviews / "test.csv", out=tmp_path / "run", **SETTINGS
    )
    file = write([{"example_id": originals(run)[0][0], "adversarial_text": "x"}])
    code, _, err = cli("external", "import", run.path, file, "--name", "x")  # TextAttack wrote to err before
    assert (code, "", f"{err.splitlines()[-1]}\n") == complaint(
        f"{run.path}: its model is a function of Python, of which nothing is kept to ask"
    )


def test_a_text_of_two_fields_is_an_array_of_both(
    cli: Cli, tiny_encoder: Path, reviews: Path, write: Write, tmp_path: Path
) -> None:
    from asa_bench.models.checkpoint import save_checkpoint
    from asa_bench.models.classifier import new_classifier

    save_checkpoint(*new_classifier(tiny_encoder, ("neg", "pos"), 0, "eager", 40), tmp_path / "model", "card")
    rows = pd.read_csv(reviews / "test.csv")
    data = rows.assign(second=rows["text"])
    run = asa_bench.attack(
        str(tmp_path / "model"), examples=data, out=tmp_path / "run", text=("text", "second"), **SETTINGS
    )
    name, text = originals(run)[0]
    for wrong in ("a plain text", '["one"]', '["one", 2]', '{"a": "b"}', "[" * 9_999):
        file = write([{"example_id": name, "adversarial_text": wrong}])
        message = f"{ROW} 'adversarial_text': expected a JSON array of 2 texts".format(file=file)
        assert cli("external", "import", run.path, file, "--name", "x") == complaint(message)
    asked = import_external(run.path, write([{"example_id": name, "adversarial_text": text}]), "x")
    assert asked.external["prediction"].tolist() == [run.examples["original_prediction"].iloc[0]]

"""Whole runs of a tiny suite: what they leave behind, and that they can be broken off anywhere."""

from __future__ import annotations

import copy
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from asa_bench.assets import asset_path
from asa_bench.benchmark import Silent, run
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import load_classifier
from asa_bench.models.sentences import JUDGE
from asa_bench.plan import Cell
from asa_bench.probes.similarity import similarities
from asa_bench.records import schema
from asa_bench.records.store import Run, load_run

SUICIDE = """
import json, os, signal, sys
from asa_bench.benchmark import Silent, run

class Killer(Silent):
    def start(self, cell, number, of):
        self.name = cell.name

    def advance(self, done, total):
        if self.name.startswith(sys.argv[3]) and done == 3:
            os.kill(os.getpid(), signal.SIGKILL)

run(json.loads(sys.argv[1]), sys.argv[2], progress=Killer())
"""


class Listener(Silent):
    """Remembers which cells were run."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.statuses: list[str] = []

    def start(self, cell: Cell, number: int, of: int) -> None:
        self.names.append(cell.name)

    def finish(self, cell: Cell, status: str, seconds: float, error: str | None) -> None:
        self.statuses.append(status)


@pytest.fixture(scope="module")
def finished(tiny_suite: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tiny_suite, tmp_path_factory.mktemp("runs") / "tiny")


def test_every_file_of_the_contract_is_there(finished: Run) -> None:
    expected = [
        "run.json", "results.parquet", "results.csv", "examples.parquet", "training.parquet",
        "report/index.html", "report/report.md", "models/reviews/tiny-bert/asa-ratio/0/model.safetensors",
    ]  # fmt: skip
    assert [name for name in expected if not (finished.path / name).is_file()] == []
    for kind, suffixes in {"tables": ("csv", "md", "tex"), "figures": ("svg", "png")}.items():
        for suffix in suffixes:
            assert list((finished.path / "report" / kind).glob(f"*.{suffix}"))
    assert not list(finished.path.rglob("*.tmp"))


def test_results_recount_from_the_example_rows(finished: Run) -> None:
    rows = finished.examples[finished.examples["defence"] == "baseline"]
    results = finished.results.query("defence == 'baseline' and attack == 'deepwordbug' and seed == 0")
    value = results.set_index("metric")["value"]
    assert len(rows) == 8
    assert value["robust_accuracy"] == (rows["outcome"] == "failed").mean()
    assert value["attacked_clean_accuracy"] == (rows["outcome"] != "skipped").mean()
    assert (rows["outcome"] == "succeeded").any()


@pytest.mark.parametrize("defence", ["baseline", "asa-ratio"])
def test_each_model_is_attacked_itself_on_the_same_examples(finished: Run, defence: str) -> None:
    rows = finished.examples[finished.examples["defence"] == defence]
    assert set(rows["example_id"]) == set(finished.examples["example_id"])
    (temperature,) = finished.calibration.loc[finished.calibration["defence"] == defence, "temperature"]
    precision = finished.info["resolved"]["precision"]
    model = load_classifier(finished.path / f"models/reviews/tiny-bert/{defence}/0", precision, torch.device("cpu"))
    for row in rows.to_dict("records"):
        logits = model.logits([(row["original_text"],)])[0]
        assert (int(logits.argmax()) == row["label"]) == (row["outcome"] != "skipped")
        loss = -(logits.double() / temperature).log_softmax(dim=0)[row["label"]]
        if row["outcome"] != "skipped":
            assert json.loads(row["trace"])[0][1] == pytest.approx(float(loss), rel=1e-4)  # no other model's score
        if row["outcome"] == "succeeded":
            found = int(model.logits([(row["adversarial_text"],)])[0].argmax())
            assert found == row["adversarial_prediction"] != row["label"]


def test_tables_have_the_columns_of_the_contract(finished: Run) -> None:
    assert list(finished.results.columns) == schema.RESULTS.names
    assert list(finished.examples.columns) == schema.EXAMPLES.names
    masked = finished.training.query("defence == 'asa-ratio'")["masked_ratio_1"]
    assert masked.between(0, 1).all()
    assert finished.training.query("defence == 'baseline'")["masked_ratio_1"].isna().all()
    assert str(finished.results["seed"].dtype) == "Int64"
    assert "NaN" not in (finished.path / "run.json").read_text()


def test_run_json_says_what_was_done(finished: Run) -> None:
    info = finished.info
    assert info["format"] == 1
    assert info["suite"]["defence"][1]["penalty"] == "ratio"
    assert info["protocols"]["deepwordbug"]["query_budget"] == 40
    assert set(finished.examples["protocol"]) == {info["protocols"]["deepwordbug"]["fingerprint"]}
    assert info["end"] >= info["start"]
    assert {cell["status"] for cell in info["cells"]} == {"done"}
    assert len(info["assets"]["stopwords"]) == 64


def test_models_are_plain_checkpoints(finished: Run) -> None:
    code = (
        "import sys\n"
        "from transformers import AutoModelForSequenceClassification as Model\n"
        "model = Model.from_pretrained(sys.argv[1])\n"
        "assert not [name for name in sys.modules if name.startswith('asa_bench')]\n"
        "print(model.config.id2label)"
    )
    folder = finished.path / "models/reviews/tiny-bert/asa-ratio/0"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout == "{0: 'neg', 1: 'pos'}\n"


def test_model_cards_have_what_was_measured(finished: Run) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(finished.path / "models/reviews/tiny-bert/asa-ratio/0/README.md")
    own = finished.results.query("defence == 'asa-ratio' and seed == 0").set_index(["metric", "attack"])["value"]
    found = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert found == {
        "clean accuracy": round(own["clean_accuracy"].iloc[0], 4),
        "robust accuracy under deepwordbug": round(own["robust_accuracy", "deepwordbug"], 4),
        "worst case over all attacks": round(own["worst_case_accuracy"].iloc[0], 4),
    }
    robust = next(one for one in card.data.eval_results if "deepwordbug" in one.metric_name)
    fingerprint = finished.info["protocols"]["deepwordbug"]["fingerprint"]
    assert robust.metric_args == {"examples": 8, "query_budget": 40, "fingerprint": fingerprint}
    assert "| robust accuracy under deepwordbug | " in card.text


def test_a_second_run_does_nothing_anew(tiny_suite: dict[str, Any], finished: Run) -> None:
    listener = Listener()
    before = (finished.path / "results.csv").read_bytes()
    run(tiny_suite, finished.path, progress=listener)
    assert listener.names == []
    assert (finished.path / "results.csv").read_bytes() == before


@pytest.mark.parametrize("where", ["train/reviews/tiny-bert/asa-ratio", "attack/reviews/tiny-bert/baseline"])
def test_a_killed_run_goes_on_and_ends_alike(
    tiny_suite: dict[str, Any], finished: Run, tmp_path: Path, where: str
) -> None:
    arguments = [sys.executable, "-c", SUICIDE, json.dumps(tiny_suite), str(tmp_path / "run"), where]
    killed = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    listener = Listener()
    run(tiny_suite, tmp_path / "run", progress=listener)
    assert listener.names[0] == next(name for name in listener.names if name.startswith(where))
    assert (tmp_path / "run/results.csv").read_text() == (finished.path / "results.csv").read_text()
    columns = [name for name in schema.EXAMPLES.names if name != "seconds"]
    resumed = load_run(tmp_path / "run").examples[columns]
    pd.testing.assert_frame_equal(resumed, finished.examples[columns])


def test_a_killed_attack_keeps_its_rows(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    where = "attack/reviews/tiny-bert/baseline"
    arguments = [sys.executable, "-c", SUICIDE, json.dumps(tiny_suite), str(tmp_path / "run"), where]
    subprocess.run(arguments, capture_output=True, check=False)
    rows = (tmp_path / "run/cells" / where / "0/deepwordbug/rows.jsonl").read_text().splitlines()
    assert len(rows) == 3


def test_changed_cells_are_listed_and_refused_unless_fresh(
    tiny_suite: dict[str, Any], finished: Run, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    subprocess.run(["cp", "-r", str(finished.path), str(out)], check=True)
    changed = copy.deepcopy(tiny_suite)
    changed["attack"][0]["query_budget"] = 20
    message = (
        f"--out {out}: 2 cells were done with other settings (attack/reviews/tiny-bert/baseline/0/deepwordbug, "
        "attack/reviews/tiny-bert/asa-ratio/0/deepwordbug); use another --out, or --fresh to do them again"
    )
    with pytest.raises(InputError) as caught:
        run(changed, out)
    assert str(caught.value) == message
    assert load_run(out).info["suite"]["attack"][0]["query_budget"] == 40
    listener = Listener()
    again = run(changed, out, fresh=True, progress=listener)
    assert [name.split("/")[0] for name in listener.names] == ["attack", "quality"] * 2 + ["transfer"] * 2
    assert again.examples["queries"].max() <= 20


def test_other_out_of_domain_sizes_leave_attacks_alone(tiny_suite: dict[str, Any], finished: Run) -> None:
    from asa_bench.suite_file import load_suite
    from asa_bench.suite_plan import make_plan

    def keys(**evaluation: int) -> dict[str, str]:
        return {cell.name: cell.key for cell in make_plan(load_suite({**tiny_suite, "evaluation": evaluation})).cells}

    usual, other, validation = keys(), keys(test=20), keys(validation=5)
    assert {name.split("/")[0] for name in usual if usual[name] != other[name]} == {"evaluate"}
    assert {name.split("/")[0] for name in usual if usual[name] != validation[name]} == {
        "evaluate",
        "attack",
        "quality",
        "transfer",
    }


def test_an_unfinished_run_says_so_in_its_report(finished: Run, tmp_path: Path) -> None:
    from dataclasses import replace

    from asa_bench.reporting.report import write_report

    page = write_report(replace(finished, info={**finished.info, "end": None}), tmp_path)
    assert "This run is not finished" in page.read_text()
    assert "This run is not finished" not in (finished.path / "report/index.html").read_text()


def test_a_new_defence_is_added_to_a_finished_run(tiny_suite: dict[str, Any], finished: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    subprocess.run(["cp", "-r", str(finished.path), str(out)], check=True)
    larger = copy.deepcopy(tiny_suite)
    larger["defence"].append({"method": "freelb", "steps": 2})
    listener = Listener()
    again = run(larger, out, progress=listener)
    asked_again = {"transfer/reviews/tiny-bert/baseline/0", "transfer/reviews/tiny-bert/asa-ratio/0"}
    assert {name.split("/")[3] for name in {*listener.names} - asked_again} == {"freelb"}
    assert asked_again <= {*listener.names}
    assert set(again.examples["defence"]) == {"baseline", "asa-ratio", "freelb"}


def test_a_failing_cell_costs_only_what_needs_it(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    broken = copy.deepcopy(tiny_suite)
    broken["defence"] = [{"method": "baseline"}, {"name": "torn", "method": "freelb", "step_size": 1e38}]
    listener = Listener()
    done = run(broken, tmp_path / "run", progress=listener)
    assert listener.statuses == ["done"] * 5 + ["failed"] * 5 + ["done", "failed"]
    assert [name.split("/")[0] for name in listener.names[-2:]] == ["transfer", "transfer"]
    assert set(done.examples["defence"]) == {"baseline"}
    assert done.info["warnings"][0].startswith("train torn seed 0 failed: TrainingFailedError: step ")
    assert done.info["warnings"][1] == (
        "evaluate torn seed 0 failed: RuntimeError: needs train/reviews/tiny-bert/torn/0, which failed"
    )


def test_a_model_under_the_floor_is_warned_of(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    low = copy.deepcopy(tiny_suite)
    low["task"]["clean_accuracy_floor"] = 1.0
    low["train"]["epochs"] = 1
    low["train"]["learning_rate"] = 1e-9
    low["defence"], low["attack"] = [{"method": "baseline"}], []
    done = run(low, tmp_path / "run")
    value = done.results.query("metric == 'clean_accuracy' and seed == 0")["value"].item()
    assert done.info["warnings"] == [
        f"baseline (seed 0) has clean accuracy {value:.3f}, under the floor of 1.000: the comparison is not meaningful"
    ]


def test_trainings_on_unlike_hardware_are_warned_of(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    small = copy.deepcopy(tiny_suite) | {"attack": []}
    here = run(small, tmp_path / "run")
    assert here.info["warnings"] == []
    record = here.path / "cells/train/reviews/tiny-bert/asa-ratio/0/cell.json"
    state = json.loads(record.read_text(encoding="utf-8"))
    assert state["hardware"] == here.info["hardware"]
    state["hardware"] |= {"processor": "Another", "cores": 3}  # as if the first sitting had been elsewhere
    record.write_text(json.dumps(state), encoding="utf-8")
    own = here.info["hardware"]
    gpu = f", {own['gpu']}" if own["gpu"] else ""
    assert run(small, tmp_path / "run").info["warnings"] == [
        f"seed 0 on reviews with tiny-bert was trained on unlike hardware ({own['processor']}, {own['cores']} cores"
        f"{gpu}; Another, 3 cores{gpu}): times of training are not to be compared"
    ]


def test_an_attack_that_does_nothing_is_invalid_and_no_robustness(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    unseen = "bad-characters-invisible"  # the tokenizer drops its marks: no candidate moves the model
    idle = copy.deepcopy(tiny_suite)
    idle["defence"] = [{"method": "baseline"}]
    idle["attack"].append({"recipe": unseen, "examples": 8, "query_budget": 20})
    done = run(idle, tmp_path / "run")
    reason = "inert, with no candidate that moves the model for 100.0 % of the examples"
    assert done.info["invalid"] == [{"task": "reviews", "encoder": "tiny-bert", "attack": unseen, "reason": reason}]
    assert done.info["warnings"] == [
        f"attack {unseen} on reviews with tiny-bert is invalid: {reason}; it says nothing about robustness"
    ]
    values = done.results.query("seed == 0").set_index(["metric", "attack"])["value"]
    assert pd.isna(values["robust_accuracy", unseen])
    assert values.xs("worst_case_accuracy").item() == values["robust_accuracy", "deepwordbug"]
    assert f"{unseen} is invalid: {reason}; it says nothing about robustness." in (
        done.path / "report" / "report.md"
    ).read_text(encoding="utf-8")


def test_models_are_dropped_on_demand_and_made_again_when_needed(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    small = copy.deepcopy(tiny_suite) | {"keep_models": False}
    small["defence"] = [{"method": "baseline"}]
    first = run(small, tmp_path / "run")
    assert not (first.path / "models/reviews/tiny-bert/baseline/0").exists()
    small["attack"].append({"name": "second", "recipe": "deepwordbug", "examples": 4})
    listener = Listener()
    run(small, tmp_path / "run", progress=listener)
    assert [name.split("/")[0] for name in listener.names] == ["train", "attack", "quality"]


def test_two_writers_do_not_share_a_directory(tiny_suite: dict[str, Any], finished: Run) -> None:
    from asa_bench.records.directory import RunDirectory

    message = rf"^{finished.path}: another asa-bench is writing there$"
    with RunDirectory(finished.path).locked(), pytest.raises(InputError, match=message):
        run(tiny_suite, finished.path)


def test_models_are_checked_and_asked_about_what_misled_the_others(finished: Run) -> None:
    probes = finished.probes.set_index(["defence", "probe"])
    assert probes.loc[("baseline", "unlike_answers"), "value"] == 0
    trained = {cell["examples"] for cell in finished.info["cells"] if cell["kind"] == "train"}
    assert {probes.loc[("asa-ratio", "training_accuracy"), "n"]} == trained
    transfer = finished.probes.query("probe == 'transfer'")
    assert transfer[["defence", "against"]].to_numpy().tolist() == [
        ["baseline", "asa-ratio"], ["asa-ratio", "baseline"],
    ]  # fmt: skip


def test_a_sweep_multiplies_the_fitted_temperature(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    swept = {**tiny_suite, "defence": [{"method": "baseline"}], "sweep": [4.0], "sweep_examples": 4}
    done = run(swept, tmp_path / "run")
    (fitted,) = done.calibration["temperature"]

    def first_score(attack: str) -> tuple[str, float]:
        row = done.examples[done.examples["attack"] == attack].query("outcome != 'skipped'").iloc[0]
        return str(row["example_id"]), float(json.loads(row["trace"])[0][1])

    (plain, score), (hot, flatter) = first_score("deepwordbug"), first_score("deepwordbug-at-4")
    assert plain == hot
    # −log p of two labels at the temperatures T and 4 T: the logits' difference is T · log(p / (1 − p))
    margin = math.log(math.exp(-score) / (1 - math.exp(-score)))
    assert flatter == pytest.approx(math.log(1 + math.exp(-margin / 4)), rel=1e-6)
    assert fitted > 0
    assert len(done.examples.query("attack == 'deepwordbug-at-4'")) == 4


def test_a_grid_of_seeds_gives_aggregates(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    grid = copy.deepcopy(tiny_suite) | {"seeds": [0, 1, 2]}
    grid["train"]["epochs"] = 2
    grid["defence"], grid["attack"] = [{"method": "baseline"}], []
    done = run(grid, tmp_path / "run")
    clean = done.results.query("metric == 'clean_accuracy'")
    assert clean["seed"].tolist()[:3] == [0, 1, 2]
    assert clean["value"].iloc[-1] == pytest.approx(clean["value"].iloc[:3].mean())


def test_a_random_mask_takes_the_dose_of_its_asa_model(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    changed = {**tiny_suite, "defence": [{"method": "asa"}, {"method": "random-mask"}], "attack": []}
    done = run(changed, tmp_path / "run")
    assert {cell["status"] for cell in done.info["cells"]} == {"done"}
    ratios = [f"masked_ratio_{layer}" for layer in range(2)]
    wanted, found = (done.training.query("defence == @name")[ratios] for name in ("asa", "random-mask"))
    assert (wanted.to_numpy() - found.to_numpy()).mean() == pytest.approx(0, abs=0.01)
    assert abs(wanted.to_numpy() - found.to_numpy()).max() < 0.1
    again = copy.deepcopy(changed)
    again["defence"][0]["tau"] = 0.1
    with pytest.raises(InputError, match="train/reviews/tiny-bert/random-mask/0"):
        run(again, tmp_path / "run")


def test_views_and_a_learning_curve(tiny_suite: dict[str, Any], tmp_path: Path) -> None:
    changed = {
        **tiny_suite,
        "views": {"examples": 6, "radii": [1.0], "steps": 2, "sentences": 1},
        "curve": {"examples": [24, 48], "defences": ["asa-ratio"], "attack_examples": 3},
        "control_examples": 2,
    }
    done = run(changed, tmp_path / "run")
    assert {cell["status"] for cell in done.info["cells"]} == {"done"}
    assert set(done.views["defence"]) == {"baseline", "asa-ratio"}
    masked = done.views.query("condition == 'mask'")
    assert set(masked["defence"]) == {"asa-ratio"}
    assert set(masked["view"]) == {"keywords", "other-words", "divergence", "prediction"}
    assert set(done.examples["defence"]) == {"baseline", "asa-ratio"}
    assert len(done.examples) == 2 * (8 + 2)  # the curve's rows are not among them
    points = done.curves.query("seed == 0 and metric in ('clean_accuracy', 'worst_case_accuracy')")
    assert sorted(points["train_examples"].unique()) == [24, 48]
    assert set(points["defence"]) == {"asa-ratio"}
    attacked = done.curves.query("metric == 'robust_accuracy'")
    assert set(attacked["n"]) == {3}
    assert not attacked["attack"].str.endswith("-random").any()  # no controls
    steps = {  # as many as in the comparison
        portion: len(
            pd.read_parquet(
                tmp_path / f"run/cells/train/curve-{portion}/reviews/tiny-bert/asa-ratio/0/training.parquet"
            )
        )
        for portion in (24, 48)
    }
    assert steps == {24: 72, 48: 72}
    assert not (tmp_path / "run/models/curve-24").exists() or not list(
        (tmp_path / "run/models/curve-24").rglob("*.safetensors")
    )


def test_successes_are_judged_by_the_stranger_and_by_nothing_else(finished: Run) -> None:
    rows = finished.examples
    succeeded = rows["outcome"] == "succeeded"
    assert succeeded.any()
    assert rows.loc[~succeeded, "similarity"].isna().all()
    pairs = rows.loc[succeeded, ["original_text", "adversarial_text"]].to_numpy().tolist()
    assert rows.loc[succeeded, "similarity"].tolist() == pytest.approx(similarities(asset_path(JUDGE), pairs), abs=1e-4)

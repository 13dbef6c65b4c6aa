"""A ready-made model is attacked on the user's own data: ``asa-bench attack`` and ``asa_bench.attack``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import asa_bench
from asa_bench.attacking.recipe import recipes
from asa_bench.core.errors import InputError
from asa_bench.models.predictor import Predictor
from asa_bench.records import schema
from asa_bench.records.store import Run, load_run
from tests.conftest import Cli, sentences

NO_SECONDS = [name for name in schema.EXAMPLES.names if name not in ("seconds", "similarity")]
SETTINGS: dict[str, Any] = {"threads": 1, "query_budget": 40, "number": 8, "control_examples": 0}


def attack(model: Any, examples: Any, out: Path, **options: Any) -> Run:
    return asa_bench.attack(model, examples=examples, attacks=["deepwordbug"], out=out, **{**SETTINGS, **options})


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """240 labelled rows: enough to set 200 apart for calibration."""
    path = tmp_path_factory.mktemp("data") / "many reviews.csv"
    sentences(240).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def attacked(checkpoint: Path, many: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return attack(str(checkpoint), str(many), tmp_path_factory.mktemp("runs") / "a")


@pytest.fixture
def changed(checkpoint: Path, tmp_path: Path) -> Any:
    """A copy of the checkpoint with other keys in its configuration."""

    def change(**keys: Any) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(checkpoint, folder)
        config = json.loads((folder / "config.json").read_text()) | keys
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return change


def test_a_run_directory_is_written(attacked: Run, checkpoint: Path, many: Path) -> None:
    rows = attacked.examples
    assert rows[["task", "encoder", "defence", "seed", "attack"]].drop_duplicates().to_numpy().tolist() == [
        ["many-reviews", "bert", "model", 0, "deepwordbug"]
    ]
    assert len(rows) == 8
    assert rows["candidates"].min() >= 0
    for name in ("run.json", "results.csv", "results.parquet", "report/index.html", "report/report.md"):
        assert (attacked.path / name).is_file()
    assert not (attacked.path / "models").exists()
    assert attacked.suite["defence"][0]["model"] == str(checkpoint)
    assert attacked.suite["task"][0]["data"] == str(many)
    assert attacked.info["warnings"] == []
    report = (attacked.path / "report/report.md").read_text()
    assert "model is right on " in report
    assert "asa-bench compare sets this run beside another one" in report


def test_rows_for_calibration_are_neither_attacked_nor_tested(attacked: Run) -> None:
    predictions = attacked.predictions
    parts = {name: set(rows["example_id"]) for name, rows in predictions.groupby("dataset")}
    assert (len(parts["validation"]), len(parts["test"])) == (232, 8)
    assert parts["test"] == set(attacked.examples["example_id"])
    assert attacked.calibration["temperature"].notna().all()
    assert attacked.suite["task"][0]["validation"] == "232 rows of the data, set apart"
    assert attacked.suite["attack"][0]["temperature"] == "calibrated"


def test_without_enough_rows_the_attack_is_raw_and_says_so(checkpoint: Path, reviews: Path, tmp_path: Path) -> None:
    run = attack(str(checkpoint), str(reviews / "test.csv"), tmp_path / "a")
    assert run.calibration["temperature"].isna().all()
    assert run.suite["attack"][0]["temperature"] == "raw"
    assert run.suite["task"][0]["validation"] == "none, so the attacks see raw probabilities"
    assert run.results.query("metric == 'calibration_temperature'")["value"].isna().all()
    assert len(run.predictions) == 40


def test_a_file_for_validation_is_used(checkpoint: Path, reviews: Path, tmp_path: Path) -> None:
    run = attack(str(checkpoint), str(reviews / "test.csv"), tmp_path / "a", validation=reviews / "train.csv")
    assert run.predictions["dataset"].value_counts().to_dict() == {"validation": 96, "test": 40}
    assert run.suite["task"][0]["validation"] == str(reviews / "train.csv")
    assert run.suite["attack"][0]["temperature"] == "calibrated"


def test_again_nothing_is_done_and_another_model_is_refused(
    attacked: Run, checkpoint: Path, many: Path, changed: Any
) -> None:
    before = (attacked.path / "run.json").read_text()
    again = attack(str(checkpoint), str(many), attacked.path)
    assert (attacked.path / "run.json").read_text() == before
    pd.testing.assert_frame_equal(again.examples, attacked.examples)
    other = changed(layer_norm_eps=1e-6)
    message = (
        f"--out {attacked.path}: 2 cells were done with other settings (evaluate/many-reviews/bert/model/0, "
        "attack/many-reviews/bert/model/0/deepwordbug); use another --out, or --fresh to do them again"
    )
    with pytest.raises(InputError) as caught:
        attack(str(other), str(many), attacked.path)
    assert str(caught.value) == message
    with pytest.raises(InputError) as caught:
        attack(str(checkpoint), str(many), attacked.path, name="newer")
    assert str(caught.value) == (
        f"--out {attacked.path}: holds a run of suite 'model-on-many-reviews', not 'newer-on-many-reviews'"
    )


def test_a_model_in_memory_gives_the_same_rows(attacked: Run, checkpoint: Path, many: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    pairs = [(text, label) for text, label in pd.read_csv(many).itertuples(index=False)]
    run = asa_bench.attack(
        model, tokenizer, pairs, ["deepwordbug"], out=tmp_path / "a", task_name="many-reviews", **SETTINGS
    )
    pd.testing.assert_frame_equal(run.examples[NO_SECONDS], attacked.examples[NO_SECONDS])
    assert run.suite["defence"][0]["model"] == "a BertForSequenceClassification given in Python"


@pytest.mark.parametrize("labels", [[0, 1], ["NEG", "Pos"], ["0", "1"], [0.0, 1.0]])
def test_labels_are_ids_or_names(checkpoint: Path, labels: list[Any]) -> None:
    rows = plan_rows(checkpoint, sentences(4).assign(label=[labels[i % 2] for i in range(4)]))
    assert [row.label for row in rows] == [0, 1, 0, 1]


def plan_rows(checkpoint: Path, frame: pd.DataFrame, **settings: Any) -> Any:
    from asa_bench.model_plan import given_checkpoint, make_model_plan
    from asa_bench.model_run import _data
    from asa_bench.model_settings import ModelRun

    asked = ModelRun(attack="deepwordbug", **settings)
    given = given_checkpoint(str(checkpoint))
    data = _data(frame, asked, given)
    assert data is not None
    plan = make_model_plan(asked, given, data, None)
    return plan.tasks["examples"].test


class TestIntegerNames:
    """A model of stars, whose label 0 is called "1"."""

    @pytest.fixture
    def stars(self, changed: Any) -> Path:
        folder: Path = changed(id2label={"0": "1", "1": "2"}, label2id={"1": 0, "2": 1})
        return folder

    def test_a_number_is_an_id(self, stars: Path) -> None:
        rows = plan_rows(stars, sentences(4).assign(label=[0, 1, 0, 1]))
        assert [row.label for row in rows] == [0, 1, 0, 1]
        assert [row.label for row in plan_rows(stars, sentences(2).assign(label=[1, 1]))] == [1, 1]
        mapped = {"1": "1", "2": "2"}  # the names on the right
        rows = plan_rows(stars, sentences(4).assign(label=[1, 2, 1, 2]), labelling=mapped)
        assert [row.label for row in rows] == [0, 1, 0, 1]

    @pytest.mark.parametrize("labels", [("0", "1"), ("1", "2")])
    def test_text_is_read_as_it_can_be(self, stars: Path, labels: tuple[str, str]) -> None:
        rows = plan_rows(stars, sentences(4).assign(label=[labels[i % 2] for i in range(4)]))
        assert [row.label for row in rows] == [0, 1, 0, 1]

    def test_text_that_may_be_either_is_refused(self, stars: Path, tmp_path: Path) -> None:
        path = tmp_path / "own.csv"
        sentences(2).assign(label="1").to_csv(path, index=False)
        message = (
            f"{path}: field 'label': '1' may be an id or a name of the model's labels (0 = 1, 1 = 2); "
            "say which name each has with --labels 1=1,…"
        )
        with pytest.raises(InputError) as caught:
            file_rows(stars, path)
        assert str(caught.value) == message
        assert [row.label for row in file_rows(stars, path, labelling={"1": "1"})] == [0, 0]


def file_rows(checkpoint: Path, path: Path, **settings: Any) -> Any:
    from asa_bench.model_plan import given_checkpoint, make_model_plan
    from asa_bench.model_settings import ModelRun

    asked = ModelRun(attack="deepwordbug", **settings)
    plan = make_model_plan(asked, given_checkpoint(str(checkpoint)), str(path), None)
    return next(iter(plan.tasks.values())).test


def test_labels_are_mapped(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    sentences(4).replace({"label": {"neg": "1 star", "pos": "5 stars"}}).to_csv(path, index=False)
    rows = file_rows(checkpoint, path, labelling={"1 star": "0", "5 stars": "POS"})
    assert [row.label for row in rows] == [0, 1, 0, 1]


def test_labels_of_rows_at_hand_are_mapped_too(checkpoint: Path, tmp_path: Path) -> None:
    rows = sentences(6).replace({"label": {"neg": "pos", "pos": "neg"}})
    swapped = {"neg": "pos", "pos": "neg"}
    runs = [
        attack(str(checkpoint), data, tmp_path / name, labelling=swapped, number=2)
        for name, data in (("a", rows), ("b", list(rows.itertuples(index=False, name=None))))
    ]
    for run in runs:
        assert run.predictions["label"].tolist() == [0, 1] * 3
        assert run.suite["task"][0]["labelling"] == swapped


def test_labels_that_match_nothing_say_what_there_is(checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    sentences(4).replace({"label": {"neg": "bad", "pos": "good"}}).to_csv(path, index=False)
    message = (
        f"{path}: field 'label': found 'bad', 'good'; the model knows 0 = neg, 1 = pos; "
        "map them with --labels bad=neg,…"
    )
    with pytest.raises(InputError) as caught:
        file_rows(checkpoint, path)
    assert str(caught.value) == message


def test_a_folder_of_datasets_is_read_by_split_and_by_declared_names(checkpoint: Path, tmp_path: Path) -> None:
    import datasets

    rows = sentences(6).replace({"label": {"neg": 1, "pos": 0}})
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    split = datasets.Dataset.from_pandas(rows, features=features, preserve_index=False)
    datasets.DatasetDict({"train": split, "test": split.select(range(4))}).save_to_disk(str(tmp_path / "set"))
    assert [row.label for row in file_rows(checkpoint, tmp_path / "set")] == [0, 1, 0, 1]
    assert len(file_rows(checkpoint, tmp_path / "set", split="train")) == 6
    message = f"{tmp_path / 'set'}: no split 'dev' (splits: train, test)"
    with pytest.raises(InputError) as caught:
        file_rows(checkpoint, tmp_path / "set", split="dev")
    assert str(caught.value) == message


def test_a_shipped_task_is_data_too(checkpoint: Path, changed: Any) -> None:
    folder = changed(id2label={"0": "LABEL_0", "1": "LABEL_1"}, label2id={"LABEL_0": 0, "LABEL_1": 1})
    assert len(file_rows(folder, Path("movie-sentiment"))) == 1979
    known = "(data: negative, positive; model: 0 = neg, 1 = pos)"
    wrong: dict[str, dict[str, str]] = {
        "field 'label': found 'positive'; the model knows 0 = neg, 1 = pos; map them with --labels positive=neg,…": {
            "negative": "neg"
        },
        f"--labels negative=no: 'no' is no label of the model's {known}": {"negative": "no", "positive": "yes"},
        f"--labels bad=neg: 'bad' is not in the data {known}": {"bad": "neg", "positive": "pos"},
    }
    mapped = {"negative": "neg", "positive": "pos"}
    assert len(file_rows(checkpoint, Path("movie-sentiment"), labelling=mapped, split="tweets")) > 1000
    for message, labelling in wrong.items():
        with pytest.raises(InputError) as caught:
            file_rows(checkpoint, Path("movie-sentiment"), labelling=labelling)
        assert str(caught.value) == f"movie-sentiment: {message}"


def test_pairs_and_three_classes(tiny_encoder: Path, tmp_path: Path) -> None:
    from asa_bench.models.checkpoint import save_checkpoint
    from asa_bench.models.classifier import new_classifier

    names = ("entailment", "neutral", "contradiction")
    save_checkpoint(*new_classifier(tiny_encoder, names, 0, "eager", 40), tmp_path / "nli", "card")
    rows = sentences(12)
    frame = pd.DataFrame({"premise": rows["text"], "hypothesis": rows["text"].iloc[::-1].to_numpy()})
    frame.assign(gold=[names[i % 3].upper() for i in range(12)]).to_json(
        tmp_path / "nli.jsonl", orient="records", lines=True
    )
    run = attack(
        str(tmp_path / "nli"), tmp_path / "nli.jsonl", tmp_path / "a", text=("premise", "hypothesis"), label="gold"
    )
    assert sorted(set(run.predictions["label"])) == [0, 1, 2]
    assert all(isinstance(json.loads(text), list) for text in run.examples["original_text"])


def test_the_share_of_truncated_texts_is_reported(checkpoint: Path, tmp_path: Path) -> None:
    rows = sentences(10)
    rows.loc[:2, "text"] = [text + " and this film was very good" * 20 for text in rows["text"][:3]]
    rows.to_csv(tmp_path / "long.csv", index=False)
    run = attack(str(checkpoint), tmp_path / "long.csv", tmp_path / "a", number=2)
    share = run.results.query("metric == 'truncated_share' and seed == 0")
    assert share[["value", "n"]].to_numpy().tolist() == [[0.3, 10]]


@pytest.fixture(scope="module")
def pipeline() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = sentences(96)
    rows = rows[(rows["label"] == "neg") | (rows.index % 4 == 1)]  # leans to neg where it knows no word
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(rows["text"], rows["label"])


class TestFunction:
    """Any function that maps texts to probabilities."""

    def test_a_pipeline_of_scikit_learn_is_attacked(self, pipeline: Any, many: Path, tmp_path: Path) -> None:
        import random

        random.seed(7)
        expected = random.Random(7).random()
        run = asa_bench.attack(
            predict=pipeline.predict_proba, labels=pipeline.classes_, examples=many, attacks=["deepwordbug"],
            out=tmp_path / "a", **SETTINGS,
        )  # fmt: skip
        assert random.random() == expected
        assert set(run.examples["outcome"]) <= {"succeeded", "failed", "skipped"}
        fooled = run.examples[run.examples["outcome"] == "succeeded"]
        assert len(fooled) > 0
        for row in fooled.to_dict("records"):
            before, after = pipeline.predict([row["original_text"], row["adversarial_text"]])
            assert list(pipeline.classes_).index(before) == row["label"]
            assert list(pipeline.classes_).index(after) == row["adversarial_prediction"] != row["label"]
        assert run.results.query("metric == 'truncated_share'").empty
        again = asa_bench.attack(
            predict=pipeline.predict_proba, labels=pipeline.classes_, examples=many, attacks=["deepwordbug"],
            out=tmp_path / "a", **SETTINGS,
        )  # fmt: skip
        pd.testing.assert_frame_equal(again.examples, run.examples)
        with pytest.raises(InputError, match=r"2 cells were done with other settings"):
            asa_bench.attack(
                predict=lambda texts: [[0.5, 0.5]] * len(texts), labels=pipeline.classes_, examples=many,
                attacks=["deepwordbug"], out=tmp_path / "a", **SETTINGS,
            )  # fmt: skip

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            ([[0.5, 0.5, 0.0]], "predict: expected probabilities of shape (40, 2), got (40, 3)"),
            ([[0.9, 0.9]], "predict: expected probabilities that add up to 1 for each text"),
            ([[-0.5, 1.5]], "predict: expected probabilities that add up to 1 for each text"),
            ([[float("nan"), 1.0]], "predict: expected probabilities that add up to 1 for each text"),
            (
                [["a", "b"]],
                "predict: expected a table of probabilities, got ValueError: could not convert string to float: 'a'",
            ),
        ],
    )
    def test_what_is_no_probability_is_refused(self, reviews: Path, answer: Any, message: str, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            asa_bench.attack(
                predict=lambda texts: answer * len(texts), labels=["neg", "pos"], examples=reviews / "test.csv",
                out=tmp_path / "a",
            )  # fmt: skip
        assert str(caught.value).replace("(32,", "(40,") == message
        assert not (tmp_path / "a").exists()

    @pytest.mark.parametrize("kind", [pd.DataFrame, lambda rows: torch.tensor(rows, requires_grad=True)])
    def test_tables_and_tensors_are_read(self, kind: Any) -> None:
        predictor = Predictor(lambda texts: kind([[0.25, 0.75]] * len(texts)), ("neg", "pos"))
        assert predictor.logits([("a",), ("b",)]).exp().tolist() == [[0.25, 0.75]] * 2

    def test_a_function_needs_names_for_its_columns(self, reviews: Path) -> None:
        message = r"^attack: predict goes with labels: the names of its columns, two or more$"
        with pytest.raises(InputError, match=message):
            asa_bench.attack(predict=len, examples=reviews / "test.csv")


def test_model_or_function(checkpoint: Path) -> None:
    message = r"^attack: expected examples, and either model or predict$"
    for options in ({}, {"model": str(checkpoint)}, {"examples": "a.csv"}):
        with pytest.raises(InputError, match=message):
            asa_bench.attack(**options)  # type: ignore[arg-type]


def test_a_model_in_memory_needs_its_tokenizer(classifier: Any, reviews: Path) -> None:
    with pytest.raises(InputError, match=r"^attack: a model of transformers goes with its tokenizer$"):
        asa_bench.attack(classifier.model, examples=reviews / "test.csv")


class TestCommand:
    """``asa-bench attack``: what is wrong is one line, and nothing is written."""

    @pytest.fixture
    def refused(self, cli: Any, checkpoint: Path, reviews: Path, tmp_path: Path) -> Any:
        def call(**options: Any) -> str:
            usual = {"model": checkpoint, "data": reviews / "test.csv", "attack": "deepwordbug"}
            chosen = {**usual, "out": tmp_path / "out", **options}
            arguments = [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", value)]
            code, out, err = cli("attack", *arguments)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert not (tmp_path / "out").exists()
            return str(err).rstrip("\n").removeprefix("asa-bench: ")

        return call

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"model": "./nowhere"}, "--model ./nowhere: no such folder"),
            ({"data": "nowhere.csv"}, "nowhere.csv: no such file"),
            (
                {"attack": "pwss"},
                f"--attack: unknown attack 'pwss'; did you mean 'pwws'? (known: {', '.join(sorted(recipes()))})",
            ),
            ({"examples": 41}, "--examples 41: fewer examples than asked: there are 40"),
            ({"examples": 0}, "attack: examples: expected >= 1, got 0"),
            ({"query_budget": -1}, "attack: query_budget: expected >= 1, got -1"),
            ({"temperature": "hot"}, "attack: temperature: expected 'calibrated' or 'raw', got 'hot'"),
            ({"precision": "fp16"}, "attack: precision: expected 'auto', 'fp32' or 'bf16', got 'fp16'"),
            ({"device": "cuda"}, "--device cuda: no such device here"),
            ({"labels": "a"}, "--labels: expected label=model's label, got 'a'"),
            ({"name": "a/b"}, "attack: name: expected letters, digits and . _ + - only, got 'a/b'"),
            ({"text": "txt"}, "DATA: no column 'txt'; did you mean 'text'? (columns: text, label)"),
            ({"text": "text, lable"}, "DATA: no column 'lable'; did you mean 'label'? (columns: text, label)"),
            ({"label": "lable"}, "DATA: no column 'lable'; did you mean 'label'? (columns: text, label)"),
            ({"text": "text,"}, "attack: text[1]: expected a name, got ''"),
            ({"text": "text, text"}, "attack: text: expected distinct columns, got text,text"),
            ({"label": ""}, "attack: label: expected a name, got ''"),
            ({"data": ""}, "--data: expected a file, a folder or a data set, got ''"),
            ({"data": "@abc"}, "--data: expected a file, a folder or a data set, got '@abc'"),
            ({"validation": " "}, "--validation: expected a file, a folder or a data set, got ' '"),
            ({"validation": "no.csv"}, "no.csv: no such file"),
            ({"data": "org/name"}, "org/name: no such file or folder; for the Hub data set of that name, set field "
                                   "'revision' to a commit (40 hex digits)"),
        ],
    )  # fmt: skip
    def test_wrong_options(self, refused: Any, reviews: Path, options: dict[str, Any], message: str) -> None:
        assert refused(**options) == message.replace("DATA", str(reviews / "test.csv"))

    def test_a_model_out_of_reach(self, refused: Any) -> None:
        assert refused(model="org/name").startswith(
            "--model org/name: no such folder, and not on the Hub or out of reach ("
        )

    def test_a_token_classifier(self, refused: Any, changed: Any) -> None:
        folder = changed(architectures=["BertForTokenClassification"])
        assert refused(model=folder) == f"model {folder}: not a sequence classifier (BertForTokenClassification)"

    def test_a_regression(self, refused: Any, changed: Any) -> None:
        folder = changed(id2label={"0": "score"})
        message = f"model {folder}: a regression; attacks need a classifier of one label per text"
        assert refused(model=folder) == message

    def test_no_tokenizer(self, refused: Any, changed: Any) -> None:
        folder = changed()
        for name in ("vocab.txt", "tokenizer.json"):
            (folder / name).unlink()
        assert refused(model=folder) == f"model: no tokenizer in {folder}"

    def test_pickle_weights(self, refused: Any, changed: Any) -> None:
        folder = changed()
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        message = f"model: {folder / 'pytorch_model.bin'} is a pickle, which can run code; save it as safetensors"
        assert refused(model=folder) == message

    def test_a_run(self, cli: Any, checkpoint: Path, many: Path, attacked: Run, tmp_path: Path) -> None:
        code, out, err = cli(
            "attack", "--model", checkpoint, "--data", many, "--attack", "deepwordbug", "--out", tmp_path / "b",
            "--examples", 8, "--query-budget", 40, "--threads", 1, "--quiet",
        )  # fmt: skip
        assert (code, err) == (0, "")
        assert f"report: {tmp_path / 'b/report/index.html'}\n" in out
        rows = load_run(tmp_path / "b").examples
        guided = rows[rows["attack"] == "deepwordbug"]
        pd.testing.assert_frame_equal(guided[NO_SECONDS], attacked.examples[NO_SECONDS])
        control = rows[rows["attack"] == "deepwordbug-random"]
        assert control["example_id"].tolist() == guided["example_id"].tolist()
        assert control["queries"].max() <= 40

    @pytest.mark.parametrize(
        ("names", "mapping", "expected"),
        [
            ({"neg": "bad", "pos": "good"}, "bad=neg, good=1", [0, 1, 0, 1]),
            ({}, "neg=pos,pos=neg", [1, 0, 1, 0]),
        ],
    )
    def test_labels_are_mapped(
        self, cli: Any, checkpoint: Path, tmp_path: Path, names: dict[str, str], mapping: str, expected: list[int]
    ) -> None:
        sentences(4).replace({"label": names}).to_csv(tmp_path / "own.csv", index=False)
        code, _, err = cli(
            "attack", "--model", checkpoint, "--data", tmp_path / "own.csv", "--attack", "deepwordbug",
            "--labels", mapping, "--out", tmp_path / "a", "--query-budget", 10, "--threads", 1, "--quiet",
        )  # fmt: skip
        run = load_run(tmp_path / "a")
        assert run.predictions["label"].tolist() == expected
        assert (code, err == "") == ((0, True) if names else (3, False))  # swapped, it is always wrong


TYPO = """name = "typo"
title = "Typo"
paper = "Pruthi, Dhingra, Lipton 2019"
build = "textattack.attack_recipes.Pruthi2019"
options = { max_num_word_swaps = 2 }
query_budget = 30
"""

CODE = """from textattack.attack_recipes import DeepWordBugGao2018

def Attack(model):
    return DeepWordBugGao2018.build(model)
"""


def test_attacks_of_ones_own_in_two_workers(
    cli: Cli, attacked: Run, checkpoint: Path, many: Path, tmp_path: Path
) -> None:
    (tmp_path / "typo.toml").write_text(TYPO)
    (tmp_path / "deepwordbug.py").write_text(CODE)  # the recipe's name is a part of the seeds
    done = cli(
        "attack", "--model", checkpoint, "--data", many, "--attack", tmp_path / "typo.toml",
        "--attack-file", tmp_path / "deepwordbug.py", "--examples", 8, "--query-budget", 40, "--threads", 1,
        "--control-examples", 0, "--workers", 2, "--out", tmp_path / "run", "--quiet",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = load_run(tmp_path / "run").examples
    assert rows["attack"].value_counts().to_dict() == {"typo": 8, "deepwordbug": 8}
    own, shipped = (frame[frame["attack"] == "deepwordbug"].reset_index() for frame in (rows, attacked.examples))
    columns = ["example_id", "outcome", "adversarial_text", "queries", "candidates", "trace"]
    pd.testing.assert_frame_equal(own[columns], shipped[columns])


def test_an_attack_that_lacks_something_is_refused(cli: Cli, checkpoint: Path, many: Path, tmp_path: Path) -> None:
    done = cli("attack", "--model", checkpoint, "--data", many, "--attack", "clare", "--out", tmp_path / "run")
    lacking = "distilroberta-base, universal-sentence-encoder, flair-pos"
    message = f"asa-bench: attack: attack 'clare' lacks {lacking}; see asa-bench doctor\n"
    assert done == (2, "", message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("form", "path"), [("textattack-csv", "log.csv"), ("jsonl", "rows.jsonl")])
def test_attacked_examples_are_exported(cli: Cli, attacked: Run, tmp_path: Path, form: str, path: str) -> None:
    done = cli("export", attacked.path, "--format", form, "--out", tmp_path / path)
    assert (done.code, done.err) == (0, "")
    assert len((tmp_path / path).read_text().splitlines()) == 8 + (form == "textattack-csv")


def test_exported_successes_are_data_to_train_on(cli: Cli, attacked: Run, tiny_suite: Any, tmp_path: Path) -> None:
    assert cli("export", attacked.path, "--format", "datasets", "--out", tmp_path / "more").code == 0
    suite = {**tiny_suite, "attack": [], "defence": [{"method": "baseline"}]}
    suite["task"] = {**suite["task"], "data": str(tmp_path / "more"), "text": ["text"], "label": "label"}
    suite["task"]["clean_accuracy_floor"] = 0.0  # a handful of adversarial texts teach little
    done = asa_bench.run(suite, tmp_path / "run")
    assert done.info["warnings"] == []
    assert done.info["labels"] == {"reviews": ["neg", "pos"]}

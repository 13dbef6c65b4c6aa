"""The suite file: what it may hold, how it is overridden, and what it says when it is wrong."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.recipe import recipes
from asa_bench.core.errors import InputError
from asa_bench.defences import DEFENCES
from asa_bench.suite_file import load_suite, override, shipped_suites
from tests.tomls import write_suite

Data = dict[str, Any]

METHODS = ", ".join(sorted(DEFENCES))


@pytest.fixture
def data() -> Data:
    """A suite that needs no file."""
    return {
        "name": "mine",
        "task": {"name": "movie-sentiment"},
        "train": {"epochs": 2},
        "defence": [{"method": "baseline"}, {"name": "strong", "method": "freelb", "steps": 5}],
        "attack": [{"recipe": "deepwordbug", "examples": 8}, {"name": "words", "recipe": "pwws", "query_budget": 40}],
        "control_examples": 0,
    }


def message_of(reference: Any, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_suite(reference, overrides)
    return str(caught.value)


@pytest.mark.parametrize("name", shipped_suites())
def test_shipped_suites_load(name: str) -> None:
    loaded = load_suite(name)
    assert loaded.suite.name == name
    assert loaded.root == Path.cwd()
    assert loaded.resolved()["defence"]


def test_the_suite_asa_has_what_tells_asa_from_its_controls() -> None:
    suite = load_suite("asa").suite
    assert suite.seeds == (0, 1, 2)
    assert {entry.method for entry in suite.defence} == {
        "baseline", "freelb", "asa", "asa-ratio", "two-pass", "random-mask", "s-attend", "smoothing-bias",
    }  # fmt: skip
    assert [(attack.name, attack.examples) for attack in suite.attack] == [("deepwordbug", 200), ("pwws", 200)]
    assert suite.curve is not None
    assert suite.curve.examples == (250, 500, 1000, 4000)
    assert suite.curve.defences == ("baseline", "freelb", "asa", "asa-ratio", "two-pass")
    assert suite.views is not None


def test_quickstart_is_shipped() -> None:
    assert "quickstart" in shipped_suites()


def test_a_file_and_a_mapping_give_the_same_suite(data: Data, tmp_path: Path) -> None:
    path = write_suite(tmp_path / "mine.toml", data)
    assert load_suite(path).suite == load_suite(data).suite
    assert load_suite(str(path)).root == tmp_path
    assert load_suite(path).source == str(path)
    assert load_suite(data).source == "suite"


def test_defaults(data: Data) -> None:
    suite = load_suite(data).suite
    assert suite.seeds == (0,)
    assert [encoder.name for encoder in suite.encoder] == ["minilm"]
    assert [entry.name for entry in suite.defence] == ["baseline", "strong"]
    assert [attack.name for attack in suite.attack] == ["deepwordbug", "words"]
    assert suite.attack[1].examples == 200


def test_a_table_or_a_list_of_tables(data: Data) -> None:
    own = {"name": "own", "data": "train.csv"}
    assert [task.name for task in load_suite({**data, "task": [data["task"], own]}).suite.task] == [
        "movie-sentiment",
        "own",
    ]
    grid = {**data, "encoder": [{"name": "minilm"}, {"name": "models/small"}]}
    assert [encoder.label for encoder in load_suite(grid).suite.encoder] == ["minilm", "small"]
    assert load_suite({**data, "encoder": {"name": "minilm"}}).suite == load_suite(data).suite


def test_resolved_has_every_default(data: Data) -> None:
    plain = load_suite(data).resolved()
    assert plain["name"] == "mine"
    assert plain["seeds"] == [0]
    assert plain["encoder"] == [{"name": "minilm", "revision": None, "attention": "auto"}]
    assert plain["train"] | {"epochs": 2, "batch_size": 32, "learning_rate": 5e-5, "threads": 2} == plain["train"]
    assert plain["defence"][0] == {"name": "baseline", "method": "baseline"}
    strong = plain["defence"][1]
    assert (strong["name"], strong["method"], strong["steps"]) == ("strong", "freelb", 5)
    assert "settings" not in strong
    assert len(strong) > 3
    assert plain["attack"][0]["query_budget"] > 0
    assert plain["attack"][1] == {
        "name": "words",
        "recipe": "pwws",
        "kind": "text",
        "examples": 200,
        "query_budget": 40,
        "temperature": "calibrated",
        "temperature_factor": 1.0,
        "protocol": "recipe",
        "adversary": "off",
        "search": "recipe",
    }


def test_a_resolved_preset_shows_its_setting(data: Data) -> None:
    data["defence"] = [{"method": "asa"}, {"method": "asa-ratio"}]
    first, second = load_suite(data).resolved()["defence"]
    assert (first["method"], second["method"]) == ("asa", "asa-ratio")
    assert first["penalty"] != second["penalty"] == "ratio"


@pytest.mark.parametrize(
    ("pair", "read", "expected"),
    [
        ("train.epochs=1", lambda suite: suite.train.epochs, 1),
        ("train.learning_rate=1e-3", lambda suite: suite.train.learning_rate, 1e-3),
        ("train.precision=fp32", lambda suite: suite.train.precision, "fp32"),
        ('train.precision="fp32"', lambda suite: suite.train.precision, "fp32"),
        ("name=other", lambda suite: suite.name, "other"),
        ("seeds=[0, 1]", lambda suite: suite.seeds, (0, 1)),
        ("keep_models=false", lambda suite: suite.keep_models, False),
        ("encoder.name=models/small=v2", lambda suite: suite.encoder[0].name, "models/small=v2"),
        ("attack.examples=20", lambda suite: [attack.examples for attack in suite.attack], [20, 20]),
        ("attack.words.examples=20", lambda suite: [attack.examples for attack in suite.attack], [8, 20]),
        ("attack.deepwordbug.examples=20", lambda suite: [attack.examples for attack in suite.attack], [20, 200]),
        ("defence.strong.steps=2", lambda suite: suite.defence[1].settings, {"steps": 2}),
    ],
)
def test_overrides(data: Data, pair: str, read: Callable[[Any], Any], expected: Any) -> None:
    assert read(load_suite(data, [pair]).suite) == expected


def test_overrides_come_in_order_and_leave_the_mapping_alone(data: Data) -> None:
    before = copy.deepcopy(data)
    assert load_suite(data, ["train.epochs=5", "train.epochs=1", "attack.examples=3"]).suite.train.epochs == 1
    assert data == before


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("train.epochs", "--set train.epochs: expected key=value"),
        ("=1", "--set =1: expected key=value"),
        ("name.first=1", "--set name.first=1: 'name' is no table"),
        ("attack.wrods.examples=1", "--set attack.wrods.examples=1: no entry 'wrods'; did you mean 'words'?"),
        ("attack.bae.examples=1", "--set attack.bae.examples=1: no entry 'bae'"),
        ("trian.epochs=1", "suite --set trian.epochs=1: unknown key 'trian'; did you mean 'train'?"),
        ("train.epoch=1", "suite --set train.epoch=1: unknown key 'train.epoch'; did you mean 'epochs'?"),
        ("train.epochs=two", "suite --set train.epochs=two: train.epochs: expected an integer, got 'two'"),
        ("train=1", "suite --set train=1: train: expected a table, got 1"),
        ("attack=1", "suite --set attack=1: attack: expected a list, got 1"),
    ],
)
def test_wrong_overrides(data: Data, pair: str, message: str) -> None:
    assert message_of(data, pair) == message


def test_override_reads_toml_and_falls_back_to_text() -> None:
    table: Data = {}
    for pair in ("a=1", "b=x y", "c.d=true", "e=", "f=2024-01-0"):
        override(table, pair)
    assert table == {"a": 1, "b": "x y", "c": {"d": True}, "e": "", "f": "2024-01-0"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, "unknown key 'trian'; did you mean 'train'?"),
        ({"train": {"epoch": 1}}, "unknown key 'train.epoch'; did you mean 'epochs'?"),
        (
            {"task": {"name": "own", "data": "a.csv", "lable": "y"}},
            "unknown key 'task[0].lable'; did you mean 'label'?",
        ),
        ({"encoder": {"nam": "x"}}, "unknown key 'encoder[0].nam'; did you mean 'name'?"),
        (
            {"attack": [{"recipe": "pwws", "exampels": 1}]},
            "unknown key 'attack[0].exampels'; did you mean 'examples'?",
        ),
        (
            {"defence": [{"method": "freelb", "step": 1}]},
            "unknown key 'defence[0].step'; did you mean 'steps'?",
        ),
        (
            {"defence": [{"method": "basline"}]},
            f"unknown defence 'basline'; did you mean 'baseline'? (known: {METHODS})",
        ),
        (
            {
                "defence": [{"method": "asa"}, {"method": "random-mask"}],
                "curve": {"examples": [50], "defences": ["random-mask"]},
            },
            "curve.defences: expected 'asa' beside 'random-mask'",
        ),
        (
            {"task": {"name": "own", "data": "a.csv", "text": ["a", "b", "c"]}},
            "task[0].text: expected at most 2, got ['a', 'b', 'c']",
        ),
        (
            {"defence": [{"method": "random-mask"}, {"method": "asa"}]},
            "defence[0].like: no defence 'asa' stands before it",
        ),
        (
            {"defence": [{"method": "freelb"}, {"method": "random-mask", "like": "freelb"}]},
            "defence[1].like: defence 'freelb' masks nothing; name one of method 'asa'",
        ),
        (
            {"defence": [{"method": "asa", "protect_special": True}, {"method": "random-mask"}]},
            "defence[1].protect_special: expected true, as in defence 'asa', else the dose is another",
        ),
        (
            {"defence": [{"method": "asa"}, {"method": "random-mask", "protect_special": True}]},
            "defence[1].protect_special: expected false, as in defence 'asa', else the dose is another",
        ),
        (
            {"attack": [{"recipe": "pwss"}]},
            f"unknown attack 'pwss'; did you mean 'pwws'? (known: {', '.join(sorted(recipes()))})",
        ),
        (
            {"task": {"name": "movie-sentimnet"}},
            "unknown task 'movie-sentimnet'; did you mean 'movie-sentiment'? (known: movie-sentiment); "
            "name a file of your own with 'data'",
        ),
        ({"seeds": [1, 1]}, "seeds '1' stands there twice; give one of them another name"),
        (
            {"task": [{"name": "movie-sentiment"}, {"name": "movie-sentiment"}]},
            "task 'movie-sentiment' stands there twice; give one of them another name",
        ),
        (
            {"encoder": [{"name": "a/small"}, {"name": "b/small"}]},
            "encoder 'small' stands there twice; give one of them another name",
        ),
        (
            {"defence": [{"method": "asa"}, {"method": "asa"}]},
            "defence 'asa' stands there twice; give one of them another name",
        ),
        (
            {"attack": [{"recipe": "pwws"}, {"name": "pwws", "recipe": "deepwordbug"}]},
            "attack 'pwws' stands there twice; give one of them another name",
        ),
        ({"name": "../up"}, "name: expected letters, digits and . _ + - only, got '../up'"),
        ({"name": 3}, "name: expected a string, got 3"),
        ({"seeds": []}, "seeds: expected at least 1, got []"),
        ({"seeds": [-1]}, "seeds[0]: expected >= 0, got -1"),
        ({"seeds": ["a"]}, "seeds[0]: expected an integer, got 'a'"),
        ({"seeds": 0}, "seeds: expected a list, got 0"),
        ({"task": "movie-sentiment"}, "task: expected a list, got 'movie-sentiment'"),
        (
            {"task": {"name": "own", "text": ["a"]}},
            "task[0]: expected 'data' beside 'text', which describes the user's own data",
        ),
        ({"defence": []}, "defence: expected at least 1, got []"),
        ({"defence": ["asa"]}, "defence[0]: expected a table, got 'asa'"),
        ({"defence": [{"name": "x"}]}, "key 'defence[0].method' is missing"),
        ({"attack": [{"examples": 5}]}, "key 'attack[0].recipe' is missing"),
        ({"train": {"epochs": 0}}, "train.epochs: expected >= 1, got 0"),
        ({"train": {"epochs": 1.5}}, "train.epochs: expected an integer, got 1.5"),
        ({"train": {"examples": -5}}, "train.examples: expected >= 2, got -5"),
        ({"train": {"learning_rate": 0}}, "train.learning_rate: expected > 0, got 0"),
        ({"train": {"learning_rate": -1e-5}}, "train.learning_rate: expected > 0, got -1e-05"),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate: expected a finite number, got nan"),
        ({"train": {"learning_rate": float("inf")}}, "train.learning_rate: expected a finite number, got inf"),
        ({"train": {"learning_rate": "fast"}}, "train.learning_rate: expected a number, got 'fast'"),
        ({"train": {"precision": "fp16"}}, "train.precision: expected 'auto', 'fp32' or 'bf16', got 'fp16'"),
        ({"train": {"threads": 0}}, "train.threads: expected >= 1, got 0"),
        (
            {"task": {"name": "movie-sentiment", "clean_accuracy_floor": float("nan")}},
            "task[0].clean_accuracy_floor: expected a finite number, got nan",
        ),
        (
            {"task": {"name": "movie-sentiment", "clean_accuracy_floor": 80}},
            "task[0].clean_accuracy_floor: expected <= 1, got 80",
        ),
        ({"evaluation": {"test": 0}}, "evaluation.test: expected >= 1, got 0"),
        ({"attack": [{"recipe": "pwws", "examples": 0}]}, "attack[0].examples: expected >= 1, got 0"),
        ({"attack": [{"recipe": "pwws", "query_budget": -1}]}, "attack[0].query_budget: expected >= 1, got -1"),
        ({"rival": "strongest"}, "unknown defence 'strongest'; did you mean 'strong'? (known: baseline, strong)"),
        ({"rival": ["strong", "x"]}, "unknown defence 'x' (known: baseline, strong)"),
        ({"sweep": [0.5, 1.0]}, "sweep: expected factors other than 1, which is the attack itself"),
        ({"sweep": [2.0, 2.0]}, "sweep '2' stands there twice; give one of them another name"),
        ({"defence": [{"method": "freelb", "steps": 0}]}, "defence[0].steps: expected >= 1, got 0"),
        (
            {"defence": [{"method": "freelb", "step_size": float("nan")}]},
            "defence[0].step_size: expected a finite number, got nan",
        ),
    ],
)
def test_wrong_suites_name_file_and_field(data: Data, tmp_path: Path, change: Data, message: str) -> None:
    path = write_suite(tmp_path / "mine.toml", {**data, **change})
    assert message_of(path) == f"{path}: {message}"


@pytest.mark.parametrize("key", ["name", "task", "defence"])
def test_missing_keys(data: Data, key: str) -> None:
    del data[key]
    assert message_of(data) == f"suite: key '{key}' is missing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"\nseeds = [0\n', "not TOML: Unclosed array (at line 3, the end)"),
        ('name = "a"\n[task\n', "not TOML: Expected ']' at the end of a table declaration (at line 2, column 6)"),
        ('name = "a"\nname = "b"\n', "not TOML: Cannot overwrite a value (at line 2, column 11)"),
        ("epochs: 3\n", "not TOML: Expected '=' after a key in a key/value pair (at line 1, column 7)"),
    ],
)
def test_malformed_toml_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert message_of(path) == f"{path}: {message}"


def test_a_suite_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes("name = 'é'".encode("utf-16"))
    assert message_of(path) == f"{path}: not UTF-8 at byte 0; save it as UTF-8"


def test_unknown_suites() -> None:
    known = ", ".join(shipped_suites())
    assert message_of("quikstart") == f"unknown suite 'quikstart'; did you mean 'quickstart'? (known: {known})"
    assert message_of("no/such.toml") == "no/such.toml: no such suite file"
    assert message_of("mine.toml") == "mine.toml: no such suite file"


def test_the_message_of_every_setting_is_one_line(data: Data) -> None:
    data["defence"] = [{"method": "asa", "penalty": "line\nbreak" * 40}]
    assert not re.search(r"\n", message_of(data))


def test_calibrated_and_raw_stand_side_by_side_each_with_its_control(data: Data) -> None:
    raw = {"recipe": "pwws", "name": "pwws-raw", "temperature": "raw"}
    attacks = load_suite({**data, "attack": [{"recipe": "pwws"}, raw], "control_examples": 5}).attacks
    assert [attack.name for attack in attacks] == ["pwws", "pwws-random", "pwws-raw", "pwws-raw-random"]
    assert len({attack.protocol()["fingerprint"] for attack in attacks}) == 4


def test_a_controls_name_is_taken(data: Data) -> None:
    data = {**data, "attack": [{"recipe": "pwws"}, {"recipe": "leap", "name": "pwws-random"}], "control_examples": 5}
    with pytest.raises(InputError, match=r"^suite: attack 'pwws-random' stands there twice; give one of them another "):
        load_suite(data)


def test_a_recipe_and_a_protocol_lie_beside_the_suite(data: Data, tmp_path: Path) -> None:
    build = "textattack.attack_recipes.PWWSRen2019"
    (tmp_path / "own.toml").write_text(f'name="o"\ntitle="O"\npaper="p"\nbuild="{build}"\nquery_budget=7\n')
    (tmp_path / "frame.toml").write_text('name = "mine"\nmax_words_changed = 0.5\n')
    data = {**data, "attack": [{"recipe": "own.toml", "protocol": "frame.toml"}], "control_examples": 0}
    [attack] = load_suite(write_suite(tmp_path / "suite.toml", data)).attacks
    assert (attack.name, attack.recipe.name, attack.budget, attack.frame.name) == ("own", "o", 7, "mine")


def test_a_python_file_is_no_recipe(data: Data, tmp_path: Path) -> None:
    path = write_suite(tmp_path / "suite.toml", {**data, "attack": [{"recipe": "own.py"}]})
    assert message_of(path).startswith(f"{path}: unknown attack 'own.py' (known: a2t, ")

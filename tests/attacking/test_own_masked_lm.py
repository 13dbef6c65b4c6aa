"""BAE, BERT-Attack and CLARE on a tiny masked language model in a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from asa_bench.attacking.own_masked_lm import MaskedLMRecipe
from asa_bench.attacking.planned import plan_attack
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import Classifier
from tests.conftest import Cli

from .test_attack import examples
from .test_embedded_recipes import LONG, passed
from .test_engine import job_of
from .test_stock import assert_rows_are_stocks

RECIPES = ("bae", "bert-attack", "clare")


@pytest.fixture(scope="module")
def language_model(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoConfig, AutoTokenizer, BertForMaskedLM

    folder = tmp_path_factory.mktemp("masked") / "lm"
    torch.manual_seed(0)
    BertForMaskedLM(AutoConfig.from_pretrained(tiny_encoder)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    return folder


def planned(recipe: str, folder: Path) -> Any:
    settings = AttackSettings.model_validate({"recipe": recipe, "assets": {"masked_lm": str(folder)}})
    return plan_attack(settings, Path.cwd())


@pytest.mark.parametrize("recipe", RECIPES)
def test_rows_are_stocks_whatever_is_in_flight(
    classifier: Classifier, checkpoint: Path, language_model: Path, recipe: str
) -> None:
    assert_rows_are_stocks(classifier, checkpoint, planned(recipe, language_model).recipe, examples(4))


REFUSED = [
    ("bae", "SpacyPartOfSpeech", "this is a good film", 3, "great", "house"),
    ("bae", "MiniLM", LONG, 1, "movie", "surgery"),
    ("bert-attack", "MiniLM", "good", 0, "great", "pancreas"),
    ("clare", "MiniLM", "it is what it is and so it was and it will be just a film to me", 15, "movie", "pancreas"),
]


@pytest.mark.parametrize(("recipe", "kind", "text", "place", "kept", "refused"), REFUSED)
def test_each_constraint_refuses(
    classifier: Classifier, language_model: Path, recipe: str, kind: str, text: str, place: int, kept: str, refused: str
) -> None:
    from asa_bench.attacking.victim import Victim

    attack = planned(recipe, language_model).recipe.made(Victim(classifier))
    assert passed(attack, kind, text, place, [kept, refused]) == [kept]


def test_bert_attack_changes_at_most_two_words_in_five(classifier: Classifier, language_model: Path) -> None:
    from textattack.shared import AttackedText

    from asa_bench.attacking.victim import Victim

    attack = planned("bert-attack", language_model).recipe.made(Victim(classifier))
    [binding] = [one for one in attack.constraints if type(one).__name__ == "MaxWordsPerturbed"]
    original = AttackedText("this film is very good")
    two = original.replace_words_at_indices([0, 1], ["that", "movie"])
    three = two.replace_word_at_index(4, "great")
    for text in (two, three):
        text.attack_attrs["last_transformation"] = attack.transformation
    assert binding.call_many([two, three], original) == [two]


def test_a_job_keeps_its_language_model_over_the_pipe(checkpoint: Path, language_model: Path) -> None:
    job = job_of(checkpoint, examples(1)).model_copy(update={"recipe": planned("bae", language_model).recipe})
    again = type(job).model_validate_json(job.model_dump_json())
    assert isinstance(again.recipe, MaskedLMRecipe)
    assert again == job


def test_the_models_files_decide_the_protocol_and_its_place_does_not(language_model: Path, tmp_path: Path) -> None:
    shutil.copytree(language_model, tmp_path / "elsewhere")
    one, other = planned("bae", language_model), planned("bae", tmp_path / "elsewhere")
    assert one.protocol() == other.protocol()
    assert one.protocol() != plan_attack(AttackSettings(recipe="bae"), Path.cwd()).protocol()


def test_a_recipe_without_one_takes_none(language_model: Path) -> None:
    with pytest.raises(InputError, match=r"^assets.masked_lm: attack 'pwws' takes no masked language model$"):
        planned("pwws", language_model)


def test_wrong_language_models(tiny_encoder: Path, language_model: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(language_model, bare)
    for path in bare.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    config = tiny_encoder / "config.json"
    headless = tmp_path / "headless"
    shutil.copytree(language_model, headless)
    shutil.copy(tiny_encoder / "model.safetensors", headless)
    wrong = {
        headless: f"the weights in {headless} lack 6 tensors of the model: cls.predictions.bias, …",
        tiny_encoder: f"{config}: architectures: expected …ForMaskedLM, got BertModel",
        bare: f"no tokenizer in {bare}",
        tmp_path / "none": "no such folder",
    }
    for folder, message in wrong.items():
        with pytest.raises(InputError) as error:
            planned("bae", folder)
        assert str(error.value) == f"assets.masked_lm '{folder}': {message}"


def test_a_wrong_language_model_is_one_line(
    cli: Cli, checkpoint: Path, tiny_encoder: Path, reviews: Path, tmp_path: Path
) -> None:
    done = cli("attack", "--model", checkpoint, "--data", reviews / "test.csv", "--out", tmp_path / "run",
               "--attack", "bae", "--masked-lm", tiny_encoder)  # fmt: skip
    what = f"--attack: assets.masked_lm '{tiny_encoder}': {tiny_encoder / 'config.json'}"
    message = f"asa-bench: {what}: architectures: expected …ForMaskedLM, got BertModel\n"
    assert (done.code, done.err) == (2, message)
    assert not (tmp_path / "run").exists()

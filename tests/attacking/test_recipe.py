from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from asa_bench.assets import MANIFEST
from asa_bench.attacking.official import OFFICIAL, VECTOR_FILES
from asa_bench.attacking.recipe import find_recipe, read_recipe, recipes, resolve
from asa_bench.core.errors import InputError
from asa_bench.core.files import read_toml
from asa_bench.core.shipped import shipped


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_states_what_it_needs(name: str) -> None:
    recipe = recipes()[name]
    stated = read_toml(shipped("attacks") / f"{name}.toml")
    assert {"paper", "kind", "access", "build", "assets", "about"} <= set(stated)
    assert ("query_budget" in stated) == (recipe.kind != "model")
    assert not recipe.counterpart or recipes()[recipe.counterpart].access == "scores"
    assert recipe.about.strip()
    assert all(asset in MANIFEST for asset in recipe.assets)
    if recipe.needs or recipe.unsuited:
        assert recipe.lacks() == [*filter(None, [recipe.unsuited]), *recipe.needs]  # none of it is on this machine


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_names_a_class_that_builds(name: str, textattack: Any) -> None:
    assert callable(resolve(recipes()[name].build).build)


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_stands_in_the_documentation(name: str) -> None:
    recipe = recipes()[name]
    lines = (Path(__file__).parents[2] / "docs" / "attacks.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("|").split(" | ") for line in lines if line.startswith(f"| `{name}` |")]
    cells = {cell.strip() for row in rows for cell in row}
    if recipe.unsuited:
        assert recipe.unsuited in cells
    elif recipe.needs:
        assert {recipe.paper, ", ".join(recipe.needs)} <= cells
    else:
        assert {recipe.paper, recipe.kind, ", ".join(recipe.assets), " ".join(recipe.about.split())} <= cells


def test_all_of_textattacks_recipes_are_listed(textattack: Any) -> None:
    from textattack import attack_recipes

    stock = {name for name in vars(attack_recipes) if re.search(r"^[A-Z].*(\d{4}|Recipe|BlackBox)$", name)}
    listed = {recipe.build.rpartition(".")[2] for recipe in recipes().values()}
    assert len(stock) > 20
    assert stock - {"AttackRecipe"} <= listed


def test_what_lies_in_textattacks_folder_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path))
    assert recipes()["iga"].lacks() == ["counter-fitted-vectors"]
    folder = tmp_path / "textattack" / "word_embeddings" / "paragramcf"
    folder.mkdir(parents=True)
    for name in VECTOR_FILES:
        assert recipes()["iga"].lacks() == ["counter-fitted-vectors"]
        (folder / name).touch()
    assert recipes()["iga"].lacks() == []


def test_a_hub_model_is_there_with_its_weights_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    model, commit = tmp_path / "models--gpt2", "0" * 40
    (model / "snapshots" / commit).mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    for file, present in (("config.json", False), ("model.safetensors", True)):
        (model / "snapshots" / commit / file).touch()
        assert OFFICIAL["gpt2"].present() is present


def test_a_recipe_of_ones_own_needs_what_the_shipped_one_needs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    build = recipes()["textfooler"].build
    path.write_text(f'name="mine"\ntitle="M"\npaper="p"\nquery_budget=5\nbuild="{build}"\nassets=["wordnet"]\n')
    own = find_recipe("mine.toml", tmp_path)
    assert (own.assets, own.needs) == (("stopwords", "wordnet"), recipes()["textfooler"].needs)
    assert own.digest == recipes()["textfooler"].digest


def test_a_recipe_of_ones_own_is_unsuited_where_the_shipped_one_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name="mine"\ntitle="M"\npaper="p"\nquery_budget=5\nbuild="{recipes()["morpheus"].build}"\n')
    assert find_recipe("mine.toml", tmp_path).lacks() == ["a sequence-to-sequence victim", "flair-pos"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('build="os.system"', "build: 'os.system' lies outside textattack and asa_bench"),
        (
            'build="textattack.X"\nneeds=["hownett"]',
            r"needs: unknown official asset 'hownett'; did you mean 'hownet'\?",
        ),
        ('build="textattack.X"\nassets=["wordnett"]', r"assets: unknown asset 'wordnett'; did you mean 'wordnet'\?"),
    ],
)
def test_wrong_recipes(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name="mine"\ntitle="M"\npaper="p"\nquery_budget=5\n{line}\n')
    with pytest.raises(InputError, match=rf"^{path}: {message}"):
        read_recipe(path)


@pytest.mark.parametrize("reference", ["asa_bench.attacking.process.subprocess", "asa_bench.attacking.rows.joined"])
def test_what_is_no_recipe_is_refused(reference: str) -> None:
    with pytest.raises(InputError, match=rf"^build: '{reference}' is no recipe$"):
        resolve(reference)


def test_options_are_part_of_the_digest() -> None:
    usual = recipes()["pruthi"]
    assert usual.model_copy(update={"options": {"max_num_word_swaps": 2}}).digest != usual.digest


@pytest.mark.parametrize("reference", ["os.system", "builtins.eval", "textattackx.attack", "system"])
def test_references_resolve_inside_textattack_and_asa_bench_only(reference: str) -> None:
    with pytest.raises(InputError, match=rf"^build: '{reference}' lies outside textattack and asa_bench$"):
        resolve(reference)


def test_a_reference_to_nothing_is_named() -> None:
    with pytest.raises(InputError, match=r"^build: nothing is called 'asa_bench.core.nonsense'$"):
        resolve("asa_bench.core.nonsense")


def test_unknown_keys_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name="mine"\ntitle="M"\npaper="p"\nbuild="asa_bench.x"\nquery_budget=5\nqueries=1\n')
    with pytest.raises(InputError, match=rf"^{path}: unknown key 'queries'; did you mean 'query_budget'\?$"):
        read_recipe(path)

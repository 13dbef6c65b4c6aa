from __future__ import annotations

from pathlib import Path

import pytest

from asa_bench.assets import MANIFEST
from asa_bench.attacking.recipe import read_recipe, recipes, resolve
from asa_bench.attacking.settings import AttackSettings, protocol
from asa_bench.core.errors import InputError


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_states_what_it_needs(name: str) -> None:
    recipe = recipes()[name]
    assert recipe.about.strip()
    assert all(asset in MANIFEST for asset in recipe.assets)


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


def test_the_protocol_changes_with_what_decides_the_numbers() -> None:
    recipe = recipes()["deepwordbug"]
    usual = protocol(AttackSettings(recipe="deepwordbug"), recipe)
    same = protocol(AttackSettings(recipe="deepwordbug", name="other", examples=7), recipe)
    assert usual["fingerprint"] == same["fingerprint"]
    for changed in (
        AttackSettings(recipe="deepwordbug", query_budget=3),
        AttackSettings(recipe="deepwordbug", temperature="raw"),
    ):
        assert protocol(changed, recipe)["fingerprint"] != usual["fingerprint"]

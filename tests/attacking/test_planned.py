"""What an attack of a plan is: its recipe, protocol, control; own files; what is refused."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from asa_bench.attacking.planned import (
    PlannedAttack,
    plan_attack,
    refuse_missing_layers,
    refuse_unavailable,
    with_controls,
    with_sweeps,
)
from asa_bench.attacking.protocols import Frame, find_frame
from asa_bench.attacking.settings import AttackSettings
from asa_bench.core.errors import InputError
from asa_bench.core.fingerprint import fingerprint
from asa_bench.models.sentences import JUDGE

REFERENCES = Path(__file__).parents[2] / "reports" / "references"

OWN = 'name = "mine"\ntitle = "M"\npaper = "p"\nquery_budget = 5\n'


def planned(root: Path = Path(), **settings: Any) -> PlannedAttack:
    return plan_attack(AttackSettings.model_validate({"recipe": "deepwordbug", **settings}), root)


def test_the_protocol_changes_with_what_decides_the_numbers() -> None:
    usual = planned().protocol()["fingerprint"]
    assert planned(name="other", examples=7).protocol()["fingerprint"] == usual
    changed: list[dict[str, Any]] = [
        {"query_budget": 3},
        {"temperature": "raw"},
        {"protocol": "textdefender"},
        {"search": "random"},
    ]
    prints = {planned(**settings).protocol()["fingerprint"] for settings in changed}
    assert len(prints | {usual}) == 5


@pytest.mark.parametrize("protocol", ["recipe", "textdefender"])
def test_whatever_a_protocol_tells_is_in_its_fingerprint(protocol: str) -> None:
    attack = planned(recipe="pwws", protocol=protocol)
    frame = attack.protocol()
    known = {key: value for key, value in frame.items() if key != "fingerprint"}
    assert frame["fingerprint"] == fingerprint(known)
    assert known["textattack"] == metadata.version("textattack")
    assert known["recipe_digest"] == attack.recipe.digest
    assert set(known["assets"]) == {"stopwords", "wordnet", *([JUDGE] if protocol == "textdefender" else [])}
    assert {len(digest) for digest in known["assets"].values()} == {64}
    for key in known:
        assert fingerprint({**known, key: "another"}) != frame["fingerprint"], key


def test_a_recipes_digest_changes_with_what_it_builds() -> None:
    recipe = planned().recipe
    others: list[dict[str, Any]] = [
        {"build": "textattack.attack_recipes.Pruthi2019"},
        {"options": {"use_all_transformations": False}},
    ]
    digests = {recipe.model_copy(update=change).digest for change in others}
    assert len(digests | {recipe.digest}) == 3


@pytest.mark.parametrize("name", ["deepwordbug", "pwws"])
def test_the_committed_references_have_this_protocol(name: str) -> None:
    kept = json.loads((REFERENCES / f"self-{name}.json").read_text(encoding="utf-8"))["protocols"][name]
    settings = {key: kept[key] for key in ("query_budget", "temperature", "protocol")}
    assert planned(recipe=name, **settings).protocol() == kept


def test_a_recipe_of_ones_own_lies_beside_the_suite(tmp_path: Path) -> None:
    build = "textattack.attack_recipes.Pruthi2019"
    (tmp_path / "mine.toml").write_text(f'{OWN}build = "{build}"\noptions = {{ max_num_word_swaps = 2 }}\n')
    attack = planned(tmp_path, recipe="mine.toml")
    assert (attack.name, attack.recipe.name, attack.budget) == ("mine", "mine", 5)
    assert attack.recipe.options == {"max_num_word_swaps": 2}
    refuse_unavailable([attack], "suite")


def test_a_recipe_that_points_at_nothing_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'{OWN}build = "textattack.attack_recipes.Pruthi2018"\n')
    message = rf"^{path}: build: nothing is called 'textattack.attack_recipes.Pruthi2018'$"
    with pytest.raises(InputError, match=message):
        refuse_unavailable([planned(recipe=str(path))], "suite")


def test_an_attack_that_lacks_something_is_refused() -> None:
    message = r"^suite: attack 'iga' lacks counter-fitted-vectors; see asa-bench doctor$"
    with pytest.raises(InputError, match=message):
        refuse_unavailable([planned(recipe="iga")], "suite")


def test_each_text_attack_gets_a_control_of_the_same_budget() -> None:
    attacks = [planned(query_budget=70), planned(recipe="input-reduction")]
    found = list(with_controls(attacks, 50))
    assert [(attack.name, attack.kind) for attack in found] == [
        ("deepwordbug", "text"), ("deepwordbug-random", "control"), ("input-reduction", "diagnostic"),
    ]  # fmt: skip
    assert (found[1].budget, found[1].settings.examples) == (70, 50)
    assert list(with_controls(attacks, 0)) == attacks


def test_a_sweep_does_an_attack_again_at_other_temperatures() -> None:
    attacks = [planned(query_budget=70), planned(name="raw", temperature="raw"), planned(recipe="input-reduction")]
    found = list(with_sweeps(attacks, [0.25, 4.0], 50))
    assert [(attack.name, attack.kind, attack.settings.temperature_factor) for attack in found] == [
        ("deepwordbug", "text", 1.0), ("deepwordbug-at-0.25", "sweep", 0.25), ("deepwordbug-at-4", "sweep", 4.0),
        ("raw", "text", 1.0), ("input-reduction", "diagnostic", 1.0),
    ]  # fmt: skip
    assert (found[1].budget, found[1].settings.examples) == (70, 50)
    assert len({attack.protocol()["fingerprint"] for attack in found[:3]}) == 3


def test_a_raw_temperature_is_not_multiplied() -> None:
    message = r"temperature_factor: a raw temperature is not fitted, so that nothing can be multiplied"
    with pytest.raises(ValidationError, match=message):
        AttackSettings(recipe="pwws", temperature="raw", temperature_factor=2.0)


def test_textdefender_is_as_its_code_has_it() -> None:
    frame = find_frame("textdefender", Path())
    assert frame.content() == {
        "max_words_changed": 0.3, "candidates_per_word": 50, "similarity": 0.840845057,
        "similarity_window": 15, "queries_per_word": 50,
    }  # fmt: skip
    attack = planned(protocol="textdefender")
    assert attack.budget is None
    assert "minilm" in attack.protocol()["assets"]
    assert planned(protocol="textdefender", query_budget=9).budget == 9


def test_protocols_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "strict.toml"
    path.write_text('name = "strict"\nmax_words_changed = 0.1\n')
    assert find_frame("strict.toml", tmp_path) == Frame(name="strict", max_words_changed=0.1)
    path.write_text('name = "recipe"\n')
    message = rf"^{path}: name: 'recipe' is the protocol that adds nothing; choose another name$"
    with pytest.raises(InputError, match=message):
        find_frame(str(path), Path())
    with pytest.raises(InputError, match=r"^unknown protocol 'textdefend'; did you mean 'textdefender'\? \(known: "):
        find_frame("textdefend", Path())


def test_an_attack_inside_the_model_has_strengths_and_no_budget() -> None:
    attack = planned(recipe="attention-mask", options={"layer": 3, "shares": [0.1, 0.2]})
    resolved = attack.resolved()
    assert (attack.kind, attack.budget, resolved["query_budget"]) == ("model", None, None)
    assert resolved["strengths"] == [0.1, 0.2]
    assert resolved["measure"] == "share of the attention units that are masked"
    assert attack.protocol()["fingerprint"] != planned(recipe="attention-mask").protocol()["fingerprint"]
    (_, control) = with_controls([attack], 50)
    assert (control.name, control.kind, control.settings.search) == ("attention-mask-random", "control", "random")
    assert control.protocol()["fingerprint"] != attack.protocol()["fingerprint"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"query_budget": 9}, r"^attack 'embedding-pgd': query_budget: an attack of kind model has none$"),
        ({"protocol": "textdefender"}, r"^attack 'embedding-pgd': protocol: an attack of kind model has none$"),
        ({"adversary": "on"}, r"^attack 'embedding-pgd': adversary: an attack of kind model has none$"),
    ],
)
def test_what_bounds_words_is_refused_inside_the_model(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(recipe="embedding-pgd", **settings)


@pytest.mark.parametrize("recipe", ["gradient-swap", "input-reduction"])
def test_an_adversary_is_for_text_attacks_that_see_scores(recipe: str) -> None:
    message = rf"^attack '{recipe}': adversary: expected 'off' but for text attacks that see scores$"
    with pytest.raises(InputError, match=message):
        planned(recipe=recipe, adversary="worse")


def test_an_adversary_at_another_temperature_is_refused() -> None:
    message = r"^attack 'deepwordbug': temperature_factor: expected 1 beside 'adversary'$"
    with pytest.raises(InputError, match=message):
        planned(recipe="deepwordbug", adversary="on", temperature_factor=4)


def test_a_layer_that_the_encoder_has_not_is_named(tiny_encoder: Path) -> None:
    there, missing = (planned(name="deep", recipe="attention-mask", options={"layer": layer}) for layer in (1, 2))
    refuse_missing_layers([planned(recipe="embedding-pgd"), there], tiny_encoder, "s")
    message = rf"^s: attack 'deep': options: layer: expected 0 to 1 for {tiny_encoder.name}, got 2$"
    with pytest.raises(InputError, match=message):
        refuse_missing_layers([missing], tiny_encoder, "s")


def test_an_adversary_makes_another_protocol_and_no_control() -> None:
    attacks = [planned(name=f"a-{guide}", adversary=guide) for guide in ("off", "on", "worse")]
    assert [attack.kind for attack in attacks] == ["text", "aware", "aware"]
    assert len({attack.protocol()["fingerprint"] for attack in attacks}) == 3
    assert [attack.name for attack in with_controls(attacks, 5)] == ["a-off", "a-off-random", "a-on", "a-worse"]


def test_an_adversary_needs_a_temperature() -> None:
    message = r"temperature: expected 'calibrated' with an adversary, whose scores are log-probabilities"
    with pytest.raises(ValidationError, match=message):
        planned(adversary="on", temperature="raw")


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (
            "pruthi",
            {"swaps": 2},
            r"^s: attack 'pruthi': options: unknown option 'swaps' \(known: max_num_word_swaps\)$",
        ),
        ("embedding-pgd", {"steps": 0}, r"^s: attack 'embedding-pgd': options: steps: expected >= 1, got 0$"),
    ],
)
def test_an_option_that_the_recipe_does_not_take_is_named(recipe: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        refuse_unavailable([planned(recipe=recipe, options=options)], "s")

from __future__ import annotations

from typing import Any

import pytest

from asa_bench.reporting.view import views
from asa_bench.reporting.worst_case_tables import decided
from tests.reporting.conftest import MakeRun


def test_with_every_attack_it_is_the_comparisons_worst_case(make_run: MakeRun) -> None:
    view = views(make_run(n=100, seeds=(0, 1)))[0]
    table = decided(view)
    assert table is not None
    assert [(row[0].text, row[1].text) for row in table.rows] == [
        (attack, defence) for attack in ("deepwordbug", "pwws") for defence in view.defences
    ]
    for row in table.rows:
        worst = view.estimate(row[1].text, "worst_case_accuracy")
        assert row[5].value == pytest.approx(worst.value)
        assert (row[5].low, row[5].high) == (worst.low, worst.high)
        assert row[2].note.endswith(" of 172; n = 200")
    assert table.rows[0][-2].value == pytest.approx(view.estimate("baseline", "robust_accuracy", "pwws").value)


def test_an_attack_that_knows_the_adversary_is_set_against_the_text_attacks(make_run: MakeRun) -> None:
    suite = {
        "defence": [{"name": "baseline"}, {"name": "asa"}],
        "attack": [
            {"name": "pwws", "recipe": "pwws", "kind": "text"},
            {"name": "pwws-masks-on", "recipe": "pwws", "kind": "aware"},
        ],
    }
    view = views(make_run(n=100, attacks=("pwws", "pwws-masks-on"), suite=suite))[0]
    table = decided(view)
    assert table is not None
    known = next(row for row in table.rows if (row[0].text, row[1].text) == ("pwws-masks-on", "asa"))
    plain = view.estimate("asa", "robust_accuracy", "pwws").value
    assert known[4].value == pytest.approx(plain)
    assert known[5].value is not None
    assert known[5].value < plain  # type: ignore[operator]


def test_one_attack_decides_nothing(make_run: MakeRun) -> None:
    assert decided(views(make_run(n=20, attacks=("pwws",)))[0]) is None


def test_the_caption_names_the_attack_that_decides_most(make_run: MakeRun) -> None:
    view = views(make_run(n=100))[0]
    table = decided(view)
    assert table is not None
    counts = dict.fromkeys(view.text_attacks, 0)
    for row in table.rows:
        counts[row[0].text] += int(row[3].note)
    first = max(counts, key=lambda attack: counts[attack])
    assert list(counts.values()).count(counts[first]) == 1
    assert table.caption.startswith(
        f"{first} decides most: lost to it alone, over all defences: {counts[first]}. Over the examples that "
    )


def test_attacks_that_decide_alike_or_not_at_all(make_run: MakeRun) -> None:
    run = make_run(n=20, defences=("baseline",))
    run.examples["outcome"] = run.examples["outcome"].replace("failed", "succeeded")
    table = decided(views(run)[0])
    assert table is not None
    assert table.caption.startswith("No attack decides by itself: whatever fell, fell to two or more. Over ")
    run.examples.loc[[0, 21], "outcome"] = "failed"
    table = decided(views(run)[0])
    assert table is not None
    assert table.caption.startswith(
        "deepwordbug and pwws decide most: lost to each of them alone, over all defences: 1. Over "
    )


def test_invalid_attacks_and_those_inside_a_model_stay_out(make_run: MakeRun) -> None:
    suite: dict[str, list[dict[str, Any]]] = {
        "defence": [{"name": "baseline"}],
        "attack": [
            {"name": "pwws", "recipe": "pwws", "kind": "text"},
            {"name": "deepwordbug", "recipe": "deepwordbug", "kind": "text"},
            {"name": "pruthi", "recipe": "pruthi", "kind": "text"},
            {"name": "embedding-pgd", "recipe": "embedding-pgd", "kind": "model", "strengths": [0.1]},
        ],
    }
    invalid = [{"task": "movie-sentiment", "encoder": "minilm", "attack": "pruthi", "reason": "inert"}]
    names = [entry["name"] for entry in suite["attack"]]
    run = make_run(n=40, attacks=names, defences=("baseline",), suite=suite, invalid=invalid)
    table = decided(views(run)[0])
    assert table is not None
    assert [row[0].text for row in table.rows] == ["pwws", "deepwordbug"]
    fewer = make_run(n=40, attacks=("pwws", "deepwordbug"), defences=("baseline",))
    assert {row[5].value for row in table.rows} == {views(fewer)[0].estimate("baseline", "worst_case_accuracy").value}


def test_a_defence_that_did_not_stand_all_is_left_out(make_run: MakeRun) -> None:
    run = make_run(n=20, missing=lambda cell, attack: cell["defence"] == "freelb" and attack == "pwws")
    table = decided(views(run)[0])
    assert table is not None
    assert {row[1].text for row in table.rows} == {"baseline", "asa", "asa-ratio"}

from __future__ import annotations

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
        assert row[-1].value == pytest.approx(view.estimate(row[1].text, "worst_case_accuracy").value)
        assert row[2].note == "n = 200"
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

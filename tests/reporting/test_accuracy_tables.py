import pytest

from asa_bench.reporting.accuracy_tables import attack_detail, comparison, interval_note, out_of_domain
from asa_bench.reporting.view import views

from .conftest import MakeRun


def test_comparison_is_a_rectangle_of_defences_and_attacks(make_run: MakeRun) -> None:
    (view,) = views(make_run())
    table = comparison(view)
    titles = [column.title for column in table.columns]
    assert titles == ["Defence", "Clean accuracy, %", "Worst case, %", "deepwordbug, %", "pwws, %"]
    assert [cell.text for cell in table.rows[0]] == ["baseline", "84.8", "5.0", "7.0", "17.0"]
    assert table.rows[0][3].note == "4.2–11.4"
    assert table.caption == (
        "Clean accuracy: right on the test set (n = 400). Under attack: robust accuracy, the share of all sampled "
        "examples that are right before the attack and still right after it (n = 200). An attack succeeds when it "
        "turns a right prediction wrong; errors and time-outs count as not shown robust. Worst case: still right under "
        "each of deepwordbug (500 queries) and pwws (500 queries). Brackets: 95 % Wilson intervals over the examples "
        "of one training seed; they speak of these checkpoints, not of the methods."
    )


def test_one_attack_needs_no_worst_case(make_run: MakeRun) -> None:
    (view,) = views(make_run(attacks=("pwws",), n=20))
    assert [column.title for column in comparison(view).columns] == ["Defence", "Clean accuracy, %", "pwws, %"]


def test_missing_cells_are_dashes(make_run: MakeRun) -> None:
    (view,) = views(make_run(n=20, missing=lambda cell, attack: cell["defence"] == "asa" and attack == "pwws"))
    row = next(row for row in comparison(view).rows if row[0].text == "asa")
    assert [cell.text for cell in (row[2], row[4])] == ["–", "–"]
    assert [cell.value for cell in (row[2], row[4])] == [None, None]


def test_attack_detail_shows_both_numbers_of_the_success_rate(make_run: MakeRun) -> None:
    (view,) = views(make_run(seeds=(0, 1)))
    row = attack_detail(view, ["pwws"], "attacks", "Attacks").rows[0]
    rates = [view.estimate("baseline", "attack_success_rate", "pwws", seed) for seed in (0, 1)]
    succeeded = sum(round((rate.value or 0) * rate.n) for rate in rates)
    assert row[2].note == f"{succeeded}/336"
    assert [cell.text for cell in row[3:]] == ["49.5", "50", "1.0", "0.90", "3", "0"]


def test_other_domains(make_run: MakeRun) -> None:
    (view,) = views(make_run(n=20))
    domains = out_of_domain(view)
    assert domains is not None
    assert [column.title for column in domains.columns] == ["Defence", "test, %", "tweets, %"]


@pytest.mark.parametrize(
    ("seeds", "note"),
    [
        ((0,), "Brackets: 95 % Wilson intervals over the examples of one training seed; they speak of these "
         "checkpoints, not of the methods."),
        ((0, 1), "Means of two training seeds, without intervals; they speak of these checkpoints, not of the "
         "methods."),
        ((0, 1, 2), "Means of 3 training seeds; brackets: 95 % t intervals over the seeds, on these examples (none "
         "where all seeds agree)."),
    ],
)  # fmt: skip
def test_the_note_says_what_the_seeds_allow(make_run: MakeRun, seeds: tuple[int, ...], note: str) -> None:
    (view,) = views(make_run(seeds=seeds, n=20))
    assert interval_note(view) == note


def test_similarity_that_the_attack_itself_asked_for_is_marked(make_run: MakeRun) -> None:
    protocols = {"pwws": {"assets": {"wordnet": "a", "minilm": "b"}}, "deepwordbug": {"assets": {"stopwords": "c"}}}
    (view,) = views(make_run(n=20, protocols=protocols))
    marked = attack_detail(view, ["deepwordbug", "pwws"], "attacks", "t").caption
    assert marked.endswith(" Similarity of pwws: judged by the attack's own constraint, not by a stranger.")
    assert "own constraint" not in attack_detail(view, ["deepwordbug"], "attacks", "t").caption

"""Flags beside the numbers and in their table; the transfer table."""

from __future__ import annotations

import pytest

from asa_bench.reporting.accuracy_tables import comparison
from asa_bench.reporting.flag_tables import flag_table, flags, transfer_table
from asa_bench.reporting.view import View, views
from asa_bench.stats.metrics import results

from .conftest import MakeRun

SOUND = [{"probe": "unlike_answers", "value": 0.0, "n": 64}, {"probe": "zero_gradient", "value": 0.0, "n": 64}]


def view_of(make_run: MakeRun, **parts: object) -> View:
    (view,) = views(make_run(defences=("baseline", "asa"), attacks=("pwws",), **parts))
    return view


def test_a_sound_run_has_no_flags(make_run: MakeRun) -> None:
    view = view_of(make_run, probes=SOUND)
    assert flags(view) == []
    assert flag_table(view) is None
    assert all("[" not in cell.text for row in comparison(view).rows for cell in row)


def test_a_flag_stands_beside_every_number_of_its_model_with_its_reason(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline", "asa"), attacks=("pwws",))
    noisy = {**dict.fromkeys(run.probes.columns), "task": "movie-sentiment", "encoder": "minilm", "defence": "asa"}
    run.probes.loc[0] = {**noisy, "seed": 0, "probe": "unlike_answers", "value": 0.25, "n": 64}
    (view,) = views(run)
    baseline, asa = comparison(view).rows
    assert [cell.text.endswith(" [a]") for cell in asa] == [False, True, True]
    assert [cell.text.endswith(" [a]") for cell in baseline] == [False, False, False]
    table = flag_table(view)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        [
            "a",
            "asa",
            "all",
            "25.0 % of 64 texts got other scores when they were asked about again: the model answers at random, which "
            "misleads a search and is no robustness",
        ]
    ]


def test_the_worst_case_is_marked_too_and_the_letters_are_told(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline", "asa"), attacks=("pwws", "deepwordbug"))
    assert "Letters" not in comparison(views(run)[0]).caption
    noisy = {**dict.fromkeys(run.probes.columns), "task": "movie-sentiment", "encoder": "minilm", "defence": "asa"}
    run.probes.loc[0] = {**noisy, "seed": 0, "probe": "unlike_answers", "value": 0.25, "n": 64}
    table = comparison(views(run)[0])
    assert table.columns[2].title == "Worst case, %"
    assert [row[2].text.endswith(" [a]") for row in table.rows] == [False, True]
    assert table.caption.endswith(
        " Letters in square brackets: flags; their table says why the number may flatter the model."
    )


def test_a_stalled_search_is_flagged_at_its_own_attack_alone(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline",), attacks=("pwws", "deepwordbug"))
    stuck = (run.examples["attack"] == "pwws") & (run.examples["outcome"] == "failed")
    run.examples.loc[stuck, "queries"] = 500
    (view,) = views(run)
    (found,) = flags(view)
    assert (found.letter, found.defence, found.attack) == ("a", "baseline", "pwws")
    table = comparison(view)
    (row,) = table.rows
    titles = [column.title for column in table.columns]
    assert [title for title, cell in zip(titles, row, strict=True) if cell.text.endswith(" [a]")] == ["pwws, %"]


def beside_numbers(view: View, defence: str) -> dict[str, str]:
    """The letters beside each number of a defence in the table of robust accuracy, where there are any."""
    table = comparison(view)
    (row,) = (row for row in table.rows if row[0].text == defence)
    pairs = ((column.title, cell.text.partition(" [")[2]) for column, cell in zip(table.columns, row, strict=True))
    return {title: letters.removesuffix("]") for title, letters in pairs if letters}


LEARNT = (
    "trained on this attack: it learnt from the recipe's successes on up to 500 training examples; the number says "
    "little about attacks that it has not met"
)
TUNED = (
    "tuned on this attack: its settings were chosen by what the recipe left of up to 100 validation examples; the "
    "number says little about attacks that it has not met"
)


def test_an_attack_that_a_defence_was_trained_on_is_flagged_at_that_defence_alone(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline", "asa"), attacks=("pwws", "deepwordbug"))
    run.suite["defence"][1] |= {"method": "adversarial-examples", "recipe": "deepwordbug", "examples": 500}
    run.suite["attack"][1]["name"] = "bugs"  # which goes by another name
    for frame in (run.results, run.examples):
        frame["attack"] = frame["attack"].replace("deepwordbug", "bugs")
    (view,) = views(run)
    assert flags(view) == [("a", "asa", "bugs", LEARNT)]
    assert beside_numbers(view, "asa") == {"bugs, %": "a"}
    assert beside_numbers(view, "baseline") == {}


def test_an_attack_that_a_defence_was_tuned_on_is_flagged(make_run: MakeRun) -> None:
    tuned = {"criterion": "robust-accuracy", "recipe": "pwws", "examples": 100}
    place = {"kind": "trial", "task": "movie-sentiment", "encoder": "minilm", "defence": "asa", "status": "done"}
    cells = [{**place, "robust_accuracy": value} for value in (None, 0.25)]  # the first diverged
    run = make_run(defences=("baseline", "asa"), attacks=("pwws", "deepwordbug"), cells=cells)
    run.suite["tune"] = tuned
    (view,) = views(run)
    assert flags(view) == [("a", "asa", "pwws", TUNED)]
    assert beside_numbers(view, "asa") == {"pwws, %": "a"}
    run.suite["tune"] = {"monday": tuned, "tuesday": {**tuned, "recipe": "textfooler"}}  # as of several runs
    assert flags(view) == [("a", "asa", "pwws", TUNED)]
    run.suite["tune"] = {**tuned, "criterion": "validation-loss"}
    assert flags(view) == []


def test_saturated_scores_are_flagged_from_the_predictions(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline",), attacks=("pwws",))
    sure = run.predictions.assign(confidence=1.0)
    (view,) = views(type(run)(**{**vars(run), "results": results(run.examples, sure, run.calibration)}))
    assert "saturated_share" in view.metrics("saturated")
    assert [flag.reason for flag in flags(view)] == [
        "100.0 % of 400 clean answers are surer than 99.99 % before calibration: attacks on raw probabilities are "
        "starved, and what a fitted temperature can mend is little"
    ]


def test_an_attack_that_sees_more_and_does_less_is_flagged_at_its_own_number(make_run: MakeRun) -> None:
    run = make_run(defences=("baseline",), attacks=("deepwordbug", "pwws"))
    run.suite["attack"][1]["counterpart"] = "deepwordbug"  # as if pwws saw the gradient
    attacked = run.examples["outcome"].isin(["succeeded", "failed"])
    run.examples["outcome"] = run.examples["outcome"].mask(attacked, "succeeded")
    sighted = attacked & (run.examples["attack"] == "pwws")
    run.examples.loc[sighted & (run.examples["label"] == 1), "outcome"] = "failed"
    (view,) = views(run)
    assert [(flag.defence, flag.attack) for flag in flags(view)] == [("baseline", "pwws")]
    assert flags(view)[0].reason == (
        "sees the gradient, and yet turns 41.0 points fewer of 200 examples than the attack of the same candidates "
        "and constraints that sees scores alone: the gradient misleads or is masked"
    )


@pytest.mark.parametrize("term", ["query_budget", "protocol", "temperature", "assets"])
def test_only_a_search_on_the_same_terms_is_a_counterpart(make_run: MakeRun, term: str) -> None:
    run = make_run(defences=("baseline",), attacks=("deepwordbug", "pwws"))
    run.suite["attack"][1]["counterpart"] = "deepwordbug"
    assert views(run)[0].counterpart("pwws") == "deepwordbug"
    run.suite["attack"][0][term] = "another"
    assert views(run)[0].counterpart("pwws") is None


def test_transfer_is_pooled_over_seeds_and_labelled_as_no_attack(make_run: MakeRun) -> None:
    moved = {"attack": "pwws", "probe": "transfer"}
    run = make_run(defences=("baseline", "asa"), attacks=("pwws",), seeds=(0, 1))
    place = {**dict.fromkeys(run.probes.columns), "task": "movie-sentiment", "encoder": "minilm", "defence": "asa"}
    for seed, value, n in ((0, 0.5, 30), (1, 0.2, 10)):
        run.probes.loc[seed] = {**place, **moved, "seed": seed, "against": "baseline", "value": value, "n": n}
    (view,) = views(run)
    table = transfer_table(view)
    assert table is not None
    assert "No attack on the model of the column" in table.caption
    assert [[(cell.text, cell.note) for cell in row] for row in table.rows] == [
        [("pwws", ""), ("baseline", ""), ("–", ""), ("42.5", "40")]
    ]
    assert transfer_table(view_of(make_run)) is None

from dataclasses import replace

import pandas as pd
import pytest

from asa_bench.records.schema import EXAMPLES, table
from asa_bench.records.store import Run
from asa_bench.reporting.comparison_tables import compared, compared_by_attack
from asa_bench.reporting.summary import comparisons, sentences
from asa_bench.reporting.view import View, views
from asa_bench.stats.metrics import results

from .conftest import MakeRun

CHECKPOINTS = "One training seed each: this is about these checkpoints, not about the methods."


def outcomes(run: Run, robust: dict[str, list[str]]) -> View:
    """``run`` with one attack and, per defence, one string of outcomes per seed: 1 = still right."""
    rows = [
        {
            "task": "t",
            "encoder": "e",
            "defence": defence,
            "seed": seed,
            "attack": "pwws",
            "example_id": str(i),
            "label": 1,
        }
        | {"outcome": "failed" if letter == "1" else "succeeded", "original_prediction": 1}
        for defence, seeds in robust.items()
        for seed, letters in enumerate(seeds)
        for i, letter in enumerate(letters)
    ]
    suite = {"name": "s", "defence": [{"name": name, "method": name.partition("-")[0]} for name in robust]}
    examples = table(rows, EXAMPLES)
    metrics = results(examples, run.predictions, run.calibration)
    return views(replace(run, info={"format": 1, "suite": suite}, examples=examples, results=metrics))[0]


def test_a_significant_gain(empty_run: Run) -> None:
    view = outcomes(empty_run, {"baseline": ["1" * 20 + "0" * 80], "asa": ["1" * 40 + "0" * 60]})
    assert sentences(view) == [
        "asa is still right on 40.0 % of the examples under pwws, 20.0 points above baseline (95 % interval +11.8 to "
        "+28.0; p < 0.0001 by exact McNemar with Holm's correction, n = 100).",
        CHECKPOINTS,
    ]


def test_a_significant_loss(empty_run: Run) -> None:
    view = outcomes(empty_run, {"baseline": ["1" * 40 + "0" * 60], "asa": ["1" * 20 + "0" * 80]})
    assert sentences(view)[0] == (
        "asa is still right on 20.0 % of the examples under pwws, 20.0 points below baseline (95 % interval −28.0 to "
        "−11.8; p < 0.0001 by exact McNemar with Holm's correction, n = 100)."
    )


def test_nothing_can_be_said_and_what_would_be_needed(empty_run: Run) -> None:
    view = outcomes(empty_run, {"baseline": ["1" * 20 + "0" * 80], "asa": ["1" * 19 + "0" + "1" * 4 + "0" * 76]})
    assert sentences(view) == [
        "Nothing can be said about asa against baseline under pwws: 23.0 % and 20.0 % still right, a difference of "
        "+3.0 points (95 % interval −2.0 to +8.2; p = 0.38 by exact McNemar with Holm's correction, n = 100). To "
        "show a difference of this size, about 440 examples would be needed (power 80 %).",
        CHECKPOINTS,
    ]


def test_equal_models_plan_for_five_points_or_for_nothing(empty_run: Run) -> None:
    swapped = outcomes(empty_run, {"baseline": ["10" * 50], "asa": ["01" * 2 + "10" * 48]})
    assert sentences(swapped)[0].endswith(
        "To show a difference of 5.0 points, about 160 examples would be needed (power 80 %)."
    )
    same = outcomes(empty_run, {"baseline": ["10" * 50], "asa": ["10" * 50]})
    assert sentences(same)[0].endswith("No example told the two apart, so there is nothing to plan a larger test from.")


def test_holm_over_the_compared_defences(empty_run: Run) -> None:
    asa = "1" * 26 + "0" * 74
    view = outcomes(empty_run, {"baseline": ["1" * 20 + "0" * 80], "asa": [asa], "asa-ratio": [asa]})
    found = comparisons(view)
    assert [comparison.pair.p_value for comparison in found] == [0.03125, 0.03125]
    assert [comparison.p_adjusted for comparison in found] == [0.0625, 0.0625]
    assert not any(comparison.significant for comparison in found)


def test_the_primary_family_is_asa_against_baseline_and_rival_and_the_rest_is_exploratory(empty_run: Run) -> None:
    robust = {name: ["1" * k + "0" * (100 - k)] for name, k in (("baseline", 20), ("freelb", 26), ("fgm", 27))}
    view = outcomes(empty_run, {**robust, "asa": ["1" * 40 + "0" * 60]})
    view.info["suite"]["rival"] = "freelb"
    found = comparisons(view)
    assert [(c.defence, c.against, c.family) for c in found] == [
        ("asa", "baseline", 2), ("asa", "freelb", 2), ("freelb", "baseline", None), ("fgm", "baseline", None),
    ]  # fmt: skip
    assert [c.p_adjusted for c in found[2:]] == [None, None]
    assert found[1].p_adjusted == pytest.approx(2**-13)
    assert sentences(view)[1].startswith(
        "asa is still right on 40.0 % of the examples under pwws, 14.0 points above freelb (95 % interval "
    )
    assert sentences(view)[2] == (
        "Exploratory, in the table of comparisons, without correction for their number: freelb with baseline and fgm "
        "with baseline."
    )


def test_of_several_rivals_a_control_stands_against_what_it_is_like_and_what_says_nothing_shares_a_sentence(
    empty_run: Run,
) -> None:
    right = {"baseline": 20, "asa": 21, "asa-ratio": 40, "two-pass": 22, "random-mask": 23}
    view = outcomes(empty_run, {name: ["1" * k + "0" * (100 - k)] for name, k in right.items()})
    view.info["suite"]["rival"] = ["two-pass", "random-mask"]
    view.info["suite"]["defence"][-1]["like"] = "asa"
    against = [(c.defence, c.against, c.family) for c in comparisons(view)]
    assert against[:5] == [
        ("asa", "baseline", 5), ("asa", "two-pass", 5), ("asa", "random-mask", 5),
        ("asa-ratio", "baseline", 5), ("asa-ratio", "two-pass", 5),
    ]  # fmt: skip
    assert against[5:] == [("two-pass", "baseline", None), ("random-mask", "baseline", None)]
    silent, *told = sentences(view)
    assert silent == (
        "Nothing can be said about asa against baseline, two-pass and random-mask under pwws: differences of −2.0 to "
        "+1.0 points, with their intervals in the table of comparisons (p = 1.00 at the least with Holm's correction "
        "for 5)."
    )
    assert [sentence.split(" is still right")[0] for sentence in told[:2]] == ["asa-ratio"] * 2


def test_the_suite_may_name_the_primary_family(empty_run: Run) -> None:
    robust = {name: ["1" * k + "0" * (100 - k)] for name, k in (("baseline", 20), ("freelb", 26), ("asa", 27))}
    view = outcomes(empty_run, robust)
    view.info["suite"]["primary"] = ["freelb"]
    assert [(c.defence, c.family) for c in comparisons(view)] == [("freelb", 1), ("asa", None)]


def test_the_table_of_comparisons_says_what_could_have_been_shown(empty_run: Run) -> None:
    robust = {name: ["1" * k + "0" * (100 - k)] for name, k in (("baseline", 20), ("freelb", 26), ("asa", 27))}
    table = compared(outcomes(empty_run, robust))
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["asa", "baseline", "primary", "+7.0", "0.016", "0.016", "100", "none"],
        ["freelb", "baseline", "exploratory", "+6.0", "0.031", "–", "100", "none"],
    ]


def test_cut_texts_are_told(make_run: MakeRun) -> None:
    run = make_run(defences=("asa",), n=10)
    run.predictions["truncated"] = [i % 8 == 0 for i in range(len(run.predictions))]
    metrics = results(run.examples, run.predictions, run.calibration)
    (view,) = views(replace(run, results=metrics))
    assert sentences(view)[1] == "12.5 % of the clean texts are longer than asa reads, and were cut."


@pytest.mark.parametrize("n", [20, 5000])
def test_one_seed_never_speaks_of_the_methods(empty_run: Run, n: int) -> None:
    view = outcomes(empty_run, {"baseline": ["0" * n], "asa": ["1" * n]})
    assert sentences(view)[1:] == [CHECKPOINTS]
    assert [comparison.pair.test for comparison in comparisons(view)] == ["exact McNemar"]


def test_three_seeds_speak_of_the_methods(empty_run: Run) -> None:
    asa = ["1" * k + "0" * (100 - k) for k in (30, 31, 32)]
    view = outcomes(empty_run, {"baseline": ["1" * 20 + "0" * 80] * 3, "asa": asa})
    assert sentences(view) == [
        "asa is still right on 31.0 % of the examples under pwws, 11.0 points above baseline (95 % interval +8.5 to "
        "+13.5; p = 0.003 by paired t test over seeds with Holm's correction, n = 100).",
        "3 training seeds each: this is about the methods as trained here, on these examples.",
    ]


def test_two_seeds_give_no_interval(empty_run: Run) -> None:
    view = outcomes(
        empty_run, {"baseline": ["1" * 20 + "0" * 80] * 2, "asa": ["1" * 30 + "0" * 70, "1" * 32 + "0" * 68]}
    )
    assert sentences(view) == [
        "asa is still right on 31.0 % of the examples under pwws, 11.0 points above baseline (p = 0.002 by larger p of "
        "exact McNemar on two seeds with Holm's correction, n = 100).",
        "Two training seeds each: this is about these checkpoints, not about the methods.",
    ]


def test_without_a_baseline_or_an_attack_nothing_is_compared(make_run: MakeRun) -> None:
    (no_baseline,) = views(make_run(defences=("asa",), n=200))
    assert sentences(no_baseline) == [
        "asa is right on 82.5 % (78.5–85.9; n = 400) of the clean texts, and still right on 23.0 % (17.7–29.3; "
        "n = 200) under each of deepwordbug and pwws.",
        "No defence here is the baseline, so nothing is compared; asa-bench compare sets this run beside another one, "
        "example by example.",
    ]
    (alone,) = views(make_run(defences=("baseline",), n=10))
    assert sentences(alone) == ["No defence shares attacked examples with baseline, so nothing is compared."]
    (no_attack,) = views(make_run(attacks=()))
    assert sentences(no_attack) == ["No attack has given results, so nothing is known about robustness."]


def beside(view: View, control: View) -> View:
    """A view with what another one found as its attack's random control."""
    random = control.examples.assign(attack="pwws-random")
    return replace(view, examples=pd.concat([view.examples, random], ignore_index=True))


def test_a_search_that_random_search_equals_is_told(empty_run: Run) -> None:
    view = outcomes(empty_run, {"baseline": ["1" * 20 + "0" * 80], "asa": ["1" * 40 + "0" * 60]})
    assert sentences(beside(view, view))[-2] == (
        "On the examples that both attacked, random search succeeds no less often than pwws with the same budget on "
        "baseline (80 against 80 of 100) and on asa (60 against 60 of 100): no gain by what guides pwws is seen there."
    )


def test_a_model_that_blinds_a_search_does_not_hide_behind_the_others(empty_run: Run) -> None:
    view = outcomes(empty_run, {"baseline": ["1" * 20 + "0" * 80], "asa": ["1" * 90 + "0" * 10]})
    control = outcomes(empty_run, {"baseline": ["1" * 60 + "0" * 40], "asa": ["1" * 80 + "0" * 20]})
    assert sentences(beside(view, control))[-2] == (
        "On the examples that both attacked, random search succeeds no less often than pwws with the same budget on "
        "asa (20 against 10 of 100): no gain by what guides pwws is seen there."
    )


def test_models_of_few_examples_are_judged_together(empty_run: Run) -> None:
    view = outcomes(empty_run, {"baseline": ["1" * 3 + "0" * 9], "asa": ["1" * 6 + "0" * 6]})
    assert sentences(beside(view, view))[-2] == (
        "On the examples that both attacked, random search succeeds no less often than pwws with the same budget on "
        "all models together (15 against 15 of 24): no gain by what guides pwws is seen there."
    )


def test_a_sentence_names_three_attacks_and_counts_more(make_run: MakeRun) -> None:
    told = [sentences(views(make_run(attacks=tuple("abcd")[:count], n=50))[0])[0] for count in (3, 4)]
    assert "under each of a, b and c" in told[0]
    assert "under each of 4 attacks" in told[1]


def test_a_model_that_lacks_an_attack_is_compared_under_the_others(make_run: MakeRun) -> None:
    (view,) = views(make_run(n=50, missing=lambda cell, attack: cell["defence"] == "asa" and attack == "pwws"))
    assert {each.defence: each.attacks for each in comparisons(view)} == {
        "freelb": ["deepwordbug", "pwws"], "asa": ["deepwordbug"], "asa-ratio": ["deepwordbug", "pwws"],
    }  # fmt: skip


def test_each_attack_by_itself_is_compared_with_the_baseline(empty_run: Run) -> None:
    robust = {"baseline": ["1" * 20 + "0" * 80], "asa": ["1" * 26 + "0" * 74]}
    harder = {"baseline": ["1" * 10 + "0" * 90], "asa": ["1" * 17 + "0" * 83]}
    pwws, leap = outcomes(empty_run, robust), outcomes(empty_run, harder)
    assert compared_by_attack(pwws) is None
    both = {
        name: pd.concat([getattr(pwws, name), getattr(leap, name).assign(attack="leap")], ignore_index=True)
        for name in ("examples", "results")
    }
    table = compared_by_attack(replace(pwws, **both))
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["leap", "asa", "baseline", "+7.0", "0.016", "0.031", "100"],
        ["pwws", "asa", "baseline", "+6.0", "0.031", "0.031", "100"],
    ]

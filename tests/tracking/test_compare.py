"""Two runs paired by example."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pandas as pd
import pytest
from rich.console import Console

import asa_bench
from asa_bench.core.errors import InputError
from asa_bench.tracking.compare import compare
from asa_bench.tracking.writing import to_json, to_markdown_text, to_text

from .conftest import MakeRun, frame, outcomes

CONTRACT = {
    "task", "encoder", "defence", "attack", "metric", "reference", "new", "difference", "low", "high", "p_value",
    "p_adjusted", "significant", "n", "flips_lost", "flips_gained",
}  # fmt: skip


def test_differences_are_recounted_from_the_rows(make_run: MakeRun) -> None:
    old = make_run("old", {"pwws": outcomes(60)})
    new = make_run("new", {"pwws": "0" * 30 + outcomes(40, 170)}, clean=344)
    rows = {(row.metric, row.attack): row for row in compare(old, new).rows}
    assert list(rows) == [("clean_accuracy", None), ("worst_case_accuracy", None), ("robust_accuracy", "pwws")]
    clean, worst = rows[("clean_accuracy", None)], rows[("worst_case_accuracy", None)]
    assert (clean.reference, clean.new, clean.flips_gained, clean.n) == (0.85, 0.86, 4, 400)
    assert (worst.reference, worst.new, worst.flips_lost, worst.flips_gained) == (0.3, 0.2, 30, 10)
    assert worst.difference == pytest.approx(-0.1)
    assert worst.p_value == pytest.approx(0.00222, abs=1e-5)  # binomial, 10 or fewer of 40, doubled
    assert worst.p_adjusted == pytest.approx(2 * 0.00222, abs=2e-5)  # Holm in a family of two
    assert worst.significant
    assert rows[("robust_accuracy", "pwws")].p_adjusted is None
    assert rows[("robust_accuracy", "pwws")].significant is None
    assert rows[("robust_accuracy", "pwws")].family == "exploratory"


def test_flips_have_both_texts(make_run: MakeRun) -> None:
    flips = compare(make_run("old", {"pwws": "1100"}), make_run("new", {"pwws": "1001"})).flips
    assert flips[["example_id", "direction"]].to_numpy().tolist() == [["id00001", "lost"], ["id00003", "gained"]]
    lost, gained = flips.to_dict("records")
    assert lost["original_text"] == "the text | number <b>1</b>"
    assert lost["new_adversarial_text"].startswith("teh text")
    assert lost["reference_adversarial_text"] is None
    assert gained["reference_adversarial_text"].startswith("teh text")


def test_worst_case_is_over_all_attacks(make_run: MakeRun) -> None:
    old = make_run("old", {"a": "1100", "b": "1110"})
    new = make_run("new", {"a": "1110", "b": "1000", "c": "0000"})
    comparison = compare(old, new)
    worst = next(row for row in comparison.rows if row.metric == "worst_case_accuracy")
    assert (worst.reference, worst.new) == (0.5, 0.25)
    assert comparison.notes == ["attack c: in the new run only"]


def test_errors_and_timeouts_are_not_shown_robust(make_run: MakeRun) -> None:
    comparison = compare(make_run("old", {"pwws": "1111"}), make_run("new", {"pwws": "1et1"}))
    assert [(row.new, row.flips_lost) for row in comparison.rows if row.attack] == [(0.5, 2)]


def test_single_names_are_ignored_and_several_are_matched(make_run: MakeRun) -> None:
    one = compare(make_run("a", defence="model"), make_run("b", defence="newer", encoder="roberta"))
    assert {(row.defence, row.encoder) for row in one.rows} == {("model → newer", "roberta")}
    two = make_run("c", defence="model")
    two.info["suite"]["defence"].append({"name": "x"})
    others = two.examples.assign(defence="x")
    both = type(two)(**{**two.__dict__, "examples": pd.concat([two.examples, others], ignore_index=True)})
    comparison = compare(both, make_run("d", defence="model"))
    assert {row.defence for row in comparison.rows} == {"model"}
    assert comparison.unpaired == ["defence x (reviews, bert): in the reference only"]


def test_seeds(make_run: MakeRun) -> None:
    three = make_run("a", {"pwws": [outcomes(k) for k in (60, 62, 64)]}, [340, 341, 342], seeds=(0, 1, 2))
    worse = make_run("b", {"pwws": [outcomes(k) for k in (40, 41, 46)]}, [340, 342, 341], seeds=(0, 1, 2))
    worst = next(row for row in compare(three, worse).rows if row.metric == "worst_case_accuracy")
    assert (worst.seeds, worst.speaks_of, worst.test) == (3, "the method", "paired t test over seeds")
    other = make_run("c", seeds=(7,))
    alone = next(iter(compare(other, make_run("d", seeds=(3,))).rows))
    assert (alone.seeds, alone.speaks_of) == (1, "these checkpoints")
    fewer = make_run("e", seeds=(1,))
    assert compare(three, fewer).rows[0].reference == 341 / 400
    assert compare(three, fewer).unpaired == ["defence model (reviews, bert): seeds 0, 2 in the reference only"]
    assert compare(fewer, three).notes == ["defence model (reviews, bert): seeds 0, 2 in the new run only"]
    assert compare(fewer, three).unpaired == []


def test_another_protocol_is_told_exactly(make_run: MakeRun) -> None:
    attacks = {"pwws": outcomes(60), "bug": outcomes(50)}
    other = frame(query_budget=300, assets={"wordnet": "b" * 64})
    new = make_run("new", attacks, protocols={"pwws": other, "bug": frame()})
    comparison = compare(make_run("old", attacks), new)
    assert comparison.unlike == [
        "attack pwws: assets.wordnet aaaaaaaaaaaa… in the reference, bbbbbbbbbbbb… in the new run; "
        "query_budget 500 in the reference, 300 in the new run"
    ]
    assert [(row.metric, row.attack) for row in comparison.rows] == [
        ("clean_accuracy", None),
        ("robust_accuracy", "bug"),
    ]


def test_a_lacking_attack_and_other_labels(make_run: MakeRun) -> None:
    new = make_run("new", {"bug": outcomes(60)})
    assert compare(make_run("old"), new).unlike == ["attack pwws: in the reference only"]
    relabelled = make_run("other")
    relabelled.examples.loc[:2, "label"] = 5
    comparison = compare(make_run("again"), relabelled)
    assert comparison.unlike == ["task reviews: 3 examples have another label"]
    assert (comparison.rows, len(comparison.flips)) == ([], 0)


def test_labels_of_other_sets_do_not_matter(make_run: MakeRun) -> None:
    old, new = make_run("old"), make_run("new")
    elsewhere = old.predictions[:5].assign(dataset="tweets", label=5)
    both = pd.concat([elsewhere.assign(example_id=[f"id{i:05}" for i in range(300, 305)]), old.predictions])
    assert compare(replace(old, predictions=both), new).unlike == []


def test_other_libraries_are_noted(make_run: MakeRun) -> None:
    new = make_run("new", versions={"torch": "2.14.0", "transformers": "4.57.6"})
    assert compare(make_run("old"), new).notes == ["torch 2.13.0 in the reference, 2.14.0 in the new run"]


def test_another_precision_is_noted(make_run: MakeRun) -> None:
    old = make_run("old", resolved={"precision": "fp32", "device": "cpu", "threads": 2})
    new = make_run("new", resolved={"precision": "bf16", "device": "cuda", "threads": 2})
    expected = [
        "precision fp32 in the reference, bf16 in the new run",
        "device cpu in the reference, cuda in the new run",
    ]
    assert compare(old, new).notes == expected


def test_no_task_in_common(make_run: MakeRun) -> None:
    old, new = make_run("old"), make_run("new", task="tweets")
    message = f"{old.path} and {new.path} have no task in common (reviews; tweets)"
    with pytest.raises(InputError) as caught:
        compare(old, new)
    assert str(caught.value) == message


def test_clean_accuracy_comes_from_the_attacked_rows_where_nothing_else_is(make_run: MakeRun) -> None:
    attacks = {"pwws": outcomes(60, skipped=20)}
    comparison = compare(make_run("old", attacks, clean=-1), make_run("new", attacks, clean=-1))
    assert (comparison.rows[0].metric, comparison.rows[0].reference) == ("clean_accuracy", 0.9)


def test_json_is_the_contracts(make_run: MakeRun) -> None:
    rows = json.loads(to_json(compare(make_run("old"), make_run("new", {"pwws": outcomes(70)}))))
    assert set(rows[0]) >= CONTRACT
    assert rows[1]["metric"] == "worst_case_accuracy"
    assert rows[2]["p_adjusted"] is None


def test_text_is_readable_and_harmless(make_run: MakeRun) -> None:
    comparison = compare(
        make_run("old", defence="[red]x"), make_run("new", {"pwws": "0" + outcomes(59, 199)}, defence="[red]x")
    )
    stream = io.StringIO()
    Console(file=stream, width=110).print(to_text(comparison))
    text = stream.getvalue()
    assert "[red]x" in text
    assert "\u202e" not in text
    assert "lost under pwws: 1\n" in text
    assert "  id00000            the text | number <b>0</b>\n" in text
    assert "1 training seed a side: a difference is about these checkpoints\n" in text


def test_markdown_is_readable_and_harmless(make_run: MakeRun) -> None:
    text = to_markdown_text(compare(make_run("old"), make_run("new", {"pwws": "0" + outcomes(59, 199)})))
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "## Primary comparison (reviews)\n" in text
    assert "| model | worst case | 30.0 | 29.5 | −0.5 (" in text
    assert "**teh**" in text


def test_python_takes_paths(make_run: MakeRun) -> None:
    old, new = make_run("old"), make_run("new")
    assert len(asa_bench.compare(old.path, str(new.path)).table) == 3

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asa_bench.core.errors import InputError
from asa_bench.records.store import Run
from asa_bench.reporting.accuracy_tables import comparison
from asa_bench.reporting.merging import merged
from asa_bench.reporting.report import write_report
from asa_bench.reporting.summary import comparisons
from asa_bench.reporting.view import views
from asa_bench.stats.metrics import results

from .conftest import HARDER, MakeRun, example_rows
from .test_report import page

Made = Callable[..., Run]


@pytest.fixture
def made(make_run: MakeRun, tmp_path: Path) -> Made:
    """A run in a folder of its own."""

    def make(name: str, **arguments: Any) -> Run:
        return replace(make_run(n=60, **arguments), path=tmp_path / name)

    return make


def given(made: Made, name: str, encoder: str = "minilm", **arguments: Any) -> Run:
    """A run of one model that its user gave."""
    run = made(name, defences=("model",), **arguments)
    rows = [row for attack in HARDER for row in example_rows({"defence": name, "seed": 0}, attack, 60)]
    run.examples["outcome"] = pd.Series([row["outcome"] for row in rows], dtype="string")
    run = replace(run, results=results(run.examples, run.predictions, run.calibration))
    for frame in (run.results, run.examples, run.training, run.predictions, run.calibration):
        frame["encoder"] = encoder
    run.suite["defence"][0] |= {"method": "given", "digest": name}
    return run


def values(run: Run, metric: str, attack: str | None = None, **wanted: Any) -> list[float]:
    rows = run.results[run.results["metric"] == metric]
    rows = rows[rows["attack"].isna() if attack is None else rows["attack"] == attack]
    for column, value in wanted.items():
        rows = rows[rows[column].isna() if value is None else rows[column] == value]
    return [float(value) for value in rows["value"]]


def test_other_seeds_of_a_suite_are_one_run(made: Made) -> None:
    both = merged([made("monday", seeds=(0, 1)), made("tuesday", seeds=(2,))])
    whole = made("whole", seeds=(0, 1, 2))
    pd.testing.assert_frame_equal(both.results, whole.results)
    assert both.suite["defence"] == whole.suite["defence"]
    assert both.info["warnings"] == []
    (view,) = views(both)
    assert {comparison.seeds for comparison in comparisons(view)} == {3}


def test_other_defences_of_a_suite_are_one_run(made: Made) -> None:
    both = merged([made("here", defences=("baseline", "freelb")), made("there", defences=("asa",))])
    (view,) = views(both)
    assert view.defences == ["baseline", "freelb", "asa"]
    assert [(each.defence, each.against, each.pair.n) for each in comparisons(view)] == [
        ("asa", "baseline", 60), ("freelb", "baseline", 60),
    ]  # fmt: skip


def test_the_same_cells_stand_apart_each_with_its_own_baseline(made: Made) -> None:
    first, second = (made(name, defences=("baseline", "asa")) for name in ("a/q", "b/q"))
    extra = made("b/q", defences=("baseline", "asa", "freelb"))
    (view,) = views(merged([first, extra]))
    assert view.defences == ["a/q/baseline", "a/q/asa", "b/q/baseline", "b/q/asa", "b/q/freelb"]
    assert [(each.defence, each.against) for each in comparisons(view)] == [
        ("a/q/asa", "a/q/baseline"), ("b/q/asa", "b/q/baseline"), ("b/q/baseline", "a/q/baseline"),
        ("b/q/freelb", "b/q/baseline"),
    ]  # fmt: skip
    assert values(merged([first, second]), "clean_accuracy", defence="b/q/asa", seed=0) == values(
        second, "clean_accuracy", defence="asa", seed=0
    )


def test_settings_that_differ_keep_a_defence_apart(made: Made) -> None:
    first, second = made("one", seeds=(0,)), made("two", seeds=(1,))
    second.suite["defence"][2]["tau"] = 0.9
    (view,) = views(merged([first, second]))
    assert view.defences == ["baseline", "freelb", "one/asa", "asa-ratio", "two/asa"]
    second.suite["train"]["epochs"] = 9
    (view,) = views(merged([first, second]))
    assert view.defences[:2] == ["one/baseline", "one/freelb"]


def test_checkpoints_stand_side_by_side_and_are_compared(made: Made) -> None:
    both = merged([given(made, "old", "bert"), given(made, "new", "roberta")])
    (view,) = views(both)
    assert view.title == "movie-sentiment with bert and roberta"
    assert view.defences == ["old/model", "new/model"]
    assert [(each.defence, each.against, each.attacks) for each in comparisons(view)] == [
        ("new/model", "old/model", ["deepwordbug", "pwws"])
    ]
    assert values(both, "worst_case_accuracy", seed=None) == values(both, "worst_case_accuracy", seed=0)


def test_unlike_protocols_stand_apart_and_are_told(made: Made) -> None:
    old, new = given(made, "old"), given(made, "new")
    new.info["protocols"]["pwws"] = {"fingerprint": "b" * 64, "max_words_changed": 3}
    both = merged([old, new])
    (view,) = views(both)
    assert view.text_attacks == ["deepwordbug", "old/pwws", "new/pwws"]
    assert view.estimate("old/model", "robust_accuracy", "new/pwws").value is None
    assert [each.attacks for each in comparisons(view)] == [["deepwordbug"]]
    assert values(both, "worst_case_accuracy") == []  # neither stood all
    table = comparison(view)
    assert [column.title for column in table.columns][1:3] == ["Clean accuracy, %", "deepwordbug, %"]
    assert " No worst case: no model stood every attack. " in table.caption
    assert both.info["warnings"] == [
        "attack pwws is not the same in old and new, and stands apart: max_words_changed absent in old, 3 in new"
    ]
    assert {frame["fingerprint"][0] for frame in both.info["protocols"].values()} == {"a", "b"}


def test_other_labels_and_other_examples_are_told(made: Made) -> None:
    old, new, few = given(made, "old"), given(made, "new"), given(made, "few")
    new.examples.loc[:2, "label"] = 5
    few = replace(few, examples=few.examples[few.examples["attack"].ne("pwws") | (few.examples.index % 2 == 0)])
    both = merged([old, new, few])
    assert [view.task for view in views(both)] == ["old/movie-sentiment", "new/movie-sentiment"]
    assert both.info["warnings"] == [
        "task movie-sentiment stands apart, since its examples or their labels are not the same (old and few; new)",
        "pwws on old/movie-sentiment: 60 in old and 30 in few examples, 30 in common; a column's shares are each over "
        "the run's own, differences over those in common",
    ]


def test_machines_warnings_and_ends_are_told(made: Made) -> None:
    old = given(made, "old", warnings=["clean accuracy under the floor"], versions={"torch": "2.12"})
    new = given(made, "new", end=None, hardware={"cores": 64})
    both = merged([old, new])
    assert both.info["warnings"] == [
        "old: clean accuracy under the floor",
        "new is not finished: its tables may be older than its set-up.",
        "torch: 2.12 in old and 2.13.0 in new",
        "the runs were made on unlike hardware: their times are not to be compared",
    ]
    assert both.info["versions"] == {"torch": {"old": "2.12", "new": "2.13.0"}, "python": "3.11.7"}


def test_an_invalid_attack_is_invalid_in_all(made: Made) -> None:
    entry = {"task": "movie-sentiment", "encoder": "minilm", "attack": "pwws", "reason": "inert"}
    (view,) = views(merged([given(made, "old", invalid=[entry]), given(made, "new")]))
    assert (view.text_attacks, view.invalid) == (["deepwordbug"], {"pwws": "inert"})


def test_curves_and_views_are_kept(made: Made) -> None:
    parts = [made("a", seeds=(0,), views=True), made("b", seeds=(1,), views=True)]
    both = merged(parts)
    assert len(both.views) == sum(len(run.views) for run in parts)
    assert len(both.maps) == sum(len(run.maps) for run in parts)
    assert sorted(both.curves["seed"].fillna(-1).unique()) == [-1, 0, 1]


def test_what_cannot_stand_together(made: Made) -> None:
    run = made("one")
    with pytest.raises(InputError, match=f"^{re.escape(str(run.path))}: given twice$"):
        merged([run, made("other"), run])
    stranger = made("two", tasks=("news",))
    stranger.info["protocols"] = {"pwws": {"fingerprint": "c" * 64}}
    message = f"{run.path}: neither a task nor an attack's protocol in common with {stranger.path}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        merged([run, stranger])


def test_tasks_of_one_suite_stand_in_one_report(made: Made) -> None:
    both = merged([made("one", tasks=("films",)), made("two", tasks=("news",))])
    assert [(view.task, view.baseline) for view in views(both)] == [("films", "baseline"), ("news", "baseline")]


def test_every_command_is_in_the_report(made: Made, tmp_path: Path) -> None:
    old = given(made, "old", command="asa-bench attack --model old", git={"commit": "0ld", "dirty": False})
    new = given(made, "new", command="asa-bench attack --model new", git={"commit": "4ew", "dirty": False})
    text = write_report(merged([old, new]), tmp_path / "both").read_text(encoding="utf-8")
    for part in ("<pre>asa-bench attack --model old</pre>", "<pre>asa-bench attack --model new</pre>", "0ld", "4ew"):
        assert part in text
    markdown = (tmp_path / "both" / "report.md").read_text(encoding="utf-8")
    assert markdown.endswith("`asa-bench attack --model old`\n\n`asa-bench attack --model new`\n")


def test_a_merged_page_holds_nothing_empty(made: Made) -> None:
    text, _ = page(merged([made("one"), made("two", attacks=("pwws",), defences=("baseline", "asa"))]))
    assert "&lt;NA&gt;" not in text
    assert "None" not in text

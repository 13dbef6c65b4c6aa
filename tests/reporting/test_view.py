from asa_bench.records.store import Run
from asa_bench.reporting.view import views
from asa_bench.stats.intervals import Estimate

from .conftest import MakeRun


def test_views_follow_the_suite(make_run: MakeRun) -> None:
    found = views(make_run(tasks=("z-task", "a-task"), defences=("freelb", "baseline"), n=20))
    assert [view.title for view in found] == ["z-task with minilm", "a-task with minilm"]
    assert found[0].defences == ["freelb", "baseline"]
    assert found[0].baseline == "baseline"
    assert found[0].attacks == ["deepwordbug", "pwws"]
    assert found[0].seeds("freelb") == [0]
    assert found[0].budget("pwws") == 500


def test_names_that_the_suite_lacks_come_last(make_run: MakeRun) -> None:
    run = make_run(n=20, suite={"name": "s", "defence": [{"name": "asa", "method": "asa"}]})
    (view,) = views(run)
    assert view.defences == ["asa", "asa-ratio", "baseline", "freelb"]
    assert view.kind("pwws") == "text"


def test_only_text_attacks_enter_the_comparison(make_run: MakeRun) -> None:
    suite = {"name": "s", "attack": [{"name": "pwws", "kind": "diagnostic"}, {"recipe": "deepwordbug"}]}
    (view,) = views(make_run(n=20, suite=suite))
    assert view.text_attacks == ["deepwordbug"]


def test_estimates(make_run: MakeRun) -> None:
    (view,) = views(make_run(seeds=(0, 1), n=100))
    assert view.estimate("asa", "robust_accuracy", "pwws").n == 200
    assert view.estimate("asa", "robust_accuracy", "pwws").low is None
    assert view.estimate("asa", "robust_accuracy", "pwws", 1).n == 100
    assert view.estimate("asa", "nothing") == Estimate(None, None, None, 0)


def test_an_empty_run_has_no_view(empty_run: Run) -> None:
    assert views(empty_run) == []

import io

from rich.console import Console

from asa_bench.records.store import Run
from asa_bench.reporting.terminal import comparison

from .conftest import MakeRun


def shown(run: Run) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(comparison(run))
    return stream.getvalue()


def test_the_table_on_the_terminal(make_run: MakeRun) -> None:
    text = shown(make_run())
    assert "84.8 (80.9–87.9)" in text
    assert "Worst case, %" in text
    assert "Task" not in text


def test_several_tasks_have_a_column(make_run: MakeRun) -> None:
    text = shown(make_run(tasks=("first", "second"), n=20))
    assert "Task" in text
    assert "second" in text


def test_names_are_not_rich_markup(make_run: MakeRun) -> None:
    assert "[bold]asa" in shown(make_run(defences=("baseline", "[bold]asa"), n=20))


def test_an_empty_run_is_an_empty_table(empty_run: Run) -> None:
    assert "Clean and robust accuracy" in shown(empty_run) or comparison(empty_run).row_count == 0

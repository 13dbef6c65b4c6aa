"""The shipped task, on the real data of its asset."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from asa_bench.core.errors import InputError
from asa_bench.tasks import TASKS, TaskData, TaskSettings, choose, load_task
from asa_bench.tasks.grouping import near_identical_groups
from asa_bench.tasks.movie_sentiment import clean


@pytest.fixture(scope="module")
def data() -> TaskData:
    return load_task(TaskSettings(name="movie-sentiment"), Path())


def test_sizes(data: TaskData) -> None:
    assert (len(data.train), len(data.validation), len(data.test)) == (7057, 1005, 1979)
    assert {name: len(rows) for name, rows in data.out_of_domain.items()} == {
        "product": 2935,
        "tweets": 3362,
        "editorial": 2751,
    }


def test_counts_add_up(data: TaskData) -> None:
    excluded: Counter[str] = Counter()
    for exclusion in data.exclusions:
        excluded[exclusion.dataset] += exclusion.count
    sizes = {name: len(rows) for name, rows in data.out_of_domain.items()}
    sizes["movies"] = len(data.train) + len(data.validation) + len(data.test)
    totals = {"movies": 10605, "product": 3708, "tweets": 4200, "editorial": 5190}
    assert {name: sizes[name] + excluded[name] for name in totals} == totals


def test_split_is_fixed(data: TaskData) -> None:
    assert data.train[0].id == "4a0ab5be6f824c50"
    assert data.train[0].fields[0].startswith("The Rock is destined to be the 21st Century's new ''Conan''")
    assert data.train[0].label == data.labels.index("positive")
    assert data.digest == "48a3b0080424ec2610110da68c7fab51a9c4437b118ef611e33dfe3971b9cdea"


def test_no_near_identical_text_straddles_a_split(data: TaskData) -> None:
    parts = [data.train, data.validation, data.test]
    rows = [(row.fields[0], part) for part, rows in enumerate(parts) for row in rows]
    places: dict[int, set[int]] = {}
    for (_, part), group in zip(rows, near_identical_groups([text for text, _ in rows]), strict=True):
        places.setdefault(group, set()).add(part)
    assert all(len(parts) == 1 for parts in places.values())


def test_ids_are_distinct(data: TaskData) -> None:
    for rows in (data.train + data.validation + data.test, *data.out_of_domain.values()):
        assert len({row.id for row in rows}) == len(rows)
        assert all(row.fields[0] == row.fields[0].strip() != "" for row in rows)


def test_entities_are_unescaped() -> None:
    assert clean(" Lord &amp;amp; Taylor, S&amp;M &lt;3 ") == "Lord & Taylor, S&M <3"


def test_choice_is_nested(data: TaskData) -> None:
    few, many = choose(data.test, 50, "test"), choose(data.test, 200, "test")
    assert few == many[:50]
    assert few != choose(data.test, 50, "other")


def test_choice_of_too_many(data: TaskData) -> None:
    with pytest.raises(InputError, match=r"^fewer examples than asked: asked for 5000, there are 1979$"):
        choose(data.test, 5000)


def test_unknown_task() -> None:
    expected = r"^unknown task 'movie-sentimen'; did you mean 'movie-sentiment'\? \(known: movie-sentiment\)$"
    with pytest.raises(InputError, match=expected):
        load_task(TaskSettings(name="movie-sentimen"), Path())


@pytest.mark.parametrize("name", list(TASKS))
def test_every_shipped_task_holds_what_it_must(name: str) -> None:
    task = TASKS[name].load()
    assert task.name == name
    for rows in (task.train, task.validation, task.test):
        assert {row.label for row in rows} == set(range(len(task.labels)))
        assert all(len(row.fields) == len(task.text_columns) for row in rows)

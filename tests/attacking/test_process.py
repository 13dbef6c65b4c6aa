"""The watched process, for real: it hangs, it is killed, it cannot start."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.process import AttackFailedError, AttackProcess
from asa_bench.attacking.recipe import recipes
from asa_bench.attacking.workers import AttackWorkers
from asa_bench.tasks import Example

from .test_attack import built, examples, rows_of


@pytest.fixture
def job(checkpoint: Path) -> AttackJob:
    return AttackJob(
        recipe=recipes()["deepwordbug"],
        checkpoint=checkpoint,
        columns=("text",),
        examples=tuple(examples(6)),
        query_budget=200,
        temperature=1.5,
        seed=0,
        precision="fp32",
        attention="eager",
        threads=1,
    )


def collected(
    process: AttackProcess | AttackWorkers, job: AttackJob, act: Any = lambda rows: None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def keep(row: dict[str, Any]) -> None:
        rows.append(row)
        act(rows)

    process.run(job, keep)
    return rows


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(({**row, "seconds": 0} for row in rows), key=lambda row: str(row["example_id"]))


def test_rows_equal_those_made_in_this_process(job: AttackJob, classifier: Any, tmp_path: Path) -> None:
    with AttackProcess(tmp_path / "log.txt") as process:
        first = collected(process, job)
        again = collected(process, job)
    expected = rows_of(built(classifier), list(job.examples))
    assert comparable(first) == comparable(again) == expected


def test_rows_do_not_depend_on_how_a_process_hashes_strings(
    job: AttackJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TextAttack puts WordNet's synonyms into a set, the order of which differs from process to process."""
    control = job.model_copy(update={"recipe": recipes()["pwws"], "search": "random"})
    found = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        with AttackProcess(tmp_path / "log.txt") as process:
            found.append(comparable(collected(process, control)))
    assert found[0] == found[1]


@pytest.mark.parametrize("count", [1, 2])
def test_a_killed_process_starts_anew_and_nothing_is_lost_or_doubled(
    job: AttackJob, classifier: Any, tmp_path: Path, count: int
) -> None:
    long = job.model_copy(update={"examples": tuple(examples(40)), "in_flight": 2})
    with AttackWorkers(tmp_path / "log.txt", count) as workers:
        process = workers._processes[0]
        pids = []

        def kill_after_two(rows: list[dict[str, Any]]) -> None:
            pids.append(process.pid)
            if len(rows) == 2 and process.pid:
                os.kill(process.pid, signal.SIGKILL)

        rows = collected(workers, long, kill_after_two)
    assert len({*pids} - {None}) == 2
    assert comparable(rows) == rows_of(built(classifier), list(long.examples))


class WithBrokenVictim(AttackProcess):
    command = (sys.executable, str(Path(__file__).with_name("broken_victim.py")))


def test_only_the_guilty_example_pays_when_the_process_hangs_or_dies(
    job: AttackJob, classifier: Any, tmp_path: Path
) -> None:
    innocent = list(job.examples)
    guilty = [Example(name, (f"this {name} film was good",), 1) for name in ("hanging", "deadly")]
    mixed = (*innocent[:3], guilty[0], *innocent[3:5], guilty[1], innocent[5])
    with WithBrokenVictim(tmp_path / "log.txt", hang_seconds=5) as process:
        rows = collected(process, job.model_copy(update={"examples": mixed, "in_flight": 5}))
    ended = {row["example_id"]: (row["outcome"], row["message"]) for row in rows if row["message"]}
    assert ended == {
        "hanging": ("timeout", "no model call for 5 s"),
        "deadly": ("error", "the attack process ended with status -9"),
    }
    others = [row for row in rows if row["example_id"] not in ended]
    assert comparable(others) == rows_of(built(classifier), innocent)


def test_a_job_that_cannot_start_leaves_nothing_to_the_next(job: AttackJob, classifier: Any, tmp_path: Path) -> None:
    lost = job.model_copy(update={"checkpoint": tmp_path / "nowhere"})
    with AttackProcess(tmp_path / "log.txt") as process:
        with pytest.raises(AttackFailedError):
            collected(process, lost)
        assert comparable(collected(process, job)) == rows_of(built(classifier), list(job.examples))


def test_a_process_that_died_between_two_jobs_is_replaced(job: AttackJob, classifier: Any, tmp_path: Path) -> None:
    with AttackProcess(tmp_path / "log.txt") as process:
        first = collected(process, job)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        assert comparable(collected(process, job)) == comparable(first)


def test_an_attack_that_cannot_be_built_says_why(job: AttackJob, tmp_path: Path) -> None:
    lost = job.model_copy(update={"checkpoint": tmp_path / "nowhere"})
    with (
        AttackProcess(tmp_path / "log.txt") as process,
        pytest.raises(AttackFailedError, match=r"^FileNotFoundError: "),
    ):
        collected(process, lost)


def test_two_workers_give_the_same_rows_and_fail_together(job: AttackJob, classifier: Any, tmp_path: Path) -> None:
    with AttackWorkers(tmp_path / "log.txt", 2) as workers:
        with pytest.raises(AttackFailedError, match=r"^FileNotFoundError: "):
            collected(workers, job.model_copy(update={"checkpoint": tmp_path / "nowhere"}))
        rows = collected(workers, job)
    assert comparable(rows) == rows_of(built(classifier), list(job.examples))


def test_workers_end_when_their_rows_cannot_be_kept(job: AttackJob, tmp_path: Path) -> None:
    def full(_: Any) -> None:
        raise OSError("disk full")

    with AttackWorkers(tmp_path / "log.txt", 2) as workers:
        started = list(workers._processes)
        with pytest.raises(OSError, match=r"^disk full$"):
            collected(workers, job, full)
        assert [process.pid for process in started] == [None, None]

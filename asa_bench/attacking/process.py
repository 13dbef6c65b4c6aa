"""The parent's side of the watched process: starts it, hears its events, ends it when it hangs, starts it anew."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.rows import Row, failed_row
from asa_bench.core.errors import AsaBenchError
from asa_bench.tasks import Example

HANG_SECONDS = 600.0
"""Silence (no model call, no finished example) after which the process counts as hanging: a guard, not a budget."""

START_SECONDS = 600.0
"""Silence before the first example after which the process counts as hanging."""

Event = dict[str, Any]
"""What the process says, see :mod:`asa_bench.attacking.worker`; *ended* is added here when it hangs or dies."""


class Ending(NamedTuple):
    """How the process left the examples in flight (none: it had not begun): what the guilty one earns, and why."""

    outcome: str
    reason: str
    in_flight: tuple[Example, ...]


class AttackFailedError(AsaBenchError):
    """An attack as a whole could not run."""


class AttackProcess:
    """Runs attack jobs in a process of their own, so that a hang or a crash costs one example.

    A context manager. The process starts with the first job and serves the next ones too.
    """

    command: Sequence[str] = (sys.executable, "-m", "asa_bench.attacking.worker")

    def __init__(self, log: Path, hang_seconds: float = HANG_SECONDS) -> None:
        self._log = log
        self._hang_seconds = hang_seconds
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._events: queue.Queue[Event] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._process.pid if self._process else None

    def run(self, job: AttackJob, on_row: Callable[[Row], None]) -> None:
        """Attack every example of ``job``; ``on_row`` gets each row as it comes, in the order in which examples end.

        When the process falls silent or dies, the examples in flight are done again one by one. The one at which it
        falls silent then becomes *timeout*, the one at which it dies *error*; the others get their rows.

        Raises:
            AttackFailedError: when the attack cannot be built, or the process dies twice before its first example.
        """
        try:
            self._run(job, on_row)
        except BaseException:
            self.stop()  # whatever it still says belongs to no later job
            raise

    def _run(self, job: AttackJob, on_row: Callable[[Row], None]) -> None:
        groups: deque[dict[str, Example]] = deque([{example.id: example for example in job.examples}])
        suspected: set[str] = set()
        false_starts = 0
        while groups:
            group = groups.popleft()
            ending = self._attempt(job, group, on_row)
            if ending is None or not group:  # or it died after its last row
                continue
            suspects = ending.in_flight
            false_starts += not suspects
            if not suspects and (ending.outcome == "timeout" or false_starts == 2):
                raise AttackFailedError(f"the attack process could not start: {ending.reason}; see {self._log}")
            for suspect in suspects:
                del group[suspect.id]
            if len(suspects) == 1 and (ending.outcome == "timeout" or suspects[0].id in suspected):
                on_row(failed_row(suspects[0], ending.outcome, ending.reason))
                suspects = ()
            suspected.update(suspect.id for suspect in suspects)
            groups.extend({suspect.id: suspect} for suspect in suspects)
            if group:
                groups.append(group)

    def _attempt(self, job: AttackJob, pending: dict[str, Example], on_row: Callable[[Row], None]) -> Ending | None:
        """One pass over ``pending``, which loses each finished example; how it ended when it did not finish."""
        self._send(job.model_copy(update={"examples": tuple(pending.values())}))
        in_flight: dict[str, Example] = {}
        while True:
            match self._next_event(self._hang_seconds if in_flight else START_SECONDS):
                case {"event": "row", "row": row}:
                    del pending[row["example_id"]], in_flight[row["example_id"]]
                    on_row(row)
                case {"event": "started", "example_id": name}:
                    in_flight[name] = pending[name]
                case {"event": "done"}:
                    return None
                case {"event": "failed", "message": message}:
                    raise AttackFailedError(str(message))
                case {"event": "ended", "outcome": outcome, "reason": reason}:
                    self.stop()
                    if self._cancelled:
                        raise AttackFailedError("the attack was cancelled")
                    return Ending(outcome, reason, tuple(in_flight.values()))

    def _next_event(self, seconds: float) -> Event:
        """What the process says next; *ended* when it dies, or is silent for so long."""
        try:
            return self._events.get(timeout=seconds)
        except queue.Empty:
            return _ended("timeout", f"no model call for {seconds:g} s")

    def _send(self, job: AttackJob) -> None:
        if self._process is not None and self._process.poll() is not None:
            self.stop()  # it died between two jobs
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died just now; the end of its output says so
            self._process.stdin.write(job.model_dump_json() + "\n")
            self._process.stdin.flush()

    def _start(self) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONHASHSEED": "0"},  # TextAttack's order of synonyms is that of a set of strings
            )
        if self._cancelled:
            self._process.kill()
        self._events = queue.Queue()
        self._listener = threading.Thread(target=_listen, args=(self._process, self._events), daemon=True)
        self._listener.start()

    def cancel(self) -> None:
        """From another thread: let :meth:`run` fail soon, and for good."""
        self._cancelled = True
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """End the process, if it runs."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._listener.join()
        self._process = None


def _listen(process: subprocess.Popen[str], events: queue.Queue[Event]) -> None:
    assert process.stdout is not None
    with process.stdout, suppress(json.JSONDecodeError):  # a killed process may leave half a line
        for line in process.stdout:
            events.put(json.loads(line))
    events.put(_ended("error", f"the attack process ended with status {process.wait()}"))


def _ended(outcome: str, reason: str) -> Event:
    return {"event": "ended", "outcome": outcome, "reason": reason}

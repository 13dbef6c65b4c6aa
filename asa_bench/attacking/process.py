"""The parent's side of the watched process: starts it, hears its events, ends it when it hangs, starts it anew."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
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


Event = dict[str, Any]
"""What the process says, see :mod:`asa_bench.attacking.worker`; *ended* is added here when it hangs or dies."""


class Ending(NamedTuple):
    """How the process left the example at hand (None: it had not begun): the outcome it earns, and why."""

    outcome: str
    reason: str
    example: str | None


class AttackFailedError(AsaBenchError):
    """An attack as a whole could not run."""


class AttackProcess:
    """Runs attack jobs in a process of their own, so that a hang or a crash costs one example.

    A context manager. The process starts with the first job and serves the next ones too.
    """

    def __init__(self, log: Path, hang_seconds: float = HANG_SECONDS) -> None:
        self._log = log
        self._hang_seconds = hang_seconds
        self._process: subprocess.Popen[str] | None = None
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
        """Attack every example of ``job``; ``on_row`` gets each row as it comes, in order.

        An example at which the process falls silent becomes *timeout*. One at which it dies is tried once more, then
        becomes *error*.

        Raises:
            AttackFailedError: when the attack cannot be built, or the process dies twice before its first example.
        """
        try:
            self._run(list(job.examples), job, on_row)
        except BaseException:
            self.stop()  # whatever it still says belongs to no later job
            raise

    def _run(self, pending: list[Example], job: AttackJob, on_row: Callable[[Row], None]) -> None:
        deaths: list[str | None] = []
        while pending:
            ending = self._attempt(job.model_copy(update={"examples": tuple(pending)}), pending, on_row)
            if ending is None:
                return
            self.stop()
            if not pending:
                return  # it died after its last row
            if ending.outcome == "error" and ending.example not in deaths:
                deaths.append(ending.example)  # a death is forgiven once at each place
                continue
            if ending.example is None:
                raise AttackFailedError(f"the attack process could not start: {ending.reason}; see {self._log}")
            on_row(failed_row(pending.pop(0), ending.outcome, ending.reason))

    def _attempt(self, job: AttackJob, pending: list[Example], on_row: Callable[[Row], None]) -> Ending | None:
        """One pass over ``pending``, which loses each finished example; how it ended when it did not finish."""
        self._send(job)
        started = False
        for event in self._heard():
            match event:
                case {"event": "row", "row": row}:
                    pending.pop(0)
                    on_row(row)
                case {"event": "started"}:
                    started = True
                case {"event": "failed", "message": message}:
                    raise AttackFailedError(str(message))
                case {"event": "ended", "outcome": outcome, "reason": reason}:
                    return Ending(outcome, reason, pending[0].id if started and pending else None)
        return None

    def _heard(self) -> Iterator[Event]:
        """Events up to and without *done*; the last one is *ended* when the process hangs or dies."""
        while True:
            try:
                event = self._events.get(timeout=self._hang_seconds)
            except queue.Empty:
                event = _ended("timeout", f"no model call for {self._hang_seconds:g} s")
            if event["event"] == "done":
                return
            yield event
            if event["event"] == "ended":
                return

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
                [sys.executable, "-m", "asa_bench.attacking.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )
        self._events = queue.Queue()
        self._listener = threading.Thread(target=_listen, args=(self._process, self._events), daemon=True)
        self._listener.start()

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

"""Several watched processes at once: for models on a GPU, where Python's share is what takes the time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import torch

from asa_bench.attacking.job import AttackJob
from asa_bench.attacking.process import AttackProcess
from asa_bench.attacking.rows import Row


class _End(NamedTuple):
    """A share is done, or failed."""

    error: BaseException | None


class AttackWorkers:
    """Runs attack jobs in ``count`` watched processes, each on its share of the examples; the rows are the same.

    A context manager, as :class:`asa_bench.attacking.process.AttackProcess` is.
    """

    def __init__(self, log: Path, count: int) -> None:
        self._log = log
        self._count = count
        self._processes = self._new_processes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes:
            process.stop()

    def run(self, job: AttackJob, on_row: Callable[[Row], None]) -> None:
        """Attack every example of ``job``; ``on_row`` gets each row as it comes, always in the calling thread.

        Raises:
            AttackFailedError: when the attack cannot run in one of the processes; the others are ended then.
        """
        said: queue.SimpleQueue[Row | _End] = queue.SimpleQueue()
        shares = [
            job.model_copy(update={"examples": job.examples[i :: self._count], "device": _device(job.device, i)})
            for i in range(self._count)
        ]
        pairs = [(process, share) for process, share in zip(self._processes, shares, strict=True) if share.examples]
        threads = [threading.Thread(target=_work, args=(*pair, said)) for pair in pairs]
        for thread in threads:
            thread.start()
        try:
            _pass_on(said, len(threads), on_row)
        except BaseException:
            for process in self._processes:
                process.cancel()
            _join(threads)
            for process in self._processes:
                process.stop()  # one whose share was done has nothing to cancel
            self._processes = self._new_processes()
            raise
        _join(threads)

    def _new_processes(self) -> list[AttackProcess]:
        return [AttackProcess(self._log) for _ in range(self._count)]


def _device(asked: str, worker: int) -> str:
    """The GPU of a worker: they take turns where none in particular was asked for."""
    return f"cuda:{worker % torch.cuda.device_count()}" if asked == "cuda" else asked


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def _work(process: AttackProcess, share: AttackJob, said: queue.SimpleQueue[Row | _End]) -> None:
    try:
        process.run(share, said.put)
    except BaseException as error:
        said.put(_End(error))
    else:
        said.put(_End(None))


def _pass_on(said: queue.SimpleQueue[Row | _End], shares: int, on_row: Callable[[Row], None]) -> None:
    while shares:
        event = said.get()
        if not isinstance(event, _End):
            on_row(event)
        elif event.error is not None:
            raise event.error
        else:
            shares -= 1

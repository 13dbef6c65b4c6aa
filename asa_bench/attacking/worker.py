"""The watched process: attacks examples and reports each event as a line of JSON.

Run as ``python -m asa_bench.attacking.worker``; jobs arrive on standard input, one a line. Events on standard output:
``{"event": "alive"}`` at model calls (at most one a second), ``started`` with an example's id, ``row`` (in the order in
which examples end), ``done``, and ``failed`` with a message when the job as a whole cannot run. Everything that
libraries print goes to standard error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from asa_bench.attacking.dispatch import AnyEngine, engine_of
from asa_bench.attacking.job import AttackJob
from asa_bench.core.errors import one_line


def main() -> None:
    """Serve jobs until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; Ctrl-C reaches the whole group
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        _serve(AttackJob.model_validate_json(line), _Reporter(events))


class _Reporter:
    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._last = 0.0

    def send(self, event: str, **content: Any) -> None:
        self._file.write(json.dumps({"event": event, **content}) + "\n")
        self._last = time.monotonic()

    def alive(self) -> None:
        if time.monotonic() - self._last > 1:
            self.send("alive")


def _serve(job: AttackJob, reporter: _Reporter) -> None:
    try:
        engine = _prepare(job, reporter)
    except Exception as error:
        traceback.print_exc()
        reporter.send("failed", message=one_line(error))
        return
    engine.run(lambda row: reporter.send("row", row=row), lambda name: reporter.send("started", example_id=name))
    reporter.send("done")


def _prepare(job: AttackJob, reporter: _Reporter) -> AnyEngine:
    os.environ["TA_DEVICE"] = job.device  # where TextAttack puts its own models, read at its import
    written = (job.checkpoint / "config.json").stat().st_mtime_ns
    model = (job.checkpoint, job.precision, job.device, job.attention, job.threads, written)
    return engine_of(job, lambda: _classifier(*model), on_call=reporter.alive)


@lru_cache(maxsize=1)
def _classifier(checkpoint: Path, precision: Any, device: str, attention: Any, threads: int, _written: int) -> Any:
    """The classifier, kept for the next attack on the same checkpoint."""
    import torch

    from asa_bench.models.classifier import load_classifier

    torch.set_num_threads(threads)
    return load_classifier(checkpoint, precision, torch.device(device), attention)


if __name__ == "__main__":
    main()

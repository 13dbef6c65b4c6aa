"""Many searches at once on one model: each in a greenlet of its own, their model calls merged.

A search is ordinary code that calls :meth:`Scheduler.ask` where it needs the model. There it is suspended and others go
on. When all have asked, one batch is computed, and the searches that then have their answers go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor

from asa_bench.core.seeding import RandomState, random_state, set_random_state
from asa_bench.models.batching import Encoded, Pool
from asa_bench.models.classifier import Text, TextClassifier

Item = TypeVar("Item")
Found = TypeVar("Found")
Result = TypeVar("Result")


class Scheduler(Generic[Result]):
    """Runs searches, up to ``in_flight`` at once; what a search finds does not depend on the others.

    Texts that wait at the same time are computed once, whoever asked. The random states of Python, NumPy and torch (the
    CPU's) and torch's grad mode belong to each search: they are swapped when another goes on. A search seeds itself.
    """

    def __init__(self, classifier: TextClassifier, in_flight: int, on_call: Callable[[], None] = lambda: None) -> None:
        self._classifier = classifier
        self._in_flight = in_flight
        self._on_call = on_call
        self._pool: Pool[Text] = Pool(classifier.batch_size)
        self._waiting: dict[Text, list[_Search[Result]]] = {}
        self._ready: list[_Search[Result]] = []
        self._seeded: _Search[Result] | None = None
        """Whose random states are the global ones now."""

    def ask(self, texts: Sequence[Text]) -> Tensor:
        """Logits ``(len(texts), labels)``; for a search to call.

        Raises:
            Exception: what the model or its tokenizer raised on one of the texts.
        """
        if not texts:
            return self._classifier.logits(texts)
        hub = getcurrent().parent
        assert hub is not None, "only a search may ask"
        answers: dict[Text, Tensor | Exception] = hub.switch(texts)
        rows = []
        for text in texts:
            answer = answers[text]
            if isinstance(answer, Exception):
                raise answer
            rows.append(answer)
        return torch.stack(rows)

    def run(self, works: Iterable[Callable[[], Result]], on_done: Callable[[Result], None]) -> None:
        """Run each of ``works``; ``on_done`` gets the results as they come."""
        searches = map(_Search, works)
        self._ready = list(islice(searches, self._in_flight))
        while self._ready:
            going, self._ready = self._ready, []
            asking = [search for search in going if not self._finished(search, on_done)]
            self._enqueue(asking)
            self._ready += islice(searches, len(going) - len(asking))
            while self._pool and not self._ready:
                self._compute()

    def _finished(self, search: _Search[Result], on_done: Callable[[Result], None]) -> bool:
        """Let a search go on; whether it came to its end (else it asks again)."""
        if self._seeded is not search:
            if self._seeded is not None:
                self._seeded.random_state = random_state()
            search.load_random_state()
            self._seeded = search
        value = search.go_on()
        self._on_call()
        if search.ended:
            self._seeded = None
            on_done(value)
        return search.ended

    def _enqueue(self, asking: Sequence[_Search[Result]]) -> None:
        new = []
        for search in asking:
            for text in search.asked:
                if text not in self._waiting:
                    new.append(text)
                self._waiting.setdefault(text, []).append(search)
        for text, encoded in zip(new, each(self._classifier.encode, new), strict=True):
            if isinstance(encoded, Exception):
                self._answer(text, encoded)
            else:
                self._pool.add(text, encoded)

    def _compute(self) -> None:
        """One batch."""
        texts, batch = zip(*self._pool.take(), strict=True)
        for text, answer in zip(texts, each(self._forward, batch), strict=True):
            self._answer(text, answer)
        self._on_call()

    def _forward(self, batch: Sequence[Encoded]) -> Iterable[Tensor]:
        return self._classifier.forward(batch).unbind()

    def _answer(self, text: Text, answer: Tensor | Exception) -> None:
        for search in self._waiting.pop(text):
            search.answers[text] = answer
            if len(search.answers) == len(search.asked):
                self._ready.append(search)


class _Search(Generic[Result]):
    """One search: its greenlet, what it asked, the answers so far, and the global state that is its own."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._greenlet = greenlet(work)
        self._grad = True
        self.asked: set[Text] = set()
        self.answers: dict[Text, Tensor | Exception] = {}
        self.random_state: RandomState | None = None

    @property
    def ended(self) -> bool:
        """Whether the work is done."""
        return bool(self._greenlet.dead)

    def go_on(self) -> Any:
        """Run until the work asks (see ``asked``) or ends; the value is its result then."""
        outside = torch.is_grad_enabled()
        torch.set_grad_enabled(self._grad)
        try:
            value = self._greenlet.switch(self.answers) if self._greenlet else self._greenlet.switch()
        finally:
            self._grad = torch.is_grad_enabled()
            torch.set_grad_enabled(outside)
        if not self.ended:
            self.asked, self.answers = set(value), {}
        return value

    def load_random_state(self) -> None:
        """Make its random states the global ones; at its start it has none, and seeds itself."""
        if self.random_state is not None:
            set_random_state(self.random_state)


def each(function: Callable[[Sequence[Item]], Iterable[Found]], items: Sequence[Item]) -> list[Found | Exception]:
    """What ``function`` finds for all items at once; where that raises, for each alone, so that one costs no other."""
    try:
        return list(function(items))
    except Exception as error:
        if len(items) == 1:
            return [error]
    return [found for item in items for found in each(function, [item])]

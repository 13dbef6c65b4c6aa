"""Many searches at once: each in a greenlet of its own, their calls of each model merged.

A search is ordinary code that calls :meth:`Scheduler.ask` where it needs a model: the victim, the sentence encoder of a
constraint, the language model of a transformation. There it is suspended and others go on. When all have asked, one
batch is computed, and the searches that then have their answers go on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from greenlet import getcurrent, greenlet

from asa_bench.core.seeding import RandomState, random_state, set_random_state
from asa_bench.models.batching import Batchable, Encoded, Pool

Item = TypeVar("Item")
Found = TypeVar("Found")
Result = TypeVar("Result")

Ask = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""Takes a model (:class:`Batchable`) and items, gives the model's answers: :meth:`Scheduler.ask`, or
:func:`asa_bench.models.batching.answers` where nothing is merged."""


class _Call(NamedTuple):
    """What a search wants to know."""

    model: Batchable
    items: frozenset[Hashable]


class Scheduler(Generic[Result]):
    """Runs searches, up to ``in_flight`` at once; what a search finds does not depend on the others.

    Items that wait for a model at the same time are computed once, whoever asked. The random states of Python, NumPy
    and torch (the CPU's) and torch's grad mode belong to each search: they are swapped when another goes on. A search
    seeds itself.
    """

    def __init__(self, in_flight: int, on_call: Callable[[], None] = lambda: None) -> None:
        self._in_flight = in_flight
        self._on_call = on_call
        self._lanes: dict[int, _Lane[Result]] = {}
        """By the identity of the model."""
        self._ready: list[_Search[Result]] = []
        self._seeded: _Search[Result] | None = None
        """Whose random states are the global ones now."""

    def ask(self, model: Batchable, items: Sequence[Hashable]) -> list[Any]:
        """The model's answer to each of ``items``; for a search to call.

        Raises:
            Exception: what the model or its tokenizer raised on one of the items.
        """
        if not items:
            return []
        hub = getcurrent().parent
        assert hub is not None, "only a search may ask"
        found: dict[Hashable, Any | Exception] = hub.switch(_Call(model, frozenset(items)))
        rows = []
        for item in items:
            answer = found[item]
            if isinstance(answer, Exception):
                raise answer
            rows.append(answer)
        return rows

    def run(self, works: Iterable[Callable[[], Result]], on_done: Callable[[Result], None]) -> None:
        """Run each of ``works``; ``on_done`` gets the results as they come."""
        searches = map(_Search, works)
        self._ready = list(islice(searches, self._in_flight))
        while self._ready:
            going, self._ready = self._ready, []
            asking = [search for search in going if not self._finished(search, on_done)]
            self._enqueue(asking)
            self._ready += islice(searches, len(going) - len(asking))
            while not self._ready and (waiting := [lane for lane in self._lanes.values() if lane.pool]):
                self._ready += max(waiting, key=lambda lane: lane.pool.fill).compute()
                self._on_call()

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
        by_model: dict[int, list[_Search[Result]]] = {}
        for search in asking:
            by_model.setdefault(id(search.call.model), []).append(search)
        for name, searches in by_model.items():
            if name not in self._lanes:
                self._lanes[name] = _Lane(searches[0].call.model)
            self._ready += self._lanes[name].enqueue(searches)


class _Lane(Generic[Result]):
    """What waits for one model."""

    def __init__(self, model: Batchable) -> None:
        self._model = model  # kept, so that no other model gets its identity
        self._waiting: dict[Hashable, list[_Search[Result]]] = {}
        self.pool: Pool[Hashable] = Pool(model.batch_size)

    def enqueue(self, asking: Sequence[_Search[Result]]) -> list[_Search[Result]]:
        """Let searches wait; those whose items cannot be encoded have their answer already."""
        new = []
        for search in asking:
            for item in search.call.items:
                if item not in self._waiting:
                    new.append(item)
                self._waiting.setdefault(item, []).append(search)
        answered = []
        for item, encoded in zip(new, each(self._model.encode, new), strict=True):
            if isinstance(encoded, Exception):
                answered += self._answer(item, encoded)
            else:
                self.pool.add(item, encoded)
        return answered

    def compute(self) -> list[_Search[Result]]:
        """One batch; the searches that have all their answers then."""
        items, batch = zip(*self.pool.take(), strict=True)
        answered = []
        for item, answer in zip(items, each(self._forward, batch), strict=True):
            answered += self._answer(item, answer)
        return answered

    def _forward(self, batch: Sequence[Encoded]) -> Iterable[Any]:
        answers: Iterable[Any] = self._model.forward(batch)
        return iter(answers)

    def _answer(self, item: Hashable, answer: Any | Exception) -> list[_Search[Result]]:
        searches = self._waiting.pop(item)
        for search in searches:
            search.answers[item] = answer
        return [search for search in searches if len(search.answers) == len(search.call.items)]


class _Search(Generic[Result]):
    """One search: its greenlet, what it asked, the answers so far, and the global state that is its own."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._greenlet = greenlet(work)
        self._grad = True
        self.call: _Call
        self.answers: dict[Hashable, Any | Exception] = {}
        self.random_state: RandomState | None = None

    @property
    def ended(self) -> bool:
        """Whether the work is done."""
        return bool(self._greenlet.dead)

    def go_on(self) -> Any:
        """Run until the work asks (see ``call``) or ends; the value is its result then."""
        outside = torch.is_grad_enabled()
        torch.set_grad_enabled(self._grad)
        try:
            value = self._greenlet.switch(self.answers) if self._greenlet else self._greenlet.switch()
        finally:
            self._grad = torch.is_grad_enabled()
            torch.set_grad_enabled(outside)
        if not self.ended:
            self.call, self.answers = value, {}
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

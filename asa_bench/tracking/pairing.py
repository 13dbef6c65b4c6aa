"""Which model of a reference belongs to which of a new run, and what keeps the two from being compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from asa_bench.core.errors import InputError
from asa_bench.records.schema import CELL
from asa_bench.records.store import Run
from asa_bench.stats.alike import differences, text_attacks

LIBRARIES = ("torch", "transformers", "numpy", "tokenizers")
"""Libraries whose other version is worth a note: they may move a number, but do not forbid a comparison."""

SIDES = ("in the reference", "in the new run")

RESOLVED = ("precision", "device", "threads")
"""What a machine decides, likewise."""

Key = tuple[str, str, str]
"""Task, encoder, defence."""


@dataclass(frozen=True)
class Pair:
    """One model of each side, over the seeds that go together."""

    task: str
    reference: Key
    new: Key
    seeds: tuple[tuple[int, int], ...]
    """Seed of the reference, seed of the new run."""

    @property
    def defence(self) -> str:
        """The defence's name; both where they differ."""
        old, new = self.reference[2], self.new[2]
        return new if old == new else f"{old} → {new}"


def models(run: Run) -> dict[Key, list[int]]:
    """The run's models with their seeds, by task, encoder and defence."""
    found: dict[Key, set[int]] = {}
    for frame in (run.examples, run.predictions):
        for task, encoder, defence, seed in frame[CELL].drop_duplicates().itertuples(index=False):
            found.setdefault((task, encoder, defence), set()).add(int(seed))
    return {key: sorted(seeds) for key, seeds in sorted(found.items())}


def pairs(reference: Run, new: Run) -> tuple[list[Pair], list[str], list[str]]:
    """The models that go together; a note for each that only the reference has, and for each that only the new run has.

    Names of encoder and defence are ignored where both sides have exactly one of it for a task.

    Raises:
        InputError: when the runs have no task in common.
    """
    ours, theirs = models(reference), models(new)
    tasks = sorted({key[0] for key in ours} & {key[0] for key in theirs})
    if not tasks and ours and theirs:
        left, right = (", ".join(sorted({key[0] for key in side})) for side in (ours, theirs))
        raise InputError(f"{reference.path} and {new.path} have no task in common ({left}; {right})")
    found: list[Pair] = []
    for task in tasks:
        old, fresh = ([key for key in side if key[0] == task] for side in (ours, theirs))
        ignored = [i for i in (1, 2) if len({key[i] for key in old}) == 1 == len({key[i] for key in fresh})]
        partners = {_without(key, ignored): key for key in fresh}
        for key in old:
            if (partner := partners.get(_without(key, ignored))) is not None:
                found.append(Pair(task, key, partner, _seeds(ours[key], theirs[partner])))
    used = {pair.reference: {seed for seed, _ in pair.seeds} for pair in found}
    used_new = {pair.new: {seed for _, seed in pair.seeds} for pair in found}
    return found, list(_alone(ours, used, "reference")), list(_alone(theirs, used_new, "new run"))


def _without(key: Key, ignored: list[int]) -> tuple[str, ...]:
    return tuple("" if i in ignored else part for i, part in enumerate(key))


def _seeds(old: list[int], new: list[int]) -> tuple[tuple[int, int], ...]:
    """Equal seeds go together; without enough of them, the seeds in their order."""
    common = sorted(set(old) & set(new))
    if len(common) == min(len(old), len(new)):
        return tuple((seed, seed) for seed in common)
    return tuple(zip(old, new, strict=False))


def _alone(side: Mapping[Key, list[int]], paired: Mapping[Key, set[int]], where: str) -> Iterator[str]:
    for key, seeds in sorted(side.items()):
        task, encoder, defence = key
        if key not in paired:
            yield f"defence {defence} ({task}, {encoder}): in the {where} only"
        elif alone := [str(seed) for seed in seeds if seed not in paired[key]]:
            which = f"seed{'s' if len(alone) > 1 else ''} {', '.join(alone)}"
            yield f"defence {defence} ({task}, {encoder}): {which} in the {where} only"


def unlike(reference: Run, new: Run) -> dict[str, str]:
    """A sentence for each attack that the two runs made differently, saying exactly what differs, by its name."""
    frames = reference.info.get("protocols") or {}, new.info.get("protocols") or {}
    theirs = text_attacks(new)
    found: dict[str, str] = {}
    for attack in sorted(text_attacks(reference)):
        if attack not in theirs:
            found[attack] = f"attack {attack}: in the reference only"
            continue
        old, fresh = (frame.get(attack) or {} for frame in frames)
        if old.get("fingerprint") != fresh.get("fingerprint"):
            found[attack] = f"attack {attack}: {'; '.join(differences(old, fresh, SIDES))}"
    return found


def notes(reference: Run, new: Run) -> list[str]:
    """What differs without forbidding a comparison: libraries, precision and its like, further attacks."""
    extra = sorted(text_attacks(new) - text_attacks(reference))
    return [
        *_others(reference, new, "versions", LIBRARIES),
        *_others(reference, new, "resolved", RESOLVED),
        *(f"attack {attack}: in the new run only" for attack in extra),
    ]


def _others(reference: Run, new: Run, field: str, names: Sequence[str]) -> Iterator[str]:
    """A sentence for each of ``names`` that two runs' records have otherwise in ``field``."""
    old, fresh = (run.info.get(field) or {} for run in (reference, new))
    for name in names:
        if old.get(name) != fresh.get(name):
            yield f"{name} {old.get(name, 'unknown')} in the reference, {fresh.get(name, 'unknown')} in the new run"

"""Whether the times of a run may be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def unlike_hardware(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for each seed whose defences, compared by the time of their training, had unlike machines.

    A training that was broken off and ended elsewhere counts for the machine on which it ended.

    Args:
        cells: entries of ``run.json``; those of earlier versions, which do not tell the hardware, are passed over.
    """
    machines: dict[tuple[Any, ...], dict[str, None]] = {}
    for cell in cells:
        compared = cell["kind"] == "train" and cell["portion"] is None and cell["status"] == "done"
        if compared and cell.get("hardware"):
            place = cell["task"], cell["encoder"], cell["seed"]
            machines.setdefault(place, {})[_name(cell["hardware"])] = None
    for (task, encoder, seed), names in machines.items():
        if len(names) > 1:
            yield (
                f"seed {seed} on {task} with {encoder} was trained on unlike hardware ({'; '.join(names)}): times of "
                "training are not to be compared"
            )


def _name(hardware: Mapping[str, Any]) -> str:
    """What a machine's times depend on most."""
    gpu = f", {hardware['gpu']}" if hardware.get("gpu") else ""
    return f"{hardware.get('processor')}, {hardware.get('cores')} cores{gpu}"

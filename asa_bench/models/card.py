"""The model card that goes with each checkpoint, with the metadata that the Hub reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

TASK = "text-classification"
"""What the Hub calls it."""

_CARD = """---
{metadata}
---
# {task}: {defence} on {encoder}

A text classifier trained by asa-bench with the method *{method}* (training seed {seed}, {examples:,} examples).
It is a plain transformers checkpoint:

```python
from transformers import pipeline

classify = pipeline("text-classification", model="path/to/this/folder")
```

{measured}
"""

_UNKNOWN = "Its accuracy, clean and under attack, is in the report of the run that made it."


class Measured(NamedTuple):
    """A number that the run found for this very checkpoint."""

    name: str
    value: float
    """A fraction."""
    n: int
    protocol: dict[str, Any]
    """What decides whether it may be compared: query budget, fingerprint."""


def model_card(
    task: str,
    encoder: str,
    defence: str,
    method: str,
    seed: int,
    examples: int,
    measured: Sequence[Measured] = (),
) -> str:
    """The card's Markdown; with ``measured``, its metadata has a ``model-index``."""
    from huggingface_hub import EvalResult, ModelCardData

    found = [
        EvalResult(
            task_type=TASK,
            dataset_type=task,
            dataset_name=task,
            metric_type="accuracy",
            metric_value=round(one.value, 4),
            metric_name=one.name,
            metric_args={"examples": one.n, **one.protocol},
        )
        for one in measured
    ]
    metadata = ModelCardData(
        library_name="transformers",
        pipeline_tag=TASK,
        tags=[TASK, "robustness", "asa-bench"],
        model_name=f"{task}-{encoder}-{defence}-{seed}",
        eval_results=found or None,
    )
    return _CARD.format(
        metadata=metadata.to_yaml().strip(),
        task=task,
        encoder=encoder,
        defence=defence,
        method=method,
        seed=seed,
        examples=examples,
        measured=_table(measured) if measured else _UNKNOWN,
    )


def _table(measured: Sequence[Measured]) -> str:
    rows = [f"| {one.name} | {100 * one.value:.1f} % | {one.n:,} |" for one in measured]
    head = ["| | of this checkpoint | examples |", "| :-- | --: | --: |"]
    return "\n".join([*head, *rows, "", "Robust accuracy: still right after the attack, of all attacked examples."])

"""The model card that goes with each checkpoint."""

from __future__ import annotations

_CARD = """---
library_name: transformers
tags:
- text-classification
- robustness
- asa-bench
---
# {task}: {defence} on {encoder}

A text classifier trained by asa-bench with the method *{method}* (training seed {seed}, {examples:,} examples).
It is a plain transformers checkpoint:

```python
from transformers import pipeline

classify = pipeline("text-classification", model="path/to/this/folder")
```

Its accuracy, clean and under attack, is in the report of the run that made it.
"""


def model_card(task: str, encoder: str, defence: str, method: str, seed: int, examples: int) -> str:
    """The card's Markdown, with the metadata that the Hub reads."""
    return _CARD.format(task=task, encoder=encoder, defence=defence, method=method, seed=seed, examples=examples)

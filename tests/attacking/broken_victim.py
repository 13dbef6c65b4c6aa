"""The watched process with a tokenizer that hangs at one word and kills the process at another."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from asa_bench.attacking.worker import main
from asa_bench.models.batched import Text
from asa_bench.models.batching import Encoded
from asa_bench.models.classifier import Classifier


class Broken(Classifier):
    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        words = {word for text in texts for word in text[0].split()}
        if "hanging" in words:
            signal.pause()
        if "deadly" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(texts)


def break_tokenizers() -> None:
    import asa_bench.models.classifier

    asa_bench.models.classifier.Classifier = Broken  # type: ignore[misc]


if __name__ == "__main__":
    break_tokenizers()
    main()

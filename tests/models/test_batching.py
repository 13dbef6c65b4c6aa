"""A text's logits are the same, bit for bit, in any company."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from asa_bench.models.batching import Encoded, Pool, batches, canonical_length, rows_of
from asa_bench.models.classifier import Classifier
from asa_bench.models.precision import Resolved
from tests.conftest import BAD, GLUE, GOOD, THINGS


def texts_of_all_lengths(count: int) -> list[tuple[str]]:
    words = [*GOOD, *BAD, *THINGS, *GLUE]
    stream = random.Random(0)
    return [(" ".join(stream.choices(words, k=1 + i % 45)),) for i in range(count)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_logits_are_bit_equal_in_any_company(classifier: Classifier, precision: Resolved) -> None:
    victim = replace(classifier, precision=precision)
    texts = texts_of_all_lengths(90)
    alone = torch.cat([victim.logits([text]) for text in texts])
    assert torch.equal(victim.logits(texts), alone)
    order = random.Random(1).sample(range(90), 90)
    assert torch.equal(victim.logits([texts[i] for i in order]), alone[order])


def test_logits_of_very_long_texts_are_bit_equal_in_any_company(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asa_bench.models.batching.LONG", 16)
    texts = texts_of_all_lengths(60)
    shapes = {(len(batch), batch[0].length) for _, batch in batches(classifier.encode(texts), classifier.batch_size)}
    assert max(rows for rows, length in shapes if length > 16) < classifier.batch_size
    assert torch.equal(classifier.logits(texts), torch.cat([classifier.logits([text]) for text in texts]))


@pytest.mark.parametrize(("tokens", "length"), [(1, 8), (8, 8), (9, 16), (37, 40), (42, 42)])
def test_lengths_are_rounded_up_to_what_the_model_reads(tokens: int, length: int) -> None:
    assert canonical_length(tokens, 42) == length


def test_the_longest_of_the_fullest_batches_goes_first() -> None:
    pool: Pool[int] = Pool(most=2)
    for key, length in enumerate([8, 40, 16, 16, 16]):
        pool.add(key, Encoded(length, None))
    assert [[key for key, _ in pool.take()] for _ in range(4)] == [[2, 3], [1], [4], [0]]
    assert not pool


@pytest.mark.parametrize(
    ("length", "most", "rows"),
    [
        (0, 16, 16),
        (8, 16, 16),
        (512, 16, 16),
        (520, 16, 1),
        (512, 256, 256),
        (1024, 256, 128),
        (8192, 256, 16),
        (8200, 256, 1),
    ],
)
def test_a_batch_of_very_long_texts_has_fewer_rows(length: int, most: int, rows: int) -> None:
    assert rows_of(length, most) == rows
    sizes = [len(batch) for _, batch in batches([Encoded(length, None)] * 300, most)]
    assert sizes[0] == rows
    assert sum(sizes) == 300


def test_every_text_is_in_one_batch() -> None:
    encoded = [Encoded(8 * (i % 5), i) for i in range(71)]
    found = list(batches(encoded, 8))
    assert all(1 <= len(batch) <= 8 and len({text.length for text in batch}) == 1 for _, batch in found)
    assert sorted(i for positions, _ in found for i in positions) == list(range(71))
    assert all(text.inputs == i for positions, batch in found for i, text in zip(positions, batch, strict=True))

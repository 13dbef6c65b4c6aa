from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asa_bench.defences import perturbation

MASK = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
EMBEDDINGS = torch.zeros(2, 5, 4)


def test_the_start_is_zero_on_padding_and_scaled_by_length() -> None:
    torch.manual_seed(0)
    delta = perturbation.start(EMBEDDINGS, MASK, magnitude=0.6)
    assert delta[0, 3:].abs().max() == 0
    assert delta[0].abs().max() <= 0.6 / (3 * 4) ** 0.5
    assert delta[1].abs().max() <= 0.6 / (5 * 4) ** 0.5


@given(radius=st.floats(1e-3, 10), step=st.floats(1e-3, 10), seed=st.integers(0, 100))
def test_delta_stays_in_its_ball(radius: float, step: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    delta, gradient = torch.randn(2, 2, 5, 4, generator=generator)
    moved = perturbation.ascend(delta, gradient, step, radius)
    assert perturbation.row_norms(moved).max() <= radius * (1 + 1e-5)


def test_a_step_has_its_length_and_the_gradients_direction() -> None:
    gradient = torch.randn(2, 5, 4)
    moved = perturbation.ascend(torch.zeros(2, 5, 4), gradient, 0.1, None)
    assert torch.allclose(perturbation.row_norms(moved), torch.full((2, 1, 1), 0.1))
    assert torch.cosine_similarity(moved.flatten(1), gradient.flatten(1)).min() == pytest.approx(1.0, abs=1e-5)


def test_a_zero_gradient_moves_nothing() -> None:
    assert perturbation.ascend(torch.zeros(2, 5, 4), torch.zeros(2, 5, 4), 0.1, None).abs().max() == 0

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asa_bench.stats.intervals import Estimate, proportion, t_interval, wilson


def test_wilson_of_eight_in_ten() -> None:
    assert wilson(8, 10) == pytest.approx((0.49016, 0.94332), abs=1e-5)  # Newcombe 1998, by hand


def test_wilson_ends_exactly_at_zero_and_one() -> None:
    lowest, highest = wilson(0, 10), wilson(10, 10)
    assert lowest == pytest.approx((0, 0.27753), abs=1e-5)
    assert highest == pytest.approx((0.72247, 1), abs=1e-5)
    assert lowest is not None
    assert highest is not None
    assert (lowest[0], highest[1]) == (0.0, 1.0)


def test_wilson_of_nothing_is_none() -> None:
    assert wilson(0, 0) is None
    assert proportion(0, 0) == Estimate(None, None, None, 0)


def test_wilson_refuses_more_successes_than_rows() -> None:
    with pytest.raises(ValueError, match=r"^expected 0 <= successes <= n, got 3 of 2$"):
        wilson(3, 2)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_within_zero_and_one(counts: tuple[int, int]) -> None:
    successes, n = counts
    value, low, high, _ = proportion(successes, n)
    assert value is not None
    assert low is not None
    assert high is not None
    assert 0 <= low <= value <= high <= 1
    assert low < high


def test_t_interval_of_three_seeds() -> None:
    # 0.82 ± 4.30265 · 0.02 / √3
    assert t_interval([0.80, 0.82, 0.84]) == pytest.approx((0.770317, 0.869683), abs=1e-6)


@pytest.mark.parametrize("values", [[], [0.8], [0.8, 0.9], [0.8, 0.8, 0.8]])
def test_no_t_interval_of_fewer_than_three_or_without_spread(values: list[float]) -> None:
    assert t_interval(values) is None


@given(st.lists(st.floats(0, 1), min_size=3, max_size=20))
def test_t_interval_holds_the_mean(values: list[float]) -> None:
    interval = t_interval(values)
    if max(values) - min(values) > 1e-9:
        assert interval is not None
        assert interval[0] - 1e-9 <= sum(values) / len(values) <= interval[1] + 1e-9

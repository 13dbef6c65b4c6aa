import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asa_bench.stats.paired import Paired, combine_seeds, examples_needed, holm, newcombe, paired


def outcomes(letters: str) -> pd.Series:
    return pd.Series([letter == "1" for letter in letters], index=[f"id{i}" for i in range(len(letters))])


def pair(difference: float, p: float = 0.01) -> Paired:
    return Paired(0.3, 0.3 + difference, difference, None, None, p, 100, 2, 6)


def found(reference: pd.Series, new: pd.Series) -> Paired:
    result = paired(reference, new)
    assert result is not None
    return result


def test_exact_mcnemar_by_hand() -> None:
    result = found(outcomes("1" + "0" * 9 + "1" * 10), outcomes("0" + "1" * 9 + "1" * 10))
    assert (result.gained, result.lost, result.n) == (9, 1, 20)
    assert result.difference == pytest.approx(0.4)
    assert (result.reference, result.new) == (0.55, 0.95)
    assert result.p_value == pytest.approx(2 * (1 + 10) / 2**10)


def test_equal_series_differ_by_nothing() -> None:
    result = found(outcomes("1010"), outcomes("1010"))
    assert (result.difference, result.p_value) == (0, 1)


def test_only_common_ids_count() -> None:
    new = outcomes("111").rename({"id0": "elsewhere"})
    assert found(outcomes("000"), new).n == 2
    assert paired(outcomes("0"), outcomes("1").rename({"id0": "elsewhere"})) is None


def test_newcombe_reproduces_the_published_example() -> None:
    # Newcombe 1998, method 10, table 36/12/2/0
    assert newcombe(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


counts = st.tuples(*[st.integers(0, 200)] * 4).filter(lambda cells: sum(cells) > 0)


@given(counts)
def test_newcombe_holds_the_difference_within_bounds(cells: tuple[int, int, int, int]) -> None:
    low, high = newcombe(*cells)
    difference = (cells[1] - cells[2]) / sum(cells)
    assert -1 - 1e-9 <= low <= difference + 1e-9
    assert difference - 1e-9 <= high <= 1 + 1e-9


@given(counts)
def test_newcombe_mirrors_when_the_sides_change_places(cells: tuple[int, int, int, int]) -> None:
    both, gained, lost, neither = cells
    low, high = newcombe(both, gained, lost, neither)
    assert newcombe(both, lost, gained, neither) == pytest.approx((-high, -low), abs=1e-9)


def test_two_seeds_take_the_larger_p_and_need_one_direction() -> None:
    agreed = combine_seeds([pair(0.04, 0.01), pair(0.08, 0.03)])
    assert agreed.difference == pytest.approx(0.06)
    assert (agreed.low, agreed.p_value) == (None, 0.03)
    assert combine_seeds([pair(0.04), pair(-0.08)]).p_value == 1


def test_three_seeds_are_a_t_test_over_seeds() -> None:
    result = combine_seeds([pair(0.04), pair(0.06), pair(0.08)])
    # t = 0.06 / (0.02/√3) = 5.196 with two degrees of freedom
    assert result.p_value == pytest.approx(0.035099, abs=1e-6)
    assert (result.low, result.high) == pytest.approx((0.010317, 0.109683), abs=1e-6)


def test_seeds_without_spread_cannot_be_tested() -> None:
    assert combine_seeds([pair(0.05)] * 3).p_value is None
    assert combine_seeds([pair(0.0)] * 3).p_value == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([None, 0.02]) == [None, pytest.approx(0.02)]
    assert holm([]) == []


def test_examples_needed_agrees_with_power_known_from_simulation() -> None:
    # SOUNDNESS 14: 5 points at n = 500 have power 0.89 at 12 % discordant pairs and 0.67 at 20 %
    assert examples_needed(0.05, 0.12) == 375
    assert examples_needed(-0.05, 0.20) == 626


@pytest.mark.parametrize(("difference", "share"), [(0.0, 0.1), (0.2, 0.1), (0.1, 1.1)])
def test_examples_needed_refuses_the_impossible(difference: float, share: float) -> None:
    with pytest.raises(ValueError, match=r"^expected 0 < \|difference\| <= share <= 1, got "):
        examples_needed(difference, share)

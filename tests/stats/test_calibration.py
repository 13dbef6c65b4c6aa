import pandas as pd
import pytest

from asa_bench.stats.calibration import expected_calibration_error


def series(values: list[float | None]) -> pd.Series:
    return pd.Series(values, dtype="Float64")


def flags(values: list[bool]) -> pd.Series:
    return pd.Series(values, dtype="boolean")


def test_by_hand_in_two_bins() -> None:
    # bin of 0.95: 1 of 2 right, gap 0.45, weight 2/3; bin of 0.6: right, gap 0.4, weight 1/3
    error = expected_calibration_error(series([0.95, 0.95, 0.6]), flags([True, False, True]))
    assert error == pytest.approx(0.45 * 2 / 3 + 0.4 / 3)


def test_gaps_of_one_bin_cancel_and_of_two_do_not() -> None:
    same = expected_calibration_error(series([0.5, 0.5]), flags([True, False]))
    apart = expected_calibration_error(series([0.5, 0.55]), flags([True, False]))
    assert same == 0
    assert apart == pytest.approx((0.5 + 0.55) / 2)


def test_the_ends_have_bins() -> None:
    assert expected_calibration_error(series([0.0, 1.0]), flags([False, True])) == 0


def test_rows_without_confidence_are_left_out() -> None:
    assert expected_calibration_error(series([None, 1.0]), flags([False, True])) == 0
    assert expected_calibration_error(series([None]), flags([True])) is None
    assert expected_calibration_error(series([]), flags([])) is None

import pytest

from asa_bench.reporting import formats


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0.0"), (1e-5, "0.1"), (0.0004, "0.1"), (0.0006, "0.1"), (0.315, "31.5"), (0.9996, "99.9"),
        (0.99999, "99.9"), (1.0, "100.0"), (None, "–"),
    ],
)  # fmt: skip
def test_percent_never_shows_a_false_zero_or_hundred(fraction: float | None, text: str) -> None:
    assert formats.percent(fraction) == text


def test_intervals_and_points() -> None:
    assert formats.percent_interval(0.766, 0.871) == "76.6–87.1"
    assert formats.percent_interval(None, None) == ""
    assert [formats.points(x) for x in (0.091, -0.091, 0.0, -0.0001)] == ["+9.1", "−9.1", "0.0", "0.0"]


@pytest.mark.parametrize(
    ("p", "text"),
    [(1e-9, "p < 0.0001"), (0.00042, "p = 0.0004"), (0.034, "p = 0.034"), (0.61, "p = 0.61"), (None, "p undefined")],
)
def test_p_values(p: float | None, text: str) -> None:
    assert formats.p_value(p) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.31, "310 ms"), (83.04, "83.0 s"), (600, "10.0 min"), (7200, "2.0 h"), (None, "–")]
)
def test_seconds_in_the_unit_that_suits(value: float | None, text: str) -> None:
    assert formats.seconds(value) == text


def test_listed() -> None:
    assert [formats.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_moments_are_short_where_they_are_known() -> None:
    assert formats.moment("2026-01-01T10:00:59+00:00") == "2026-01-01 10:00 UTC"
    assert [formats.moment(text) for text in ("2026-01-01", "noon", "")] == ["2026-01-01", "noon", ""]

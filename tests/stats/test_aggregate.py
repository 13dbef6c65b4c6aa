import pytest

from asa_bench.records.schema import RESULTS, table
from asa_bench.stats.aggregate import combine, over_seeds
from asa_bench.stats.intervals import Estimate


def seeds(*values: float | None) -> list[Estimate]:
    return [Estimate(value, None, None, 10) for value in values]


def test_one_seed_is_repeated_with_its_interval() -> None:
    only = Estimate(0.5, 0.3, 0.7, 10)
    assert combine("robust_accuracy", [only]) == only


def test_two_seeds_have_a_mean_and_no_interval() -> None:
    assert combine("robust_accuracy", seeds(0.4, 0.6)) == Estimate(0.5, None, None, 20)


def test_three_seeds_have_a_t_interval() -> None:
    value, low, high, n = combine("robust_accuracy", seeds(0.80, 0.82, 0.84))
    assert (value, low, high) == pytest.approx((0.82, 0.770317, 0.869683), abs=1e-6)
    assert n == 30


def test_the_interval_of_a_fraction_stays_a_fraction() -> None:
    assert combine("accuracy_tweets", seeds(0.1, 0.5, 0.9))[1:3] == (0.0, 1.0)
    low, high = combine("queries_mean", seeds(1.0, 50.0, 200.0))[1:3]
    assert low == 0
    assert high is not None
    assert high > 200


def test_undefined_seeds_are_left_out_of_the_mean() -> None:
    assert combine("similarity_mean", seeds(0.4, None, 0.6)) == Estimate(0.5, None, None, 30)
    assert combine("similarity_mean", seeds(None, None)) == Estimate(None, None, None, 20)


def test_the_aggregate_follows_its_seeds() -> None:
    cell = {"task": "t", "encoder": "e", "defence": "d", "metric": "clean_accuracy", "attack": None, "n": 5}
    frame = over_seeds(table([{**cell, "seed": seed, "value": 0.1 * seed} for seed in (3, 1)], RESULTS))
    assert frame["seed"].fillna(-1).tolist() == [1, 3, -1]
    assert frame["value"].tolist() == pytest.approx([0.1, 0.3, 0.2])

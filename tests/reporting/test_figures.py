import io
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from asa_bench.records.store import Run
from asa_bench.reporting.attention_figures import heat_maps
from asa_bench.reporting.attention_rows import final
from asa_bench.reporting.drawing import MARKERS, PALETTE, colour, marker
from asa_bench.reporting.figures import figures
from asa_bench.reporting.trade_off_figures import frontier
from asa_bench.reporting.view import View, views

from .conftest import EFFORT, MakeRun

NAMES = ["accuracy", *EFFORT, "pareto", "training-cost", "loss", "masked-ratio"]
VIEWS = ["attention-keywords", "attention-divergence", "attention-map-01234567"]


def test_all_figures_of_a_full_run(make_run: MakeRun) -> None:
    plots = figures(views(make_run(n=50))[0])
    assert [plot.name for plot in plots] == NAMES
    assert all(plot.alt and plot.caption and plot.title for plot in plots)
    assert plots[5].alt == (
        "Bar chart of training time: baseline 1.00 ×, freelb 3.10 ×, asa 2.20 × and asa-ratio 2.20 ×."
    )


def test_the_same_data_give_the_same_svg(make_run: MakeRun) -> None:
    first, second = ([plot.svg for plot in figures(views(make_run(n=20))[0])] for _ in range(2))
    assert first == second
    assert all("<dc:date>" not in drawing for drawing in first)
    for drawing in first:
        ET.fromstring(drawing)


def test_png_is_an_image_in_print_resolution(make_run: MakeRun) -> None:
    picture = imread(io.BytesIO(figures(views(make_run(n=20))[0])[0].png))
    assert picture.shape[1] > 1000
    assert np.unique(picture.reshape(-1, picture.shape[2]), axis=0).shape[0] > 50


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"defences": ("baseline", "freelb")}, NAMES[:7]),
        ({"defences": ("asa",), "seeds": (0, 1)}, [name for name in NAMES if name != "pareto"]),
        ({"attacks": ()}, [name for name in NAMES if name not in {"pareto", *EFFORT}]),
        ({"defences": tuple("abcdefghij")}, [*NAMES[:4], *NAMES[5:7]]),
        ({"views": True}, [*NAMES[:6], "learning-curve", *NAMES[6:], *VIEWS]),
        ({"views": True, "defences": ("baseline",), "seeds": (0, 1, 2)},
         ["accuracy", *EFFORT, "training-cost", "learning-curve", "loss", "attention-keywords", VIEWS[2]]),
    ],
)  # fmt: skip
def test_partial_runs_have_the_figures_that_they_can(
    make_run: MakeRun, arguments: dict[str, Any], names: list[str]
) -> None:
    assert [plot.name for plot in figures(views(make_run(n=10, **arguments))[0])] == names


def test_no_data_no_figure(empty_run: Run) -> None:
    assert figures(View("t", "e", {}, empty_run.results, empty_run.examples, empty_run.training)) == []


def test_the_frontier_is_what_no_cheaper_point_beats() -> None:
    points = {"a": (1.0, 0.1), "b": (2.0, 0.3), "c": (2.0, 0.2), "d": (3.0, 0.3), "e": (4.0, 0.4)}
    assert frontier(points) == ["a", "b", "e"]


def test_dollar_signs_in_names_are_text(make_run: MakeRun) -> None:
    for plot in figures(views(make_run(defences=("$\\frac{", "baseline"), n=10))[0]):
        ET.fromstring(plot.svg)


def test_no_label_is_mathematics_that_is_not_set(make_run: MakeRun) -> None:
    run = make_run(views=True, n=10)
    run.views["value"] = run.views["value"] + 0.02  # all within one power of ten, where minor ticks would have labels
    assert [plot.name for plot in figures(views(run)[0]) if "mathdefault" in plot.svg] == []


def test_legends_of_many_defences_are_whole(make_run: MakeRun) -> None:
    (view,) = views(make_run(defences=("baseline", *(f"defence-{place}" for place in range(18))), n=10))
    with_legend = [plot for plot in figures(view) if plot.figure.legends]
    assert [plot.name for plot in with_legend] == ["accuracy", *EFFORT, "pareto"]
    for plot in with_legend:
        plot.figure.draw_without_rendering()
        box = plot.figure.legends[0].get_window_extent()
        assert box.y0 >= 0, plot.name
        assert box.x1 <= plot.figure.bbox.x1, plot.name


def test_figures_of_many_panels_have_a_row_of_the_page(make_run: MakeRun) -> None:
    few, many = (views(make_run(attacks=tuple("abcdefgh")[:count], n=10))[0] for count in (2, 8))
    assert [plot.wide for plot in figures(few)[:3]] == [False, False, False]
    assert [plot.wide for plot in figures(many)[:3]] == [True, True, True]


def test_signs_of_many_series_differ() -> None:
    many = len(PALETTE) * len(MARKERS)
    assert len({(colour(i), marker(i)) for i in range(many)}) == many


def test_a_heat_map_has_first_and_last_layer_of_baseline_and_asa_with_and_without_its_mask(make_run: MakeRun) -> None:
    (plot,) = heat_maps(views(make_run(defences=("baseline", "freelb", "asa"), n=10, views=True))[0])
    *panels, _ = plot.figure.axes  # the last one is the colour bar
    assert [axes.get_title() for axes in panels] == [
        "baseline: layer 0", "asa: layer 0", "asa, masked: layer 0",
        "baseline: layer 2", "asa: layer 2", "asa, masked: layer 2",
    ]  # fmt: skip
    for axes in panels:
        labels = [(label.get_text(), label.get_fontweight()) for label in axes.get_xticklabels()]
        assert labels == [("[CLS]", "normal"), ("fine", "bold"), ("film", "normal"), ("[SEP]", "normal")]
        assert axes.images[0].get_array().tolist() == [[0.25] * 4] * 4  # type: ignore[union-attr]


def test_the_final_ratio_is_the_mean_of_the_last_tenth() -> None:
    rows = pd.DataFrame({"step": range(20), "masked_ratio_0": [0.0] * 18 + [0.4, 0.6]})
    assert final(rows, "masked_ratio_0") == pytest.approx(0.5)
    assert final(rows.iloc[-1:], "masked_ratio_0") == pytest.approx(0.6)

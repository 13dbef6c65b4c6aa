"""Tables of what ASA's adversaries do, and of the learning curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from asa_bench.records.schema import CLEAN_PASS
from asa_bench.reporting.accuracy_tables import CLEAN
from asa_bench.reporting.attention_rows import by_layer, conditions, final, final_ratios, rows_of
from asa_bench.reporting.curve_points import curve_points, curve_terms, robust_metric
from asa_bench.reporting.tables import Cell, Column, Table, percentage, plain, words
from asa_bench.reporting.view import View
from asa_bench.stats.intervals import MINIMUM_SEEDS, Estimate, t_interval


def masked_ratios(view: View) -> Table | None:
    """Share of attention that each method masks at the end of its training, by layer."""
    ratios = final_ratios(view)
    if not ratios:
        return None
    layers = sorted({layer for values in ratios.values() for layer in values})
    return Table(
        "masked-ratio",
        "Attention masked, by layer",
        "Share of the attention pairs of tokens that are masked, in percent: mean of the last 10 % of the steps and "
        "over seeds. Layer 0 is next to the input.",
        [Column("Defence", numeric=False), *(Column(f"Layer {layer}") for layer in layers)],
        [
            [words(name), *(percentage(Estimate(values.get(layer), None, None, 0)) for layer in layers)]
            for name, values in ratios.items()
        ],
    )


def pass_divergence(view: View) -> Table | None:
    """How far apart the predictions of a step's passes are at the end of training: whether a disturbance is adverse."""
    if "divergence" not in view.training:
        return None
    steps = view.training.dropna(subset=["divergence"])
    ends = {
        name: [value for _, rows in own.groupby("seed") if (value := final(rows, "divergence")) is not None]
        for name in view.defences
        if len(own := steps[steps["defence"] == name])
    }
    if not ends:
        return None
    return Table(
        "pass-divergence",
        "Divergence of the passes",
        "What each method learns to lower besides the task's loss, in nats: mean of the last 10 % of the steps and "
        f"over seeds, with a 95 % t interval over seeds from {MINIMUM_SEEDS} on. ASA and its controls: divergence "
        "between the clean and the disturbed prediction, where an adversary's disturbance should do more than "
        "chance's. R-Drop: between two passes under dropout. SMART: under its perturbation, both directions added.",
        [Column("Defence", numeric=False), Column("Divergence", interval=True)],
        [[words(name), _over_seeds(by_seed, "{:.4f}".format)] for name, by_seed in ends.items()],
    )


def keyword_attention(view: View) -> Table | None:
    """Attention on keywords, by layer, as a multiple of chance."""
    layers = _layers(view, "keywords")
    if not layers:
        return None
    return Table(
        "attention-keywords",
        "Attention on keywords, by layer",
        "Attention of words to the keywords of their text, as a multiple of evenly spread attention; mask: under the "
        "mask of the model's own adversary. Mean over examples and seeds. Difference: over all layers, from the clean "
        f"pass of {view.baseline or 'a baseline'}, with a 95 % t interval over seeds from {MINIMUM_SEEDS} on; other "
        "words: the same of attention to the words that are no keywords. The rest goes to special tokens.",
        [*_columns(layers), Column("Difference", interval=True), Column("Other words, difference", interval=True)],
        [
            [*row, *(_difference(view, kind, *place) for kind in ("keywords", "other-words"))]
            for place, row in _rows(view, "keywords", layers, digits=2)
        ],
    )


def divergence(view: View) -> Table | None:
    """Divergence of attention by layer and condition, with the change of the prediction."""
    layers = _layers(view, "divergence")
    if not layers:
        return None
    return Table(
        "attention-divergence",
        "Divergence of attention, by layer",
        "Jensen–Shannon divergence of attention from that of the clean pass, in nats (at most 0.693), mean over "
        "examples and seeds. Prediction: KL divergence of the prediction, in nats.",
        [*_columns(layers), Column("Prediction")],
        [[*row, _prediction(view, *place)] for place, row in _rows(view, "divergence", layers, digits=4)],
    )


def _layers(view: View, kind: str) -> list[int]:
    return sorted(view.views[view.views["view"] == kind]["layer"].dropna().unique())


def _columns(layers: Sequence[int]) -> list[Column]:
    names = [Column("Defence", numeric=False), Column("Condition", numeric=False)]
    return [*names, *(Column(f"Layer {layer}") for layer in layers)]


def _rows(view: View, kind: str, layers: Sequence[int], digits: int) -> Iterator[tuple[tuple[str, str], list[Cell]]]:
    """Defence and condition, and what a view says of them, layer by layer."""
    for defence in view.defences:
        for condition in conditions(view, kind, defence):
            values = by_layer(view, kind, defence, condition)
            cells = [plain(values.get(layer), digits) for layer in layers]
            yield (defence, condition), [words(defence), words(condition), *cells]


def _prediction(view: View, defence: str, condition: str) -> Cell:
    rows = rows_of(view, "prediction", defence, condition)
    return plain(float(rows["value"].mean()) if len(rows) else None, 4)


def _difference(view: View, kind: str, defence: str, condition: str) -> Cell:
    """Attention of a kind, mean over layers, less that of the baseline's clean pass with the same seeds."""
    if (defence, condition) == (view.baseline, CLEAN_PASS):
        return plain(None)
    sides = (rows_of(view, kind, *side) for side in ((defence, condition), (str(view.baseline), CLEAN_PASS)))
    ours, theirs = (side.groupby("seed")["value"].mean() for side in sides)
    by_seed = (ours - theirs).dropna().tolist()
    return _over_seeds(by_seed, _signed) if by_seed else plain(None)


def _over_seeds(by_seed: Sequence[float], written: Callable[[float], str]) -> Cell:
    """The mean over seeds with its t interval, where there are seeds enough for one."""
    value, bounds = fmean(by_seed), t_interval(by_seed)
    note = f"{written(bounds[0])} to {written(bounds[1])}" if bounds else ""
    return Cell(value, written(value), note, *(bounds or (None, None)))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def learning_curve(view: View) -> Table | None:
    """Clean and robust accuracy by defence and number of training examples."""
    names = [name for name in view.defences if (view.curves["defence"] == name).any()]
    if not names:
        return None
    metric, attack = robust_metric(view)
    titled: dict[str, tuple[str, str | None]] = {"Clean accuracy, %": (CLEAN, None)}
    if metric is not None:
        titled["Robust accuracy, %" if attack else "Worst case, %"] = (metric, attack)
    rows = []
    for name in names:
        measured = [curve_points(view, name, *of) for of in titled.values()]
        for size in sorted(measured[0]):
            values = [_estimate(points.get(size)) for points in measured]
            rows.append([words(name), plain(size, 0), *map(percentage, values)])
    return Table(
        "learning-curve",
        "Accuracy over training data",
        f"{curve_terms(view)}, with 95 % intervals.",
        [
            Column("Defence", numeric=False),
            Column("Training examples"),
            *(Column(title, interval=True) for title in titled),
        ],
        rows,
    )


def _estimate(point: tuple[float, float, float] | None) -> Estimate:
    return Estimate(None, None, None, 0) if point is None else Estimate(*point, 0)

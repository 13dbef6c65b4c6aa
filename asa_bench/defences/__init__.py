"""Ways of training a model; each is one file, and its difference from ``baseline.py`` is its paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asa_bench.core.registry import Registry
from asa_bench.core.validation import validated
from asa_bench.defences.adversarial_examples import AdversarialExamples
from asa_bench.defences.asa import ASA
from asa_bench.defences.base import Defence
from asa_bench.defences.baseline import Baseline
from asa_bench.defences.creat import CreAT
from asa_bench.defences.fgm import FGM
from asa_bench.defences.flooding import Flooding
from asa_bench.defences.freelb import FreeLB
from asa_bench.defences.label_smoothing import LabelSmoothing
from asa_bench.defences.pgd import PGD
from asa_bench.defences.r_drop import RDrop
from asa_bench.defences.random_mask import RandomMask
from asa_bench.defences.s_attend import SAttend
from asa_bench.defences.smart import SMART
from asa_bench.defences.smoothing_bias import SmoothingBias
from asa_bench.defences.tavat import TAVAT
from asa_bench.defences.two_pass import TwoPass


@dataclass(frozen=True)
class Method:
    """A defence that suites can name: a class, with settings that differ from the class's defaults."""

    defence: type[Defence[Any]]
    summary: str
    source: str
    preset: Mapping[str, Any] = field(default_factory=dict)


DEFENCES: Registry[Method] = Registry(
    "defence",
    [
        ("baseline", Method(Baseline, "fine-tuning, no defence", "")),
        ("label-smoothing", Method(LabelSmoothing, "softened labels", "Szegedy et al. 2016, arXiv 1512.00567")),
        ("flooding", Method(Flooding, "the loss is kept above a level", "Ishida et al. 2020, arXiv 2002.08709")),
        ("r-drop", Method(RDrop, "agreement of two dropout passes", "Liang et al. 2021, arXiv 2106.14448")),
        ("fgm", Method(FGM, "one step on the word embeddings", "Miyato et al. 2017, arXiv 1605.07725")),
        ("pgd", Method(PGD, "the end of K ascent steps", "Madry et al. 2018, arXiv 1706.06083")),
        ("freelb", Method(FreeLB, "K ascent steps on the word embeddings", "Zhu et al. 2020, arXiv 1909.11764")),
        (
            "freelb++",
            Method(
                FreeLB,
                "FreeLB with 30 small steps and no ball",
                "Li et al. 2021, arXiv 2108.12777",
                {"steps": 30, "step_size": 0.03, "init_magnitude": 0.05},
            ),
        ),
        ("smart", Method(SMART, "agreement with the worst point nearby", "Jiang et al. 2020, arXiv 1911.03437")),
        (
            "creat",
            Method(CreAT, "the encoder's representation is attacked", "Wu et al. 2023, OpenReview xZD10GhCvM"),
        ),
        ("tavat", Method(TAVAT, "FreeLB that remembers each token", "Li, Qiu 2020, arXiv 2004.14543")),
        (
            "adversarial-examples",
            Method(AdversarialExamples, "learns from an attack's successes", "Gao et al. 2018, arXiv 1801.04354"),
        ),
        ("asa", Method(ASA, "adversarial self-attention", "Wu et al. 2023, arXiv 2206.12608")),
        (
            "asa-official",
            Method(ASA, "ASA with its authors' padding leaks", "Wu et al. 2023, arXiv 2206.12608", {"leaks": True}),
        ),
        (
            "asa-ratio",
            Method(ASA, "ASA, penalty on the share of kept units", "own variant of 2206.12608", {"penalty": "ratio"}),
        ),
        ("two-pass", Method(TwoPass, "control: agreement of two dropout passes", "after 2106.14448")),
        ("random-mask", Method(RandomMask, "control: as much masked as ASA, at random", "own control")),
        ("s-attend", Method(SAttend, "control: random words hidden from all others", "after Wu 2024")),
        ("smoothing-bias", Method(SmoothingBias, "control: attention spread more evenly", "own control")),
    ],
)


def build_defence(method: str, settings: Mapping[str, Any], source: str, prefix: str = "") -> Defence[Any]:
    """The defence ``method`` with ``settings`` over its preset.

    Raises:
        InputError: for an unknown method or setting, or a value out of range; the message opens with ``source``.
    """
    entry = DEFENCES[method]
    return entry.defence(validated(entry.defence.Settings, {**entry.preset, **settings}, source, prefix))

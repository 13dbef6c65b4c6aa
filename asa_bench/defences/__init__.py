"""Ways of training a model; each is one file, and its difference from ``baseline.py`` is its paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asa_bench.core.registry import Registry
from asa_bench.core.validation import validated
from asa_bench.defences.asa import ASA
from asa_bench.defences.base import Defence
from asa_bench.defences.baseline import Baseline
from asa_bench.defences.freelb import FreeLB
from asa_bench.defences.random_mask import RandomMask
from asa_bench.defences.s_attend import SAttend
from asa_bench.defences.smoothing_bias import SmoothingBias
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
        ("freelb", Method(FreeLB, "K ascent steps on the word embeddings", "Zhu et al. 2020, arXiv 1909.11764")),
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

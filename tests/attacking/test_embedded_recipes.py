"""Recipes on parts from the package index: each runs as one search after the other, and each constraint binds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asa_bench.assets import asset_path, cache
from asa_bench.assets.build import VECTORS
from asa_bench.attacking.planned import plan_attack, refuse_unavailable
from asa_bench.attacking.protocols import Frame, find_frame
from asa_bench.attacking.recipe import recipes
from asa_bench.attacking.settings import AttackSettings
from asa_bench.benching.attack import Recorder
from asa_bench.core.errors import InputError
from asa_bench.models.classifier import Classifier
from asa_bench.models.sentences import JUDGE, sentence_model
from asa_bench.tasks import Example
from tests.conftest import Cli

from .conftest import built_vectors
from .test_attack import built, examples, rows_of
from .test_engine import attacked, job_of
from .test_framing import framed
from .test_stock import both, ending
from .test_trace import steps

EMBEDDED = [*sorted(name for name in recipes() if name.endswith("-embedded")), "gradient-swap"]

FREQUENT = 4000
"""Words of GloVe from which these tests' vectors are built: seconds, not minutes."""


@pytest.fixture(scope="module", autouse=True)
def small_vectors(tmp_path_factory: pytest.TempPathFactory, textattack: Any) -> Iterator[Path]:
    """A cache with vectors built from a slice of GloVe beside the other assets."""
    with built_vectors(tmp_path_factory.mktemp("cache"), FREQUENT) as folder:
        yield folder


@pytest.mark.parametrize("recipe", EMBEDDED)
def test_each_example_ends_as_in_stock_textattack(classifier: Classifier, checkpoint: Path, recipe: str) -> None:
    ours, stock = both(classifier, checkpoint, recipe, examples(10))
    assert {row["outcome"] for row in ours} <= {"succeeded", "failed", "skipped"}
    assert [ending(row) for row in ours] == [ending(row) for row in stock]


@pytest.mark.parametrize("recipe", EMBEDDED)
def test_rows_do_not_depend_on_what_is_in_flight(classifier: Classifier, checkpoint: Path, recipe: str) -> None:
    job = job_of(checkpoint, examples(8), recipe, in_flight=8)
    rows = attacked(classifier, job)
    assert "error" not in {row["outcome"] for row in rows}
    assert attacked(classifier, job.model_copy(update={"examples": job.examples[::-1], "in_flight": 3})) == rows


@pytest.mark.parametrize("recipe", EMBEDDED)
def test_a_smaller_budget_finds_no_more(classifier: Classifier, checkpoint: Path, recipe: str) -> None:
    whole, part = (attacked(classifier, job_of(checkpoint, examples(8), recipe, query_budget=n)) for n in (120, 40))
    assert [steps(row, 40) for row in whole] == [steps(row, 40) for row in part]
    within = [any(success for *_, success in steps(row, 40)) for row in whole]
    assert within == [row["outcome"] == "succeeded" for row in part]


@pytest.mark.parametrize("recipe", EMBEDDED)
def test_a_frame_holds_round_every_search(classifier: Classifier, recipe: str) -> None:
    frame = Frame(name="one", max_words_changed=0.01, queries_per_word=3)
    for row in rows_of(framed(classifier, recipe, frame, budget=None), examples(8), recipe):
        assert row["queries"] <= 3 * len(row["original_text"].split())
        assert row["words_changed"] in (None, 1)


@pytest.mark.parametrize("recipe", ["textfooler-embedded", "gradient-swap"])
def test_what_is_cheap_is_asked_before_taggers_and_encoders(classifier: Classifier, recipe: str) -> None:
    from textattack.constraints.overlap import MaxWordsPerturbed
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder

    from asa_bench.attacking.embedded_parts import SpacyPartOfSpeech

    *cheap, tagger, own, frames = framed(classifier, recipe, find_frame("textdefender", Path())).constraints
    assert isinstance(tagger, SpacyPartOfSpeech)
    assert all(isinstance(one, SentenceEncoder) for one in (own, frames))
    assert any(isinstance(one, MaxWordsPerturbed) for one in cheap)


def test_the_gradient_finds_what_chance_does_not(classifier: Classifier, checkpoint: Path) -> None:
    job = job_of(checkpoint, examples(60), "gradient-swap", query_budget=50)
    guided, control = (attacked(classifier, job.model_copy(update={"search": kind})) for kind in ("recipe", "random"))
    successes = [sum(row["outcome"] == "succeeded" for row in rows) for rows in (guided, control)]
    assert successes[0] > successes[1]


def test_a_success_of_less_score_than_a_failure_counts() -> None:
    """With three labels the true one can be less likely in a text that the model still gets right."""
    from textattack.goal_function_results import ClassificationGoalFunctionResult, GoalFunctionResultStatus
    from textattack.shared import AttackedText

    from asa_bench.attacking.gradient_swap import GradientBeam

    def result(text: str, score: float, *, success: bool = False) -> Any:
        status = GoalFunctionResultStatus.SUCCEEDED if success else GoalFunctionResultStatus.SEARCHING
        return ClassificationGoalFunctionResult(AttackedText(text), None, int(success), status, score, 1, 0)

    class OneStep(GradientBeam):
        def _next(self, beam: Any, original: Any) -> list[Any]:
            return [original]

    found = [result("held", 1.05), result("misled", 0.92, success=True)]  # −log 0.35 and −log 0.40
    search = OneStep(None, None, 50, 4)  # type: ignore[arg-type]
    search.get_goal_results = lambda texts: (found, False)
    assert search.perform_search(result("original", 0.1)) is found[1]


def passed(attack: Any, kind: str, text: str, place: int, words: list[str]) -> list[str]:
    """Those of ``words`` that the attack's constraint of that kind lets through in the place of one."""
    from textattack.shared import AttackedText

    [binding] = [one for one in attack.constraints if type(one).__name__ == kind]
    original = AttackedText(text)
    changed = [original.replace_word_at_index(place, word) for word in words]
    for other in changed:
        other.attack_attrs["last_transformation"] = attack.transformation
    return [other.words[place] for other in binding.call_many(changed, original)]


LONG = "this film was good and the story about the old house by the river was very long but warm"

REFUSED = [
    ("textfooler-embedded", "WordEmbeddingDistance", "a good film", 1, "great", "bad"),
    ("textfooler-embedded", "SpacyPartOfSpeech", "they run the house", 1, "walk", "slowly"),
    ("textfooler-embedded", "MiniLM", LONG, 1, "movie", "surgery"),
    ("textbugger-embedded", "MiniLM", "the film is very good", 1, "movie", "surgery"),
    ("iga-embedded", "WordEmbeddingDistance", "a good film", 1, "good", "bad"),
    ("a2t-embedded", "WordEmbeddingDistance", "a good film", 1, "good", "bad"),
    ("a2t-embedded", "SpacyPartOfSpeech", "this is a good film", 3, "great", "house"),
    ("a2t-embedded", "MiniLM", "the film is very good", 1, "movie", "surgery"),
    ("gradient-swap", "WordEmbeddingDistance", "a good film", 1, "great", "bad"),
    ("gradient-swap", "SpacyPartOfSpeech", "they run the house", 1, "walk", "slowly"),
    ("gradient-swap", "MiniLM", LONG, 1, "movie", "surgery"),
]


@pytest.mark.parametrize(("recipe", "kind", "text", "place", "kept", "refused"), REFUSED)
def test_each_constraint_refuses(
    classifier: Classifier, recipe: str, kind: str, text: str, place: int, kept: str, refused: str
) -> None:
    assert passed(built(classifier, recipe), kind, text, place, [kept, refused]) == [kept]


@pytest.mark.parametrize(("recipe", "share"), [("iga-embedded", 0.2), ("a2t-embedded", 0.1)])
def test_no_more_words_change_than_a_recipe_allows(
    classifier: Classifier, checkpoint: Path, recipe: str, share: float
) -> None:
    rows = [row for row in attacked(classifier, job_of(checkpoint, examples(24), recipe)) if row["adversarial_text"]]
    assert rows
    for row in rows:
        assert row["words_changed"] <= max(1, math.ceil(share * len(row["original_text"].split())))


def test_the_gradient_proposes_only_what_the_constraints_allow(classifier: Classifier, checkpoint: Path) -> None:
    from textattack.shared import AttackedText

    from asa_bench.attacking.embedded_parts import word_embedding

    vectors = word_embedding()
    before_all = built(classifier, "gradient-swap").pre_transformation_constraints
    [spared] = [one.stopwords for one in before_all if type(one).__name__ == "StopwordModification"]
    rows = [r for r in attacked(classifier, job_of(checkpoint, examples(24), "gradient-swap")) if r["adversarial_text"]]
    assert rows
    for row in rows:
        before, after = (AttackedText(row[f"{kind}_text"]) for kind in ("original", "adversarial"))
        swaps = [(a, b) for a, b in zip(before.words, after.words, strict=True) if a != b]
        assert swaps
        assert not {a for a, _ in swaps} & spared
        for a, b in swaps:
            assert vectors.get_cos_sim(a.lower(), b.lower()) >= 0.5 - 1e-6


def test_names_and_places_are_those_that_spacy_finds() -> None:
    from textattack.shared import AttackedText

    from asa_bench.attacking.embedded_parts import SpacyChangeLocation, SpacyChangeName

    text = AttackedText("John Smith went to Dallas with Mary yesterday")
    named = [other.words for other in SpacyChangeName()(text)]
    assert len(named) == 9
    assert {i for words in named for i, word in enumerate(words) if word != text.words[i]} == {0, 1, 6}
    places = [other.text for other in SpacyChangeLocation()(text)]
    assert places
    assert all(one.startswith("John Smith went to ") and one.endswith(" with Mary yesterday") for one in places)


def test_the_official_recipe_does_not_get_these_vectors(classifier: Classifier) -> None:
    from textattack.shared import utils

    built(classifier, "textfooler-embedded")
    assert "textattack_counterfitted_GLOVE_embedding" not in utils.GLOBAL_OBJECTS


def test_as_many_neighbours_as_are_asked_for() -> None:
    from asa_bench.attacking.embedded_parts import word_embedding

    embedding = word_embedding()
    good = embedding.word2index("good")
    assert len(embedding.nearest_neighbours(good, 5)) == 5
    assert len(embedding.nearest_neighbours(good, 50)) == 50
    assert embedding.nearest_neighbours(good, 50)[:5] == embedding.nearest_neighbours(good, 5)


def test_texts_under_the_window_are_not_asked_about(classifier: Classifier, checkpoint: Path) -> None:
    model = sentence_model(asset_path(JUDGE))
    for count, asked in ((14, False), (15, True)):
        model.known.clear()
        text = ("this film was good and the story is very " * 2).split()[:count]
        label = int(classifier.logits([(" ".join(text),)]).argmax())
        [row] = attacked(
            classifier, job_of(checkpoint, [Example("1", (" ".join(text),), label)], "textfooler-embedded")
        )
        assert row["candidates"] > 0
        assert bool(len(model.known)) == asked


def test_the_bench_counts_the_encoders_passes(
    cli: Cli, checkpoint: Path, reviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    passes = Recorder.batches

    def counted(recorder: Recorder) -> Any:
        found = list(passes(recorder))
        seen.append({type(model).__name__ for model, _ in found})
        return found

    monkeypatch.setattr(Recorder, "batches", counted)
    done = cli(
        "bench", "attack", "--attack", "a2t-embedded", "--model", checkpoint, "--data", reviews / "test.csv",
        "--examples", 6, "--query-budget", 60, "--precision", "fp32", "--threads", 1, "--format", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    [record] = json.loads(done.out)
    assert record["identical"] == 1
    assert seen
    assert all(models == {"Classifier", "SentenceModel"} for models in seen)


def test_a_recipe_without_its_vectors_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASA_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "_verified", set())
    attack = plan_attack(AttackSettings(recipe="textfooler-embedded"), tmp_path)
    assert attack.recipe.lacks() == [VECTORS]
    message = f"^mine.toml: attack 'textfooler-embedded' lacks {VECTORS}; see asa-bench doctor$"
    with pytest.raises(InputError, match=message):
        refuse_unavailable([attack], "mine.toml")

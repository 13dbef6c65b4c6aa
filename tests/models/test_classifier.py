from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from asa_bench.core.errors import InputError
from asa_bench.models.checkpoint import save_checkpoint, weights_digest
from asa_bench.models.classifier import Classifier, load_classifier, new_classifier
from asa_bench.models.encoder import EncoderSettings, resolve_encoder

CPU = torch.device("cpu")
TEXTS = [("a good film",), ("this dull story was awful and weak",), ("the music",)]


def classifier(folder: Path) -> Classifier:
    model, tokenizer = new_classifier(folder, ("neg", "pos"), seed=3, attention="eager", max_length=40)
    return Classifier(model.eval(), tokenizer, 40, "fp32", batch_size=2)


def copy_with_config(folder: Path, to: Path, **changes: object) -> Path:
    shutil.copytree(folder, to)
    config = json.loads((to / "config.json").read_text()) | changes
    (to / "config.json").write_text(json.dumps(config))
    return to


def test_rows_come_back_in_the_order_of_the_texts(tiny_encoder: Path) -> None:
    victim = classifier(tiny_encoder)
    together = victim.logits(TEXTS)
    assert together.shape == (3, 2)
    for text, row in zip(TEXTS, together, strict=True):
        assert torch.allclose(victim.logits([text])[0], row, atol=1e-6)


def test_pairs_are_encoded_as_pairs(tiny_encoder: Path) -> None:
    victim = classifier(tiny_encoder)
    assert not torch.allclose(victim.logits([("a film", "a plot")]), victim.logits([("a film a plot",)]))


def test_training_mode_is_refused(tiny_encoder: Path) -> None:
    victim = classifier(tiny_encoder)
    victim.model.train()
    with pytest.raises(RuntimeError, match=r"^the model is in training mode; call model.eval\(\) first$"):
        victim.logits(TEXTS)


def test_equal_seeds_give_equal_heads(tiny_encoder: Path) -> None:
    assert weights_digest(classifier(tiny_encoder).model) == weights_digest(classifier(tiny_encoder).model)


def test_a_saved_checkpoint_is_a_plain_one_of_transformers(tiny_encoder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    victim = classifier(tiny_encoder)
    save_checkpoint(victim.model, victim.tokenizer, tmp_path / "model", "card")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path / "model")(TEXTS[1][0], return_tensors="pt")
    assert torch.allclose(model(**inputs).logits, victim.logits(TEXTS[1:2]), atol=1e-6)
    assert model.config.id2label == {0: "neg", 1: "pos"}
    assert load_classifier(tmp_path / "model", "fp32", CPU).max_length == 40


def test_a_loaded_checkpoint_reads_as_much_as_it_did_in_training(tiny_encoder: Path, tmp_path: Path) -> None:
    victim = classifier(tiny_encoder)
    save_checkpoint(victim.model, victim.tokenizer, tmp_path / "model", "card")
    loaded = load_classifier(tmp_path / "model", "fp32", CPU)
    whole = "good " * 38  # and two special tokens: 40
    beyond, short = (loaded.logits([(text,)]) for text in (whole + "bad " * 20, whole[:-5] + "bad"))
    assert torch.equal(beyond, loaded.logits([(whole,)]))
    assert not torch.equal(short, beyond)


def test_pickled_weights_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = copy_with_config(tiny_encoder, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = (
        f"encoder '{folder}': {folder / 'pytorch_model.bin'} is a pickle, which can run code; save it as safetensors"
    )
    with pytest.raises(InputError) as caught:
        resolve_encoder(EncoderSettings(name=str(folder)), tmp_path)
    assert str(caught.value) == message


def test_a_folder_without_tokenizer_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = copy_with_config(tiny_encoder, tmp_path / "bare")
    for name in ("vocab.txt", "tokenizer.json"):
        (folder / name).unlink()
    with pytest.raises(InputError, match=rf"^encoder '{folder}': no tokenizer in {folder}$"):
        resolve_encoder(EncoderSettings(name=str(folder)), tmp_path)


def test_a_hub_name_needs_a_revision(tmp_path: Path) -> None:
    message = (
        r"^encoder 'bert-base': neither shipped \(minilm\) nor a local folder; a Hub model needs a pinned 'revision'$"
    )
    with pytest.raises(InputError, match=message):
        resolve_encoder(EncoderSettings(name="bert-base"), tmp_path)


def test_a_checkpoint_of_another_number_of_labels_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    victim = classifier(tiny_encoder)
    save_checkpoint(victim.model, victim.tokenizer, tmp_path / "two", "card")
    message = rf"^encoder {tmp_path / 'two'}: a classifier of 2 labels; the task has 3$"
    with pytest.raises(InputError, match=message):
        new_classifier(tmp_path / "two", ("a", "b", "c"), seed=0, attention="eager", max_length=40)


def test_a_checkpoint_of_another_task_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = copy_with_config(tiny_encoder, tmp_path / "tokens", architectures=["BertForTokenClassification"])
    with pytest.raises(InputError, match=r"a checkpoint of another task \(BertForTokenClassification\)$"):
        new_classifier(folder, ("neg", "pos"), seed=0, attention="eager", max_length=40)


def test_an_encoder_is_not_stretched(tiny_encoder: Path) -> None:
    message = rf"^train.max_length: expected <= 64 for the encoder in {tiny_encoder}, got 65$"
    with pytest.raises(InputError, match=message):
        new_classifier(tiny_encoder, ("neg", "pos"), seed=0, attention="eager", max_length=65)


def test_an_encoder_is_no_victim(tiny_encoder: Path) -> None:
    with pytest.raises(InputError, match=rf"^model {tiny_encoder}: not a sequence classifier \(BertModel\)$"):
        load_classifier(tiny_encoder, "fp32", CPU)

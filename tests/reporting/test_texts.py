from hypothesis import given
from hypothesis import strategies as st

from asa_bench.reporting.texts import Piece, differences, fields, visible


def test_hidden_characters_become_visible() -> None:
    assert visible("a\u202eb\u200bc\u2066\ufeff\x00\ud800\u3164\ufe0f") == (
        "a‹U+202E›b‹U+200B›c‹U+2066›‹U+FEFF›‹U+0000›‹U+D800›‹U+3164›‹U+FE0F›"
    )
    assert visible("tab\tline\nÉé 漢字 عربي") == "tab\tline\nÉé 漢字 عربي"


def test_changed_words_are_marked_on_both_sides() -> None:
    left, right = differences("a good film", "a g\u200bood film")
    assert left == [Piece("a ", False), Piece("good", True), Piece(" film", False)]
    assert right == [Piece("a ", False), Piece("g‹U+200B›ood", True), Piece(" film", False)]


def test_an_inserted_word_is_marked_on_one_side() -> None:
    left, right = differences("a film", "a fine film")
    assert [piece for piece in left if piece.changed] == []
    assert "".join(piece.text for piece in right if piece.changed).split() == ["fine"]


@given(st.text(), st.text())
def test_the_pieces_make_up_the_texts(original: str, adversarial: str) -> None:
    left, right = differences(original, adversarial)
    assert "".join(piece.text for piece in left) == visible(original)
    assert "".join(piece.text for piece in right) == visible(adversarial)


def test_fields_of_an_array_are_joined() -> None:
    assert fields('["premise", "hypothesis"]') == "premise ‖ hypothesis"
    assert [fields(text) for text in ("[sic] plain", "[1, 2]", "plain")] == ["[sic] plain", "[1, 2]", "plain"]

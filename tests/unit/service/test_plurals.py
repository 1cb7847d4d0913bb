import pytest

from face_comparison.plurals import count_noun


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 faces"), (1, "1 face"), (2, "2 faces"), (2100, "2,100 faces")], ids=str
)
def test_noun_agrees_with_number(number: int, text: str) -> None:
    assert count_noun(number, "face") == text


def test_plural_may_be_irregular() -> None:
    assert count_noun(1, "person is", "people are") == "1 person is"
    assert count_noun(3, "person is", "people are") == "3 people are"

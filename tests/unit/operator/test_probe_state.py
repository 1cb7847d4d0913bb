"""When a URL is asked again, and which answers are told."""

from __future__ import annotations

import pytest

from face_comparison_operator.probe_state import ANSWERING_SECONDS, FIRST_SECONDS, REFUSING_SECONDS, Inquiry
from face_comparison_operator.status import Answer

ANSWERS, REFUSES, UNREACHABLE = (
    Answer("answers", version="m"),
    Answer("refuses", "it answers 503"),
    Answer("unreachable"),
)


def test_it_is_asked_at_once_and_then_rarely() -> None:
    inquiry = Inquiry()
    inquiry.turn_to(("route", "1"))
    assert inquiry.due(10.0) < 0
    assert not inquiry.is_news
    for answer in (ANSWERS, UNREACHABLE):
        inquiry.take(answer, 10.0)
        assert inquiry.is_news
        assert inquiry.due(10.0) == ANSWERING_SECONDS


def test_a_refusal_is_repeated_quickly_before_it_is_told() -> None:
    inquiry, now = Inquiry(), 0.0
    for pause in FIRST_SECONDS:
        inquiry.take(REFUSES, now)
        assert not inquiry.is_news
        assert inquiry.due(now) == pytest.approx(pause)
        now += pause
    for _ in range(3):
        inquiry.take(REFUSES, now)
        assert inquiry.is_news
        assert inquiry.due(now) == pytest.approx(REFUSING_SECONDS)
    inquiry.take(ANSWERS, now)
    inquiry.take(REFUSES, now)
    assert not inquiry.is_news


def test_another_route_is_another_question() -> None:
    inquiry = Inquiry()
    inquiry.turn_to(("route", "1"))
    for _ in range(9):
        inquiry.take(REFUSES, 5.0)
    inquiry.turn_to(("route", "1"))
    assert inquiry.is_news
    inquiry.turn_to(("route", "2"))
    assert not inquiry.is_news
    assert (inquiry.answer, inquiry.refusals) == (None, 0)
    assert inquiry.due(5.0) < 0

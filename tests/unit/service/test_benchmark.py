"""A contest: who takes turns, in which order, and how rates are compared."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from face_comparison.benchmark import contenders, contest
from face_comparison.benchmark.contenders import Entry, Plan

PLAN = Plan(images=[b"one", b"two"], rounds=3, total=7, threads=1)


def test_contenders_alternate_after_an_unmeasured_turn() -> None:
    turns: list[tuple[str, int]] = []

    def contender(name: str) -> Callable[[int], Entry]:
        def turn(total: int) -> Entry:
            turns.append((name, total))
            return Entry([float(len(turns))])

        return turn

    found = contest.take_turns({name: contender(name) for name in "ab"}, PLAN, lambda line: None)
    assert turns == [("a", 4), ("b", 4)] + [("a", 7), ("b", 7)] * 3
    assert {name: entry.rates for name, entry in found.items()} == {"a": [3, 5, 7], "b": [4, 6, 8]}


def test_ratio_is_the_median_of_the_rounds() -> None:
    assert contest.ratio(Entry([10, 40, 9]), Entry([5, 10, 9])) == 2


def test_service_runs_the_bundle_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    class Started(Exception):
        pass

    def start(command: list[str], **options: Any) -> Any:
        commands.append(command)
        raise Started

    monkeypatch.setattr(subprocess, "Popen", start)
    plan = Plan(
        [], rounds=1, total=1, threads=1, workers=3, worker_threads=2, engine="onnxruntime", bundle="yunet-sface-int8"
    )
    with pytest.raises(Started), contenders.service(plan, queue=5):
        pass
    options = dict(zip(commands[0][4::2], commands[0][5::2], strict=True))
    assert options["--bundle"] == "yunet-sface-int8"
    assert (options["--workers"], options["--threads"], options["--engine"], options["--queue"]) == (
        "3",
        "2",
        "onnxruntime",
        "5",
    )

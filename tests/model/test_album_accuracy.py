"""An album of a thousand images finds the right people, as well as its page in the documents says."""

import json

import numpy as np
import pytest

from devtools import album_accuracy
from devtools.album_accuracy import WAYS, Score, Truth
from face_comparison.vision.analyzer import ImageAnalyzer

LEAST_FOUND = 0.99
"""Share of the faces that are wholly on an image."""

LEAST = Score(precision=0.995, recall=0.92, recall_of_different_photographs=0.92)
"""Measured: 0.9995, 0.938, 0.941."""

PLAY = 0.01
"""Between processors: by how much a figure of the page may differ."""


@pytest.fixture(scope="module")
def found(analyzer: ImageAnalyzer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Score, Truth]:
    table, truth = album_accuracy.album(analyzer, tmp_path_factory.mktemp("album"))
    return album_accuracy.score(album_accuracy.groups(table), truth), truth


@pytest.mark.timeout(1200)
def test_people_match_ground_truth(found: tuple[Score, Truth], capsys: pytest.CaptureFixture[str]) -> None:
    score, truth = found
    with capsys.disabled():
        print(
            f"\n{truth.found} of {truth.expected} faces found; pairs: precision {score.precision:.4f}, "
            f"recall {score.recall:.3f}, of different photographs {score.recall_of_different_photographs:.3f}"
        )
    assert truth.found >= LEAST_FOUND * truth.expected
    assert score.precision >= LEAST.precision
    assert score.recall >= LEAST.recall
    assert score.recall_of_different_photographs >= LEAST.recall_of_different_photographs


@pytest.mark.timeout(1200)
def test_documents_match_measurements(found: tuple[Score, Truth]) -> None:
    score, truth = found
    record = json.loads(album_accuracy.RECORD.read_text())
    assert list(record["ways"]) == list(WAYS)
    chosen = record["ways"][next(iter(WAYS))]
    assert chosen["all"]["precision"] == pytest.approx(score.precision, abs=PLAY)
    assert chosen["all"]["recall"] == pytest.approx(score.recall, abs=PLAY)
    assert chosen["recall_of_different_photographs"] == pytest.approx(score.recall_of_different_photographs, abs=PLAY)
    assert record["faces"]["found"] == pytest.approx(truth.found, rel=PLAY)


def test_score_is_computed_over_pairs() -> None:
    truth = Truth(np.array([1, 1, 1, 2, -1]), np.array([1, 1, 2, 3, -1]), 0, 0)
    assert album_accuracy.score(truth.person, truth) == Score(1, 1, 1)
    assert album_accuracy.score(np.ones(5, np.int64), truth) == Score(3 / 10, 1, 1)
    assert album_accuracy.score(np.array([1, 1, 2, 2, 3]), truth) == Score(1 / 2, 1 / 3, 0)

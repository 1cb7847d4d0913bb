"""Evaluations of synthetic people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from face_comparison.api.responses import BoundingBox
from face_comparison.client.detection import DetectedFace
from face_comparison.evaluation.dataset import Dataset, LabeledImage
from face_comparison.evaluation.enrollment import Enrollment
from face_comparison.evaluation.run import Evaluation, EvaluationOptions, SilentProgress, measure
from face_comparison.evaluation.thresholds import Costs
from support import embeddings
from support.faces import quality

OPTIONS = EvaluationOptions(Costs(20, 1, 0.4))


def enrolled(vectors: np.ndarray, people: np.ndarray, folder: Path = Path("/nowhere")) -> tuple[Dataset, Enrollment]:
    images = tuple(LabeledImage(Path(f"p{person}/<b>{n}.png"), f"p{person}") for n, person in enumerate(people))
    faces = tuple(
        DetectedFace(BoundingBox(0, 0, 1, 1), 0.9, vector, (), quality(50, 50, 90), "m-1") for vector in vectors
    )
    names = tuple(f"p{person}" for person in range(people.max() + 1))
    return Dataset(folder, images), Enrollment(images, faces, vectors, people, names, (), ())


def evaluated(
    people: int = 60,
    images: int = 3,
    *,
    folder: Path = Path("/nowhere"),
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> Evaluation:
    dataset, enrollment = enrolled(*embeddings.draw(np.random.default_rng(people), people, images, width=32), folder)
    return measure(replace(dataset, groups=groups or {}), enrollment, "m-1", 0.9, OPTIONS, SilentProgress())

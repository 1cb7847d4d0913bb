"""One face per image, and which images are in no pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from face_comparison.api.responses import BoundingBox
from face_comparison.client.detection import DetectedFace
from face_comparison.errors import InvalidDataset
from face_comparison.evaluation.dataset import Dataset, LabeledImage, ListedPair
from face_comparison.evaluation.enrollment import choose_face, enroll
from support.faces import quality


def face(confidence: float = 0.9, size: float = 100, axis: int = 0) -> DetectedFace:
    vector = np.zeros(768, np.float32)
    vector[axis] = 1
    return DetectedFace(BoundingBox(0, 0, 1, 1), confidence, vector, (), quality(50, 50, size), "m-1")


def dataset(*names: str) -> Dataset:
    return Dataset(Path("/d"), tuple(LabeledImage(Path(name), name.split("/")[0]) for name in names))


def test_confident_face_precedes_larger_doubtful_one() -> None:
    sure, doubtful = face(0.91, 60), face(0.65, 300)
    assert choose_face([doubtful, sure], "reject", 0.75) is sure
    assert choose_face([doubtful], "reject", 0.75) is doubtful


def test_bundle_defines_confident_face() -> None:
    smaller, larger = face(0.91, 60), face(0.65, 300)
    assert choose_face([larger, smaller], "largest", 0.6) is larger
    assert choose_face([larger, smaller], "reject", 0.6) == (
        "several_faces",
        "2 faces were found, and one is expected",
    )
    faces = {"a/1": [larger, smaller], "a/2": [face(axis=1)], "b/1": [face(axis=2)]}
    digests = {Path(name): name for name in faces}
    for confidence, chosen in ((0.6, larger), (0.9, smaller)):
        found = enroll(dataset(*faces), digests, faces, {}, sure_confidence=confidence, several_faces="largest")
        assert found.faces[0] is chosen


def test_several_faces_are_rejected_by_default() -> None:
    small, large = face(0.95, 60), face(0.9, 90)
    assert choose_face([small, large], "reject", 0.75) == ("several_faces", "2 faces were found, and one is expected")
    assert choose_face([small, large], "largest", 0.75) is large
    assert choose_face([], "largest", 0.75) == ("no_face", "no face was found")


def test_failures_and_duplicates_are_excluded_from_pairs() -> None:
    names = ("a/1", "a/2", "a/copy", "a/none", "a/broken", "b/1", "b/2", "c/of-d", "d/1", "d/2", "d/3")
    digests = {Path(name): name for name in names if name != "a/broken"}
    digests[Path("a/copy")] = "a/1"
    digests[Path("c/of-d")] = "d/1"
    faces = {name: [face(axis=index)] for index, name in enumerate(names) if name != "a/none"}
    found = enroll(
        dataset(*names), digests, faces, {Path("a/broken"): ("corrupt_image", "it ends early")}, sure_confidence=0.75
    )
    assert [str(image.path) for image in found.images] == ["a/1", "a/2", "b/1", "b/2", "d/2", "d/3"]
    assert found.names == ("a", "b", "d")
    assert found.people.tolist() == [0, 0, 1, 1, 2, 2]
    assert [(str(each.path), each.code) for each in found.failures] == [
        ("a/none", "no_face"),
        ("a/broken", "corrupt_image"),
    ]
    assert [(str(each.path), str(each.same_as), each.conflict) for each in found.duplicates] == [
        ("a/copy", "a/1", False),
        ("d/1", "c/of-d", True),
    ]
    assert found.vectors.shape == (6, 11)  # without the padding


def test_listed_pairs_resolve_duplicates_and_failures() -> None:
    names = ("a/1", "a/2", "a/copy", "a/none", "b/1")
    digests = {Path(name): name for name in names} | {Path("a/copy"): "a/1"}
    faces = {name: [face(axis=index)] for index, name in enumerate(names) if name != "a/none"}
    found = enroll(dataset(*names), digests, faces, {}, sure_confidence=0.75)
    listed = [
        ("a/1", "a/2", True),
        ("a/copy", "a/2", True),
        ("a/1", "a/copy", True),
        ("a/none", "b/1", False),
        ("a/copy", "b/1", False),
    ]
    pairs, same = found.listed_pairs([ListedPair(Path(a), Path(b), alike, 2) for a, b, alike in listed])
    assert pairs.tolist() == [[0, 1], [0, 2]]
    assert same.tolist() == [True, False]


def test_too_few_usable_images_are_rejected_with_example() -> None:
    data = dataset("a/1", "a/2", "b/1")
    digests = {image.path: str(image.path) for image in data.images}
    with pytest.raises(
        InvalidDataset, match=r"two or more people are needed, not of 1 \(1 image has no usable face, b/1"
    ):
        enroll(data, digests, {"a/1": [face()], "a/2": [face(axis=1)]}, {}, sure_confidence=0.75)
    with pytest.raises(InvalidDataset, match="nobody has two usable images"):
        enroll(data, digests, {"a/1": [face()], "b/1": [face(axis=1)]}, {}, sure_confidence=0.75)

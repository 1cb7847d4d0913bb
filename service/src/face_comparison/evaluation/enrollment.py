"""Selects one face per image, or states why an image cannot be used. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from face_comparison.api.responses import Face
from face_comparison.errors import InvalidDataset
from face_comparison.evaluation.dataset import Dataset, LabeledImage, ListedPair
from face_comparison.plurals import count_noun

SeveralFaces = Literal["reject", "largest"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An image whose face could not be used (failure to enroll)."""

    path: Path
    person: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An image with the same content as an earlier one.

    Attributes:
        path: The image.
        same_as: The earlier image.
        conflict: Whether images with this content belong to more than one person.
    """

    path: Path
    same_as: Path
    conflict: bool


@dataclass(frozen=True, slots=True, eq=False)
class Enrollment:
    """The faces to compare: one per image.

    Attributes:
        images: The images with a usable face.
        faces: The selected face of each image.
        vectors: L2-normalized embeddings, (images, width) float32.
        people: The person of each image as an index into `names`, (images,).
        names: Names of the people.
        failures: Images without a usable face.
        duplicates: Images that are not compared because an earlier image has the same content.
    """

    images: tuple[LabeledImage, ...]
    faces: tuple[Face, ...]
    vectors: NDArray[np.float32]
    people: NDArray[np.intp]
    names: tuple[str, ...]
    failures: tuple[Failure, ...]
    duplicates: tuple[Duplicate, ...]

    def listed_pairs(self, pairs: Sequence[ListedPair]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Returns the listed pairs of which both images are enrolled.

        A duplicate of an earlier image of the same person is replaced by that image. Pairs of images with the same
        content are dropped.

        Returns:
            The indices of both images, (pairs, 2), and whether both show the same person, (pairs,).
        """
        numbers = {image.path: number for number, image in enumerate(self.images)}
        numbers |= {
            each.path: numbers[each.same_as]
            for each in self.duplicates
            if not each.conflict and each.same_as in numbers
        }
        found = {
            (min(one, other), max(one, other)): pair.same
            for pair in pairs
            if (one := numbers.get(pair.first)) is not None
            and (other := numbers.get(pair.second)) is not None
            and one != other
        }
        return np.array(list(found), np.intp).reshape(-1, 2), np.array(list(found.values()), np.bool_)


def enroll(
    dataset: Dataset,
    digests: Mapping[Path, str],
    faces: Mapping[str, Sequence[Face]],
    rejected: Mapping[Path, tuple[str, str]],
    *,
    sure_confidence: float,
    several_faces: SeveralFaces = "reject",
) -> Enrollment:
    """Chooses the face of each image.

    Args:
        dataset: The images.
        digests: SHA-256 digest of each image's content, by path.
        faces: Detected faces, by digest.
        rejected: Images that could not be analyzed: error code and reason, by path.
        sure_confidence: The bundle's confidence from which a detection is surely a face.
        several_faces: Whether to reject images with several faces (`reject`) or use the largest face (`largest`).

    Raises:
        InvalidDataset: The usable faces are of fewer than two people, or nobody has two of them.
    """
    owners: dict[str, set[str]] = {}
    for image in dataset.images:
        if image.path in digests:
            owners.setdefault(digests[image.path], set()).add(image.person)
    images, chosen, failures, duplicates = [], [], [], []
    first: dict[str, Path] = {}
    for image in dataset.images:
        if image.path in rejected:
            failures.append(Failure(image.path, image.person, *rejected[image.path]))
            continue
        digest = digests[image.path]
        if digest in first or len(owners[digest]) > 1:
            conflict = len(owners[digest]) > 1
            if digest in first:
                duplicates.append(Duplicate(image.path, first[digest], conflict))
            first.setdefault(digest, image.path)
            continue
        first[digest] = image.path
        face = choose_face(faces.get(digest, ()), several_faces, sure_confidence)
        if isinstance(face, Face):
            images.append(image)
            chosen.append(face)
        else:
            failures.append(Failure(image.path, image.person, *face))
    names = tuple(sorted({image.person for image in images}))
    numbers = {name: number for number, name in enumerate(names)}
    people = np.array([numbers[image.person] for image in images], np.intp)
    _check(people, failures)
    # Drop the zero padding of the hashes, which takes 256 MB for 100,000 faces.
    width = max(int(np.flatnonzero(face.face_hash).max(initial=0)) for face in chosen) + 1
    vectors = np.empty((len(chosen), width), np.float32)
    for row, face in zip(vectors, chosen, strict=True):
        row[:] = face.face_hash[:width]
    return Enrollment(tuple(images), tuple(chosen), vectors, people, names, tuple(failures), tuple(duplicates))


def choose_face(faces: Sequence[Face], several_faces: SeveralFaces, sure_confidence: float) -> Face | tuple[str, str]:
    """Returns the face of the person that an image belongs to, or a code and a reason why none can be used.

    Sure detections take precedence over doubtful ones, regardless of size.
    """
    if not faces:
        return "no_face", "no face was found"
    sure = [face for face in faces if face.confidence >= sure_confidence]
    if len(sure) > 1 and several_faces == "reject":
        return "several_faces", f"{len(sure)} faces were found, and one is expected"
    return max(sure or faces, key=lambda face: (face.quality.face_size, face.confidence))


def _check(people: NDArray[np.intp], failures: Sequence[Failure]) -> None:
    counts = np.bincount(people) if len(people) else np.zeros(0, np.intp)
    lost = (
        f" ({count_noun(len(failures), 'image has', 'images have')} no usable face, {failures[0].path} for one)"
        if failures
        else ""
    )
    if len(counts) < 2:
        raise InvalidDataset(f"usable faces of two or more people are needed, not of {len(counts)}{lost}")
    if counts.max() < 2:
        raise InvalidDataset(f"nobody has two usable images, so there is no pair of one person{lost}")

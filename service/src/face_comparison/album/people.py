"""Applies what users state about an album: names, merges, splits and hidden people. No I/O.

A person is identified by a few of their faces, and a face by the content of its image and its position in it. So
statements remain valid when photographs are renamed, moved or added, when people get other numbers, and when other
models detect the faces.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from face_comparison.album.faces import FaceKey
from face_comparison.client.detection import DetectedFace

ANCHORS = 3
"""Maximum number of faces that identify a person in the file."""

_DIGITS = 16
_MARK = re.compile(rf"([0-9a-f]{{{_DIGITS}}})@(\d{{1,4}}),(\d{{1,4}})")


@dataclass(frozen=True, slots=True)
class Statement:
    """What the user stated about one person.

    Attributes:
        faces: Marks of faces that are this person's.
        other: Marks of faces that are not this person's.
        name: Name of the person; empty for none.
        hidden: Whether the person is left out of the page and the folders.
    """

    faces: tuple[str, ...]
    other: tuple[str, ...] = ()
    name: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedStatement:
    """A statement whose marks have been resolved to the keys of faces."""

    faces: tuple[FaceKey, ...]
    other: tuple[FaceKey, ...]
    name: str
    hidden: bool


def mark(key: FaceKey, face: DetectedFace) -> str:
    """Returns the mark of a face, which identifies it in the file.

    It consists of the start of the image's digest, and the center of the face in thousandths of the image's sides.
    """
    box = face.bounding_box
    x, y = box.left + box.width / 2, box.top + box.height / 2
    return f"{key[0][:_DIGITS]}@{round(1000 * x)},{round(1000 * y)}"


def is_mark(text: str) -> bool:
    """Returns whether a text has the form of a face's mark."""
    return _MARK.fullmatch(text) is not None


def resolve(statements: Iterable[Statement], faces: Mapping[FaceKey, DetectedFace]) -> list[ResolvedStatement]:
    """Resolves the marks of statements to faces; statements none of whose faces exist are left out.

    Args:
        statements: The statements.
        faces: The faces of the album.
    """
    by_image: dict[str, list[FaceKey]] = {}
    for key in faces:
        by_image.setdefault(key[0][:_DIGITS], []).append(key)

    def keys(marks: Iterable[str]) -> tuple[FaceKey, ...]:
        places = (_place(each, by_image, faces) for each in marks)
        return tuple(dict.fromkeys(key for key in places if key is not None))

    known = (ResolvedStatement(keys(each.faces), keys(each.other), each.name, each.hidden) for each in statements)
    return [each for each in known if each.faces]


def _place(
    text: str, by_image: Mapping[str, Sequence[FaceKey]], faces: Mapping[FaceKey, DetectedFace]
) -> FaceKey | None:
    read = _MARK.fullmatch(text)
    if read is None:
        return None
    x, y = int(read[2]) / 1000, int(read[3]) / 1000

    def distance(key: FaceKey) -> float:
        box = faces[key].bounding_box
        across = abs(x - box.left - box.width / 2) / box.width
        along = abs(y - box.top - box.height / 2) / box.height
        return max(across, along)

    nearest = min(by_image.get(read[1], ()), key=distance, default=None)
    return nearest if nearest is not None and distance(nearest) <= 0.5 else None  # the marked point is within the box


def cannot_link_pairs(
    known: Sequence[ResolvedStatement], of_images: Iterable[tuple[FaceKey, FaceKey]]
) -> Iterator[tuple[FaceKey, FaceKey]]:
    """Yields the pairs of faces that are never the same person.

    Args:
        known: The statements. Faces of different statements are different people.
        of_images: Pairs of faces in one image; those that one statement assigns to the same person are left out.
    """
    statement_numbers = {key: number for number, each in enumerate(known) for key in each.faces}
    for one, other in of_images:
        if one not in statement_numbers or statement_numbers[one] != statement_numbers.get(other):
            yield one, other
    for first, second in itertools.combinations(known, 2):
        yield from ((a, b) for a, b in itertools.product(first.faces, second.faces) if a != b)
    for each in known:
        yield from ((a, b) for a, b in itertools.product(each.faces, each.other) if a != b)


def merge_groups(groups: Sequence[Sequence[FaceKey]], known: Sequence[ResolvedStatement]) -> list[list[FaceKey]]:
    """Merges groups that contain faces of the same statement.

    Args:
        groups: Faces by person.
        known: The statements.

    Returns:
        The groups after the merges.
    """
    group_of = {key: number for number, keys in enumerate(groups) for key in keys}
    into = list(range(len(groups)))
    for each in known:
        numbers = sorted({into[group_of[key]] for key in each.faces if key in group_of})
        for number in numbers[1:]:
            into = [numbers[0] if other == number else other for other in into]
    merged: dict[int, list[FaceKey]] = {}
    for number, keys in enumerate(groups):
        merged.setdefault(into[number], []).extend(keys)
    return list(merged.values())


def find_statement(keys: Iterable[FaceKey], known: Sequence[ResolvedStatement]) -> ResolvedStatement | None:
    """Returns the first statement about the person with these faces, if any."""
    face_keys = set(keys)
    return next((each for each in known if face_keys & set(each.faces)), None)


def choose_anchors(keys: Iterable[FaceKey], faces: Mapping[FaceKey, DetectedFace]) -> tuple[str, ...]:
    """Returns marks of the faces that identify a person: the most certain and largest ones, each from another image."""
    best = sorted(keys, key=lambda key: (-round(faces[key].confidence, 1), -faces[key].quality.face_size, key))
    chosen: dict[str, FaceKey] = {}
    for key in best:
        chosen.setdefault(key[0], key)
    return tuple(mark(key, faces[key]) for key in itertools.islice(chosen.values(), ANCHORS))

"""What people say about an album: names, merges, splits and who is hidden. Pure: no I/O.

A person is recognized by a few of its faces, and a face by its image's content and its place in it. So what was said
holds when photographs are renamed, moved and added, when people get other numbers, and when other models find faces.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from face_comparison.album.faces import FaceKey
from face_comparison.client.detection import DetectedFace

ANCHORS = 3
"""Faces that stand for a person in the file."""

_DIGITS = 16
_MARK = re.compile(rf"([0-9a-f]{{{_DIGITS}}})@(\d{{1,4}}),(\d{{1,4}})")


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said about one person.

    Attributes:
        faces: Marks of faces that are this person's.
        other: Marks of faces that are not.
        name: Empty for none.
        hidden: Whether the person is left out of the page and the folders.
    """

    faces: tuple[str, ...]
    other: tuple[str, ...] = ()
    name: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A statement whose marks have been found: keys of faces."""

    faces: tuple[FaceKey, ...]
    other: tuple[FaceKey, ...]
    name: str
    hidden: bool


def mark(key: FaceKey, face: DetectedFace) -> str:
    """Returns how a face is written in the file: its image's digest, and its center in thousandths of the image."""
    box = face.bounding_box
    x, y = box.left + box.width / 2, box.top + box.height / 2
    return f"{key[0][:_DIGITS]}@{round(1000 * x)},{round(1000 * y)}"


def is_mark(text: str) -> bool:
    """Returns whether a text is a mark of a face."""
    return _MARK.fullmatch(text) is not None


def found(statements: Iterable[Statement], faces: Mapping[FaceKey, DetectedFace]) -> list[Known]:
    """Returns the statements with the faces that are there; those of which none is are left out."""
    by_image: dict[str, list[FaceKey]] = {}
    for key in faces:
        by_image.setdefault(key[0][:_DIGITS], []).append(key)

    def keys(marks: Iterable[str]) -> tuple[FaceKey, ...]:
        places = (_place(each, by_image, faces) for each in marks)
        return tuple(dict.fromkeys(key for key in places if key is not None))

    known = (Known(keys(each.faces), keys(each.other), each.name, each.hidden) for each in statements)
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
    return nearest if nearest is not None and distance(nearest) <= 0.5 else None  # within its box


def apart(known: Sequence[Known], of_images: Iterable[tuple[FaceKey, FaceKey]]) -> Iterator[tuple[FaceKey, FaceKey]]:
    """Yields the pairs that are never one person.

    Args:
        known: Faces of different statements are different people.
        of_images: Pairs of faces of one image; those that a statement gives to one person are one person.
    """
    whose = {key: number for number, each in enumerate(known) for key in each.faces}
    for one, other in of_images:
        if one not in whose or whose[one] != whose.get(other):
            yield one, other
    for first, second in itertools.combinations(known, 2):
        yield from ((a, b) for a, b in itertools.product(first.faces, second.faces) if a != b)
    for each in known:
        yield from ((a, b) for a, b in itertools.product(each.faces, each.other) if a != b)


def united(groups: Sequence[Sequence[FaceKey]], known: Sequence[Known]) -> list[list[FaceKey]]:
    """Returns the groups, with those put together that hold faces of one statement: a merge."""
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


def statement_of(keys: Iterable[FaceKey], known: Sequence[Known]) -> Known | None:
    """Returns what was said about the person with these faces."""
    there = set(keys)
    return next((each for each in known if there & set(each.faces)), None)


def anchors(keys: Iterable[FaceKey], faces: Mapping[FaceKey, DetectedFace]) -> tuple[str, ...]:
    """Returns marks of the faces that stand for a person: sure and large ones, each of another image."""
    best = sorted(keys, key=lambda key: (-round(faces[key].confidence, 1), -faces[key].quality.face_size, key))
    chosen: dict[str, FaceKey] = {}
    for key in best:
        chosen.setdefault(key[0], key)
    return tuple(mark(key, faces[key]) for key in itertools.islice(chosen.values(), ANCHORS))

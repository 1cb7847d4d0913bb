"""Renders the page of an album, with one row per person.

The page works from a folder and offline. Without scripts, its links still work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import jinja2

from face_comparison import __version__
from face_comparison.album import names
from face_comparison.album.crops import FOLDER
from face_comparison.album.faces import Entry, Skipped

SHOWN_FIRST = 18
"""Number of faces per person that are shown before the rest is expanded."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about the whole album.

    Attributes:
        folder: The photographs.
        out: The album.
        images: Number of files that were scanned.
        version: FaceModelVersion of the models.
        threshold: Maximum mean distance between the faces of a person.
        hidden: Number of people who are not shown.
    """

    folder: Path
    out: Path
    images: int
    version: str
    threshold: float
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class _Shown:
    link: str
    crop: str
    name: str
    box: str
    """Left, top, width and height in percent of the upright image."""


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    number: int
    title: str
    cover: str
    images: int
    faces: Sequence[_Shown]


def _best(entries: Sequence[Entry]) -> Entry:
    """Returns the most recognizable face: the one with the highest confidence; among similar ones, the largest."""
    return max(entries, key=lambda entry: (round(entry.face.confidence, 1), entry.face.quality.face_size))


def page(
    facts: Facts,
    people: Mapping[int, Sequence[Entry]],
    once: Sequence[Entry],
    crops: Mapping[tuple[str, int], str],
    skipped: Sequence[Skipped],
    given_names: Mapping[int, str] = MappingProxyType({}),
) -> bytes:
    """Renders the page. The template escapes every name.

    Args:
        facts: Facts about the whole album.
        people: Faces of each person, by the person's number.
        once: Faces of people who appear only once.
        crops: File names of the crops, by face.
        skipped: Files that are not in the album.
        given_names: Names of people, by number.

    Returns:
        The page as HTML.
    """

    def shown(entries: Iterable[Entry]) -> Iterator[_Shown]:
        for entry in entries:
            link = names.link(facts.folder / entry.path, facts.out)
            box = entry.face.bounding_box
            sides = (box.left, box.top, box.width, box.height)
            percent = " ".join(f"{100 * side:.1f}" for side in sides)
            yield _Shown(link, f"{FOLDER}/{crops[entry.key]}", names.display_path(entry.path), percent)

    rows = [
        _Person(
            name=names.person(number),
            number=number,
            title=names.display_path(Path(given_names[number])) if number in given_names else f"Person {number}",
            cover=f"{FOLDER}/{crops[_best(entries).key]}",
            images=len({entry.path for entry in entries}),
            faces=list(shown(entries)),
        )
        for number, entries in sorted(people.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("face_comparison.album", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("sheet.html").render(
        title=names.display_path(Path(facts.folder.name or facts.folder)),
        facts=facts,
        people=rows,
        once=list(shown(once)),
        skipped=[
            (names.display_path(each.path), names.link(facts.folder / each.path, facts.out), each) for each in skipped
        ],
        faces=sum(len(row.faces) for row in rows) + len(once),
        shown_first=SHOWN_FIRST,
        program=__version__,
    )
    return text.encode()

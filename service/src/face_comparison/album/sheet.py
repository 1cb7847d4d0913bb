"""The page of an album: a row a person. It works from a folder, offline and without a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from face_comparison import __version__
from face_comparison.album import names
from face_comparison.album.crops import FOLDER
from face_comparison.album.faces import Entry, Skipped

AT_ONCE = 18
"""Faces of a person that are shown before the rest is asked for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of the whole. folder: of the photographs. images: files that were looked at."""

    folder: Path
    out: Path
    images: int
    version: str
    threshold: float


@dataclass(frozen=True, slots=True)
class _Shown:
    link: str
    crop: str
    name: str


@dataclass(frozen=True, slots=True)
class _Person:
    name: str
    title: str
    cover: str
    images: int
    faces: Sequence[_Shown]


def _best(entries: Sequence[Entry]) -> Entry:
    """The face to know a person by: one that the detector is certain of, then the largest."""
    return max(entries, key=lambda entry: (round(entry.face.confidence, 1), entry.face.quality.face_size))


def page(
    facts: Facts,
    persons: Mapping[int, Sequence[Entry]],
    once: Sequence[Entry],
    crops: Mapping[tuple[str, int], str],
    skipped: Sequence[Skipped],
) -> bytes:
    """persons: by number. crops: names of files, by face. Every name in it is escaped by the template."""

    def shown(entries: Iterable[Entry]) -> Iterator[_Shown]:
        for entry in entries:
            link = names.link(facts.folder / entry.path, facts.out)
            yield _Shown(link, f"{FOLDER}/{crops[entry.key]}", names.shown(entry.path))

    rows = [
        _Person(
            name=names.person(number),
            title=f"Person {number}",
            cover=f"{FOLDER}/{crops[_best(entries).key]}",
            images=len({entry.path for entry in entries}),
            faces=list(shown(entries)),
        )
        for number, entries in sorted(persons.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("face_comparison.album", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("sheet.html").render(
        title=names.shown(Path(facts.folder.name or facts.folder)),
        facts=facts,
        persons=rows,
        once=list(shown(once)),
        skipped=[(names.shown(each.path), names.link(facts.folder / each.path, facts.out), each) for each in skipped],
        faces=sum(len(row.faces) for row in rows) + len(once),
        at_once=AT_ONCE,
        program=__version__,
    )
    return text.encode()

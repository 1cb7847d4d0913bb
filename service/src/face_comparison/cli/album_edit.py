"""`face-comparison album name`, `merge`, `split`, and `hide`, which write an album's people.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from face_comparison.cli import options
from face_comparison.errors import AlbumUnusable
from face_comparison.plurals import count_noun

if TYPE_CHECKING:
    from face_comparison.album.faces import FaceKey
    from face_comparison.album.people import ResolvedStatement, Statement
    from face_comparison.client.detection import DetectedFace

_NUMBER = re.compile(r"(?:person-)?0*([1-9]\d*)")

_ALBUM = click.argument("out", metavar="OUT", type=click.Path(exists=True, file_okay=False, path_type=Path))


@dataclass(slots=True)
class _Album:
    """An album as written by its last run.

    Attributes:
        out: Folder of the album.
        faces: The faces, by key.
        people: The keys of each person's faces, by the number of the person.
        statements: The entries of people.toml.
    """

    out: Path
    faces: Mapping[FaceKey, DetectedFace]
    people: Mapping[int, list[FaceKey]]
    statements: list[Statement]

    @classmethod
    def open(cls, out: Path) -> _Album:
        """Opens the album in a folder.

        Raises:
            AlbumUnusable: The folder is not an album.
        """
        from face_comparison.album import people_file  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)
        from face_comparison.album.database import AlbumDatabase, version_of  # noqa: PLC0415

        version = version_of(out)
        if version is None:
            raise AlbumUnusable(f"{out} is not an album: create one with `face-comparison album DIR --out {out}`")
        people: dict[int, list[FaceKey]] = {}
        with AlbumDatabase(out, version) as database:
            for key, number in database.people().items():
                people.setdefault(number, []).append(key)
            return cls(out, database.faces(), people, people_file.read(out))

    def number(self, person: str) -> int:
        """Returns the number of a person who is given by number or name.

        Raises:
            click.UsageError: There is no such person, or the name is not unique.
        """
        written = _NUMBER.fullmatch(person)
        if written is not None:
            numbers = [int(written[1])] if int(written[1]) in self.people else []
        else:
            numbers = [number for number in sorted(self.people) if self._name(number) == person]
        if len(numbers) != 1:
            problem = "there is no person" if not numbers else f"{len(numbers)} people are called"
            raise click.UsageError(f"{problem} {person!r} in this album: give the number that the page shows")
        return numbers[0]

    def statement(self, number: int) -> int:
        """Returns the index of a person's entry in `statements`, after adding one if there is none yet."""
        from face_comparison.album import people  # noqa: PLC0415

        keys = set(self.people[number])
        for index, each in enumerate(self.statements):
            if keys & {key for known in self._resolve(each) for key in known.faces}:
                return index
        self.statements.append(people.Statement(people.choose_anchors(self.people[number], self.faces)))
        return len(self.statements) - 1

    def save(self, message: str) -> None:
        """Writes the entries, and prints what was done and what to do next."""
        from face_comparison.album import people_file  # noqa: PLC0415

        people_file.write(self.out, [each for each in self.statements if each.faces])
        click.echo(f"{message}. Run `face-comparison album` to update the page; no image is analyzed again.")

    def key_of(self, mark: str) -> FaceKey:
        """Returns the key of the face identified by `mark`, the value in the column `face` of faces.csv.

        Raises:
            click.UsageError: There is no such face.
        """
        from face_comparison.album import people  # noqa: PLC0415

        known = people.resolve([people.Statement((mark,))], self.faces)
        if not known:
            raise click.UsageError(f"{mark!r} is not a face in this album: see the column `face` in faces.csv")
        return known[0].faces[0]

    def _resolve(self, statement: Statement) -> list[ResolvedStatement]:
        from face_comparison.album import people  # noqa: PLC0415

        return people.resolve([statement], self.faces)

    def _name(self, number: int) -> str:
        keys = set(self.people[number])
        for each in self.statements:
            if keys & {key for known in self._resolve(each) for key in known.faces}:
                return each.name
        return ""


@click.command("name")
@_ALBUM
@click.argument("person")
@click.argument("name")
def name(out: Path, person: str, name: str) -> None:
    """Give PERSON (a number, or the current name) a NAME; an empty one removes the name."""
    album = _Album.open(out)
    index = album.statement(album.number(person))
    album.statements[index] = replace(album.statements[index], name=name.strip())
    album.save(f"{person} is now called {name.strip()}" if name.strip() else f"{person} now has no name")


@click.command("merge")
@_ALBUM
@click.argument("person")
@click.argument("others", metavar="OTHER...", nargs=-1, required=True)
def merge(out: Path, person: str, others: tuple[str, ...]) -> None:
    """Merge each OTHER into PERSON, if they are the same person. The name of PERSON is kept."""
    album = _Album.open(out)
    first = album.number(person)
    numbers = [album.number(other) for other in others]
    if first in numbers:
        raise click.UsageError(f"{person} cannot be merged with itself")
    index = album.statement(first)
    for number in numbers:
        other = album.statement(number)
        merged = album.statements[other]
        target = album.statements[index]
        faces = tuple(dict.fromkeys((*target.faces, *merged.faces)))
        excluded = tuple(mark for mark in dict.fromkeys((*target.other, *merged.other)) if mark not in faces)
        album.statements[index] = replace(target, faces=faces, other=excluded, name=target.name or merged.name)
        # An entry without faces is not written, which removes it.
        album.statements[other] = replace(merged, faces=())
    album.save(f"{person} and {', '.join(others)} are now one person")


@click.command("split")
@_ALBUM
@click.argument("faces", metavar="FACE...", nargs=-1, required=True)
def split(out: Path, faces: tuple[str, ...]) -> None:
    """Move each FACE from its person to a new one. FACE is the value in the column `face` of faces.csv."""
    from face_comparison.album import people  # noqa: PLC0415

    album = _Album.open(out)
    keys = {mark: album.key_of(mark) for mark in faces}
    moved = set(keys.values())
    for number, members in album.people.items():
        if moved & set(members):
            remaining = [key for key in members if key not in moved]
            if remaining:
                index = album.statement(number)
                remaining_marks = tuple(
                    mark for mark in album.statements[index].faces if album.key_of(mark) not in moved
                )
                remaining_marks = remaining_marks or people.choose_anchors(remaining, album.faces)
                album.statements[index] = replace(album.statements[index], faces=remaining_marks)
    album.statements.append(people.Statement(tuple(keys)))
    album.save(f"moved {count_noun(len(keys), 'face')} to a new person")


@click.command("hide")
@_ALBUM
@click.argument("people", metavar="PERSON...", nargs=-1, required=True)
@options.option("--undo", is_flag=True, help="Show the people again.")
def hide(out: Path, people: tuple[str, ...], *, undo: bool) -> None:
    """Hide each PERSON from the page and the folders; they stay in the tables."""
    album = _Album.open(out)
    for person in people:
        index = album.statement(album.number(person))
        album.statements[index] = replace(album.statements[index], hidden=not undo)
    album.save(f"{', '.join(people)} {'shown' if undo else 'hidden'}")

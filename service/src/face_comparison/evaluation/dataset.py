"""Reads the labeled images of an evaluation (one folder per person, or a list of pairs) and the groups of people."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from face_comparison.album import files, names
from face_comparison.album.faces import Skipped
from face_comparison.errors import InvalidDataset
from face_comparison.plurals import count_noun

PAIR_COLUMNS = ("image1", "image2", "same")
PERSON_COLUMNS = ("person1", "person2")

_YES = frozenset({"1", "true", "yes", "same"})
_NO = frozenset({"0", "false", "no", "different"})


@dataclass(frozen=True, slots=True)
class LabeledImage:
    """An image and the person it shows.

    Attributes:
        path: Relative to the folder of the dataset.
        person: Name of the person.
    """

    path: Path
    person: str


@dataclass(frozen=True, slots=True)
class ListedPair:
    """Two images to compare.

    Attributes:
        first: Path of the one image, relative to the folder of the dataset.
        second: Path of the other image.
        same: Whether both show the same person.
        line: Line number in the CSV file, from 1.
    """

    first: Path
    second: Path
    same: bool
    line: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """The images that an evaluation compares.

    Attributes:
        folder: Folder that paths are relative to.
        images: Without duplicate paths, sorted by path.
        pairs: The pairs to compare; None for all pairs of all images.
        skipped: Files in the folder that are not part of the dataset.
        groups: The group of each person, by attribute (`age`, ...) and the person's name.
    """

    folder: Path
    images: tuple[LabeledImage, ...]
    pairs: tuple[ListedPair, ...] | None = None
    skipped: tuple[Skipped, ...] = ()
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_folder(folder: Path) -> Dataset:
    """Reads a folder with one subfolder per person; images may be nested deeper inside a person's folder.

    Raises:
        InvalidDataset: There are fewer than two people, nobody has two images, or the names of two folders cannot be
            distinguished.
    """
    images, skipped = [], []
    for found in files.images(folder, without=folder / ".none"):
        if isinstance(found, Skipped):
            if not (found.code == "hidden" and len(found.path.parts) == 1):
                skipped.append(found)
        elif len(found.parts) == 1:
            skipped.append(Skipped(found, "not_in_a_folder", "it is not in the folder of a person"))
        else:
            images.append(LabeledImage(found, names.text(Path(found.parts[0]))))
    _check(folder, images, skipped)
    return Dataset(folder, tuple(images), None, tuple(skipped))


def read_pairs(path: Path, folder: Path | None) -> Dataset:
    """Reads a CSV file with the columns `image1`, `image2`, and `same`.

    The identity of each image follows from the columns `person1` and `person2` if the file has them, and otherwise from
    the pairs that are the same person.

    Args:
        path: The CSV file.
        folder: Folder that the paths in it are relative to; None for the folder of the CSV file.

    Raises:
        InvalidDataset: The file cannot be read, a column is missing, a line is invalid or contradicts others, or there
            are no pairs of one kind.
    """
    folder = folder or path.parent
    header, rows = _read_csv(path)
    _require_columns(path, header, PAIR_COLUMNS)
    named = all(column in header for column in PERSON_COLUMNS)
    pairs: list[ListedPair] = []
    people: dict[Path, str] = {}
    for line, row in rows:
        answer = row["same"].lower()
        if answer not in _YES | _NO:
            raise InvalidDataset(f"{path}, line {line}: same must be 1 or 0, not {row['same']!r}")
        pair = ListedPair(Path(row["image1"]), Path(row["image2"]), answer in _YES, line)
        for image, column in ((pair.first, "person1"), (pair.second, "person2")):
            if not image.name:
                raise InvalidDataset(f"{path}, line {line}: an image is missing")
            if named and people.setdefault(image, row[column]) != row[column]:
                raise InvalidDataset(f"{path}, line {line}: {image} was {people[image]!r} in an earlier line")
        pairs.append(pair)
    for same, label in ((True, "1"), (False, "0")):
        if not any(pair.same is same for pair in pairs):
            raise InvalidDataset(f"{path} has no pair with same = {label}: both kinds of pairs are needed")
    people = people if named else _group_by_pairs(pairs)
    for pair in pairs:
        if (people[pair.first] == people[pair.second]) is not pair.same:
            raise InvalidDataset(
                f"{path}, line {pair.line}: {pair.first} and {pair.second} are "
                + ("different people" if pair.same else "one person")
                + (" by their person columns" if named else " by other lines")
            )
    images = tuple(LabeledImage(image, people[image]) for image in sorted(people))
    return Dataset(folder, images, tuple(pairs))


def read_groups(path: Path, dataset: Dataset) -> Mapping[str, Mapping[str, str]]:
    """Reads groups of people from a CSV file with the column `person` and one column per attribute.

    Returns:
        The group of each person, by attribute and the person's name; people with an empty value are left out.

    Raises:
        InvalidDataset: The file cannot be read, a column is missing, a person is listed twice, or nobody in it is part
            of the dataset.
    """
    header, rows = _read_csv(path)
    _require_columns(path, header, ("person",))
    attributes = [column for column in header if column != "person"]
    if not attributes:
        raise InvalidDataset(f"{path} needs a column per attribute beside person, such as age")
    known = {image.person for image in dataset.images}
    groups: dict[str, dict[str, str]] = {attribute: {} for attribute in attributes}
    seen = set()
    for line, row in rows:
        person = row["person"]
        if person in seen:
            raise InvalidDataset(f"{path}, line {line}: {person!r} was in an earlier line")
        seen.add(person)
        for attribute in attributes:
            if row[attribute]:
                groups[attribute][person] = row[attribute]
    if not seen & known:
        raise InvalidDataset(f"{path} names nobody of the dataset; people are called like {min(known, default='')!r}")
    return groups


def _read_csv(path: Path) -> tuple[Sequence[str], Iterator[tuple[int, dict[str, str]]]]:
    """Reads a CSV file that is separated by commas, semicolons, or tabs.

    Returns:
        The column names in lower case, and an iterator of the rows with their line numbers.

    Raises:
        InvalidDataset: The file cannot be read. The iterator raises it for a row with the wrong number of values.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidDataset(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidDataset(f"{path} is not UTF-8 text; save it as CSV UTF-8") from error
    lines = text.splitlines()
    if not lines:
        raise InvalidDataset(f"{path} is empty")
    delimiter = max(",;\t", key=lines[0].count)
    header = [column.strip().lower() for column in next(csv.reader(lines[:1], delimiter=delimiter))]

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        reader = csv.reader(lines[1:], delimiter=delimiter)
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(header):
                raise InvalidDataset(
                    f"{path}, line {reader.line_num + 1}: {count_noun(len(values), 'value')} for "
                    f"{count_noun(len(header), 'column')}"
                )
            yield reader.line_num + 1, {name: value.strip() for name, value in zip(header, values, strict=True)}

    return header, rows()


def _require_columns(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    if missing:
        raise InvalidDataset(
            f"{path} lacks the column {missing[0]}: its first line must name {', '.join(columns)}, and it is "
            f"{', '.join(header)}"
        )


def _group_by_pairs(pairs: Sequence[ListedPair]) -> dict[Path, str]:
    """Returns the person of each image; images connected by same-person pairs are named after the first of them."""
    parent: dict[Path, Path] = {}

    def root(image: Path) -> Path:
        parent.setdefault(image, image)
        while parent[image] != image:
            parent[image] = parent[parent[image]]
            image = parent[image]
        return image

    for pair in pairs:
        one, other = root(pair.first), root(pair.second)
        if pair.same and one != other:
            parent[max(one, other)] = min(one, other)
    return {image: names.text(root(image)) for image in list(parent)}


def _check(folder: Path, images: Sequence[LabeledImage], skipped: Sequence[Skipped]) -> None:
    people: dict[str, int] = {}
    folders: dict[str, str] = {}
    for image in images:
        people[image.person] = people.get(image.person, 0) + 1
        if folders.setdefault(image.person, image.path.parts[0]) != image.path.parts[0]:
            raise InvalidDataset(
                f"two folders in {folder} have names that are not text and look alike, {image.person!r}: rename one"
            )
    expected = "a folder per person is expected, with two or more images each"
    if not images:
        outside = sum(each.code == "not_in_a_folder" for each in skipped)
        content = (
            f"{count_noun(outside, 'image that is', 'images that are')} not in the folder of a person"
            if outside
            else "no image"
        )
        raise InvalidDataset(f"{folder} contains {content}: {expected}")
    if len(people) == 1:
        raise InvalidDataset(
            f"{folder} holds images of one person only, {next(iter(people))!r}: without a second person there are no "
            f"pairs of different people; {expected}"
        )
    if max(people.values()) == 1:
        raise InvalidDataset(
            f"each person in {folder} has one image only, so there is no pair of one person: {expected}"
        )

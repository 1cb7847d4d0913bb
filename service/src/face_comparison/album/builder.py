"""Builds an album: scans every image, groups the faces by person, writes the results, deletes outdated records."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from face_comparison.album import clustering, files, links, names, people, people_file, scanner, sheet, tables
from face_comparison.album import shards as shard_results
from face_comparison.album.crops import Crops
from face_comparison.album.database import NAME, AlbumDatabase
from face_comparison.album.face_sources import FaceModel, FaceSource
from face_comparison.album.faces import Entry, FaceKey, Skipped
from face_comparison.album.places import Folder, Place
from face_comparison.album.read_ahead import ReadAhead
from face_comparison.client.detection import DetectedFace
from face_comparison.errors import AlbumUnusable
from face_comparison.image.formats import LABELS

ONCE = "once"
"""Folder of links to the images of people who appear only once."""


@dataclass(frozen=True, slots=True)
class AlbumOptions:
    """What to build.

    Attributes:
        folder: The photographs, an absolute path with links resolved.
        out: The album, an absolute path with links resolved.
        threshold: Maximum mean distance between a person's faces; None: the bundle's threshold.
        min_confidence: Minimum confidence (0-1) of the faces to show.
        min_face: Minimum length of the shorter side of the faces to show, in pixels.
        links: Whether to create a folder of links per person.
        photographs: Where the photographs are, if not in `folder`; `folder` is then the place's path.
    """

    folder: Path
    out: Path
    threshold: float | None = None
    min_confidence: float = 0.0
    min_face: float = 0.0
    links: bool = False
    photographs: Place | None = None


@dataclass(frozen=True, slots=True)
class AlbumResult:
    """The result of building an album.

    Attributes:
        page: Path of the page.
        images: Number of images.
        analyzed: Number of images that were analyzed in this run.
        faces: Number of faces.
        people: Number of people who are shown, without those seen only once.
        once: Number of faces of people who were seen only once.
        skipped: Files that are not in the album, and why.
    """

    page: Path
    images: int
    analyzed: int
    faces: int
    people: int
    once: int
    skipped: Sequence[Skipped]


def build_album(
    options: AlbumOptions,
    source: FaceSource,
    started: Callable[[int], None] = lambda images: None,
    done: Callable[[scanner.Outcome], None] = lambda outcome: None,
) -> AlbumResult:
    """Creates or updates an album.

    Args:
        options: What to build.
        source: Detects faces.
        started: Called with the number of images before the first one is analyzed.
        done: Called with the outcome of each image.

    Returns:
        Counts of the album.

    Raises:
        AlbumUnusable: There are no images, or `out` is in use, damaged or not an album.
        ServiceUnusable: The service cannot be used.
        Interrupted: The user pressed Ctrl-C; all results so far have been saved.
    """
    photographs = options.photographs or Folder(options.folder)

    def scan(paths: Sequence[Path], database: AlbumDatabase, crops: Crops) -> scanner.ScanResult:
        started(len(paths))
        read = lambda path: photographs.read(os.fspath(path))  # noqa: E731
        with ReadAhead(read, paths) as ahead:
            return scanner.scan(options.folder, paths, source, database, crops, done, ahead)

    return _build(options, photographs, source, scan)


def assemble_album(options: AlbumOptions, results: Place, shards: int, model: FaceModel) -> AlbumResult:
    """Creates or updates an album from the results of all shards; see the module `shards`.

    Args:
        options: What to build.
        results: Where the results are.
        shards: Number of shards.
        model: The model that detected the faces.

    Returns:
        Counts of the album.

    Raises:
        AlbumUnusable: There are no images, or `out` is in use, damaged or not an album.
        ShardsUnfinished: A part of a shard is missing, or its results are of other images or another model.
    """
    photographs = options.photographs or Folder(options.folder)

    def assembled(paths: Sequence[Path], database: AlbumDatabase, crops: Crops) -> scanner.ScanResult:
        return shard_results.assembled(paths, results, model.version, shards, database, crops)

    return _build(options, photographs, model, assembled)


def _build(
    options: AlbumOptions,
    photographs: Place,
    source: FaceModel,
    scan: Callable[[Sequence[Path], AlbumDatabase, Crops], scanner.ScanResult],
) -> AlbumResult:
    found = list(photographs.images(without=options.out))
    paths = [each for each in found if isinstance(each, Path)]
    if not paths:
        raise AlbumUnusable(f"{options.folder} contains no image ({LABELS})")
    prepare(options.out)
    statements = people_file.read(options.out)
    with AlbumDatabase(options.out, source.version) as database:
        crops = Crops(options.out, source.version)
        result = scan(paths, database, crops)
        faces = database.faces()
        skipped = [each for each in found if isinstance(each, Skipped)]
        skipped += [*result.skipped, *_empty(result.digests, faces, database)]
        resolved = people.resolve(statements, faces)
        assigned = _assign_people(options, source, result.digests, faces, database.people(), resolved)
        page = _write(options, source, assigned, sorted(skipped, key=lambda each: each.path), crops, len(paths))
        database.save_people(assigned.numbers)
        database.delete_others(result.digests.values())
        crops.delete_others(database.faces())
    entries = assigned.entries
    numbers = {entry.person for entry in entries} - {None} - assigned.hidden
    unmatched = sum(entry.person is None for entry in entries)
    return AlbumResult(page, len(paths), result.analyzed, len(entries), len(numbers), unmatched, skipped)


def prepare(out: Path) -> None:
    """Creates the folder of an album if it does not exist.

    Raises:
        AlbumUnusable: The folder cannot be created, or contains something other than an album.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / NAME).exists() and any(out.iterdir()):
            raise AlbumUnusable(f"{out} is neither empty nor an album: choose another folder for --out")
    except OSError as error:
        raise AlbumUnusable(f"{out} cannot be created: {error.strerror}") from error


def _empty(
    digests: Mapping[Path, str], faces: Mapping[FaceKey, DetectedFace], database: AlbumDatabase
) -> list[Skipped]:
    """Returns the images without faces, and why they have none."""
    rejected, recorded, with_faces = database.rejected(), database.analyzed_digests(), {digest for digest, _ in faces}
    skipped = []
    for path, digest in digests.items():
        if digest in rejected:
            skipped.append(Skipped(path, rejected[digest].code, rejected[digest].reason))
        elif digest not in recorded:
            skipped.append(Skipped(path, "internal", "an equal image could not be analyzed"))
        elif digest not in with_faces:
            skipped.append(Skipped(path, "no_face", "no face was found in the image"))
    return skipped


@dataclass(frozen=True, slots=True)
class _Assigned:
    """The people of an album.

    Attributes:
        entries: Every face of every file, sorted by path.
        numbers: Number of the person of each detected face; None for a person seen only once.
        names: Names of people, by number.
        hidden: Numbers of the people who are left out of the page and the folders.
    """

    entries: list[Entry]
    numbers: Mapping[FaceKey, int | None]
    names: Mapping[int, str]
    hidden: frozenset[int]


def _assign_people(
    options: AlbumOptions,
    source: FaceModel,
    digests: Mapping[Path, str],
    detected: Mapping[FaceKey, DetectedFace],
    previous: Mapping[FaceKey, int],
    resolved: Sequence[people.ResolvedStatement],
) -> _Assigned:
    present = set(digests.values())
    faces = {
        key: face
        for key, face in detected.items()
        if key[0] in present
        and face.confidence >= options.min_confidence
        and face.quality.face_size >= options.min_face
    }
    threshold = source.threshold if options.threshold is None else options.threshold
    hashes = {key: face.face_hash for key, face in faces.items()}
    cannot_link = people.cannot_link_pairs(resolved, clustering.pairs_of_one_image(faces, threshold))
    groups = clustering.cluster_faces(
        hashes, threshold, [pair for pair in cannot_link if pair[0] in faces and pair[1] in faces]
    )
    groups = people.merge_groups(groups, resolved)
    statements = {id(keys): people.find_statement(keys, resolved) for keys in groups}
    rows = [keys for keys in groups if len(keys) > 1 or statements[id(keys)] is not None]
    by_number = clustering.assign_numbers(rows, previous)
    numbers: dict[FaceKey, int | None] = dict.fromkeys(detected)
    numbers |= {key: number for number, keys in by_number.items() for key in keys}
    by_person = {number: each for number, keys in by_number.items() if (each := statements[id(keys)]) is not None}
    person_names = {number: each.name for number, each in by_person.items() if each.name}
    by_digest: dict[str, list[FaceKey]] = {}
    for key in faces:
        by_digest.setdefault(key[0], []).append(key)
    entries = [
        Entry(path, key, faces[key], numbers[key], person_names.get(numbers[key] or 0, ""))
        for path, digest in sorted(digests.items())
        for key in sorted(by_digest.get(digest, ()), key=lambda key: faces[key].bounding_box.left)
    ]
    return _Assigned(
        entries,
        numbers,
        person_names,
        frozenset(number for number, each in by_person.items() if each.hidden),
    )


def _write(
    options: AlbumOptions,
    source: FaceModel,
    assigned: _Assigned,
    skipped: Sequence[Skipped],
    crops: Crops,
    images: int,
) -> Path:
    rows: dict[int, list[Entry]] = {}
    unmatched = []
    for entry in assigned.entries:
        if entry.person is None:
            unmatched.append(entry)
        elif entry.person not in assigned.hidden:
            rows.setdefault(entry.person, []).append(entry)
    folder, out = options.folder, options.out
    threshold = source.threshold if options.threshold is None else options.threshold
    facts = sheet.Facts(folder, out, images, source.version, threshold, len(assigned.hidden))
    faces = {entry.key: crops.name(entry.key) for entry in assigned.entries}
    page = sheet.page(facts, rows, unmatched, faces, skipped, assigned.names)
    files.write(out / "faces.csv", tables.faces_csv(assigned.entries, folder, out))
    files.write(out / "faces.parquet", tables.faces_parquet(assigned.entries, folder, out))
    files.write(out / "skipped.csv", tables.skipped_csv(skipped, folder, out))
    by_name = {
        names.folder(number, assigned.names.get(number, "")): [entry.path for entry in rows[number]]
        for number in sorted(rows)
    }
    if unmatched:
        by_name[ONCE] = [entry.path for entry in unmatched]
    links.replace(out, folder, by_name if options.links else {})
    files.write(out / "index.html", page)
    return out / "index.html"

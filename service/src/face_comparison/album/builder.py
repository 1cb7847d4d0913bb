"""Builds an album: scan every image, group the faces by person, write the results, delete records of missing images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from face_comparison.album import clustering, files, links, names, scanner, sheet, tables
from face_comparison.album.crops import Crops
from face_comparison.album.database import NAME, AlbumDatabase
from face_comparison.album.face_sources import FaceSource
from face_comparison.album.faces import Entry, FaceKey, Skipped
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
        threshold: Maximum mean distance of a person's faces; None for the bundle's.
        min_confidence: Minimum confidence (0-1) of the faces to show.
        min_face: Minimum shorter side of the faces to show, pixels.
        links: Whether to create a folder of links per person.
    """

    folder: Path
    out: Path
    threshold: float | None = None
    min_confidence: float = 0.0
    min_face: float = 0.0
    links: bool = False


@dataclass(frozen=True, slots=True)
class AlbumResult:
    """Counts of an album. `analyzed` counts the images that were new in this run."""

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
        source: Where the faces come from.
        started: Called with the number of images.
        done: Called with the outcome of each image.

    Raises:
        AlbumUnusable: if there are no images, or `out` cannot be written.
        ServiceRefused: if the service cannot be used.
        Interrupted: after Ctrl-C, when everything found so far is saved.
    """
    found = list(files.images(options.folder, without=options.out))
    paths = [each for each in found if isinstance(each, Path)]
    if not paths:
        raise AlbumUnusable(f"{options.folder} contains no image ({LABELS})")
    prepare(options.out)
    with AlbumDatabase(options.out, source.version) as database:
        crops = Crops(options.out, source.version)
        started(len(paths))
        seen = scanner.scan(options.folder, paths, source, database, crops, done)
        known = database.faces()
        skipped = [each for each in found if isinstance(each, Skipped)]
        skipped += [*seen.skipped, *_empty(seen.digests, known, database)]
        entries, people = _assign_people(options, source, seen.digests, known, database.people())
        page = _write(options, source, entries, sorted(skipped, key=lambda each: each.path), crops, len(paths))
        database.save_people(people)
        database.delete_others(seen.digests.values())
        crops.delete_others(database.faces())
    numbers = {entry.person for entry in entries} - {None}
    once = sum(entry.person is None for entry in entries)
    return AlbumResult(page, len(paths), seen.analyzed, len(entries), len(numbers), once, skipped)


def prepare(out: Path) -> None:
    """Creates the folder. Raises AlbumUnusable if it contains something other than an album."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / NAME).exists() and any(out.iterdir()):
            raise AlbumUnusable(f"{out} is neither empty nor an album: choose another folder for --out")
    except OSError as error:
        raise AlbumUnusable(f"{out} cannot be created: {error.strerror}") from error


def _empty(
    digests: Mapping[Path, str], known: Mapping[FaceKey, DetectedFace], database: AlbumDatabase
) -> list[Skipped]:
    """Returns the images that add no face, and why."""
    rejected, recorded, with_faces = database.rejected(), database.known(), {digest for digest, _ in known}
    skipped = []
    for path, digest in digests.items():
        if digest in rejected:
            skipped.append(Skipped(path, rejected[digest].code, rejected[digest].reason))
        elif digest not in recorded:
            skipped.append(Skipped(path, "internal", "an equal image could not be analyzed"))
        elif digest not in with_faces:
            skipped.append(Skipped(path, "no_face", "no face was found in the image"))
    return skipped


def _assign_people(
    options: AlbumOptions,
    source: FaceSource,
    digests: Mapping[Path, str],
    known: Mapping[FaceKey, DetectedFace],
    earlier: Mapping[FaceKey, int],
) -> tuple[list[Entry], dict[FaceKey, int | None]]:
    """Returns every face of every file, sorted by path, and the person of each face."""
    present = set(digests.values())
    wanted = {
        key: face
        for key, face in known.items()
        if key[0] in present
        and face.confidence >= options.min_confidence
        and face.quality.face_size >= options.min_face
    }
    threshold = source.threshold if options.threshold is None else options.threshold
    groups = clustering.cluster_faces({key: face.face_hash for key, face in wanted.items()}, threshold)
    numbers = clustering.assign_numbers([keys for keys in groups if len(keys) > 1], earlier)
    people: dict[FaceKey, int | None] = dict.fromkeys(known)
    people |= {key: number for number, keys in numbers.items() for key in keys}
    by_digest: dict[str, list[FaceKey]] = {}
    for key in wanted:
        by_digest.setdefault(key[0], []).append(key)
    entries = [
        Entry(path, key, wanted[key], people[key])
        for path, digest in sorted(digests.items())
        for key in sorted(by_digest.get(digest, ()), key=lambda key: wanted[key].bounding_box.left)
    ]
    return entries, people


def _write(
    options: AlbumOptions,
    source: FaceSource,
    entries: list[Entry],
    skipped: Sequence[Skipped],
    crops: Crops,
    images: int,
) -> Path:
    people: dict[int, list[Entry]] = {}
    once = []
    for entry in entries:
        if entry.person is None:
            once.append(entry)
        else:
            people.setdefault(entry.person, []).append(entry)
    folder, out = options.folder, options.out
    threshold = source.threshold if options.threshold is None else options.threshold
    facts = sheet.Facts(folder, out, images, source.version, threshold)
    page = sheet.page(facts, people, once, {entry.key: crops.name(entry.key) for entry in entries}, skipped)
    files.write(out / "faces.csv", tables.faces_csv(entries, folder, out))
    files.write(out / "faces.parquet", tables.faces_parquet(entries, folder, out))
    files.write(out / "skipped.csv", tables.skipped_csv(skipped, folder, out))
    by_name = {names.person(number): [entry.path for entry in people[number]] for number in sorted(people)}
    if once:
        by_name[ONCE] = [entry.path for entry in once]
    links.replace(out, folder, by_name if options.links else {})
    files.write(out / "index.html", page)
    return out / "index.html"

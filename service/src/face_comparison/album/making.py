"""An album from beginning to end: look at every image, decide who is who, write everything, forget what is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from face_comparison.album import files, links, names, people, sheet, survey, tables
from face_comparison.album.analysts import Analyst
from face_comparison.album.crops import Crops
from face_comparison.album.faces import Entry, FaceKey, Skipped
from face_comparison.album.memory import NAME, Memory
from face_comparison.client.replies import Face
from face_comparison.errors import AlbumUnusable
from face_comparison.image.formats import LABELS

ONCE = "once"
"""Folder of links to the images of those who are on one only."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an album is to be.

    folder, out: absolute, links resolved. threshold: None for the bundle's. min_confidence, min_face: least certainty
    (0-1) and shorter side (pixels) of the faces that it shows.
    """

    folder: Path
    out: Path
    threshold: float | None = None
    min_confidence: float = 0.0
    min_face: float = 0.0
    links: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What an album has become. analyzed: images that were looked at in this run, the others were known."""

    page: Path
    images: int
    analyzed: int
    faces: int
    persons: int
    once: int
    skipped: Sequence[Skipped]


def made(
    wish: Wish,
    analyst: Analyst,
    started: Callable[[int], None] = lambda images: None,
    done: Callable[[survey.Outcome], None] = lambda outcome: None,
) -> Made:
    """Make an album, or bring one up to date.

    started: told how many images there are. done: told of each. Raises AlbumUnusable, ServiceRefused, Interrupted.
    """
    found = list(files.images(wish.folder, without=wish.out))
    paths = [each for each in found if isinstance(each, Path)]
    if not paths:
        raise AlbumUnusable(f"{wish.folder} holds no image ({LABELS}, judged by its content)")
    prepare(wish.out)
    with Memory(wish.out, analyst.version) as memory:
        crops = Crops(wish.out, analyst.version)
        started(len(paths))
        seen = survey.survey(wish.folder, paths, analyst, memory, crops, done)
        known = memory.faces()
        skipped = [each for each in found if isinstance(each, Skipped)]
        skipped += [*seen.skipped, *_empty(seen.digests, known, memory)]
        entries, persons = _persons(wish, analyst, seen.digests, known, memory.persons())
        page = _write(wish, analyst, entries, sorted(skipped, key=lambda each: each.path), crops, len(paths))
        memory.keep_persons(persons)
        memory.forget_all_but(seen.digests.values())
        crops.forget_all_but(memory.faces())
    numbers = {entry.person for entry in entries} - {None}
    once = sum(entry.person is None for entry in entries)
    return Made(page, len(paths), seen.analyzed, len(entries), len(numbers), once, skipped)


def prepare(out: Path) -> None:
    """Make the folder. Raises AlbumUnusable for one that holds something else than an album."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / NAME).exists() and any(out.iterdir()):
            raise AlbumUnusable(f"{out} is neither empty nor an album: --out takes a folder of its own")
    except OSError as error:
        raise AlbumUnusable(f"{out} cannot be made a folder: {error.strerror}") from error


def _empty(digests: Mapping[Path, str], known: Mapping[FaceKey, Face], memory: Memory) -> list[Skipped]:
    """Images that add no face, and why."""
    refused, recorded, with_faces = memory.refused(), memory.known(), {digest for digest, _ in known}
    skipped = []
    for path, digest in digests.items():
        if digest in refused:
            skipped.append(Skipped(path, refused[digest].code, refused[digest].reason))
        elif digest not in recorded:
            skipped.append(Skipped(path, "internal", "an equal image could not be analyzed"))
        elif digest not in with_faces:
            skipped.append(Skipped(path, "no_face", "no face was found in the image"))
    return skipped


def _persons(
    wish: Wish,
    analyst: Analyst,
    digests: Mapping[Path, str],
    known: Mapping[FaceKey, Face],
    earlier: Mapping[FaceKey, int],
) -> tuple[list[Entry], dict[FaceKey, int | None]]:
    """Every face of every file, in the order of paths, and whose each face is."""
    present = set(digests.values())
    wanted = {
        key: face
        for key, face in known.items()
        if key[0] in present and face.confidence >= wish.min_confidence and face.quality.face_size >= wish.min_face
    }
    threshold = analyst.threshold if wish.threshold is None else wish.threshold
    groups = people.groups({key: face.hash for key, face in wanted.items()}, threshold)
    numbers = people.numbered([keys for keys in groups if len(keys) > 1], earlier)
    persons: dict[FaceKey, int | None] = dict.fromkeys(known)
    persons |= {key: number for number, keys in numbers.items() for key in keys}
    by_digest: dict[str, list[FaceKey]] = {}
    for key in wanted:
        by_digest.setdefault(key[0], []).append(key)
    entries = [
        Entry(path, key, wanted[key], persons[key])
        for path, digest in sorted(digests.items())
        for key in sorted(by_digest.get(digest, ()), key=lambda key: wanted[key].box.left)
    ]
    return entries, persons


def _write(
    wish: Wish, analyst: Analyst, entries: list[Entry], skipped: Sequence[Skipped], crops: Crops, images: int
) -> Path:
    persons: dict[int, list[Entry]] = {}
    once = []
    for entry in entries:
        if entry.person is None:
            once.append(entry)
        else:
            persons.setdefault(entry.person, []).append(entry)
    folder, out = wish.folder, wish.out
    threshold = analyst.threshold if wish.threshold is None else wish.threshold
    facts = sheet.Facts(folder, out, images, analyst.version, threshold)
    page = sheet.page(facts, persons, once, {entry.key: crops.name(entry.key) for entry in entries}, skipped)
    files.write(out / "faces.csv", tables.faces_csv(entries, folder, out))
    files.write(out / "faces.parquet", tables.faces_parquet(entries, folder, out))
    files.write(out / "skipped.csv", tables.skipped_csv(skipped, folder, out))
    by_name = {names.person(number): [entry.path for entry in persons[number]] for number in sorted(persons)}
    if once:
        by_name[ONCE] = [entry.path for entry in once]
    links.replace(out, folder, by_name if wish.links else {})
    files.write(out / "index.html", page)
    return out / "index.html"

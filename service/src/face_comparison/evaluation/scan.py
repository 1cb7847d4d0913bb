"""Finds the faces of a dataset's images, and keeps what was found, so that the next run analyzes only what is new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from face_comparison.album import scanner
from face_comparison.album.database import AlbumDatabase
from face_comparison.album.face_sources import FaceSource
from face_comparison.api.responses import Face
from face_comparison.evaluation.dataset import Dataset

DATABASE = "evaluation.sqlite"


@dataclass(frozen=True, slots=True)
class Scanned:
    """What is on the images of a dataset.

    Attributes:
        digests: SHA-256 of the content by path.
        faces: Faces by digest.
        refused: Code and reason by path of images that could not be analyzed.
        analyzed: Images that were analyzed in this run; the others were known.
    """

    digests: dict[Path, str]
    faces: dict[str, list[Face]]
    refused: dict[Path, tuple[str, str]]
    analyzed: int


def scan(dataset: Dataset, source: FaceSource, cache: Path, done: Callable[[], None]) -> Scanned:
    """Analyzes each image that is not in the cache.

    Args:
        dataset: The images.
        source: Finds faces.
        cache: Existing folder; what is known of images that are no longer in the dataset is deleted.
        done: Called after each image.

    Raises:
        Interrupted: Ctrl-C; what was found is kept.
        ServiceRefused: The service does not answer.
        AlbumUnusable: The cache is in use or damaged.
    """
    paths = [image.path for image in dataset.images]
    # A folder per model: whoever compares models on the same people changes from one to the other.
    folder = cache / source.version
    folder.mkdir(parents=True, exist_ok=True)
    with AlbumDatabase(folder, source.version, DATABASE) as memory:
        seen = scanner.scan(dataset.folder, paths, source, memory, None, lambda outcome: done())
        digests = dict(seen.digests)
        memory.delete_others(digests.values())
        faces: dict[str, list[Face]] = {}
        for (digest, _), face in memory.faces().items():
            faces.setdefault(digest, []).append(face)
        refusals = memory.rejected()
    refused = {
        path: (refusals[digest].code, refusals[digest].reason) for path, digest in digests.items() if digest in refusals
    }
    refused |= {each.path: (each.code, each.reason) for each in seen.skipped}
    return Scanned(digests, faces, refused, seen.analyzed)

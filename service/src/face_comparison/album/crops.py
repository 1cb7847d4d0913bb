"""Stores the cropped faces of an album as files next to the page: embedding thousands would make the page too large.

File names derive from the image's content and the models, so that a crop always shows the face of its record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from face_comparison.album import files
from face_comparison.album.faces import Analyzed, FaceKey

FOLDER = "faces"


class Crops:
    """The crops in the folder of an album, for one version of the models.

    Args:
        out: The album.
        version: FaceModelVersion of the models.
    """

    def __init__(self, out: Path, version: str) -> None:
        self._folder, self._version = out / FOLDER, version
        self._folder.mkdir(exist_ok=True)

    def name(self, key: FaceKey) -> str:
        """Returns the file name of a face's crop."""
        digest, number = key
        return f"{hashlib.sha256(f'{self._version} {digest}'.encode()).hexdigest()[:24]}-{number}.jpg"

    def write(self, found: Analyzed) -> None:
        """Writes the crops of an image."""
        for number, crop in enumerate(found.crops):
            files.write(self._folder / self.name((found.digest, number)), crop)

    def complete(self, known: set[str], keys: Iterable[FaceKey]) -> set[str]:
        """Returns the known images except those that lack a crop of one of the faces `keys`."""
        existing = {path.name for path in self._folder.iterdir()}
        return known - {key[0] for key in keys if self.name(key) not in existing}

    def delete_others(self, keys: Iterable[FaceKey]) -> None:
        """Deletes the crops of all faces but the given ones."""
        file_names = {self.name(key) for key in keys}
        for path in self._folder.glob("*.jpg*"):
            if path.name not in file_names:
                path.unlink()

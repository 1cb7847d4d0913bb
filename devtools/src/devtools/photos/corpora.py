"""Image files of every kind from the test data of packages, downloaded like `samples` and never committed."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock
from platformdirs import user_cache_path

from devtools.photos.samples import download


@dataclass(frozen=True)
class Corpus:
    """A pinned distribution, by default the source distribution; `folder`: where in it the images are."""

    requirement: str
    sha256: str
    folder: str
    options: tuple[str, ...] = ()
    """For pip, if the images are in a wheel."""


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
    Corpus(
        "scikit-image==0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        "skimage/data",
        (
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.11",
            "--platform=manylinux_2_28_x86_64",
        ),
    ),
    Corpus(
        "wand==0.7.2",
        "0387fd08848d00cadd1d885fcb19a17dd4250df2029e5338b6b668b7fed64b5b",
        "wand-0.7.2",
    ),
    Corpus(
        "piexif==1.1.3",
        "83cb35c606bf3a1ea1a8f0a25cb42cf17e24353fd82e87ae3884e74a302a5f1b",
        "piexif-1.1.3/tests/images",
    ),
    Corpus(
        "imagesize==2.0.1",
        "b2ba6a4dea487a7ebcd53248d3476aca449d30db12a2dde5e0c5ca9624fd77e5",
        "imagesize-2.0.1/test/images",
    ),
    Corpus(
        "filetype==1.2.0",
        "66b56cd6474bf41d8c54660347d37afcc3f7d1970648de365c102ef77548aadb",
        "filetype-1.2.0/tests/fixtures",
    ),
)


def files(corpus: Corpus, longest: int) -> dict[str, Path]:
    """Returns the path of every file of at most `longest` bytes, whatever it contains, by name within the corpus."""
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
        options = corpus.options or (f"--no-binary={name}",)
        archive = download(corpus.requirement, corpus.sha256, options, Path(scratch))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != corpus.sha256:
            raise RuntimeError(f"{corpus.requirement} does not match the pinned digest")
        fresh = Path(scratch) / "files"
        for member, content in _members(archive):
            path = PurePosixPath(member)
            if path.is_relative_to(corpus.folder) and ".." not in path.parts:
                target = fresh / path.relative_to(corpus.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        shutil.move(fresh, folder)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of every file in a wheel or a source distribution."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    yield entry.filename, opened.read(entry)
        return
    with tarfile.open(archive) as source:
        for member in source:
            content = source.extractfile(member)
            if content is not None:
                yield member.name, content.read()

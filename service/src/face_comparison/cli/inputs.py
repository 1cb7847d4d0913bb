"""Resolves a command's arguments to images: files, folders, patterns, URLs, objects in buckets, and standard input.

Arguments are expanded before the first image is read, so that a command knows how many images there are; each image is
read when its turn comes. An argument that cannot be used becomes a `Problem` with the name that the user gave, and the
others are still processed.

This program fetches URLs itself even if a service finds the faces. It runs with the user's own permissions, so like
curl, it may connect to any host that the user may. The service's restrictions on hosts, which protect its network from
callers, serve no purpose here; the limits on size and time still apply.
"""

from __future__ import annotations

import functools
import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from face_comparison.errors import BodyTooLarge, FaceComparisonError, MissingImage, UrlFetchFailed

if TYPE_CHECKING:
    from face_comparison.fetching.fetcher import Fetcher
    from face_comparison.settings import Settings

STDIN = "-"
MAX_FILE_BYTES = 256 * 2**20
"""Maximum size of a file, or of the data from standard input."""

_EVERYWHERE = ("0.0.0.0/0", "::/0")
_WEB = ("http://", "https://")
_S3 = "s3://"
_CONTROL_SYMBOLS = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}

Kind = Literal["stdin", "web", "s3", "file"]


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image.

    Attributes:
        name: The name that the user gave, as valid text.
        read: Returns the encoded image; raises FaceComparisonError if it cannot be read.
    """

    name: str
    read: Callable[[], bytes] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """An argument, or a file in a folder, that cannot be used."""

    name: str
    code: str
    message: str

    @classmethod
    def of(cls, name: str, error: FaceComparisonError) -> Problem:
        """Returns the problem that an error describes."""
        return cls(name, error.code, error.message)


@dataclass(slots=True)
class Inputs:
    """The images that a command's arguments name.

    Attributes:
        images: In the order of the arguments; those in a folder are sorted by name.
        ignored: Files in folders that are not images.
    """

    images: list[InputImage | Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def kind_of(argument: str) -> Kind:
    """Returns what kind of input an argument is, judged by its text alone."""
    if argument == STDIN:
        return "stdin"
    lower = argument.lower()
    if lower.startswith(_WEB):
        return "web"
    return "s3" if lower.startswith(_S3) else "file"


def text_of(path: Path) -> str:
    """Returns a path as valid text: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def one_line(text: str) -> str:
    """Returns text that takes a single line in a terminal: control characters become their Unicode symbols."""
    return text.translate(_CONTROL_SYMBOLS)


def collect_arguments(arguments: Sequence[str], files_from: str | None, metavar: str, besides: str = "") -> list[str]:
    """Returns the arguments and those listed in the file `files_from`, one per line; empty lines are skipped.

    Args:
        arguments: Arguments from the command line.
        files_from: Name of a file, `-` for standard input, or None.
        metavar: Name of the arguments in the command's help.
        besides: Another argument of the command, which may also be standard input.

    Raises:
        click.UsageError: There is no argument, standard input is named twice, or the file cannot be read.
    """
    found = list(arguments)
    if files_from is not None:
        try:
            data = sys.stdin.buffer.read() if files_from == STDIN else Path(files_from).read_bytes()
        except OSError as error:
            problem = f"{files_from} cannot be read: {error.strerror}"
            raise click.BadParameter(problem, param_hint="--files-from") from error
        found += [os.fsdecode(line) for line in data.splitlines() if line.strip()]
    if not found:
        raise click.UsageError(f"Missing argument '{metavar}'.")
    if [*found, files_from, besides].count(STDIN) > 1:
        raise click.UsageError("standard input (-) can be named only once")
    return found


def expand(arguments: Iterable[str], settings: Settings) -> Inputs:
    """Returns the images that the arguments name; the limits in `settings` apply to fetched images."""
    inputs = Inputs()
    fetcher: Fetcher | None = None
    for argument in arguments:
        kind = kind_of(argument)
        if kind == "stdin":
            inputs.images.append(InputImage("-", _read_stdin))
        elif kind == "file":
            _add_files(argument, inputs)
        else:
            fetcher = fetcher or _fetcher(settings)
            if kind == "web":
                inputs.images.append(InputImage(argument, partial(fetcher.fetch, argument)))
            else:
                _add_objects(argument, fetcher, inputs)
    return inputs


def read_once(image: InputImage | Problem) -> InputImage | Problem:
    """Returns an image that caches its bytes when it is first read, because standard input cannot be read twice."""
    return image if isinstance(image, Problem) else InputImage(image.name, functools.cache(image.read))


def read_file(path: Path) -> bytes:
    """Reads a file.

    Raises:
        MissingImage: The file cannot be read.
        BodyTooLarge: The file is larger than MAX_FILE_BYTES.
    """
    try:
        with path.open("rb") as file:
            return _at_most(file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        raise MissingImage(f"the file cannot be read: {error.strerror}") from error


def _at_most(data: bytes) -> bytes:
    if len(data) > MAX_FILE_BYTES:
        raise BodyTooLarge(f"an image must not be larger than {MAX_FILE_BYTES // 2**20} MiB")
    return data


def _read_stdin() -> bytes:
    data = _at_most(sys.stdin.buffer.read(MAX_FILE_BYTES + 1))
    if not data:
        raise MissingImage("standard input is empty: pipe an image into it")
    return data


def _file(path: Path) -> InputImage:
    return InputImage(text_of(path), partial(read_file, path))


def _missing(path: Path, message: str) -> Problem:
    return Problem(text_of(path), MissingImage.code, message)


def _add_files(argument: str, inputs: Inputs) -> None:
    path = Path(argument).expanduser()
    if os.path.lexists(path):
        _add_path(path, inputs)
        return
    if not glob.has_magic(argument):
        inputs.images.append(_missing(path, "the file cannot be read: No such file or directory"))
        return
    found = sorted(glob.glob(str(path), recursive=True), key=os.fsencode)  # noqa: PTH207 (of absolute patterns, too)
    if not found:
        inputs.images.append(_missing(path, "no file matches this pattern"))
    for each in found:
        _add_path(Path(each), inputs)


def _add_path(path: Path, inputs: Inputs) -> None:
    if path.is_dir():
        _add_folder(path, inputs)
    else:
        inputs.images.append(_file(path))


def _add_folder(folder: Path, inputs: Inputs) -> None:
    from face_comparison.album import files  # noqa: PLC0415 (loading decoders would slow down `--help`)

    count = len(inputs.images)
    for found in files.images(folder):
        if isinstance(found, Path):
            inputs.images.append(_file(folder / found))
        elif found.code in ("unreadable", "image_too_large"):
            inputs.images.append(_missing(folder / found.path, found.reason))
        else:
            inputs.ignored.append(text_of(folder / found.path))
    if len(inputs.images) == count:
        inputs.images.append(_missing(folder, "the folder contains no image"))


def _add_objects(argument: str, fetcher: Fetcher, inputs: Inputs) -> None:
    from face_comparison.fetching import s3, urls  # noqa: PLC0415
    from face_comparison.image.formats import SUFFIXES  # noqa: PLC0415

    try:
        url = urls.parse_s3(argument)
        if url.key and not url.key.endswith("/") and s3.object_exists(url) is not False:
            inputs.images.append(InputImage(argument, partial(fetcher.fetch, argument)))
            return
        keys = list(s3.keys_below(url))
    except FaceComparisonError as error:
        inputs.images.append(Problem.of(argument, error))
        return
    if not keys:
        inputs.images.append(Problem.of(argument, UrlFetchFailed("there is no such object, and none with this prefix")))
    for key in keys:
        name = f"s3://{url.bucket}/{key}"
        # Objects are selected by name, because selecting them by content would require downloading all of them.
        if key.lower().endswith(SUFFIXES):
            inputs.images.append(InputImage(name, partial(fetcher.fetch, name)))
        else:
            inputs.ignored.append(name)


def _fetcher(settings: Settings) -> Fetcher:
    from face_comparison.fetching.fetcher import Fetcher, FetchPolicy  # noqa: PLC0415
    from face_comparison.image.formats import ACCEPT  # noqa: PLC0415

    policy = FetchPolicy(
        allowed_hosts=_EVERYWHERE,
        max_bytes=settings.max_fetch_bytes,
        seconds=settings.fetch_seconds,
        accept=ACCEPT,
    )
    return Fetcher(policy)


def report_ignored(ignored: Sequence[str], limit: int = 5) -> Iterator[str]:
    """Yields a message about files that are not images."""
    if ignored:
        names = ", ".join(map(one_line, ignored[:limit]))
        suffix = f" and {len(ignored) - limit:,} more" if len(ignored) > limit else ""
        yield f"{len(ignored):,} {'file is' if len(ignored) == 1 else 'files are'} not images: {names}{suffix}"

"""Options shared by the commands that take images: sources of images, service or local models, output formats."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from face_comparison.cli.inputs import one_line

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

Format = Literal["table", "json", "csv"]

_IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".svg"}
_DOCUMENTS = {".htm", ".html", ".md", ".txt", ".pdf", ".docx"}
_DATA = {".json", ".ndjson", ".xml", ".yaml", ".toml", ".csv", ".xlsx"}
_FORMATS = _IMAGES | _DOCUMENTS | _DATA
"""Endings that name a format. What follows the point in `result.v2` or `gate.2024` does not."""


class OutputFile(click.Path):
    """A file to write. Problems with its name or folder are reported before any work is done, rather than afterward.

    Args:
        kind: What is written, such as "PNG".
        suffixes: Endings of names for that; a name whose ending names no format is accepted as well.
    """

    def __init__(self, kind: str = "", *suffixes: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self._kind, self._suffixes = kind, suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the path.

        Raises:
            click.BadParameter: The suffix is that of another format, or the folder is missing or not writable.
        """
        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]
        if str(path) == "-":
            self.fail("a file's name is needed: - stands for stdout elsewhere, but not here", param, ctx)
        ending = path.suffix.lower()
        if self._suffixes and ending not in self._suffixes and ending in _FORMATS:
            endings = " or ".join(self._suffixes)
            problem = f"the file is written as {self._kind}: its name must end in {endings}, not {path.suffix}"
            self.fail(problem, param, ctx)
        folder = path.parent
        if not folder.is_dir():
            self.fail(f"the folder {one_line(str(folder))} does not exist", param, ctx)
        if not os.access(path if path.exists() else folder, os.W_OK):
            self.fail(f"{one_line(str(path))} cannot be written: permission denied", param, ctx)
        return path


files_from = click.option(
    "--files-from",
    metavar="LIST",
    type=click.Path(allow_dash=True, path_type=str),
    envvar="FACE_COMPARISON_FILES_FROM",
    help="Also process the images listed in the file LIST, one per line (-: stdin).",
)

IMAGE = click.Path(allow_dash=True, path_type=str)
"""A file, folder, pattern, URL, or `-`. It is a path type so that shells complete file names."""


def service(function: F) -> F:
    """Adds --service and --api-key."""
    function = click.option(
        "--api-key",
        metavar="KEY",
        envvar="FACE_COMPARISON_API_KEY",
        help="API key of the service; set it in the environment, where other users cannot see it.",
    )(function)
    return click.option(
        "--service",
        metavar="URL",
        envvar="FACE_COMPARISON_SERVICE",
        help="Let a running service find the faces, with --threads images in flight; images are read here and sent.",
    )(function)


def output_format(default: str) -> Callable[[F], F]:
    """Returns a decorator that adds --format."""
    return click.option(
        "--format",
        "format_",
        type=click.Choice(["table", "json", "csv"]),
        envvar="FACE_COMPARISON_FORMAT",
        help=f"How to print the results. [default: {default}]",
    )


def in_color() -> bool:
    """Returns whether standard output is a terminal where the user wants color (see no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def report_problem(name: str, code: str, message: str) -> None:
    """Prints an image's problem on stderr."""
    click.echo(f"{one_line(name)}: {code}: {message}", err=True)


@contextmanager
def progress(items: Iterable[T], total: int, *, quiet: bool) -> Iterator[Iterable[T]]:
    """Shows a progress bar on stderr if it is a terminal, there are several items, and `quiet` is false."""
    if quiet or total < 2 or not sys.stderr.isatty():
        yield items
        return
    with click.progressbar(items, length=total, label="finding faces", file=sys.stderr) as bar:
        yield bar

"""Options shared by the commands that create an album, and their interpretation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from face_comparison.cli import options
from face_comparison.errors import PackagesMissing

if TYPE_CHECKING:
    from face_comparison.album.builder import AlbumOptions

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    options.option(
        "--out",
        required=True,
        metavar="OUT",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the album: empty, new, or an existing album, which is updated.",
    ),
    options.option("--links", is_flag=True, help="Also create a folder of links per person."),
    options.option(
        "--threshold",
        type=options.NumberRange(0, 2, min_open=True),
        help="Maximum mean distance between a person's faces; smaller: fewer strangers, more people. [default: the "
        "bundle's]",
    ),
    options.option(
        "--min-face",
        type=options.NumberRange(0, 4096),
        default=0,
        metavar="PIXELS",
        help="Skip faces whose shorter side is smaller than this (pixels).",
    ),
    options.option(
        "--min-confidence",
        type=options.NumberRange(0, 1),
        default=0,
        help="Skip faces with a detection confidence below this.",
    ),
)


def album(function: F) -> F:
    """Adds the options that describe the album: out, links, threshold, min_face, and min_confidence."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def require_packages() -> None:
    """Checks that the packages for albums are installed.

    Raises:
        PackagesMissing: The extra `album` is not installed.
    """
    try:
        import rich.progress  # noqa: F401, PLC0415

        from face_comparison.album import builder  # noqa: F401, PLC0415 (see `analyzers.prepare_analyzer`)
    except ModuleNotFoundError as error:
        raise PackagesMissing(
            f"albums require the package {error.name}: pip install 'face-comparison[album]'"
        ) from error


def to_album_options(
    photographs: str, *, out: Path, links: bool, threshold: float | None, min_face: float, min_confidence: float
) -> AlbumOptions:
    """Returns the album's options.

    Raises:
        click.UsageError: Options exclude each other.
    """
    from face_comparison.album import builder, places  # noqa: PLC0415

    place = places.place(photographs)
    if links and isinstance(place, places.Bucket):
        raise click.UsageError("--links requires photographs in a local folder")
    found = builder.AlbumOptions(place.path, out.resolve(), threshold, min_confidence, min_face, links, place)
    if found.out == found.folder:
        raise click.UsageError("--out must be a different folder from DIR")
    return found

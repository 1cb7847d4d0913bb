"""`face-comparison collection export` and `import`: move faces between stores."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from face_comparison.cli import image_options, options
from face_comparison.cli.collection.options import access_options, collection_option
from face_comparison.cli.exit_status import FAILED

if TYPE_CHECKING:
    from face_comparison.cli.collection.access import CollectionAccess


@click.command("export")
@collection_option
@options.option(
    "--out",
    type=image_options.OutputFile(),
    help="File to write. [default: stdout]",
)
@access_options()
def export(access: CollectionAccess, name: str, out: Path | None) -> None:
    """Write every face with its hash, one line of JSON per face.

    Only its owner can read FILE, because it contains biometric data. FILE appears only once everything has been
    written.
    """
    if out is None:
        for line in access.export(name):
            sys.stdout.buffer.write(line + b"\n")
        return
    count = sum(each.face_count for each in access.collections() if each.collection_id == name)
    with (
        _whole_private_file(out) as file,
        click.progressbar(length=count, label="exporting", file=sys.stderr) as bar,
    ):
        for line in access.export(name):
            file.write(line + b"\n")
            bar.update(1)


@click.command("import")
@click.argument("file", metavar="FILE", type=click.File("rb"))
@collection_option
@access_options(create=True)
def import_(access: CollectionAccess, file: Any, name: str) -> None:
    """Import the faces in FILE (`-`: stdin), as exported. The collection is created if it does not exist.

    Invalid lines are reported on stderr by line number; the others are imported, and the exit status is 2.
    """
    if name not in {each.collection_id for each in access.collections()}:
        access.create(name, None, None)
    if size := _size(file):
        with click.progressbar(length=size, label="importing", file=sys.stderr) as bar:
            report = access.import_(name, _passing(file, bar.update))
    else:
        report = access.import_(name, file)
    for error in report.errors:
        click.echo(f"line {error.line}: {error.message}", err=True)
    click.echo(
        f"{report.imported_face_count} imported, {report.unchanged_face_count} unchanged,"
        f" {report.failed_line_count} failed"
    )
    if report.failed_line_count:
        raise SystemExit(FAILED)


@contextmanager
def _whole_private_file(path: Path) -> Iterator[BinaryIO]:
    """Yields a file, readable only by its owner, that is renamed to `path` if the block succeeds, or else deleted."""
    path = path.resolve()
    if path.exists() and not path.is_file():  # a pipe or a device is written to directly
        with path.open("wb") as file:
            yield file
        return
    fresh = path.with_name(f".{path.name[:200]}.{os.getpid()}")
    try:
        with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            yield file
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _size(file: BinaryIO) -> int:
    """Returns the size of a file in bytes, or 0 for a pipe."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:
        return 0


def _passing(lines: Iterable[bytes], count: Callable[[int], None]) -> Iterator[bytes]:
    """Yields the lines and calls `count` with the size of each."""
    for line in lines:
        yield line
        count(len(line))

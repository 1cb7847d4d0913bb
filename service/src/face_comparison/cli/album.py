"""`face-comparison album`: the photographs of a folder, by the people on them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from face_comparison.cli import analyzers, options
from face_comparison.cli.exit_status import INTERRUPTED
from face_comparison.errors import PackagesMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from face_comparison.album.analysts import Analyst
    from face_comparison.album.faces import Skipped
    from face_comparison.album.making import Made
    from face_comparison.album.survey import Outcome

LISTED = 20
"""Skipped files that are told in the terminal; the rest is in skipped.csv."""


@click.command("album")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    required=True,
    metavar="OUT",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="FACE_COMPARISON_OUT",
    help="Folder of the album: empty, new, or an earlier album, which is brought up to date.",
)
@click.option("--links", is_flag=True, envvar="FACE_COMPARISON_LINKS", help="Also make a folder of links a person.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2, min_open=True),
    envvar="FACE_COMPARISON_THRESHOLD",
    help="Greatest mean distance of a person's faces; smaller: fewer strangers, more persons. [default: the bundle's]",
)
@click.option(
    "--min-face",
    type=click.FloatRange(0, 4096),
    default=0,
    metavar="PIXELS",
    envvar="FACE_COMPARISON_MIN_FACE",
    help="Leave out faces whose shorter side is smaller.",
)
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0,
    envvar="FACE_COMPARISON_MIN_CONFIDENCE",
    help="Leave out faces of which the detector is less certain.",
)
@click.option(
    "--service",
    metavar="URL",
    envvar="FACE_COMPARISON_SERVICE",
    help="Let a running service find the faces, --threads images at once; the images are sent to it.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    envvar="FACE_COMPARISON_API_KEY",
    help="Key for the service; give it in the environment, where other users do not see it.",
)
@options.from_settings(*analyzers.MODEL_OPTIONS)
def command(  # noqa: PLR0913 (one for each option)
    folder: Path,
    *,
    out: Path,
    links: bool,
    threshold: float | None,
    min_face: float,
    min_confidence: float,
    service: str | None,
    api_key: str | None,
    **given: str | None,
) -> None:
    """Group the photographs below DIR by the people on them, and write a page, tables and folders to OUT.

    What was found is kept in OUT: after Ctrl-C, or with more photographs, the next run looks only at what is new. The
    exit status is 0 also when images had to be left out; they are listed with their reasons.
    """
    try:
        import rich.progress  # noqa: F401, PLC0415

        from face_comparison.album import making, survey  # noqa: PLC0415 (see `analyzers.loaded`)
    except ModuleNotFoundError as error:
        raise PackagesMissing(
            f"an album needs the package {error.name}: pip install 'face-comparison[album]'"
        ) from error
    if api_key is not None and service is None:
        raise click.UsageError("--api-key goes with --service")
    wish = making.Wish(folder.resolve(), out.resolve(), threshold, min_confidence, min_face, links)
    if wish.out == wish.folder:
        raise click.UsageError("--out must be another folder than DIR")
    analyst = _analyst(service, api_key, given)
    try:
        with _bar() as (started, done):
            made = making.made(wish, analyst, started, done)
    except survey.Interrupted:
        click.echo("interrupted: what was found is kept, and the same command goes on from there", err=True)
        sys.stdout.flush()
        # Not by SystemExit: that would wait for calls to a service that may take minutes.
        os._exit(INTERRUPTED)
    click.echo(summary(made))


def _analyst(service: str | None, api_key: str | None, given: dict[str, str | None]) -> Analyst:
    from face_comparison.album import analysts  # noqa: PLC0415

    if service is not None:
        return analysts.Elsewhere(service, api_key, options.settings(given).threads)
    manifest, load, threads = analyzers.loadable(given)
    return analysts.Here(manifest.version, manifest.comparison.threshold, load, threads)


@contextmanager
def _bar() -> Iterator[tuple[Callable[[int], None], Callable[[Outcome], None]]]:
    """A bar on stderr; nothing where that is no terminal."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("looking for images", total=None)
        yield (
            lambda images: shown.update(task, description="finding faces", total=images),
            lambda outcome: shown.advance(task),
        )


def summary(made: Made) -> str:
    """What was made and what was left out, in a few lines."""
    lines = [
        f"{_many(made.persons, 'person', 'people')} and {_many(made.once, 'face', 'faces')} seen only once,"
        f" on {_many(made.images, 'image', 'images')} ({made.analyzed} analyzed in this run): {made.page}"
    ]
    return "\n".join(lines + _left_out(made.skipped))


def _left_out(skipped: Sequence[Skipped]) -> list[str]:
    from face_comparison.album import names  # noqa: PLC0415

    if not skipped:
        return []
    reasons = ", ".join(f"{count} {code}" for code, count in Counter(each.code for each in skipped).most_common())
    # Images without a face are many in any album, and nobody's mistake.
    told = [each for each in skipped if each.code != "no_face"]
    lines = [f"left out, see skipped.csv: {reasons}"]
    lines += [f"  {names.shown(each.path)}: {each.code}: {each.reason}" for each in told[:LISTED]]
    return [*lines, f"  … and {len(told) - LISTED} more"] if len(told) > LISTED else lines


def _many(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"

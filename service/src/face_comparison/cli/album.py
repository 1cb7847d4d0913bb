"""`face-comparison album`: groups the photographs of a folder by person."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from face_comparison.cli import album_edit, album_job, album_options, analyzers, options
from face_comparison.cli.exit_status import INTERRUPTED
from face_comparison.cli.groups import Group
from face_comparison.plurals import count_noun

if TYPE_CHECKING:
    from collections.abc import Callable

    from face_comparison.album.builder import AlbumResult
    from face_comparison.album.faces import Skipped
    from face_comparison.album.scanner import Outcome


class _PhotographsPath(click.Path):
    """The path of an existing folder, or s3://BUCKET/PREFIX, which is checked later."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the text unchanged.

        Raises:
            click.BadParameter: It is neither a folder nor an s3:// URL.
        """
        return value if str(value).lower().startswith("s3://") else super().convert(value, param, ctx)


class _AlbumGroup(Group):
    """Makes `album DIR` mean `album build DIR`: anything that is not a command name is taken as the folder."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [build.name or "", *args]
        return super().parse_args(ctx, args)


@click.group("album", cls=_AlbumGroup)
def command() -> None:
    """Group the photographs in DIR by person: `album DIR --out OUT` writes a page, tables, and folders to OUT.

    The other commands name, merge, split, and hide people in an album.
    """


LISTED = 20
"""Maximum number of skipped files listed in the terminal; skipped.csv has all of them."""


@click.command("build")
@click.argument("folder", metavar="DIR", type=_PhotographsPath(exists=True, file_okay=False, path_type=str))
@album_options.album
@options.option(
    "--service",
    metavar="URL",
    help="Let a running service find the faces, with --threads images in flight; the images are sent to it.",
)
@options.option(
    "--api-key",
    metavar="KEY",
    help="API key of the service; set it in the environment, where other users cannot see it.",
)
@options.from_settings(*analyzers.MODEL_OPTIONS)
def build(folder: str, *, service: str | None, api_key: str | None, **option_values: Any) -> None:
    """Group the photographs in DIR by person, and write a page, tables, and folders to OUT.

    DIR is a folder or s3://BUCKET/PREFIX.

    Results are kept in OUT: after Ctrl-C, or with more photographs, the next run analyzes only new images. The exit
    status is 0 even if images were skipped; they are listed with their reasons.
    """
    album_options.require_packages()
    from face_comparison.album import builder, scanner  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

    if api_key is not None and service is None:
        raise click.UsageError("--api-key requires --service")
    models = {name: option_values.pop(name) for name in analyzers.MODEL_OPTIONS}
    album = album_options.to_album_options(folder, **option_values)
    source = analyzers.face_source(service, api_key, models)
    try:
        with _bar() as (started, done):
            result = builder.build_album(album, source, started, done)
    except scanner.Interrupted:
        click.echo("interrupted: the results so far are saved; run the same command again to continue", err=True)
        sys.stdout.flush()
        # Exit without waiting for calls to a service that are in progress, which may take minutes.
        os._exit(INTERRUPTED)
    click.echo(summary(result))


for each in (build, album_edit.name, album_edit.merge, album_edit.split, album_edit.hide, *album_job.COMMANDS):
    command.add_command(each)


@contextmanager
def _bar() -> Iterator[tuple[Callable[[int], None], Callable[[Outcome], None]]]:
    """Shows a progress bar on stderr if it is a terminal."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking for images", total=None)
        yield (
            lambda images: bar.update(task, description="finding faces", total=images),
            lambda outcome: bar.advance(task),
        )


def summary(result: AlbumResult) -> str:
    """Returns a summary of a few lines: what was built and what was skipped."""
    lines = [
        f"{count_noun(result.people, 'person', 'people')} and {count_noun(result.once, 'face')} seen only once,"
        f" in {count_noun(result.images, 'image')} ({result.analyzed} analyzed in this run): {result.page}"
    ]
    return "\n".join(lines + _left_out(result.skipped))


def _left_out(skipped: Sequence[Skipped]) -> list[str]:
    from face_comparison.album import names  # noqa: PLC0415

    if not skipped:
        return []
    reasons = ", ".join(f"{count} {code}" for code, count in Counter(each.code for each in skipped).most_common())
    # Images without a face are not listed: every album has many of them, and they are not errors.
    listed = [each for each in skipped if each.code != "no_face"]
    lines = [f"skipped, see skipped.csv: {reasons}"]
    lines += [f"  {names.display_path(each.path)}: {each.code}: {each.reason}" for each in listed[:LISTED]]
    return [*lines, f"  … and {len(listed) - LISTED} more"] if len(listed) > LISTED else lines

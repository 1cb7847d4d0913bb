"""`face-comparison compare`: checks whether the person in the first image is in the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

import click

from face_comparison.cli import analyzers, image_options, inputs, options, results
from face_comparison.cli.exit_status import FAILED
from face_comparison.cli.inputs import InputImage, Problem
from face_comparison.errors import FaceComparisonError

if TYPE_CHECKING:
    from face_comparison.api.responses import CompareResponse, TargetMatch
    from face_comparison.cli.face_finder import Compared
    from face_comparison.cli.image_options import Format
    from face_comparison.cli.local_faces import LocalFaces
    from face_comparison.vision import matching

SAME, DIFFERENT = 0, 1
"""Exit statuses: the person is in all of the other images (0), or missing from at least one (1)."""


@click.command("compare")
@click.argument("source", metavar="A", type=image_options.IMAGE)
@click.argument("targets", metavar="B...", nargs=-1, type=image_options.IMAGE)
@image_options.files_from
@image_options.output_format("table")
@options.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Same as --format json: the service's response and the names of the images.",
)
@options.option(
    "--threshold",
    type=options.NumberRange(0, 2),
    help="Maximum distance that counts as the same person. [default: the bundle's]",
)
@options.option(
    "--draw",
    metavar="OUT.png",
    type=image_options.OutputFile("PNG", ".png"),
    help="Also write an image of A and each B side by side, with faces, distances, and verdicts.",
)
@image_options.service
@options.from_settings(*analyzers.MODEL_OPTIONS)
def command(  # noqa: PLR0913 (one for each option)
    source: str,
    targets: tuple[str, ...],
    *,
    files_from: str | None,
    format_: Format | None,
    as_json: bool,
    threshold: float | None,
    draw: Path | None,
    service: str | None,
    api_key: str | None,
    **option_values: str | None,
) -> None:
    """Check whether the person in image A (its most prominent face) is also in each image B.

    A is a single image. A and B are files, http, https, or s3 URLs, or - for an image on stdin; B may also be a folder
    (all images in it) or a pattern such as 'photos/*.jpg'.

    The exit status is 0 if the person is in all of them, 1 if not, and 2 if an image could not be used.
    """
    from face_comparison.cli import finder_options  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

    if as_json and format_ not in (None, "json"):
        raise click.UsageError(f"--json and --format {format_} contradict each other")
    arguments = inputs.collect_arguments(targets, files_from, "B...", besides=source)
    if draw is not None and service is not None:
        raise click.UsageError("--draw needs the models on this machine: omit --service")
    settings = options.settings(option_values)
    first = inputs.expand([source], settings).images
    if len(first) != 1:
        raise click.UsageError(f"A must be a single image, but {inputs.one_line(source)} matches {len(first)}")
    if isinstance(first[0], Problem):
        _fail(first[0])
    found = inputs.expand(arguments, settings)
    for line in inputs.report_ignored(found.ignored):
        click.echo(line, err=True)
    finder = finder_options.remote_or_local(service, api_key, option_values)
    if draw is None:
        head, outcomes = finder.compare(first[0], found.images, threshold)
    else:
        head, outcomes = _draw_comparison(cast("LocalFaces", finder), [first[0], *found.images], threshold, draw)
    if isinstance(head, Problem):
        _fail(head)
    with image_options.progress(outcomes, len(found.images), quiet=False) as each:
        results_ = [(image.name, outcome) for image, outcome in zip(found.images, each, strict=True)]
    _print(first[0].name, head, results_, "json" if as_json else format_ or "table")
    raise SystemExit(status([outcome for _, outcome in results_]))


def _fail(problem: Problem) -> NoReturn:
    """Reports the source's problem and exits, because there is nothing to compare without a source."""
    click.echo(f"{problem.code}: {inputs.one_line(problem.name)}: {problem.message}", err=True)
    raise SystemExit(FAILED)


def _print(source: str, head: Compared, outcomes: Sequence[tuple[str, TargetMatch | Problem]], chosen: Format) -> None:
    if chosen == "csv":
        rows = results.compare_rows(source, head, outcomes)
        click.echo(results.csv_text([results.COMPARE_COLUMNS, *rows]))
    elif chosen == "table":
        click.echo(results.compare_table(source, head, outcomes, color=image_options.in_color()))
    else:
        click.echo(json_bytes(source, head.response, outcomes))


def json_bytes(source: str, response: CompareResponse, outcomes: Sequence[tuple[str, TargetMatch | Problem]]) -> bytes:
    """Returns the service's response with the names of the images, as JSON."""
    from face_comparison.api import encoding  # noqa: PLC0415

    targets = [
        {"Error": {"code": outcome.code, "message": outcome.message}}
        if isinstance(outcome, Problem)
        else encoding.fields(outcome)
        for _, outcome in outcomes
    ]
    shown = {
        **encoding.fields(response),
        "Source": {"Image": source, **encoding.fields(response.source)},
        "Targets": [{"Image": name, **target} for (name, _), target in zip(outcomes, targets, strict=True)],
    }
    return encoding.encode(shown, encoding.JSON)


def _draw_comparison(
    finder: LocalFaces, images: Sequence[InputImage | Problem], threshold: float | None, out: Path
) -> tuple[Compared | Problem, Iterator[TargetMatch | Problem]]:
    """Draws the comparison and returns what `FaceFinder.compare` returns."""
    from face_comparison import rendering  # noqa: PLC0415

    def target(image: InputImage | Problem, match: matching.TargetMatch | Problem) -> rendering.Compared:
        outcome = f"{match.code}: {match.message}" if isinstance(match, Problem) else match
        pixels = None
        if isinstance(image, InputImage):
            with suppress(FaceComparisonError):
                pixels = analyzers.decode_image(image.read())
        return rendering.Compared(_short(image.name), pixels, outcome)

    source, *others = (inputs.read_once(image) for image in images)
    assert isinstance(source, InputImage)  # noqa: S101 (the command has ended otherwise)
    first, found = finder.matches(source, others, threshold)
    if isinstance(first, Problem):
        return first, iter(())
    matches = list(found)
    targets = [target(image, match) for image, match in zip(others, matches, strict=True)]
    pixels = analyzers.decode_image(source.read())
    calibration = finder.model.calibration(threshold)
    out.write_bytes(
        rendering.png(rendering.draw_comparison(_short(source.name), pixels, first[0], targets, calibration))
    )
    return finder.compared(first, threshold), map(finder.target, matches)


def _short(name: str) -> str:
    """Returns the last part of a path or URL."""
    return inputs.one_line(name.rstrip("/").rpartition("/")[2] or name)


def status(outcomes: Sequence[TargetMatch | Problem]) -> int:
    """Returns the exit status for these outcomes."""
    if any(isinstance(outcome, Problem) for outcome in outcomes):
        return FAILED
    same = all(not isinstance(outcome, Problem) and outcome.same_person for outcome in outcomes)
    return SAME if same else DIFFERENT

"""`face-comparison evaluate`: measures error rates on your own people."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from face_comparison.cli import analyzers, image_options, options
from face_comparison.cli.exit_status import INTERRUPTED
from face_comparison.errors import InvalidDataset, PackagesMissing
from face_comparison.plurals import count_noun

if TYPE_CHECKING:
    from face_comparison.evaluation.dataset import Dataset
    from face_comparison.evaluation.run import Evaluation, Progress

CACHE = ".face-comparison"
"""Name of the folder that caches detected faces. It is inside the dataset, so that deleting the dataset also deletes
its biometric data."""

_PATH = click.Path(path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("evaluate")
@click.argument(
    "folder", metavar="[DIR]", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False
)
@options.option(
    "--pairs",
    type=_FILE,
    metavar="PAIRS.csv",
    help="Compare only these pairs: columns image1, image2, and same (1 or 0); paths are relative to DIR.",
)
@options.option(
    "--groups",
    type=_FILE,
    metavar="GROUPS.csv",
    help="Also report error rates by group: the column person (the folder's name), and one column per attribute.",
)
@options.option(
    "--report",
    type=image_options.OutputFile("HTML", ".html", ".htm"),
    metavar="OUT.html",
    help="Write a report with plots and the worst pairs. It contains faces.",
)
@options.option(
    "--json",
    "json_out",
    type=image_options.OutputFile("JSON", ".json"),
    metavar="OUT.json",
    help="Write all numbers as JSON.",
)
@options.option(
    "--calibrate",
    metavar="NAME",
    help="Write a bundle with this name and the threshold, scale, review limits, and strangers as measured here.",
)
@options.option(
    "--threshold",
    type=options.NumberRange(0, 2, min_open=True, max_open=True),
    help="Threshold to evaluate. [default: the bundle's]",
)
@options.option(
    "--cost-false-match",
    type=options.NumberRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Cost of a false match (strangers accepted as the same person).",
)
@options.option(
    "--cost-false-non-match",
    type=options.NumberRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Cost of a false non-match (the same person rejected), in the same unit.",
)
@options.option(
    "--prior",
    type=options.NumberRange(0, 1, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Fraction of comparisons in which both images show the same person.",
)
@options.option(
    "--several-faces",
    type=click.Choice(["reject", "largest"]),
    default="reject",
    show_default=True,
    help="What to do with images that have several faces: skip them, or use the largest face.",
)
@options.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help=f"Where to cache detected faces for the next run. [default: {CACHE} in DIR]",
)
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
def command(  # noqa: PLR0913 (one for each option)
    folder: Path | None,
    *,
    pairs: Path | None,
    groups: Path | None,
    report: Path | None,
    json_out: Path | None,
    calibrate: str | None,
    threshold: float | None,
    cost_false_match: float,
    cost_false_non_match: float,
    prior: float,
    several_faces: Literal["reject", "largest"],
    cache: Path | None,
    service: str | None,
    api_key: str | None,
    **option_values: str | None,
) -> None:
    """Measure error rates on your own people: DIR contains one folder per person, with two or more images each.

    All images are compared with each other. The results are false match and false non-match rates by threshold with
    confidence intervals, error rates of searches by gallery size, and thresholds for given costs. Detected faces are
    cached: after Ctrl-C, or with more images, the next run analyzes only what is new. Images that cannot be used are
    listed.
    """
    try:
        import rich.progress  # noqa: F401, PLC0415

        from face_comparison.album import scanner  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)
        from face_comparison.evaluation import record, run  # noqa: PLC0415
        from face_comparison.evaluation import report as report_page  # noqa: PLC0415
        from face_comparison.evaluation.thresholds import Costs  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise PackagesMissing(
            f"evaluate requires the package {error.name}: pip install 'face-comparison[evaluate]'"
        ) from error
    if folder is None and pairs is None:
        raise click.UsageError("give DIR with one folder per person, or --pairs")
    if api_key is not None and service is None:
        raise click.UsageError("--api-key requires --service")
    if service is not None:
        options.reject_unused(analyzers.ONLY_LOCAL, analyzers.WITH_SERVICE)
    if calibrate is not None and service is not None:
        raise click.UsageError("--calibrate needs the bundle on this machine: omit --service")
    for out in (report, json_out):
        if out is not None and not out.parent.is_dir():
            raise click.UsageError(f"the folder of {out} does not exist")
    dataset = _dataset(folder, pairs, groups)
    source = analyzers.face_source(service, api_key, option_values)
    evaluation_options = run.EvaluationOptions(
        Costs(cost_false_match, cost_false_non_match, prior), several_faces, threshold
    )
    try:
        with (
            _cache_folder(cache or dataset.folder / CACHE, fallback=cache is None) as cache_folder,
            _progress() as progress,
        ):
            evaluation = run.evaluate(dataset, source, cache_folder, evaluation_options, progress)
    except scanner.Interrupted:
        click.echo("interrupted: the results so far are saved; run the same command again to continue", err=True)
        sys.stdout.flush()
        # Exit without waiting for calls to a service that are in progress, which may take minutes.
        os._exit(INTERRUPTED)
    click.echo(summary(evaluation))
    for out, encode in ((report, report_page.page), (json_out, record.encode)):
        if out is not None:
            _write(out, encode(evaluation))
            click.echo(f"wrote {out}")
    if calibrate is not None:
        _calibrate(calibrate, evaluation, option_values)


def summary(evaluation: Evaluation) -> str:
    """Returns a summary: the verdict, and what was skipped."""
    from face_comparison.evaluation import wording  # noqa: PLC0415

    verdict = wording.verdict(evaluation)
    enrollment = evaluation.enrollment
    lines = [
        f"{count_noun(evaluation.counts.people, 'person', 'people')}, "
        f"{count_noun(len(enrollment.images), 'image')} ({evaluation.analyzed} analyzed in this run), "
        f"{count_noun(evaluation.counts.genuine_pairs, 'pair')} of the same person, "
        f"{evaluation.counts.impostor_pairs:,} of different people; {evaluation.model_version}",
        "",
        verdict.headline,
        *(f"  {sentence}" for sentence in verdict.sentences),
    ]
    left_out = [(each.path, each.code, each.reason) for each in enrollment.failures]
    left_out += [
        (each.path, "conflict" if each.conflict else "duplicate", f"same content as {each.same_as}")
        for each in enrollment.duplicates
    ]
    left_out += [(each.path, each.code, each.reason) for each in evaluation.skipped]
    return "\n".join(lines + _left_out(left_out))


LISTED = 20
"""Maximum number of skipped images listed in the terminal; the report lists more, and the JSON file all of them."""


def _left_out(left_out: list[tuple[Path, str, str]]) -> list[str]:
    from face_comparison.album import names  # noqa: PLC0415

    if not left_out:
        return []
    lines = ["", f"not compared: {len(left_out)}"]
    lines += [f"  {names.display_path(path)}: {code}: {reason}" for path, code, reason in left_out[:LISTED]]
    return [*lines, f"  … and {len(left_out) - LISTED} more"] if len(left_out) > LISTED else lines


def _dataset(folder: Path | None, pairs: Path | None, groups: Path | None) -> Dataset:
    from dataclasses import replace  # noqa: PLC0415

    from face_comparison.evaluation import dataset as datasets  # noqa: PLC0415

    root = None if folder is None else folder.resolve()
    found = datasets.read_pairs(pairs.resolve(), root) if pairs is not None else None
    if found is None:
        assert root is not None  # noqa: S101 (one of both was given)
        found = datasets.read_folder(root)
    return found if groups is None else replace(found, groups=datasets.read_groups(groups, found))


@contextmanager
def _cache_folder(folder: Path, *, fallback: bool) -> Iterator[Path]:
    """Yields the folder after creating it, or a temporary one if it is not writable and `fallback` is true."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied", str(folder))
    except OSError as error:
        if not fallback:
            raise InvalidDataset(f"--cache {folder} cannot be written: {error.strerror}") from error
        click.echo(
            f"{folder} cannot be written ({error.strerror}): detected faces are not cached, see --cache", err=True
        )
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
        return
    yield folder


@contextmanager
def _progress() -> Iterator[Progress]:
    """Shows a progress bar on stderr if it is a terminal."""
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield _Bar(bar)


class _Bar:
    def __init__(self, bar: object) -> None:
        from rich.progress import Progress as RichProgress  # noqa: PLC0415

        assert isinstance(bar, RichProgress)  # noqa: S101
        self._shown, self._task = bar, bar.add_task("reading the folder", total=None)

    def start(self, description: str, total: int) -> None:
        self._shown.reset(self._task, description=description, total=total)

    def advance(self, steps: int) -> None:
        self._shown.advance(self._task, steps)


def _write(out: Path, data: bytes) -> None:
    from face_comparison.album import files  # noqa: PLC0415

    files.write(out, data)


def _calibrate(name: str, evaluation: Evaluation, option_values: dict[str, str | None]) -> None:
    from face_comparison.evaluation import calibration  # noqa: PLC0415
    from face_comparison.models import loader  # noqa: PLC0415

    bundles = options.bundles_folder()
    base = loader.open_configured_bundle(options.settings(option_values), bundles)
    written = calibration.write_bundle(name, base, evaluation, bundles)
    click.echo(f"wrote {written.folder}: use it with --bundle {written.manifest.version}")

"""`face-comparison compare`: is the person of the first image in the others?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from face_comparison.cli import analyzers, options
from face_comparison.cli.exit_status import FAILED
from face_comparison.errors import FaceComparisonError

if TYPE_CHECKING:
    from face_comparison.vision.matching import Calibration, TargetMatch
    from face_comparison.vision.types import Analysis, Face

SAME, DIFFERENT = 0, 1
"""Exit statuses: the person is in all of the other images, or missing in at least one."""


@click.command("compare")
@click.argument("source", metavar="A", type=click.Path(path_type=Path))
@click.argument("targets", metavar="B...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FACE_COMPARISON_JSON",
    help="Print JSON: the service's response and the file names.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 2),
    envvar="FACE_COMPARISON_THRESHOLD",
    help="Maximum distance of the same person. [default: the bundle's]",
)
@click.option(
    "--draw",
    metavar="OUT.png",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="FACE_COMPARISON_DRAW",
    help="Also draw the images side by side, with faces, distances and verdicts.",
)
@options.from_settings(*analyzers.MODEL_OPTIONS)
def command(
    source: Path,
    targets: tuple[Path, ...],
    *,
    as_json: bool,
    threshold: float | None,
    draw: Path | None,
    **given: str | None,
) -> None:
    """Say whether the person in image A (its most prominent face) is also in each image B.

    The exit status is 0 if the person is in all of them, 1 if not, 2 if an image could not be used.
    """
    from face_comparison.api import encoding  # noqa: PLC0415 (see `analyzers.loaded`)
    from face_comparison.vision.matching import image_match, most_prominent_face  # noqa: PLC0415
    from face_comparison.wire.responses import to_compare_response  # noqa: PLC0415

    analyzer, threads = analyzers.loaded(given)
    model = analyzer.model
    calibration = model.calibration(threshold)
    (_, first), *others = analyzers.analyses(analyzer, (source, *targets), threads)
    if isinstance(first, FaceComparisonError):
        raise type(first)(f"{analyzers.shown(source)}: {first.message}")
    face = most_prominent_face(first.faces, model.sure_confidence)

    def judged(analysis: Analysis | FaceComparisonError) -> TargetMatch | FaceComparisonError:
        if isinstance(analysis, FaceComparisonError):
            return analysis
        try:
            return image_match(face.hash, analysis, calibration, reliable=face.quality.reliable)
        except FaceComparisonError as error:
            return error

    verdicts = [(path, judged(analysis)) for path, analysis in others]
    if draw is not None:
        _draw(source, face, verdicts, calibration, draw)
    if as_json:
        found = [verdict for _, verdict in verdicts]
        response = to_compare_response((face, first), found, calibration.threshold, model.version)
        shown = {
            **encoding.fields(response),
            "Source": {"Image": analyzers.shown(source), **encoding.fields(response.source)},
            "Targets": [
                {"Image": analyzers.shown(path), **encoding.fields(target)}
                for path, target in zip(targets, response.targets, strict=True)
            ],
        }
        click.echo(encoding.encode(shown, encoding.JSON))
    else:
        click.echo(table(source, len(first.faces), verdicts, calibration.threshold))
    raise SystemExit(status([verdict for _, verdict in verdicts]))


def _draw(
    source: Path,
    face: Face,
    verdicts: list[tuple[Path, TargetMatch | FaceComparisonError]],
    calibration: Calibration,
    out: Path,
) -> None:
    from face_comparison import rendering  # noqa: PLC0415

    def shown(path: Path, verdict: TargetMatch | FaceComparisonError) -> rendering.Compared:
        told = f"{verdict.code}: {verdict.message}" if isinstance(verdict, FaceComparisonError) else verdict
        try:
            return rendering.Compared(analyzers.shown(Path(path.name)), analyzers.pixels(path), told)
        except FaceComparisonError:
            return rendering.Compared(analyzers.shown(Path(path.name)), None, told)

    targets = [shown(path, verdict) for path, verdict in verdicts]
    out.write_bytes(
        rendering.png(
            rendering.compared(analyzers.shown(Path(source.name)), analyzers.pixels(source), face, targets, calibration)
        )
    )


def status(verdicts: list[TargetMatch | FaceComparisonError]) -> int:
    """Returns the exit status of the verdicts."""
    if any(isinstance(verdict, FaceComparisonError) for verdict in verdicts):
        return FAILED
    same = all(not isinstance(verdict, FaceComparisonError) and verdict.faces[0].same_person for verdict in verdicts)
    return SAME if same else DIFFERENT


def table(
    source: Path, faces: int, verdicts: list[tuple[Path, TargetMatch | FaceComparisonError]], threshold: float
) -> str:
    """Returns the verdicts as an aligned table."""
    rows = [("image", "verdict", "distance", "probability of same person")]
    for path, verdict in verdicts:
        if isinstance(verdict, FaceComparisonError):
            rows.append((analyzers.shown(path), f"{verdict.code}: {verdict.message}", "", ""))
            continue
        best = verdict.faces[0]
        of = f" (closest of {len(verdict.faces)})" if len(verdict.faces) > 1 else ""
        said = ("same person" if best.same_person else "different people") + of
        rows.append((analyzers.shown(path), said, f"{best.distance:.3f}", f"{100 * best.confidence:.2f} %"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows]
    of = f" (the most prominent of {faces} faces)" if faces > 1 else ""
    return "\n".join(
        [f"Compared with {analyzers.shown(source)}{of}; same person up to a distance of {threshold:g}.", "", *lines]
    )

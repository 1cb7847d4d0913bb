"""`face-comparison detect`: prints the faces of image files as JSON lines, or draws them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from face_comparison.cli import analyzers, options
from face_comparison.cli.exit_status import FAILED
from face_comparison.errors import FaceComparisonError

if TYPE_CHECKING:
    from face_comparison.vision.types import Analysis


@click.command("detect")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--draw",
    metavar="OUT.png",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="FACE_COMPARISON_DRAW",
    help="Also draw the faces; for a single IMAGE.",
)
@options.from_settings(*analyzers.MODEL_OPTIONS)
def command(images: tuple[Path, ...], draw: Path | None, **given: str | None) -> None:
    """Print the faces of each image, one JSON object per line: the service's response and the file name.

    Unusable images are reported on stderr; the rest are still processed, and the exit status is 2.
    """
    from face_comparison.api import encoding  # noqa: PLC0415 (see `analyzers.loaded`)
    from face_comparison.wire.responses import to_detect_response  # noqa: PLC0415

    if draw is not None and len(images) > 1:
        raise click.UsageError("--draw needs exactly one IMAGE")
    analyzer, threads = analyzers.loaded(given)
    failed = False
    for path, analysis in analyzers.analyses(analyzer, images, threads):
        if isinstance(analysis, FaceComparisonError):
            click.echo(f"{analyzers.shown(path)}: {analysis.code}: {analysis.message}", err=True)
            failed = True
            continue
        response = to_detect_response(analysis, analyzer.model.version)
        click.echo(encoding.encode({"Image": analyzers.shown(path), **encoding.fields(response)}, encoding.JSON))
        if draw is not None:
            _draw(path, analysis, draw)
    if failed:
        raise SystemExit(FAILED)


def _draw(path: Path, analysis: Analysis, out: Path) -> None:
    from face_comparison import rendering  # noqa: PLC0415

    out.write_bytes(rendering.png(rendering.drawn(analyzers.pixels(path), analysis.faces)))

"""`face-comparison detect`: prints the faces of images, or draws them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from face_comparison.cli import analyzers, image_options, inputs, options, results
from face_comparison.cli.exit_status import FAILED
from face_comparison.cli.inputs import InputImage, Problem

if TYPE_CHECKING:
    from face_comparison.api.responses import DetectResponse
    from face_comparison.cli.image_options import Format
    from face_comparison.cli.local_faces import LocalFaces
    from face_comparison.vision.types import ImageAnalysis


@click.command("detect")
@click.argument("images", metavar="IMAGE...", nargs=-1, type=image_options.IMAGE)
@image_options.files_from
@image_options.output_format("table on a terminal, otherwise json with one object per line")
@options.option("--no-hash", is_flag=True, help="Omit the 768 numbers of each face in JSON.")
@options.option(
    "--max-faces",
    type=click.IntRange(1, 100),
    help="Maximum faces per image; the most prominent are kept. [default: 100]",
)
@options.option(
    "--min-confidence",
    type=options.NumberRange(0, 1),
    help="Minimum detection confidence. [default: the bundle's]",
)
@options.option(
    "--draw",
    metavar="OUT.png",
    type=image_options.OutputFile("PNG", ".png"),
    help="Also write a copy of the image with its faces drawn on it; requires a single IMAGE.",
)
@image_options.service
@options.from_settings(*analyzers.MODEL_OPTIONS)
def command(  # noqa: PLR0913 (one for each option)
    images: tuple[str, ...],
    *,
    files_from: str | None,
    format_: Format | None,
    no_hash: bool,
    max_faces: int | None,
    min_confidence: float | None,
    draw: Path | None,
    service: str | None,
    api_key: str | None,
    **option_values: str | None,
) -> None:
    """Detect the faces in each image, and print them as the service's response with the image's name.

    IMAGE is a file, a folder (all images in it), a pattern such as 'photos/*.jpg', an http, https, or s3 URL
    (s3://BUCKET/PREFIX/ for all images with that prefix), or - for an image on stdin.

    Unusable images are reported on stderr; the rest are still processed, and the exit status is 2.
    """
    from face_comparison.cli import finder_options  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

    arguments = inputs.collect_arguments(images, files_from, "IMAGE...")
    if draw is not None and service is not None:
        raise click.UsageError("--draw needs the models on this machine: omit --service")
    found = inputs.expand(arguments, options.settings(option_values))
    if draw is not None and len(found.images) > 1:
        raise click.UsageError("--draw requires exactly one IMAGE")
    for line in inputs.report_ignored(found.ignored):
        click.echo(line, err=True)
    finder = finder_options.remote_or_local(
        service, api_key, option_values, max_faces=max_faces, min_confidence=min_confidence
    )
    responses = finder.detect(found.images)
    if draw is not None:
        local = cast("LocalFaces", finder)
        image = inputs.read_once(found.images[0])
        ((_, analysis),) = local.analyses([image])
        if not isinstance(image, Problem) and not isinstance(analysis, Problem):
            _draw(image, analysis, draw)
        responses = iter([(image.name, local.response(analysis))])
    chosen = format_ or ("table" if sys.stdout.isatty() else "json")
    if chosen == "csv":
        click.echo(results.csv_text([results.FACE_COLUMNS]))
    failed = False
    rows: list[tuple[str, DetectResponse]] = []
    quiet = chosen != "table" and sys.stdout.isatty()
    with image_options.progress(responses, len(found.images), quiet=quiet) as each:
        for name, response in each:
            if isinstance(response, Problem):
                image_options.report_problem(name, response.code, response.message)
                failed = True
            elif chosen == "table":
                rows.append((name, response))
            else:
                _print(name, response, chosen, no_hash=no_hash)
    if rows:
        click.echo(results.face_table(rows, color=image_options.in_color()))
    if failed:
        raise SystemExit(FAILED)


def _print(name: str, response: DetectResponse, chosen: Format, *, no_hash: bool) -> None:
    from face_comparison.api import encoding  # noqa: PLC0415

    if chosen == "csv":
        click.echo(results.csv_text(results.face_rows(name, response)))
        return
    fields = encoding.fields(response)
    if no_hash:
        faces = [encoding.fields(face) for face in response.faces]
        fields["Faces"] = [{key: face[key] for key in face if key != "face_hash"} for face in faces]
    click.echo(encoding.encode({"Image": name, **fields}, encoding.JSON))


def _draw(image: InputImage, analysis: ImageAnalysis, out: Path) -> None:
    from face_comparison import rendering  # noqa: PLC0415

    out.write_bytes(rendering.png(rendering.draw_faces(analyzers.decode_image(image.read()), analysis.faces)))

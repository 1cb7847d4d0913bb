"""`face-comparison collection search`: identifies the faces in images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from face_comparison.cli import image_options, inputs, options
from face_comparison.cli.collection.batch import interruptible_pool, problem_of_one_image
from face_comparison.cli.collection.options import access_options, collection_option, rate_option
from face_comparison.cli.collection.output import json_line
from face_comparison.cli.exit_status import FAILED
from face_comparison.cli.inputs import InputImage, Problem
from face_comparison.errors import FaceComparisonError

if TYPE_CHECKING:
    from face_comparison.api.collections import SearchResponse
    from face_comparison.cli.collection.access import CollectionAccess


@click.command("search")
@click.argument("images", metavar="IMAGE...", nargs=-1, type=image_options.IMAGE)
@image_options.files_from
@collection_option
@rate_option("Maximum fraction of searches for strangers that return a match. [default: the collection's]")
@options.option("--json", "as_json", is_flag=True, help="Print one JSON object per image.")
@access_options(threads=True)
def search(
    access: CollectionAccess,
    threads: int,
    images: tuple[str, ...],
    files_from: str | None,
    name: str,
    rate: float | None,
    as_json: bool,
) -> None:
    """Identify the faces in each IMAGE: a file, folder, pattern, http, https, or s3 URL, or - for stdin.

    Unusable images are reported on stderr; the rest are still processed, and the exit status is 2.
    """
    fields = {} if rate is None else {"MaxFalsePositiveRate": rate}
    found = inputs.expand(inputs.collect_arguments(images, files_from, "IMAGE..."), options.settings({}))
    for line in inputs.report_ignored(found.ignored):
        click.echo(line, err=True)

    def search_one(image: InputImage | Problem) -> SearchResponse | Problem:
        if isinstance(image, Problem):
            return image
        try:
            return access.search(name, image.read(), **fields)
        except FaceComparisonError as error:
            return problem_of_one_image(image.name, error)

    failed = False
    with interruptible_pool(threads) as pool:
        for image, reply in zip(found.images, pool.map(search_one, found.images), strict=True):
            if isinstance(reply, Problem):
                image_options.report_problem(reply.name, reply.code, reply.message)
                failed = True
            elif as_json:
                click.echo(json_line(reply, Image=image.name))
            else:
                _print_search(inputs.one_line(image.name), reply)
    if failed:
        raise SystemExit(FAILED)


def _print_search(path: str, response: SearchResponse) -> None:
    if not response.faces:
        click.echo(f"{path}: no face")
    for face in response.faces:
        matches = ", ".join(
            f"{match.user_id or match.external_image_id or match.face_id} {match.similarity:.1f} %"
            for match in face.matches
        )
        click.echo(f"{path}: {face.decision}{': ' if matches else ''}{matches}")

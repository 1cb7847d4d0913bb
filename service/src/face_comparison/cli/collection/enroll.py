"""`face-comparison collection enroll`: enrolls the people of a folder."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from face_comparison.cli import inputs, options
from face_comparison.cli.collection.batch import interruptible_pool, problem_of_one_image
from face_comparison.cli.collection.options import access_options, collection_option
from face_comparison.cli.collection.people import people_of
from face_comparison.cli.exit_status import FAILED
from face_comparison.errors import FaceComparisonError

if TYPE_CHECKING:
    from face_comparison.cli.collection.access import CollectionAccess


@click.command("enroll")
@click.argument(
    "people",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=lambda _context, _parameter, folder: people_of(folder),  # fails before a store is created in vain
)
@collection_option
@options.option(
    "--quality-filter",
    type=click.Choice(["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]),
    default="AUTO",
    show_default=True,
    help="Minimum quality of enrolled faces.",
)
@options.option(
    "--on-duplicate",
    type=click.Choice(["report", "refuse", "allow"]),
    default="report",
    show_default=True,
    help="What to do with a face that resembles another person, or does not resemble its own person.",
)
@access_options(create=True, threads=True)
def enroll(
    access: CollectionAccess,
    threads: int,
    people: dict[str, list[Path]],
    name: str,
    quality_filter: str,
    on_duplicate: str,
) -> None:
    """Enroll the people in DIR: one folder per person, named after the person's id, with images of that person.

    The collection is created if it does not exist. Images that are already enrolled are skipped, so after an
    interruption you can run the same command again. Images that cannot be enrolled are reported on stderr; the others
    are still processed, and the exit status is 2.
    """
    if name not in {each.collection_id for each in access.collections()}:
        access.create(name, None, None)
    known = access.enrolled(name)
    fields = {"QualityFilter": quality_filter, "OnDuplicate": on_duplicate}

    def enroll_one(person: str, path: Path) -> tuple[str, str]:
        """Returns the outcome and a message about it."""
        image = inputs.read_file(path)
        digest = f"sha256:{hashlib.sha256(image).hexdigest()}"
        if (person, digest) in known:
            return "unchanged", ""
        response = access.enroll(name, image, UserId=person, ExternalImageId=digest, **fields)
        if not response.face_records:
            return "failed", ", ".join(reason for face in response.unindexed_faces for reason in face.reasons)
        others = sorted({each.user_id or each.face_id for each in response.duplicates})
        resembles = f"resembles {', '.join(others)}" if others else ""
        record = response.face_records[0]
        fits = record.person_fit is None or record.person_fit.fits
        unlike = "" if fits else f"does not resemble the other images of {person}"
        outcome = "enrolled" if record.created else "unchanged"
        return outcome, "; ".join(each for each in (resembles, unlike) if each)

    counts = dict.fromkeys(("enrolled", "unchanged", "failed"), 0)
    work = [(person, path) for person, paths in people.items() for path in paths]
    with (
        interruptible_pool(threads) as pool,
        click.progressbar(length=len(work), label="enrolling", file=sys.stderr) as bar,
    ):
        jobs = [pool.submit(_attempt, enroll_one, *each) for each in work]
        for (_, path), job in zip(work, jobs, strict=True):
            try:
                outcome, message = job.result()
            except FaceComparisonError:
                click.echo(f"stopped after {_format_counts(counts)}: run the same command again to continue", err=True)
                raise
            counts[outcome] += 1
            bar.update(1)
            if message:
                click.echo(f"{inputs.one_line(inputs.text_of(path))}: {message}", err=True)
    click.echo(_format_counts(counts))
    if counts["failed"]:
        raise SystemExit(FAILED)


def _attempt(enroll_one: Callable[[str, Path], tuple[str, str]], person: str, path: Path) -> tuple[str, str]:
    try:
        return enroll_one(person, path)
    except FaceComparisonError as error:
        problem = problem_of_one_image(inputs.text_of(path), error)
        return "failed", f"{problem.code}: {problem.message}"


def _format_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())

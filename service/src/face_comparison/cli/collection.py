"""`face-comparison collection`: works with the collections of a store or a service."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from face_comparison import cpus
from face_comparison.cli import analyzers, image_options, inputs, options
from face_comparison.cli.exit_status import FAILED
from face_comparison.cli.groups import Group
from face_comparison.cli.inputs import InputImage, Problem
from face_comparison.errors import FaceComparisonError, ServiceRefused
from face_comparison.plurals import count_noun

if TYPE_CHECKING:
    from face_comparison.api.collections import CollectionDescription, SearchResponse
    from face_comparison.api.responses import Response
    from face_comparison.cli.collection_access import CollectionAccess

STORE_OPTIONS = ("collections", "collections_file", *analyzers.MODEL_OPTIONS)
DEFAULT_NAME = "default"

_ABOUT_EVERY_IMAGE = frozenset(
    {
        "unauthorized",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "collections_disabled",
        "collection_full",
        "model_mismatch",
        "store_unavailable",
        "invalid_bundle",
        "invalid_settings",
    }
)
"""Error codes that do not depend on the image, so every other image would fail with them, too."""

_LONGEST_USER_ID = 128
_NOT_IN_USER_IDS = re.compile(r"[^a-zA-Z0-9_.\-:]+")


@click.group("collection", cls=Group)
def command() -> None:
    """Enroll people and identify faces, in a store (--collections) or through a service (--service)."""


def access_options(*, create: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator that adds the options that select the collections.

    The command gets the opened collections as `access`, and the number of threads as `threads`.

    Args:
        create: Whether to create the store if there is none yet. A command that only reads should leave nothing behind.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def run(service: str | None, api_key: str | None, **option_values: Any) -> None:
            rest = {name: option_values.pop(name) for name in list(option_values) if name in STORE_OPTIONS}
            with _open_access(service, api_key, rest, create=create) as access:
                function(
                    access=access, threads=options.settings(rest).threads or cpus.available_cpus(), **option_values
                )

        decorated = options.from_settings(*STORE_OPTIONS)(run)
        decorated = options.option(
            "--api-key",
            metavar="KEY",
            help="API key of the service; set it in the environment, where other users cannot see it.",
        )(decorated)
        decorated = options.option("--service", metavar="URL", help="Use the collections of a running service.")(
            decorated
        )
        decorated.__doc__ = function.__doc__
        return decorated

    return decorate


def collection_option(function: Callable[..., None]) -> Callable[..., None]:
    """Adds the option that names the collection."""
    return options.option(
        "--collection",
        "name",
        metavar="NAME",
        default=DEFAULT_NAME,
        show_default=True,
        help="The collection.",
    )(function)


@command.command("create")
@click.argument("name", default=DEFAULT_NAME)
@options.option(
    "--max-false-positive-rate",
    "rate",
    type=options.NumberRange(0, 1, min_open=True, max_open=True),
    help="Of searches for strangers. [default: 0.01]",
)
@options.option(
    "--retention-days",
    type=int,
    help="Delete faces this many days after their enrollment.",
)
@access_options(create=True)
def create(access: CollectionAccess, threads: int, name: str, rate: float | None, retention_days: int | None) -> None:
    """Create the collection NAME."""
    del threads
    _print_collection(access.create(name, rate, retention_days))


@command.command("list")
@options.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@access_options()
def list_(access: CollectionAccess, threads: int, as_json: bool) -> None:
    """List the collections."""
    del threads
    for each in access.collections():
        click.echo(_json(each)) if as_json else _print_collection(each)


@command.command("users")
@collection_option
@options.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@access_options()
def users(access: CollectionAccess, threads: int, name: str, as_json: bool) -> None:
    """List the users of a collection."""
    del threads
    for user in access.users(name):
        click.echo(_json(user) if as_json else f"{user.user_id}  {count_noun(user.face_count, 'face')}")


@command.command("enroll")
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
@access_options(create=True)
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
        _interruptible_pool(threads) as pool,
        click.progressbar(length=len(work), label="enrolling", file=sys.stderr) as bar,
    ):
        jobs = [pool.submit(_attempt, enroll_one, *each) for each in work]
        for (_, path), job in zip(work, jobs, strict=True):
            try:
                outcome, message = job.result()
            except FaceComparisonError:
                click.echo(f"stopped after {_format_counts(counts)}: run the same command again to go on", err=True)
                raise
            counts[outcome] += 1
            bar.update(1)
            if message:
                click.echo(f"{inputs.one_line(inputs.text_of(path))}: {message}", err=True)
    click.echo(_format_counts(counts))
    if counts["failed"]:
        raise SystemExit(FAILED)


@command.command("search")
@click.argument("images", metavar="IMAGE...", nargs=-1, type=image_options.IMAGE)
@image_options.files_from
@collection_option
@options.option(
    "--max-false-positive-rate",
    "rate",
    type=options.NumberRange(0, 1, min_open=True, max_open=True),
    help="Of searches for strangers. [default: the collection's]",
)
@options.option("--json", "as_json", is_flag=True, help="One JSON object per image.")
@access_options()
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
            return _problem_of_one_image(image.name, error)

    failed = False
    with _interruptible_pool(threads) as pool:
        for image, reply in zip(found.images, pool.map(search_one, found.images), strict=True):
            if isinstance(reply, Problem):
                image_options.report_problem(reply.name, reply.code, reply.message)
                failed = True
            elif as_json:
                click.echo(_json(reply, Image=image.name))
            else:
                _print_search(inputs.one_line(image.name), reply)
    if failed:
        raise SystemExit(FAILED)


@command.command("delete")
@click.argument("name", default=DEFAULT_NAME)
@options.option(
    "--user",
    "user_id",
    metavar="USERID",
    help="Erase only this user with all faces, not the collection.",
)
@options.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@access_options()
def delete(access: CollectionAccess, threads: int, name: str, user_id: str | None, yes: bool) -> None:
    """Delete the collection NAME, or one of its users, and print the receipt."""
    del threads
    what = f"the collection {name} and everything in it" if user_id is None else f"{user_id} from {name}"
    if not yes:
        click.confirm(f"Erase {what}?", abort=True)
    receipt = access.delete_collection(name) if user_id is None else access.delete_user(name, user_id)
    click.echo(_json(receipt))


@command.command("export")
@collection_option
@options.option(
    "--out",
    type=image_options.OutputFile(),
    help="File to write. [default: stdout]",
)
@access_options()
def export(access: CollectionAccess, threads: int, name: str, out: Path | None) -> None:
    """Write every face with its hash, one line of JSON per face.

    Only its owner can read FILE, because it contains biometric data. FILE appears only once everything has been
    written.
    """
    del threads
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


@command.command("import")
@click.argument("file", metavar="FILE", type=click.File("rb"))
@collection_option
@access_options(create=True)
def import_(access: CollectionAccess, threads: int, file: Any, name: str) -> None:
    """Import the faces in FILE (`-`: stdin), as exported. The collection is created if it does not exist.

    Invalid lines are reported on stderr by line number; the others are imported, and the exit status is 2.
    """
    del threads
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
def _interruptible_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Yields a thread pool that drops pending work if the block fails, so that Ctrl-C waits only for running tasks."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


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


def people_of(folder: Path) -> dict[str, list[Path]]:
    """Returns the images of each person, by UserId, sorted by name.

    Hidden files are ignored, and files that are not in the folder of a person are reported on stderr.

    Raises:
        click.UsageError: There are no folders, or two folders would have the same UserId.
    """
    people: dict[str, list[Path]] = {}
    names: dict[str, str] = {}
    for sub in sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")):
        user_id = user_id_of(sub.name)
        if user_id in names:
            raise click.UsageError(f"the folders {names[user_id]} and {sub.name} would both be the user {user_id}")
        names[user_id] = sub.name
        people[user_id] = sorted(each for each in sub.rglob("*") if each.is_file() and not each.name.startswith("."))
    if not people:
        raise click.UsageError(f"{folder} contains no folders: create one per person, with that person's images")
    loose = [each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")]
    if loose:
        files = count_noun(len(loose), "file")
        click.echo(f"skipped {files} in {folder} itself, which is no person's folder", err=True)
    return people


def user_id_of(name: str) -> str:
    """Returns a folder's name as a UserId: accents are removed, and other invalid characters become underscores.

    What is left of a name in another script, or of a long one, may be left of another person's, too: then a digest of
    the whole name is part of the id, whichever Unicode form a file system has given to the name.
    """
    apart = unicodedata.normalize("NFKD", name)
    user_id = _NOT_IN_USER_IDS.sub("_", apart.encode("ascii", "ignore").decode()).strip("_.")
    is_whole = all(each.isascii() or unicodedata.category(each)[0] not in "LNC" for each in apart)
    if user_id and is_whole and len(user_id) <= _LONGEST_USER_ID:
        return user_id
    composed = os.fsencode(unicodedata.normalize("NFC", name))
    digest = f"-{hashlib.sha256(composed).hexdigest()[:12]}"
    return (user_id or "person")[: _LONGEST_USER_ID - len(digest)] + digest


def _attempt(enroll_one: Callable[[str, Path], tuple[str, str]], person: str, path: Path) -> tuple[str, str]:
    try:
        return enroll_one(person, path)
    except FaceComparisonError as error:
        problem = _problem_of_one_image(inputs.text_of(path), error)
        return "failed", f"{problem.code}: {problem.message}"


def _problem_of_one_image(name: str, error: FaceComparisonError) -> Problem:
    """Returns an image's problem, or raises the error if every other image would fail in the same way."""
    cause = error.__cause__ if isinstance(error, ServiceRefused) else error
    code = getattr(cause, "code", None)  # None if the service did not respond
    if code is None or code in _ABOUT_EVERY_IMAGE:
        raise error
    return Problem(name, code, getattr(cause, "message", ""))


def _format_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items())


@contextmanager
def _open_access(
    service: str | None, api_key: str | None, option_values: dict[str, str | None], *, create: bool
) -> Iterator[CollectionAccess]:
    from face_comparison.cli.collection_access import LocalCollections, RemoteCollections  # noqa: PLC0415

    if service is not None:
        unused = [name for name in STORE_OPTIONS if name != "threads"]
        options.reject_unused(unused, "with --service: the service has its own store and models")
        from face_comparison.client import Client  # noqa: PLC0415

        try:
            client = Client(service, api_key=api_key)
        except ValueError as error:
            raise ServiceRefused(str(error)) from error
        with client:
            yield RemoteCollections(client)
        return
    if api_key is not None:
        raise click.UsageError("--api-key requires --service")
    from face_comparison.server.collection_store import open_collections  # noqa: PLC0415

    settings = options.settings(option_values)
    manifest, load, _ = analyzers.prepare_analyzer(option_values)
    upkeep = open_collections(settings, lambda: _model(manifest), create=create)
    if upkeep is None:
        raise click.UsageError("no collections selected: give --collections sqlite:DIRECTORY, or --service URL")
    try:
        yield LocalCollections(upkeep.service, load)
    finally:
        upkeep.service.close()


def _model(manifest: Any) -> Any:
    """Returns what collections need to know about a model, without loading the model."""
    from face_comparison.vision.analyzer import ModelInfo  # noqa: PLC0415

    comparison = manifest.comparison
    return ModelInfo(
        version=manifest.version,
        bundle=manifest.name,
        threshold=comparison.threshold,
        scale=comparison.scale,
        min_confidence=manifest.detector.min_confidence,
        device="",
        engine="",
        licences=(),
        review=comparison.review,
        strangers=comparison.strangers,
        embedding_width=manifest.embedder.width,
    )


def _json(response: Response, **more: str) -> str:
    """Returns a response as one line of JSON, with the additional fields first."""
    from face_comparison.api import encoding  # noqa: PLC0415 (see `analyzers.prepare_analyzer`)

    return encoding.encode({**more, **encoding.fields(response)}, encoding.JSON).decode()


def _print_collection(collection: CollectionDescription) -> None:
    click.echo(
        f"{collection.collection_id}  {count_noun(collection.face_count, 'face')} of "
        f"{count_noun(collection.user_count, 'person', 'people')}  threshold "
        f"{collection.threshold:.3f}  false positives {100 * collection.max_false_positive_rate:g} %"
        f"  {collection.face_model_version}"
    )


def _print_search(path: str, response: SearchResponse) -> None:
    if not response.faces:
        click.echo(f"{path}: no face")
    for face in response.faces:
        matches = ", ".join(
            f"{match.user_id or match.external_image_id or match.face_id} {match.similarity:.1f} %"
            for match in face.matches
        )
        click.echo(f"{path}: {face.decision}{': ' if matches else ''}{matches}")

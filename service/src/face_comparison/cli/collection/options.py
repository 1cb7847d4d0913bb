"""Options that all commands of `collection` share, and the collections that they select."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from face_comparison import cpus
from face_comparison.cli import analyzers, options
from face_comparison.errors import ServiceUnusable

if TYPE_CHECKING:
    from face_comparison.cli.collection.access import CollectionAccess

STORE_OPTIONS = ("collections", "collections_file", *analyzers.MODEL_OPTIONS)
DEFAULT_NAME = "default"


def access_options(
    *, create: bool = False, threads: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator that adds the options that select the collections.

    The command gets the opened collections as `access`.

    Args:
        create: Whether to create the store if there is none yet. A command that only reads should leave nothing behind.
        threads: Whether the command gets the number of concurrent images, as `threads`.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def run(service: str | None, api_key: str | None, **option_values: Any) -> None:
            store_values = {name: option_values.pop(name) for name in list(option_values) if name in STORE_OPTIONS}
            if threads:
                option_values["threads"] = options.settings(store_values).threads or cpus.available_cpus()
            with _open_access(service, api_key, store_values, create=create) as access:
                function(access=access, **option_values)

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
        help="Name of the collection.",
    )(function)


def rate_option(help_: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Returns a decorator that adds --max-false-positive-rate, as `rate`."""
    return options.option(
        "--max-false-positive-rate",
        "rate",
        type=options.NumberRange(0, 1, min_open=True, max_open=True),
        help=help_,
    )


@contextmanager
def _open_access(
    service: str | None, api_key: str | None, option_values: dict[str, str | None], *, create: bool
) -> Iterator[CollectionAccess]:
    from face_comparison.cli.collection.access import LocalCollections, RemoteCollections  # noqa: PLC0415

    if service is not None:
        unused = [name for name in STORE_OPTIONS if name != "threads"]
        options.reject_unused(unused, "with --service: the service has its own store and models")
        from face_comparison.client import Client  # noqa: PLC0415

        try:
            client = Client(service, api_key=api_key)
        except ValueError as error:
            raise ServiceUnusable(str(error)) from error
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

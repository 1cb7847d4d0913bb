"""Selects where `detect` and `compare` find faces, from their options."""

from __future__ import annotations

import click

from face_comparison.cli import analyzers, options
from face_comparison.cli.local_faces import LocalFaces
from face_comparison.cli.remote_faces import RemoteFaces


def remote_or_local(
    service: str | None,
    api_key: str | None,
    option_values: dict[str, str | None],
    *,
    max_faces: int | None = None,
    min_confidence: float | None = None,
) -> RemoteFaces | LocalFaces:
    """Returns the finder that the options select.

    Raises:
        click.UsageError: An API key is given without a service.
    """
    if service is not None:
        options.reject_unused(analyzers.ONLY_LOCAL, analyzers.WITH_SERVICE)
        threads = options.settings(option_values).threads
        return RemoteFaces(service, api_key, threads, max_faces=max_faces, min_confidence=min_confidence)
    if api_key is not None:
        raise click.UsageError("--api-key requires --service")
    return LocalFaces(option_values, max_faces=max_faces, min_confidence=min_confidence)

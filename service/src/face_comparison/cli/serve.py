"""`face-comparison serve`: starts the service, or reports why it cannot start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from face_comparison.cli import options
from face_comparison.cli.exit_status import FAILED
from face_comparison.errors import FaceComparisonError
from face_comparison.settings import Settings

if TYPE_CHECKING:
    from face_comparison.server.bootstrap import Loader
    from face_comparison.vision.analyzer import Analyzer

TERMINATION_LOG = Path("/dev/termination-log")
"""Where Kubernetes reads the termination message of a container; the file exists only in its containers."""


@click.command("serve")
@options.from_settings()
def command(**given: str | None) -> None:
    """Serve HTTP requests until a signal ends it.

    SIGTERM finishes accepted requests and rejects new ones; Ctrl-C ends immediately.
    """
    # Not at the top: they take a second to import, and `--help` needs none of them.
    from face_comparison.observability import logs  # noqa: PLC0415
    from face_comparison.server import gunicorn_app  # noqa: PLC0415

    try:
        settings = options.settings(given)
        logs.configure(settings.log_level)
        failure = gunicorn_app.serve(settings, _loader(options.bundles_folder()))
    except FaceComparisonError as error:
        failure = f"{error.code}: {error.message}"
    if failure:
        if os.access(TERMINATION_LOG, os.W_OK):
            TERMINATION_LOG.write_text(failure)
        click.echo(failure, err=True)
        raise SystemExit(FAILED)


def _loader(bundles: Path) -> Loader:
    """Returns what a worker loads. Only workers import it: the master does not need it."""

    def load(settings: Settings, threads: int) -> Analyzer:
        from face_comparison.models import loader  # noqa: PLC0415
        from face_comparison.observability import metrics  # noqa: PLC0415

        def observe(network: str, size: int) -> None:
            metrics.BATCH_SIZE.labels(network).observe(size)

        return loader.load_analyzer(loader.opened(settings, bundles), settings, threads, observe)

    return load

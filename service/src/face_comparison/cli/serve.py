"""`face-comparison serve`: starts the service, or reports why it cannot start."""

from __future__ import annotations

import os
import sys
from functools import partial
from ipaddress import ip_address
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
        announce = partial(_announce, settings) if sys.stdout.isatty() else lambda address, port: None
        failure = gunicorn_app.serve(settings, _loader(options.bundles_folder()), announce)
    except FaceComparisonError as error:
        failure = f"{error.code}: {error.message}"
    if failure:
        if os.access(TERMINATION_LOG, os.W_OK):
            TERMINATION_LOG.write_text(failure)
        click.echo(failure, err=True)
        raise SystemExit(FAILED)


def _announce(settings: Settings, address: str, port: int) -> None:
    for line in introduction(settings, address, port):
        click.echo(line)


def introduction(settings: Settings, address: str, port: int) -> list[str]:
    """Returns what to tell people at a terminal: where to look, and who else can."""
    listening = ip_address(address)
    shown = "127.0.0.1" if listening.is_unspecified else f"[{address}]" if listening.version == 6 else address
    lines = [
        f"Loading the models. Then open http://{shown}:{port}/{settings.stage}/ in a browser; Ctrl-C ends the service."
    ]
    if not listening.is_loopback and settings.auth == "none":
        lines.append("Every machine that reaches this one can call it without a key; --auth api-key asks for one.")
    return lines


def _loader(bundles: Path) -> Loader:
    """Returns what a worker loads. Only workers import it: the master does not need it."""

    def load(settings: Settings, threads: int) -> Analyzer:
        from face_comparison.models import loader  # noqa: PLC0415
        from face_comparison.observability import metrics  # noqa: PLC0415

        def observe(network: str, size: int) -> None:
            metrics.BATCH_SIZE.labels(network).observe(size)

        return loader.load_analyzer(loader.opened(settings, bundles), settings, threads, observe)

    return load

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
    from face_comparison.server.sizing import Sizing
    from face_comparison.vision.analyzer import Analyzer

TERMINATION_LOG = Path("/dev/termination-log")
"""File from which Kubernetes reads a container's termination message; it exists only in Kubernetes containers."""


@click.command("serve")
@options.from_settings()
def command(**option_values: str | None) -> None:
    """Serve HTTP requests until terminated by a signal.

    On SIGTERM, it finishes accepted requests and rejects new ones; Ctrl-C exits immediately.
    """
    # Imported here because they take a second to import, and `--help` does not need them.
    from face_comparison.observability import logs  # noqa: PLC0415
    from face_comparison.server import gunicorn_app  # noqa: PLC0415

    try:
        settings = options.settings(option_values)
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
    """Returns the lines shown to a user at a terminal: the address to open, and who else can reach it."""
    listening = ip_address(address)
    host = "127.0.0.1" if listening.is_unspecified else f"[{address}]" if listening.version == 6 else address
    lines = [
        f"Loading the models. Then open http://{host}:{port}/{settings.stage}/ in a browser; press Ctrl-C to stop "
        f"the service."
    ]
    if not listening.is_loopback and settings.auth == "none":
        lines.append("Anyone who can reach this machine can call it without a key; --auth api-key requires one.")
    return lines


def _loader(bundles: Path) -> Loader:
    """Returns the function with which a worker loads the models. Its imports run only in workers, not in the master."""

    def load(settings: Settings, sizing: Sizing) -> Analyzer:
        from face_comparison.models import loader  # noqa: PLC0415
        from face_comparison.observability import metrics  # noqa: PLC0415

        def observe(network: str, size: int) -> None:
            metrics.BATCH_SIZE.labels(network).observe(size)

        bundle = loader.open_configured_bundle(settings, bundles)
        return loader.load_analyzer(bundle, settings, sizing.slots, observe, max_copies=sizing.copies)

    return load

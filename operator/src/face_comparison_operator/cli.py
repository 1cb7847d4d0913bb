"""The program `face-comparison-operator`, with the options in `settings.py`.

The command line overrides the environment.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import click

from face_comparison_operator import __version__, kopf_adapter
from face_comparison_operator.errors import InvalidSettings
from face_comparison_operator.settings import Settings, environment_name, parsed

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Manage FaceComparison resources."""


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(fields(Settings)):
        flag = "--" + option.name.replace("_", "-")
        text = f"{option.metadata['help']} [env: {environment_name(option)}]"
        if isinstance(option.default, bool):
            names = f"{flag}/--no-{flag[2:]}"
            command = click.option(names, option.name, default=None, help=f"{text} [default: {option.default}]")(
                command
            )
        else:
            default_text = ",".join(option.default) if isinstance(option.default, tuple) else option.default
            command = click.option(flag, option.name, default=None, help=text + f" [default: {default_text}]")(command)
    return command


@main.command()
@_with_options
def run(**values: Any) -> None:
    """Run the operator, with the in-cluster configuration or, outside a cluster, the usual kubeconfig rules."""
    try:
        settings = Settings.from_environ(os.environ)
        for option in fields(Settings):
            value = values[option.name]
            if isinstance(value, str):
                value = parsed(option, value, "--" + option.name.replace("_", "-"))
            if value is not None:
                settings = replace(settings, **{option.name: value})
        logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT, stream=sys.stderr)
        if settings.log_level == "info":
            logging.getLogger("kopf").setLevel(logging.WARNING)  # it logs one line per event of each object
        _collect_rarely()
        asyncio.run(kopf_adapter.serve(settings))
    except InvalidSettings as error:
        click.echo(f"{error.code}: {error.message}", err=True)
        sys.exit(2)


def _collect_rarely() -> None:
    """Runs the cyclic garbage collector less often: many objects are created and freed, and hardly any are in cycles.

    Imported modules are excluded from collections. Measured: a fifth less CPU time with 100 resources created at once.
    """
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


if __name__ == "__main__":
    main()

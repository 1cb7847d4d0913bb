"""Turns the options in `settings` into click options, which pass on the text for `Settings` to validate."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from face_comparison.settings import OPTIONS, Settings

F = TypeVar("F", bound=Callable[..., Any])


class NumberRange(click.FloatRange):
    """Numbers between bounds. Unlike `click.FloatRange`, it rejects `nan` and `inf`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number, or fails with a usage error."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def option(*declarations: str, **attributes: Any) -> Callable[[F], F]:
    """Returns a decorator that adds an option, which can also be set as FACE_COMPARISON_<OPTION> in the environment.

    Args:
        *declarations: As for `click.option`; the name of the environment variable is derived from the first flag.
        **attributes: As for `click.option`.
    """
    flag = next(each for each in declarations if each.startswith("--")).partition("/")[0]
    name = flag.removeprefix("--").replace("-", "_").upper()
    return click.option(*declarations, envvar=f"FACE_COMPARISON_{name}", **attributes)


def from_settings(*names: str) -> Callable[[F], F]:
    """Returns a decorator that adds the named options of `settings`, or all of them, in their declared order."""

    def decorate(function: F) -> F:
        for option in reversed(OPTIONS):
            if not names or option.name in names:
                default = f" [default: {option.default}]" if option.default else ""
                function = click.option(
                    option.flag, option.name, metavar=option.metavar, help=option.help + default, envvar=option.env
                )(function)
        return function

    return decorate


def settings(option_values: Mapping[str, str | None]) -> Settings:
    """Returns the settings from the environment, overridden by the given options.

    Raises:
        InvalidSettings: A setting is unknown or has an invalid value.
    """
    by_name = {option.name: option.env for option in OPTIONS}
    overrides = {by_name[name]: text for name, text in option_values.items() if text is not None}
    return Settings.from_environ({**os.environ, **overrides})


def reject_unused(names: Iterable[str], reason: str) -> None:
    """Rejects parameters that were given on the command line but would have no effect.

    Values from the environment are shared by all commands, so they are ignored where they do not apply.

    Args:
        names: Names of the parameters.
        reason: Why they have no effect, for the message.

    Raises:
        click.UsageError: One of them was given on the command line.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} has no effect {reason}")


def bundles_folder() -> Path:
    """Returns the folder where bundles are stored: FACE_COMPARISON_BUNDLES, or the user's cache."""
    from face_comparison.models import bundle_store  # noqa: PLC0415 (it takes a second, which would slow down `--help`)

    return bundle_store.bundles_folder(os.environ.get("FACE_COMPARISON_BUNDLES", ""))

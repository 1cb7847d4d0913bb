"""The options in `settings` as click options: the text is passed on, and `Settings` validates it."""

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
    """Numbers between bounds; `nan` and `inf`, which `click.FloatRange` lets pass, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns the number; fails with a usage error."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


def option(*declarations: str, **attributes: Any) -> Callable[[F], F]:
    """Returns click's decorator for an option that can also be set as FACE_COMPARISON_<OPTION>.

    Args:
        *declarations: As for `click.option`; the first flag names the environment variable.
        **attributes: As for `click.option`.
    """
    flag = next(each for each in declarations if each.startswith("--")).partition("/")[0]
    name = flag.removeprefix("--").replace("-", "_").upper()
    return click.option(*declarations, envvar=f"FACE_COMPARISON_{name}", **attributes)


def from_settings(*names: str) -> Callable[[F], F]:
    """Returns a decorator that adds the named options, or all, in the order of their declaration."""

    def decorate(function: F) -> F:
        for option in reversed(OPTIONS):
            if not names or option.name in names:
                shown = f" [default: {option.default}]" if option.default else ""
                function = click.option(
                    option.flag, option.name, metavar=option.metavar, help=option.help + shown, envvar=option.env
                )(function)
        return function

    return decorate


def settings(given: Mapping[str, str | None]) -> Settings:
    """Returns the settings of the environment, overridden by the options. Raises InvalidSettings."""
    by_name = {option.name: option.env for option in OPTIONS}
    overrides = {by_name[name]: text for name, text in given.items() if text is not None}
    return Settings.from_environ({**os.environ, **overrides})


def reject_unused(names: Iterable[str], reason: str) -> None:
    """Raises UsageError if one of these parameters was given on the command line, where it would have no effect.

    Values from the environment are shared by all commands, so they are ignored where they do not apply.
    """
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} has no effect {reason}")


def bundles_folder() -> Path:
    """Returns the folder where bundles are stored: FACE_COMPARISON_BUNDLES, or the user's cache."""
    from face_comparison.models import bundle_store  # noqa: PLC0415 (it takes a second, which `--help` would pay)

    return bundle_store.bundles_folder(os.environ.get("FACE_COMPARISON_BUNDLES", ""))

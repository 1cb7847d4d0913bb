"""The program `face-comparison`. Each command is a module of this package, imported only when it is used.

Every failure ends with one line on stderr, `<code>: <message>`, and exit status 2; an unexpected one also shows its
traceback. Python's own status for it, 1, is a verdict of `compare`, and so is click's for Ctrl-C.
"""

from __future__ import annotations

import importlib
import traceback
from typing import Any

import click

from face_comparison import __version__
from face_comparison.cli.exit_status import FAILED, INTERRUPTED
from face_comparison.cli.groups import Group
from face_comparison.errors import FaceComparisonError

COMMANDS = ("serve", "detect", "compare", "album", "evaluate", "collection", "models", "bench")


class _Commands(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"face_comparison.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # Handled by click itself.
        except click.Abort as abort:  # The user declined a prompt, or interrupted it.
            interrupted = isinstance(abort.__context__, KeyboardInterrupt)
            click.echo("interrupted" if interrupted else "aborted", err=True)
            raise SystemExit(INTERRUPTED if interrupted else FAILED) from None
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise SystemExit(INTERRUPTED) from None
        except FaceComparisonError as error:
            click.echo(f"{error.code}: {error.message}", err=True)
        except OSError as error:
            click.echo(f"file_error: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        except Exception:
            click.echo(traceback.format_exc(), err=True, nl=False)
        raise SystemExit(FAILED)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="face-comparison")
def main() -> None:
    """Finds faces in images and says whether two belong to the same person.

    Every option can be set in the environment, as FACE_COMPARISON_ and its name: --max-body-bytes is
    FACE_COMPARISON_MAX_BODY_BYTES. Exit status: 0 for success, 1 if compare finds a different person, 2 for a failure,
    130 after Ctrl-C.
    """

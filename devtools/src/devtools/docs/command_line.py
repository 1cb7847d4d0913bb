"""Generates the command-line reference from the program itself: the content of `--help`, as a page."""

from __future__ import annotations

from collections.abc import Iterator

import click

from face_comparison.cli.main import main
from face_comparison.settings import PREFIX


def commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yields every command that has no subcommands, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def reference() -> str:
    """Returns one section per command: usage, description, and options."""
    return "\n\n".join(_section(name, command) for name, command in commands())


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"face-comparison {name}")
    usage = " ".join([context.info_name or "", *command.collect_usage_pieces(context)])
    parts = [f"## {name}", f"```text\n{usage}\n```", _description(command.help or "")]
    if name == "serve":
        return "\n\n".join([*parts, "Its options are those of the [service](service.md)."])
    rows = [_row(each, context) for each in command.params if isinstance(each, click.Option)]
    if rows:
        parts.append("\n".join(["| option | environment | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _description(text: str) -> str:
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return _escaped("\n\n".join(paragraph for paragraph in paragraphs if paragraph))


def _row(option: click.Option, context: click.Context) -> str:
    names, text = option.get_help_record(context) or ("", "")
    variable = f"`{option.envvar}`" if str(option.envvar).startswith(PREFIX) else ""
    meaning = _escaped(" ".join(text.split())).replace("|", "\\|")
    return f"| `{names.replace('|', chr(92) + '|')}` | {variable} | {meaning} |"


def _escaped(text: str) -> str:
    """Returns text in which nothing is read as markup."""
    for sign in ("*", "<", "[", "_"):
        text = text.replace(sign, f"\\{sign}")
    return text

"""Invalid command lines are explained, and help is complete."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from face_comparison.cli.image_options import OutputFile
from face_comparison.cli.main import main
from support.image_commands import run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["detect"], "Missing argument 'IMAGE...'"),
        (["compare", "anna.jpg"], "Missing argument 'B...'"),
        (["detect", "-", "-"], "standard input (-) can be named only once"),
        (["detect", "-", "--files-from", "-"], "standard input (-) can be named only once"),
        (["compare", "-", "anna.jpg", "-"], "standard input (-) can be named only once"),
        (["detect", "--files-from", "gone"], "gone cannot be read: No such file or directory"),
        (["compare", "photos", "anna.jpg"], "A must be a single image, but photos matches 3"),
        (["compare", "anna.jpg", "anna.jpg", "--json", "--format", "csv"], "contradict each other"),
        (["detect", "anna.jpg", "--format", "xml"], "'xml' is not one of"),
        (["detect", "anna.jpg", "--max-faces", "0"], "0 is not in the range 1<=x<=100"),
        (["detect", "anna.jpg", "--draw", "gone/x.png"], "the folder gone does not exist"),
        (["compare", "anna.jpg", "anna.jpg", "--draw", "gone/x.png"], "the folder gone does not exist"),
        (["detect", "photos", "--draw", "x.png"], "--draw requires exactly one IMAGE"),
        (["detect", "anna.jpg", "--draw", "x.png", "--service", "http://x"], "--draw needs the models"),
        (["detect", "anna.jpg", "--api-key", "k"], "--api-key requires --service"),
        (["compare", "anna.jpg", "anna.jpg", "--api-key", "k"], "--api-key requires --service"),
        (["evaluate", ".", "--report", "gone/x.html"], "the folder gone does not exist"),
        (["evaluate", ".", "--json", "gone/x.json"], "the folder gone does not exist"),
        (["collection", "export", "--out", "gone/x"], "the folder gone does not exist"),
        (["detect", "anna.jpg", "--draw", "o.gif"], "written as PNG: its name must end in .png, not .gif"),
        (["compare", "anna.jpg", "anna.jpg", "--draw", "o.JPG"], "its name must end in .png, not .JPG"),
        (["evaluate", ".", "--report", "r.pdf"], "written as HTML: its name must end in .html or .htm, not .pdf"),
        (["evaluate", ".", "--json", "r.csv"], "written as JSON: its name must end in .json, not .csv"),
        (["detect", "anna.jpg", "--service", "http://x", "--precision", "float32"], "--precision has no effect with"),
        (["detect", "anna.jpg", "--service", "http://x", "--max-side", "9000"], "--max-side has no effect with"),
        (["compare", "anna.jpg", "anna.jpg", "--service", "http://x", "--bundle", "b"], "--bundle has no effect with"),
        (["album", ".", "--out", "out", "--service", "http://x", "--device", "cpu"], "--device has no effect with"),
        (["evaluate", ".", "--service", "http://x", "--engine", "auto"], "--engine has no effect with"),
        (["collection", "list", "--service", "http://x", "--collections", "sqlite:x"], "--collections has no effect"),
        (["collection", "list", "--collections", "sqlite:x", "--api-key", "k"], "--api-key requires --service"),
        (["detect", "anna.jpg", "--draw", "-"], "a file's name is needed"),
        (["collection", "export", "--out", "-"], "a file's name is needed"),
        (["bench", "--rounds", "0"], "0 is not in the range x>=1"),
        (["albun"], "No such command 'albun'. Did you mean 'album'?"),
        (["comparison"], "No such command 'comparison'. Did you mean 'compare'?"),
        (["models", "ftech"], "No such command 'ftech'. Did you mean 'fetch'?"),
        (["collection", "serach"], "No such command 'serach'. Did you mean 'search'?"),
        (["xyzzy"], "No such command 'xyzzy'.\n"),
    ],
)
def test_invalid_command_line_is_explained(here: Path, arguments: list[str], says: str) -> None:
    result = run(*arguments, stdin=b"")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage:")
    assert says in result.stderr


@pytest.mark.parametrize("name", ["o", "o.png", "o.PNG", "result.v2", "gate.2024", "o.final"])
def test_output_file_may_have_any_name_that_says_no_other_format(here: Path, name: str) -> None:
    assert OutputFile("PNG", ".png").convert(name, None, None) == Path(name)


@pytest.mark.parametrize("name", ["o.gif", "o.v2.JPEG", "o.svg", "o.pdf", "o.html", "o.csv"])
def test_output_file_that_says_another_format_is_rejected(here: Path, name: str) -> None:
    with pytest.raises(click.BadParameter, match=r"must end in \.png, not"):
        OutputFile("PNG", ".png").convert(name, None, None)


def test_help_shows_full_summaries() -> None:
    context = click.Context(main)
    shown = " ".join(run("--help", COLUMNS="80").stdout.split())
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert f"{name} {command.get_short_help_str(limit=10_000)}" in shown
    assert "..." not in shown.partition("Commands:")[2].replace("IMAGE...", "")

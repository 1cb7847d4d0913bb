"""The command line says and knows the same as the settings, and every failure is one line and exit status 2."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click
import pytest
from click.testing import CliRunner

from face_comparison.api import responses as api
from face_comparison.cli import analyzers, exit_status, main
from face_comparison.cli.compare import DIFFERENT, SAME, status
from face_comparison.cli.face_finder import Compared
from face_comparison.cli.inputs import Problem
from face_comparison.cli.results import compare_table
from face_comparison.cli.serve import introduction
from face_comparison.collections.stores import open_store
from face_comparison.settings import OPTIONS, OTHER_NAMES, PREFIX, Settings
from support.analyzer import FakeAnalyzer, image


def every_command(group: click.Group = main.main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from every_command(command, f"{path}{name} ")
        else:
            yield path + name, command


def options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_every_option_has_its_environment_name() -> None:
    for path, command in every_command():
        for option in options(command):
            flag = option.opts[0].removeprefix("--")
            assert option.envvar == PREFIX + flag.replace("-", "_").upper(), f"--{flag} of {path}"


def test_every_environment_name_is_known_to_settings() -> None:
    """Else `serve` would refuse to start where a name of another command is set."""
    known = {option.env for option in OPTIONS} | set(OTHER_NAMES)
    assert {option.envvar for _, command in every_command() for option in options(command)} <= known


def test_serve_has_options_of_settings_in_order() -> None:
    (serve,) = (command for path, command in every_command() if path == "serve")
    assert [option.opts[0] for option in options(serve)] == [option.flag for option in OPTIONS]


@pytest.mark.parametrize("path", [path for path, _ in every_command()])
def test_every_command_has_help(path: str) -> None:
    result = CliRunner().invoke(main.main, [*path.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
    assert len(result.output.splitlines()) > 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["detect", "x.jpg", "--device", "gpu"], "invalid_settings: --device (FACE_COMPARISON_DEVICE) must be one of"),
        (["detect", "x.jpg", "--bundle", "unheard-of"], "invalid_bundle: no bundle is called unheard-of"),
        (["models", "verify", "/nowhere"], "invalid_bundle: "),
        (["models", "fetch", "/nowhere.json"], "invalid_bundle: "),
        (["detect"], "Usage:"),
        (["unheard-of"], "Usage:"),
        (["detect", "a.jpg", "b.jpg", "--draw", "c.png"], "Usage:"),
        (["album", "/nowhere", "--out", "x"], "Usage:"),
        (["album", ".", "--out", "."], "Usage:"),
        (["album", ".", "--out", "x", "--threshold", "0"], "Usage:"),
        (["album", ".", "--out", "x", "--min-face", "-1"], "Usage:"),
        (["album", ".", "--out", "x", "--min-confidence", "1.1"], "Usage:"),
        (["album", ".", "--out", "x", "--api-key", "k"], "Usage:"),
        (["album", ".", "--out", "x", "--threads", "0"], "invalid_settings: --threads"),
    ],
)
def test_failures_are_one_line_and_status_2(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(main.main, arguments)
    assert result.exit_code == exit_status.FAILED
    assert result.stderr.startswith(says)
    assert result.stdout == ""


@pytest.mark.parametrize("package", ["scipy", "jinja2", "rich"])
def test_evaluate_names_missing_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package or ".evaluation" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = CliRunner().invoke(main.main, ["evaluate", "."])
    assert result.exit_code == exit_status.FAILED
    assert result.stderr.startswith("packages_missing: ")
    assert result.stderr.endswith("pip install 'face-comparison[evaluate]'\n")


@pytest.mark.parametrize("package", ["tomlkit", "arro3", "jinja2", "rich"])
def test_album_names_missing_extra(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package or ".album" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = CliRunner().invoke(main.main, ["album", ".", "--out", str(tmp_path / "album")])
    assert result.exit_code == exit_status.FAILED
    assert result.stderr.startswith("packages_missing: ")
    assert result.stderr.endswith("pip install 'face-comparison[album]'\n")


def test_unwritable_file_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main.main, ["models", "fetch"], env={"FACE_COMPARISON_BUNDLES": str(tmp_path / "file")})
    assert result.exit_code == exit_status.FAILED
    assert result.stderr == f"file_error: {tmp_path / 'file'}: File exists\n"


def test_unexpected_error_is_not_a_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Python ends with status 1, which `compare` means as "different people"."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        Path(name).touch()
    monkeypatch.setattr("face_comparison.cli.analyzers.load_analyzer", lambda given: 1 / 0)
    result = CliRunner().invoke(main.main, ["compare", "a.jpg", "b.jpg"])
    assert result.exit_code == exit_status.FAILED
    assert "ZeroDivisionError" in result.stderr


def test_unknown_variable_is_error_of_every_model_command() -> None:
    result = CliRunner().invoke(main.main, ["compare", "a", "b"], env={"FACE_COMPARISON_BUNDEL": "x"})
    assert result.exit_code == exit_status.FAILED
    assert "did you mean FACE_COMPARISON_BUNDLE?" in result.stderr


def test_termination_message_has_startup_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its containers have a file for that; elsewhere there is none, and none is made."""
    file = tmp_path / "termination-log"
    monkeypatch.setattr("face_comparison.cli.serve.TERMINATION_LOG", file)
    arguments = ["serve", "--port", "70000"]
    assert CliRunner().invoke(main.main, arguments).exit_code == exit_status.FAILED
    assert not file.exists()
    file.touch()
    result = CliRunner().invoke(main.main, arguments)
    assert result.exit_code == exit_status.FAILED
    assert file.read_text() == result.stderr.strip()
    assert file.read_text().startswith("invalid_settings: --port")


def outcome(distance: float, *, same: bool, faces: int = 1) -> api.TargetMatch:
    verdict: Literal["same", "different"] = "same" if same else "different"
    match = api.FaceMatch(distance=distance, confidence=0.5, same_person=same, verdict=verdict)
    return api.TargetMatch(same, distance, 0.5, verdict, (match,) * faces)


def test_compare_returns_0_if_all_images_match() -> None:
    same, other = outcome(0.6, same=True), outcome(1.3, same=False)
    assert status([same, same]) == SAME == 0
    assert status([same, other]) == DIFFERENT == 1
    assert status([same, Problem("x", "corrupt_image", "x")]) == exit_status.FAILED == 2


def test_table_has_verdict_distance_and_failure() -> None:
    head = Compared(api.CompareResponse("fake-1", 1.128, api.SourceFace(), ()), 3)
    failed = Problem("long-name.jpg", "corrupt_image", "it is cut off")
    shown = compare_table("a.jpg", head, [("b.jpg", outcome(0.6123, same=True, faces=2)), ("long-name.jpg", failed)])
    lines = shown.splitlines()
    assert lines[0] == "Compared with a.jpg (the most prominent of 3 faces); same person up to a distance of 1.128."
    assert lines[3].split() == ["b.jpg", "same", "person", "(closest", "of", "2)", "0.612", "50.00", "%"]
    assert "corrupt_image: it is cut off" in lines[4]


def test_bundle_directory_is_read_from_environment(tmp_path: Path) -> None:
    result = CliRunner().invoke(main.main, ["models", "list"], env={"FACE_COMPARISON_BUNDLES": str(tmp_path)})
    assert result.exit_code == 0
    assert "not fetched yet: face-comparison models fetch yunet-sface" in result.output
    assert os.listdir(tmp_path) == []  # noqa: PTH208 (looking makes nothing)


@pytest.mark.parametrize("command", ["show", "verify"])
def test_bundle_that_was_not_fetched_says_how_to_get_it(tmp_path: Path, command: str) -> None:
    folder = tmp_path / "bundles"
    result = CliRunner().invoke(main.main, ["models", command], env={"FACE_COMPARISON_BUNDLES": str(folder)})
    assert result.exit_code == exit_status.FAILED
    assert result.stderr == (
        "invalid_bundle: default is not on this machine yet: face-comparison models fetch default\n"
    )
    assert not folder.exists()


@pytest.mark.parametrize("name", [b"latin1-\xe9.jpg", b"\xff\xfe", b"utf-8-\xc3\xa9.jpg", b"line\nbreak.jpg"])
def test_detect_continues_after_name_that_is_not_utf8(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: bytes
) -> None:
    monkeypatch.setattr(analyzers, "load_analyzer", lambda given: (FakeAnalyzer(), 1))
    odd, plain = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), tmp_path / "plain.jpg"
    for path in (odd, plain):
        path.write_bytes(image("anna"))
    result = CliRunner().invoke(main.main, ["detect", str(odd), str(tmp_path / "gone"), str(plain)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = [json.loads(line)["Image"] for line in result.stdout.splitlines()]
    assert lines == [os.fsencode(odd).decode("utf-8", "replace"), str(plain)]
    table = CliRunner().invoke(main.main, ["compare", str(plain), str(odd)])
    as_json = CliRunner().invoke(main.main, ["compare", "--json", str(odd), str(plain)])
    for each in (table, as_json):
        assert each.exception is None or isinstance(each.exception, SystemExit)


@pytest.mark.parametrize(
    ("address", "auth", "shown", "lines"),
    [
        ("127.0.0.1", "none", "http://127.0.0.1:80/prod/", 1),
        ("::1", "none", "http://[::1]:80/prod/", 1),
        ("0.0.0.0", "none", "http://127.0.0.1:80/prod/", 2),
        ("::", "none", "http://127.0.0.1:80/prod/", 2),
        ("10.1.2.3", "api-key", "http://10.1.2.3:80/prod/", 1),
    ],
)
def test_serve_prints_addresses(address: str, auth: str, shown: str, lines: int) -> None:
    printed = introduction(Settings(auth=auth), address, 80)
    assert f"open {shown} in a browser" in printed[0]
    assert len(printed) == lines


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_numbers_that_are_not_finite_are_rejected(text: str) -> None:
    with_numbers = set()
    for path, command in every_command():
        for option in options(command):
            if isinstance(option.type, click.types.FloatParamType):
                with_numbers.add(path)
                context = click.Context(command)
                with pytest.raises(click.BadParameter):
                    option.type_cast_value(context, (text,) * option.nargs if option.nargs != 1 else text)
    assert {"compare", "detect", "evaluate", "collection search"} <= with_numbers


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["users"], ["search", "x.jpg"], ["export"], ["delete", "--yes"], ["delete", "--yes", "--user", "anna"]],
    ids=" ".join,
)
def test_store_that_does_not_exist_is_reported_and_not_made(tmp_path: Path, arguments: list[str]) -> None:
    mistyped = tmp_path / "mistyped"
    result = CliRunner().invoke(main.main, ["collection", *arguments, "--collections", f"sqlite:{mistyped}"])
    assert result.exit_code == exit_status.FAILED
    assert f"there are no collections in {mistyped}" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_folder_without_people_makes_no_store(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    arguments = ["collection", "enroll", str(tmp_path / "people"), "--collections", f"sqlite:{tmp_path / 'store'}"]
    result = CliRunner().invoke(main.main, arguments)
    assert (result.exit_code, "contains no folders" in result.stderr) == (exit_status.FAILED, True)
    assert not (tmp_path / "store").exists()


def test_models_of_environment_do_not_disturb_service() -> None:
    """They are set for all commands; only what was typed for this one can be a mistake."""
    environ = {"FACE_COMPARISON_DEVICE": "cpu", "FACE_COMPARISON_COLLECTIONS": "sqlite:/tmp/x"}
    for command in (["collection", "list"], ["detect", __file__], ["compare", __file__, __file__]):
        result = CliRunner().invoke(main.main, [*command, "--service", "not a URL"], env=environ)
        assert result.exit_code == exit_status.FAILED
        assert result.stderr.startswith("service_unusable: ")


@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "end of input"])
def test_declined_prompt_is_failure(tmp_path: Path, answer: str) -> None:
    open_store(f"sqlite:{tmp_path}", max_faces=1).close()
    arguments = ["collection", "delete", "staff", "--collections", f"sqlite:{tmp_path}"]
    result = CliRunner().invoke(main.main, arguments, input=answer)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (exit_status.FAILED, "aborted")


def test_ctrl_c_at_prompt_is_interruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(f"sqlite:{tmp_path}", max_faces=1).close()

    def interrupted(*_: object, **__: object) -> bool:
        abort = click.Abort()
        abort.__context__ = KeyboardInterrupt()  # As click does.
        raise abort

    monkeypatch.setattr(click, "confirm", interrupted)
    result = CliRunner().invoke(main.main, ["collection", "delete", "staff", "--collections", f"sqlite:{tmp_path}"])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (exit_status.INTERRUPTED, "interrupted")

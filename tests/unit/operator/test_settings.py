"""The operator's options, read from the environment and validated; unknown ones are errors."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from face_comparison_operator import cli, kopf_adapter
from face_comparison_operator.errors import InvalidSettings
from face_comparison_operator.settings import PREFIX, Settings


def test_empty_environment_gives_defaults() -> None:
    assert Settings.from_environ({}) == Settings()
    assert Settings.from_environ({"HOME": "/", "FACE_COMPARISON_STAGE": "x"}) == Settings()


def test_every_kind_of_value() -> None:
    found = Settings.from_environ(
        {
            f"{PREFIX}NAMESPACES": "a, b,a",
            f"{PREFIX}METRICS_PORT": "9000",
            f"{PREFIX}LEADER_ELECTION": "False",
            f"{PREFIX}LOG_LEVEL": "DEBUG",
            f"{PREFIX}SERVICE_IMAGE": "r/x:1",
            f"{PREFIX}STORE_GROUP": "",
        }
    )
    assert found.namespaces == ("a", "b")
    assert (found.metrics_port, found.leader_election, found.log_level) == (9000, False, "debug")
    assert found.service_image == "r/x:1"
    assert found.store_group is None
    assert Settings.from_environ({f"{PREFIX}STORE_GROUP": "1000"}).store_group == 1000


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("METRICS_PORT", "http", "port from 0"),
        ("METRICS_PORT", "70000", "port from 0"),
        ("NAMESPACES", "Not_One", "'Not_One' is not a valid namespace"),
        ("LEADER_ELECTION", "perhaps", "true or false"),
        ("SERVICE_IMAGE", " ", "not be empty"),
        ("LOG_LEVEL", "loud", "one of debug"),
        ("STORE_GROUP", "staff", "numeric group id"),
        ("NAMESPACE", "x", "not an option of the operator; options: "),
    ],
)
def test_invalid_value_is_a_startup_error(name: str, value: str, words: str) -> None:
    with pytest.raises(InvalidSettings, match=words) as caught:
        Settings.from_environ({PREFIX + name: value})
    assert PREFIX + name in caught.value.message


def test_service_variables_are_ignored() -> None:
    links = {
        f"{PREFIX}SERVICE_HOST": "10.0.0.1",
        f"{PREFIX}SERVICE_PORT": "8080",
        f"{PREFIX}SERVICE_PORT_METRICS": "8080",
        f"{PREFIX}PORT_8080_TCP": "tcp://10.0.0.1:8080",
        f"{PREFIX}PORT_8080_TCP_ADDR": "10.0.0.1",
        f"{PREFIX}PORT": "tcp://10.0.0.1:8080",
    }
    assert Settings.from_environ(links) == Settings()


def test_command_line_overrides_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Settings] = []

    async def remember(settings: Settings) -> None:
        seen.append(settings)

    monkeypatch.setattr(kopf_adapter, "serve", remember)
    environment = {f"{PREFIX}NAMESPACES": "a", f"{PREFIX}LEADER_ELECTION": "true", f"{PREFIX}LOG_LEVEL": "error"}
    words = ["run", "--namespaces=b,c", "--no-leader-election", "--health-port=0"]
    result = CliRunner().invoke(cli.main, words, env=environment)
    assert result.exit_code == 0, result.output
    assert (seen[0].namespaces, seen[0].leader_election, seen[0].health_port) == (("b", "c"), False, 0)
    assert seen[0].log_level == "error"


def test_usage_error_exits_with_2() -> None:
    result = CliRunner().invoke(cli.main, ["run", "--metrics-port=many"])
    assert result.exit_code == 2
    assert result.stderr.startswith("invalid_settings: --metrics-port: must be a port")


def test_help_names_every_variable() -> None:
    output = CliRunner().invoke(cli.main, ["run", "--help"]).output.replace("\n", "").replace(" ", "")
    for name in Settings.__slots__:
        assert f"[env:{PREFIX}{name.upper()}]" in output

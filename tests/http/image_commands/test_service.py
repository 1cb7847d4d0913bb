"""`detect` and `compare` through a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from face_comparison.cli import analyzers
from support.image_commands import PhotographAnalyzer, names, photograph, run
from support.running import Running
from support.server_thread import in_thread


@pytest.fixture
def service(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that wants a key, on loopback."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("anna:secret-of-anna\n")
    running = start(analyzer=PhotographAnalyzer(), auth="api-key", api_keys_file=str(keys), max_body_bytes=100_000)
    server = make_server("127.0.0.1", 0, running.client.application, threaded=True)
    with in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}/prod"


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "photos", "anna.jpg", "gone.jpg"],
        ["detect", "photos", "--format", "csv"],
        ["detect", "photos", "--format", "table", "--max-faces", "1"],
        ["detect", "-", "--min-confidence", "0.9", "--no-hash"],
        ["compare", "anna.jpg", "photos", "--json"],
        ["compare", "anna.jpg", "photos/anna2.jpg", "gone.jpg", "damaged.jpg"],
        ["compare", "-", "photos/anna2.jpg", "--threshold", "0.1"],
        ["compare", "photos/nobody.jpg", "photos/anna2.jpg"],
        ["compare", "damaged.jpg", "photos/anna2.jpg"],
    ],
)
def test_service_and_local_output_are_equal(
    here: Path, service: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "damaged.jpg").write_bytes(b"corrupt")
    local = run(*arguments, stdin=photograph("anna"))
    monkeypatch.setattr(analyzers, "load_analyzer", lambda given: pytest.fail("models were loaded here"))
    remote = run(
        *arguments, stdin=photograph("anna"), FACE_COMPARISON_SERVICE=service, FACE_COMPARISON_API_KEY="secret-of-anna"
    )
    assert (remote.exit_code, remote.stdout, remote.stderr) == (local.exit_code, local.stdout, local.stderr)
    assert local.stdout or local.stderr


@pytest.mark.parametrize("command", [["detect"], ["compare", "anna.jpg"]])
def test_rejection_by_service_ends_command(here: Path, service: str, command: list[str]) -> None:
    refused = run(*command, "anna.jpg", "--service", service, "--api-key", "wrong")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("service_unusable: ")
    assert run(*command, "anna.jpg", "--service", "nonsense").stderr.startswith("service_unusable: the service's URL")


def test_image_too_large_for_service_is_skipped(here: Path, service: str) -> None:
    (here / "large.jpg").write_bytes(photograph("anna") + bytes(100_000))
    result = run("detect", "large.jpg", "anna.jpg", "--service", service, "--api-key", "secret-of-anna")
    assert (result.exit_code, names(result)) == (2, ["anna.jpg"])
    assert result.stderr == "large.jpg: body_too_large: the service accepts requests of at most 100,000 bytes\n"

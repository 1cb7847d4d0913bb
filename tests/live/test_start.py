"""A failed startup exits immediately and says why once; a successful one reports readiness only once it can respond."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.served import serving, until


def serve(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the real program, which is expected to exit by itself."""
    return subprocess.run(
        [Path(sys.executable).with_name("face-comparison"), "serve", "--host", "127.0.0.1", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (["--port", "70000"], {}, "invalid_settings: --port (FACE_COMPARISON_PORT) must be from 0 to 65535"),
        (
            [],
            {"FACE_COMPARISON_DEVIZE": "cpu"},
            "invalid_settings: FACE_COMPARISON_DEVIZE is not an option of this program: did you",
        ),
        (["--port", "0", "--bundle", "/nowhere"], {}, "invalid_bundle: "),
        (["--port", "0", "--bundle", "/nowhere", "--workers", "3"], {}, "invalid_bundle: "),
        (["--port", "0", "--bundle", "unheard-of"], {}, "invalid_bundle: no bundle is called unheard-of"),
        (["--port", "0", "--auth", "api-key", "--api-keys-file", "/nowhere"], {}, "invalid_settings: "),
    ],
)
def test_startup_error_is_reported_once_on_stderr(arguments: list[str], environ: dict[str, str], says: str) -> None:
    ended = serve(*arguments, **environ)
    assert ended.returncode == 2
    assert ended.stderr.startswith(says)
    assert len(ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stdout


def test_worker_killed_while_loading_aborts_startup(tmp_path: Path) -> None:
    """For example, by the kernel's out-of-memory killer. Endless restarts would look like a slow startup."""
    with serving(tmp_path, workers=2, LIVE_LOAD_SECONDS=60) as service:
        (victim, _) = until(lambda: (found := service.workers()) and len(found) == 2 and found, "two workers load")
        os.kill(victim, signal.SIGKILL)
        assert service.wait_end() != 0
        assert service.errors.startswith("out_of_memory: ")


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = serve("--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"invalid_settings: cannot listen on 127.0.0.1, port {port}: another program")


def test_cuda_without_gpu_aborts_startup() -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    ended = serve("--port", "0", "--device", "cuda")
    assert ended.returncode == 2
    assert ended.stderr.startswith("accelerator_unavailable: ")


def test_worker_load_failure_aborts_startup_with_reason(tmp_path: Path) -> None:
    (tmp_path / "sabotage").write_text("expected sha256 1, found 2")
    with serving(tmp_path, workers=2) as service:
        assert service.wait_end() != 0
        assert service.errors == "invalid_bundle: expected sha256 1, found 2\n"


def test_alive_but_not_ready_while_models_load(tmp_path: Path) -> None:
    (tmp_path / "loading").touch()
    with serving(tmp_path, workers=2) as service:
        service.wait_listening()
        until(lambda: service.get("/livez").status == 200, "it is alive")
        for path in ("/readyz", "/ping"):
            reply = service.get(path)
            assert (reply.status, reply.json()["error"]["code"]) == (503, "not_ready")
            assert int(reply.headers["Retry-After"]) >= 1
        refused = service.detect(b"quick")
        assert (refused.status, refused.json()["error"]["code"]) == (503, "not_ready")
        (tmp_path / "loading").unlink()
        until(lambda: service.get("/readyz").status == 200, "it is ready")
        for _ in range(20):  # by then, every worker is ready: none rejects
            service.session.clear()
            assert service.detect(b"quick").status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::", "localhost"])
def test_addresses(tmp_path: Path, host: str) -> None:
    with serving(tmp_path, FACE_COMPARISON_HOST=host) as service:
        service.wait_listening()
        address = "::1" if host == "::1" else "127.0.0.1"
        with socket.create_connection((address, service.port), timeout=30) as sock:
            sock.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 ")

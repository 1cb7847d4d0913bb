"""SIGTERM and Ctrl-C: accepted requests are finished, others rejected, and none cut off; or it exits immediately."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from support.served import LIMIT, Served, raw_request, read_reply, serving, until

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=[1, 2], ids=["1 worker", "2 workers"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, workers=request.param, threads=2, queue=32) as served:
        yield served.wait_ready()


def test_sigterm_finishes_accepted_requests_and_rejects_new_ones(service: Served, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool, service.connect() as idle:
        idle.sendall(LIVEZ)
        assert read_reply(idle)[0] == 200
        accepted = [pool.submit(service.detect, b"hold %s" % bytes(tmp_path / str(i))) for i in range(4)]
        until(
            lambda: service.metric("face_comparison_requests_in_flight") == 4,
            "four are inside, some computing, some waiting",
        )

        service.signal(signal.SIGTERM)
        until(lambda: service.get("/readyz").status == 503, "it says that it is not ready")
        for _ in range(5):  # on new connections, whichever worker accepts them
            refused = service.detect(b"quick")
            assert (refused.status, refused.json()["error"]["code"]) == (503, "draining")
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.headers["Connection"] == "close"
        assert service.get("/livez").status == 200
        idle.sendall(raw_request(b"quick"))  # on a persistent connection
        assert read_reply(idle)[0] == 503

        assert not any(done.done() for done in accepted)
        for i in range(4):
            (tmp_path / str(i)).touch()
        assert [done.result(LIMIT).status for done in accepted] == [200] * 4
    assert service.wait_end() == 0
    with pytest.raises(ConnectionRefusedError):
        service.connect()


def test_sigterm_under_load_cuts_off_no_request(service: Served) -> None:
    """New connections keep coming: each is served, rejected with 503, or refused."""
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()
    ended = threading.Event()

    def client() -> None:
        while not ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", service.port), timeout=LIMIT) as sock:
                    sock.sendall(raw_request(b"sleep 0.005"))
                    outcome = str(read_reply(sock)[0])
            except ConnectionRefusedError:
                return
            except (ConnectionResetError, BrokenPipeError, EOFError) as error:
                outcome = type(error).__name__
            with lock:
                outcomes[outcome] += 1

    clients = [threading.Thread(target=client) for _ in range(16)]
    for thread in clients:
        thread.start()
    try:
        until(lambda: outcomes["200"] > 50, "requests are being served")
        service.signal(signal.SIGTERM)
        assert service.wait_end() == 0
    finally:
        ended.set()
        for thread in clients:
            thread.join(LIMIT)
    assert outcomes.keys() <= {"200", "429", "503"}
    assert outcomes["503"] > 0


def test_sigterm_stops_idle_service_and_leaves_nothing(service: Served) -> None:
    children = [psutil.Process(pid) for pid in service.workers()]
    folders = set(Path("/dev/shm").glob("face-comparison.*"))
    with service.connect() as kept, service.connect() as silent:
        kept.sendall(LIVEZ)
        assert read_reply(kept)[0] == 200
        service.signal(signal.SIGTERM)
        assert service.wait_end(20) == 0
        assert kept.recv(1) == b""
        assert silent.recv(1) == b""
    assert not any(child.is_running() for child in children)
    assert folders - set(Path("/dev/shm").glob("face-comparison.*"))  # its own metrics folder is removed
    assert service.errors == ""


def test_sigterm_exits_at_the_end_of_the_grace_period(tmp_path: Path) -> None:
    """Remaining work is cut off; otherwise the container would be killed with its logs unwritten."""
    with serving(tmp_path, threads=1, drain_seconds=1) as service, ThreadPoolExecutor(1) as pool:
        service.wait_ready()
        stuck = pool.submit(service.detect, b"hold %s" % bytes(tmp_path / "never"))
        until((tmp_path / "never.begun").exists, "a request computes")
        service.signal(signal.SIGTERM)
        assert service.wait_end(30) == 0
        assert stuck.exception(LIMIT) is not None


def test_ctrl_c_exits_immediately_despite_slow_clients(service: Served, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        pool.submit(service.detect, b"hold %s" % bytes(tmp_path / "go"))
        stack.callback((tmp_path / "go").touch)
        until((tmp_path / "go.begun").exists, "a request computes")
        for _ in range(5):
            stack.enter_context(service.connect()).sendall(raw_request(b"quick", length=5000))
        children = [psutil.Process(pid) for pid in service.workers()]
        began = time.monotonic()
        service.interrupt()
        assert service.wait_end() == 0
        assert time.monotonic() - began < 5  # the request's own limit is 30 s
        assert not any(child.is_running() for child in children)
        assert service.errors == ""


def test_sigterm_while_models_load(tmp_path: Path) -> None:
    with serving(tmp_path, LIVE_LOAD_SECONDS=60) as service:
        service.wait_listening()
        until(lambda: service.get("/livez").status == 200, "it is alive")
        assert service.get("/readyz").status == 503
        service.signal(signal.SIGTERM)
        assert service.wait_end(20) == 0

"""The door of the service: who had begun to connect is let in, who comes later finds it shut, nobody is cut off."""

from __future__ import annotations

import errno
import select
import socket
import sys

import pytest

from face_comparison.server.listener import block_new_connections, create_listener


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can hold connections back")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_connection_between_last_accept_and_close(host: str) -> None:
    with create_listener(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]) as early:
        block_new_connections(listener)
        listener.setblocking(False)
        with listener.accept()[0] as taken, socket.socket(listener.family) as late:
            late.setblocking(False)
            assert late.connect_ex(listener.getsockname()) == errno.EINPROGRESS
            with pytest.raises(BlockingIOError):
                listener.accept()
            early.sendall(b"still here")
            assert taken.recv(100) == b"still here"

            listener.close()
            select.select([], [late], [], 60)
            assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_wildcard_address_covers_available_families(monkeypatch: pytest.MonkeyPatch) -> None:
    with create_listener("::", 0) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port)).close()
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with create_listener("::", 0) as listener:
        assert listener.family == socket.AF_INET
        socket.create_connection(listener.getsockname()).close()

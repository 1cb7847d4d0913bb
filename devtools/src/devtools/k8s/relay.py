"""Accepts connections in one network namespace and forwards each to an address in another.

Run as `python relay.py NAMESPACE ADDRESS PORT NAMESPACE ADDRESS PORT`: where to listen, then where to connect; a
namespace is the path of its file. A socket belongs to the namespace in which it was created, wherever its process is.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNET = 0x40000000


def create_in(namespace: Path, make: Callable[[], socket.socket]) -> socket.socket:
    """Returns the socket that `make` creates inside the network namespace of the file `namespace`."""
    with Path("/proc/self/ns/net").open() as home, namespace.open() as other:
        _enter(other.fileno())
        try:
            return make()
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    # os.setns was added in Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copies until the source ends or either side is gone, then shuts down the target."""
    try:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


async def main(words: list[str]) -> None:
    """Relays until killed."""
    here, address, port, there, upstream, upstream_port = words
    loop = asyncio.get_running_loop()

    async def connected() -> socket.socket:
        outgoing = create_in(Path(there), lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        outgoing.setblocking(False)
        try:
            await loop.sock_connect(outgoing, (upstream, int(upstream_port)))
        except OSError:
            outgoing.close()
            raise
        return outgoing

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(sock=await connected())
        except OSError:
            writer.transport.abort()  # a reset, as from a port on which nothing listens
            return
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

    listening = create_in(Path(here), lambda: socket.create_server((address, int(port)), backlog=512))
    async with await asyncio.start_server(relay, sock=listening) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

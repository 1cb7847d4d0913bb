"""Accepts connections inside one network namespace and passes them to a port of the loopback address outside it.

Run as `python relay.py NAMESPACE ADDRESS PORT UPSTREAM_PORT`. A socket belongs to the namespace in which it was made,
so the listening one is made inside and the others outside.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys
from pathlib import Path

CLONE_NEWNET = 0x40000000


def listen(namespace: Path, address: str, port: int) -> socket.socket:
    """A listening socket inside the network namespace of the file `namespace`."""
    with Path("/proc/self/ns/net").open() as home, namespace.open() as other:
        _enter(other.fileno())
        try:
            return socket.create_server((address, port))
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends or either side is gone, then end the target."""
    try:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


async def main(namespace: str, address: str, port: str, upstream: str) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", int(upstream))
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

    server = await asyncio.start_server(relay, sock=listen(Path(namespace), address, int(port)))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

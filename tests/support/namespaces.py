"""A private network in which this machine has every address.

A connection to 10.0.0.1, 169.254.169.254, or a public address reaches a server of the test, which detects a guard that
lets something through; a scripted resolver answers and records names. No packet leaves the machine: the network only
has a loopback interface.

Linux gives each thread its own network and file systems, so the network lives in one thread of the test process, and in
the threads and programs that this thread starts. Sockets stay in the network they were created in.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

T = TypeVar("T")

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL = 3
_DNS = 53
_RUN_SECONDS = 120.0


class Network:
    """A private network. It needs root on Linux; see `unavailable`."""

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self.run(lambda: _enter(folder))
        self.names = self.run(Resolver)

    def run(self, function: Callable[[], T]) -> T:
        """Runs `function` inside the network, and returns or raises its result."""
        return self._thread.submit(function).result(_RUN_SECONDS)

    def listen(self, port: int) -> socket.socket:
        """Returns a socket that accepts connections to every address, IPv4 and IPv6."""
        return self.run(lambda: socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))

    def watch(self) -> Watch:
        return self.run(Watch)

    def close(self) -> None:
        self.names.close()
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def unavailable() -> str:
    """Returns why this machine cannot have such a network; empty if it can."""
    if not hasattr(socket, "AF_PACKET"):
        return "network namespaces exist on Linux only"
    if os.geteuid() != 0:
        return "making a network namespace needs root"
    try:
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(_unshare).result()
    except OSError as error:
        return f"this machine makes no network namespace: {error}"
    return ""


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _enter(folder: Path) -> None:
    _unshare()
    files = {
        "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n",
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }
    commands = [
        "mount --make-rprivate /",
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ]
    for path, text in files.items():
        if Path(path).exists():
            replacement = folder / Path(path).name
            replacement.write_text(text)
            commands.append(f"mount --bind {replacement} {path}")
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True, timeout=_RUN_SECONDS)


class Resolver:
    """A name server at 127.0.0.1. `answers` has the addresses of each name: one list, or one for each time it is asked.

    Names that are not there do not exist; `silent` names get no answer, `broken` ones a server failure.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Sequence[str] | Sequence[Sequence[str]]] = {}
        self.silent: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[str] = []
        """Every name that was looked up, once for IPv4 and once for IPv6."""
        self._asked_for: dict[tuple[str, int], int] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", _DNS))
        self._socket.settimeout(0.1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Restores the initial state."""
        for account in (self.answers, self.silent, self.broken, self.asked, self._asked_for):
            account.clear()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                query, client = self._socket.recvfrom(4096)
                answer = self._answer(query)
                if answer:
                    self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes | None:
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
            at += 1 + length
        name, kind, question = ".".join(labels), int.from_bytes(query[at + 1 : at + 3]), query[12 : at + 5]
        self.asked.append(name)
        if name in self.silent:
            return None
        version = {1: 4, 28: 6}.get(kind)
        records = [
            address.packed
            for address in map(ipaddress.ip_address, self._addresses(name, kind))
            if address.version == version
        ]
        failure = 2 if name in self.broken else 0 if name in self.answers else 3
        head = query[:2] + (0x8180 | failure).to_bytes(2) + bytes([0, 1, 0, len(records), 0, 0, 0, 0])
        # Each record: the name of the query, type, class IN, a TTL of zero, and the address.
        return (
            head
            + question
            + b"".join(
                b"\xc0\x0c" + kind.to_bytes(2) + b"\0\1\0\0\0\0" + len(packed).to_bytes(2) + packed
                for packed in records
            )
        )

    def _addresses(self, name: str, kind: int) -> Sequence[str]:
        answers = self.answers.get(name, [])
        if not answers or isinstance(answers[0], str):
            return answers  # type: ignore[return-value]
        time = self._asked_for[name, kind] = self._asked_for.get((name, kind), -1) + 1
        return answers[min(time, len(answers) - 1)]


class Watch:
    """Records every packet of the network from its creation on, including those without a listener."""

    _MARK = ("240.9.9.9", 9)

    def __init__(self) -> None:
        self._packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._packets.bind(("lo", _ETH_P_ALL))
        self._packets.settimeout(_RUN_SECONDS)
        self._marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def destinations(self) -> set[str]:
        """Returns the destinations of packets, except the resolver's."""
        # Packets arrive in order: once the mark is seen, so is everything that was sent before.
        self._marker.sendto(b"mark", self._MARK)
        seen: set[str] = set()
        while True:
            packet = self._packets.recv(65536)
            if packet[0] >> 4 == 4:
                destination, head = socket.inet_ntop(socket.AF_INET, packet[16:20]), (packet[0] & 15) * 4
            else:
                destination, head = socket.inet_ntop(socket.AF_INET6, packet[24:40]), 40
            ports = {int.from_bytes(packet[head : head + 2]), int.from_bytes(packet[head + 2 : head + 4])}
            if destination == self._MARK[0]:
                return seen
            if _DNS not in ports:
                seen.add(destination)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._packets.close()
        self._marker.close()

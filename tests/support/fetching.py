"""A fetcher for servers on loopback, and what they send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from face_comparison.fetching.fetcher import Fetcher, FetchPolicy
from support.servers import Conversation, reply

IMAGE = bytes(range(256)) * 500
LIMIT = 200_000
# Times that no test waits for, unless what it tests is broken.
POLICY = FetchPolicy(allowed_hosts=("127.0.0.1",), max_bytes=LIMIT, seconds=60, connect_seconds=60, read_seconds=60)
SHORT = 0.4


def impatient(**seconds: Any) -> Fetcher:
    return Fetcher(replace(POLICY, **seconds))


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x;extension=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


CHUNKED = reply(content_length="", transfer_encoding="chunked")


def endless(start: bytes, more: bytes) -> Callable[[Conversation], None]:
    def reply_without_end(conversation: Conversation) -> None:
        conversation.send(start)
        conversation.repeat(more)

    return reply_without_end

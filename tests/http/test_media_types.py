"""Media types as programs write them: with parameters, in capitals; and MessagePack bytes that hold base64."""

from __future__ import annotations

import base64

import msgspec
import pytest

from support.analyzer import FakeAnalyzer, image
from support.running import DETECT

PACKED = "application/msgpack"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("application/msgpack; charset=utf-8", PACKED), ("application/msgpack;v=1;q=0.9, application/json;q=0.5", PACKED),
     ("Application/MsgPack ; charset=binary", PACKED), ("application/vnd.msgpack;x=y, */*;q=0.1", PACKED),
     ("application/json; charset=utf-8, application/msgpack;q=0.5", "application/json"),
     ("application/json; charset=utf-8", "application/json"), ("application/msgpack; q=0", "application/json")],
)  # fmt: skip
def test_parameters_of_accept_do_not_change_format(running, accept, media_type):
    response = running.client.post(DETECT, data=image("anna"), content_type="image/png", headers={"Accept": accept})
    assert (response.status_code, response.content_type) == (200, media_type)


class Recorder(FakeAnalyzer):
    """Records the bytes that it is given."""

    def __init__(self):
        super().__init__()
        self.analyzed = []

    def analyze(self, data, **options):
        self.analyzed.append(bytes(data))
        return super().analyze(image("anna"), **options)


@pytest.mark.parametrize(
    "encode",
    [
        bytes,
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda data: b"data:image/jpeg;base64," + base64.b64encode(data),
    ],
    ids=["raw", "base64", "URL-safe", "data URL"],
)
def test_messagepack_bytes_may_hold_base64(start, encode):
    running = start(analyzer=Recorder())
    photograph = b"\xff\xd8\xff\xe0" + bytes(range(256))
    body = msgspec.msgpack.encode({"img": encode(photograph)})
    response = running.client.post(DETECT, data=body, content_type=f"{PACKED}; charset=x")
    assert response.status_code == 200
    assert running.analyzer.analyzed == [photograph]

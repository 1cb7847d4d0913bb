"""The script that migrates people from CompreFace, run against CompreFace's API description."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from devtools import ROOT
from support.servers import Conversation, Server, reply

PAGE = ROOT / "docs" / "how-to" / "compreface.md"
IMAGES = {"id-1": b"first", "id-2": b"second", "id-3": b""}
PAGES = [
    [{"image_id": "id-1", "subject": "Anna Smith"}, {"image_id": "id-2", "subject": "../José"}],
    [{"image_id": "id-3", "subject": "Carl"}],
]


def test_images_are_in_one_folder_per_subject(tmp_path: Path) -> None:
    [script] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with Server.on_loopback() as server:

        def listed(conversation: Conversation) -> None:
            number = int(re.findall(r"page=(\d+)", server.requests[-1].path)[0])
            found = {"faces": PAGES[number], "page_number": number, "total_pages": len(PAGES)}
            conversation.send(reply(json.dumps(found).encode(), content_type="application/json"))

        server.replies["/api/v1/recognition/faces"] = listed
        for name, content in IMAGES.items():
            server.replies[f"/api/v1/recognition/faces/{name}/img"] = reply(content)
        script = script.replace("http://compreface.example.com:8000", server.url(""))
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert {request.headers["x-api-key"] for request in server.requests} == {
            "the recognition service's API key",
        }
    assert done.stdout == "no image was kept: Carl id-3\n"
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"people/Anna Smith/id-1": b"first", "people/_José/id-2": b"second"}

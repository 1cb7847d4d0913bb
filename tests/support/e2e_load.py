"""A steady client: it posts one image repeatedly, never retries, and reports the results when its input closes.

    python e2e_load.py ADDRESS HOST PATH IMAGE THREADS PAUSE < /dev/stdin

It prints "started" after the first responses, and at the end one JSON object: the requests as [start, seconds,
outcome], where start is in seconds of the machine's monotonic clock and outcome is the status code or the name of an
error.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
import threading
import time
from pathlib import Path

TIMEOUT = 60


def work(
    address: str, host: str, path: str, body: bytes, pause: float, stop: threading.Event, done: list[object]
) -> None:
    """Posts until told to stop, on one connection that is only replaced after a failure."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    while not stop.is_set():
        started = time.monotonic()
        outcome: int | str
        try:
            connection.request("POST", path, body, {"Host": host, "Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            outcome = reply.status
        except (OSError, http.client.HTTPException) as error:
            outcome = type(error).__name__
            connection.close()
        done.append([started, time.monotonic() - started, outcome])
        stop.wait(pause)
    connection.close()


def main(address: str, host: str, path: str, image: str, threads: str, pause: str) -> None:
    """Runs the threads until standard input ends."""
    body = json.dumps({"img": base64.b64encode(Path(image).read_bytes()).decode()}).encode()
    stop, done = threading.Event(), list[object]()
    arguments = (address, host, path, body, float(pause), stop, done)
    workers = [threading.Thread(target=work, args=arguments) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    while len(done) < len(workers):
        time.sleep(0.01)
    print("started", flush=True)
    sys.stdin.read()
    stop.set()
    for worker in workers:
        worker.join()
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What `helm test` runs in the operator's image: does an operator work, and does the first service answer?

Reads addresses from the environment: OPERATOR_METRICS (the operator's /metrics) and, where the release made a
FaceComparison, SERVICE (the root of its Service inside the cluster). Tries again until SECONDS are over.
"""

import os
import re
import sys
import time
import urllib.error
import urllib.request

# Addresses inside the cluster are never behind a proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LEADER = re.compile(r"^face_comparison_operator_leader 1(\.0)?$", re.MULTILINE)


def read(url: str) -> str:
    """Returns the text at a URL. Raises OSError if it is not there."""
    with OPENER.open(url, timeout=10) as response:
        return str(response.read().decode())


def check(url: str, answers: "re.Pattern[str]", wanted: str, seconds: float) -> None:
    """Return once `url` answers 200 with text that matches; exit with what was seen last when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = read(url)
        except (OSError, urllib.error.URLError) as error:
            seen = str(error)
        else:
            if answers.search(seen):
                sys.stdout.write(f"{url}: {wanted}\n")
                return
        if time.monotonic() > deadline:
            sys.exit(f"{url}: not within {seconds:.0f} s: {wanted}; last seen: {seen[-500:]}")
        time.sleep(1)


if __name__ == "__main__":
    limit = float(os.environ.get("SECONDS", "60"))
    check(os.environ["OPERATOR_METRICS"], LEADER, "an operator works", limit)
    if service := os.environ.get("SERVICE"):
        check(f"{service}/readyz", re.compile(""), "the service is ready", limit)

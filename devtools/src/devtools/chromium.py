"""The browser for the tests of the API Explorer: Debian's package, installed where that is possible.

Run as a program, it installs the package if the machine has no Chromium. Without root or apt, nothing is installed and
the tests report why they are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = ("chromium", "fonts-noto-cjk")
"""The browser, and a font with Chinese characters for its images."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def executable() -> str | None:
    """Returns the path of the browser, or None if there is none."""
    return shutil.which("chromium")


def install() -> str | None:
    """Installs the browser. Returns why that was not possible, or None if it is installed."""
    if executable():
        return None
    if shutil.which("apt-get") is None:
        return "Chromium is missing, and this machine has no apt-get to install it"
    if os.geteuid() != 0:
        return f"Chromium is missing: as root, apt-get install {' '.join(PACKAGES)}"
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", *command], env=environ, capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            return f"Chromium is missing, and apt-get {command[0]} failed: {done.stderr.strip()[-300:]}"
    return None


if __name__ == "__main__":
    sys.exit(install())

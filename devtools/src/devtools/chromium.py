"""The browser for the tests of the API Explorer: Debian's package, installed where that is possible.

Run as a program, it installs the package if the machine has no Chromium. Without root or apt, nothing is installed and
the tests report why they are skipped.
"""

from __future__ import annotations

import shutil
import sys

from devtools import debian_packages

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
    return debian_packages.install("chromium", PACKAGES)


if __name__ == "__main__":
    sys.exit(install())

"""Real Chromium against the real service with the real models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from devtools import chromium
from devtools.explorer import Explorer, Service, serving
from devtools.photos import samples
from support.camera_films import Frame, film
from support.explorer_keys import KEYS


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with each module: while Playwright's loop runs in this thread, no other test may run one of its own."""
    problem = chromium.install()
    if problem is not None:
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def photographs() -> dict[str, Path]:
    return samples.photographs()


@pytest.fixture(scope="session")
def service(photographs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Open to everybody; may fetch from loopback; keeps collections."""
    folder = tmp_path_factory.mktemp("service")
    with serving(folder, "--allowed-hosts", "127.0.0.1", "--collections", f"sqlite:{folder / 'store'}") as started:
        yield started


@pytest.fixture(scope="session")
def closed_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Wants an API key; `secret-of-anna` is one. On another stage, without collections."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "keys").write_text("anna:secret-of-anna\n")
    with serving(folder, "--auth", "api-key", "--api-keys-file", str(folder / "keys"), stage="staging") as started:
        yield started


@pytest.fixture(scope="session")
def restricted_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Wants one of the keys, and keeps collections."""
    folder = tmp_path_factory.mktemp("restricted")
    (folder / "keys").write_text("".join(f"{name}:{key}{rights}\n" for name, (key, rights) in KEYS.items()))
    options = ["--auth", "api-key", "--api-keys-file", str(folder / "keys")]
    with serving(folder, *options, "--collections", f"sqlite:{folder / 'store'}") as started:
        yield started


@pytest.fixture
def explore(browser: Browser) -> Iterator[Callable[..., Explorer]]:
    """Open the Explorer; at the end it must have said nothing in the console and asked nobody else."""
    with contextlib.ExitStack() as stack:

        def opened(service: Service, **options: Any) -> Explorer:
            explorer = Explorer(browser, service, **options)
            stack.callback(explorer.close)
            return explorer

        yield opened


@pytest.fixture
def explorer(explore: Callable[..., Explorer], service: Service) -> Explorer:
    return explore(service)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """For tests that start a browser of their own, instead of `browser`."""
    problem = chromium.install()
    if problem is not None:
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    with sync_playwright() as started:
        yield started


@pytest.fixture
def desk(playwright: Playwright, service: Service, tmp_path: Path) -> Iterator[Callable[..., Explorer]]:
    """Open the desk with a camera that plays these frames over and over, or several that show a pattern."""
    with contextlib.ExitStack() as stack:

        def open_desk(frames: list[Frame], cameras: int = 1, repeats: int | None = None, **options: Any) -> Explorer:
            flags = [
                *chromium.FLAGS,
                "--use-fake-ui-for-media-stream",
                f"--use-fake-device-for-media-stream=device-count={cameras}",
            ]
            if cameras == 1:
                played = film(frames, tmp_path / "film.mjpeg", repeats=repeats)
                flags.append(f"--use-file-for-fake-video-capture={played}")
            browser = playwright.chromium.launch(executable_path=chromium.executable(), args=flags)
            stack.callback(browser.close)
            explorer = Explorer(browser, service, **{"query": "?kiosk=1#desk", **options})
            stack.callback(explorer.close)
            expect(explorer.page.locator(".desk .intake")).to_be_visible()
            return explorer

        yield open_desk

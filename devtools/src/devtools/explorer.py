"""Shared code of the API Explorer's tests: the running program, and a page that is monitored while it is used."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect

from devtools.k8s.ports import free_ports
from face_comparison.benchmark.load import is_ready

START_SECONDS = 300
ACTION_MILLISECONDS = 30_000
_NAMED = "button checkbox combobox link menuitem radio searchbox slider spinbutton switch tab textbox"
CONTROLS = {*_NAMED.split(), "ComboBoxSelect", "Date", "DisclosureTriangle"}
"""Roles of Chromium's accessibility tree that a visitor operates."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service. url: the Explorer's page, with a trailing slash."""

    url: str

    @property
    def endpoint(self) -> str:
        """The URL of the API's endpoint."""
        return f"{self.url}face_comparison"


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, stage: str = "prod") -> Iterator[Service]:
    """Yields the real program on a free port, once it is ready."""
    (port,) = free_ports(1)
    program = Path(sys.executable).with_name("face-comparison")
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port), "--stage", stage]
    command += ["--device", "cpu", "--workers", "1", "--drain-seconds", "1", *arguments]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, "ORT_DISABLE_TELEMETRY": "1"}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_ready(process, port, folder / "log")
            yield Service(f"http://127.0.0.1:{port}/{stage}/")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if is_ready(port):
            return
        time.sleep(0.3)
    raise AssertionError(f"the service did not become ready:\n{log.read_text()}")


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


class Explorer:
    """A visitor's page. It records every console message and every request."""

    def __init__(
        self,
        browser: Browser,
        service: Service,
        *,
        width: int = 1280,
        height: int = 900,
        language: str = "en-US",
        scheme: Literal["light", "dark"] = "light",
        touch: bool = False,
        query: str = "",
    ) -> None:
        self.service = service
        self.said: list[str] = []
        self.requests: list[Request] = []
        self.refusals: set[int] = set()
        """Statuses that this visitor provokes; Chromium writes a line into the console for each."""
        self._context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=language,
            color_scheme=scheme,
            has_touch=touch,
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(ACTION_MILLISECONDS)
        expect.set_options(timeout=ACTION_MILLISECONDS)
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108
        self.page.goto(service.url + query)
        expect(self.page.locator("h1")).to_be_visible()

    def close(self) -> None:
        """Closes the page. Fails if it logged an unexpected error, or requested anything from another origin."""
        provoked = [f"Failed to load resource: the server responded with a status of {code} " for code in self.refusals]
        message = [line for line in self.said if not line.startswith(tuple(provoked) or "\0")]
        origin = self.service.url.split("/", 3)[:3]
        foreign = [r.url for r in self.requests if r.url.split("/", 3)[:3] != origin and not r.url.startswith("blob:")]
        self._context.close()
        assert not message
        assert not foreign

    # --- actions of a visitor ---

    def go(self, name: str) -> None:
        """Opens one of the Explorer's pages by its link."""
        self.page.locator(f"nav a[data-page={name}]").click()
        expect(self.page.locator(f"nav a[data-page={name}]")).to_have_attribute("aria-current", "page")

    def choose(self, *paths: Path, intake: int = 0) -> None:
        """Chooses files in an input, counted from 0."""
        self.page.locator(".intake").nth(intake).locator("input[type=file]").first.set_input_files(list(paths))

    def transfer(self, event: str, target: str, path: Path, media_type: str, *more: Path) -> None:
        """Drops or pastes a file, and more of the same type."""
        self.page.evaluate(
            """([event, target, type, files]) => {
                const data = new DataTransfer();
                for (const [name, text] of files) {
                    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                    data.items.add(new File([bytes], name, { type }));
                }
                const shared = { bubbles: true, cancelable: true };
                const made = event === "paste"
                    ? new ClipboardEvent(event, { ...shared, clipboardData: data })
                    : new DragEvent(event, { ...shared, dataTransfer: data });
                document.querySelector(target).dispatchEvent(made);
            }""",
            [event, target, media_type, [(each.name, _base64(each)) for each in (path, *more)]],
        )

    def compare(self, source: Path, *targets: Path) -> None:
        """Compares images and waits for the result."""
        self.go("compare")
        self.choose(source)
        expect(self.page.locator(".intake").first).to_have_class("intake compact")
        self.choose(*targets, intake=1)
        expect(self.page.locator(".pair line").first).to_be_attached()

    def unfold(self) -> None:
        """Expands the developer section, once there is a response."""
        developer = self.page.locator("details.developer")
        expect(developer).to_be_attached()
        if developer.get_attribute("open") is None:
            developer.locator("> summary").click()
        expect(self.page.locator("#sample")).to_be_visible()

    # --- what a visitor sees ---

    @property
    def faces(self) -> Any:
        """The faces that are shown."""
        return self.page.locator(".face")

    def code(self, language: str) -> str:
        """Returns the code of the call in one of the languages that are offered."""
        self.unfold()
        self.page.get_by_role("tab", name=language, exact=True).click()
        return self.page.locator("#sample").inner_text()

    def nameless_controls(self) -> list[str]:
        """Returns controls of the page without an accessible name; axe misses some of them."""
        wire = self._context.new_cdp_session(self.page)
        nodes = wire.send("Accessibility.getFullAXTree")["nodes"]
        return [
            node["role"]["value"]
            for node in nodes
            if not node["ignored"]
            and node.get("role", {}).get("value") in CONTROLS
            and not node.get("name", {}).get("value", "").strip()
        ]

    def posts(self) -> list[Request]:
        """Returns the POST requests of the page so far."""
        return [request for request in self.requests if request.method == "POST"]

    def accessibility_problems(self, *rules: str) -> list[str]:
        """Returns axe-core's findings, one per line, by all rules or, which is faster, by some."""
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"{rule['id']}: {rule['help']}: {[node['html'][:200] for node in rule['nodes']]}" for rule in found]
